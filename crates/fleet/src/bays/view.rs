//! A bay as the API shows it: to drivers what they need to park, to those who look after it everything.

use bay::Alarm;
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::bay::{Bay, Purpose};
use super::state::{
    Admission, Conflict, Health, Held, Opening, Reason, Rules, Sign, State, Status,
};
use crate::app::App;
use crate::moment::Moment;
use crate::people::{Caller, Role};

/// A bay, as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BayView {
    /// Which one.
    pub id: String,
    /// Of which project.
    pub project_id: String,
    /// How that is called.
    pub project: String,
    /// The number painted on it.
    pub number: String,
    /// What it is for.
    pub kind: Purpose,
    /// `free`, `occupied` or `unknown`. No data is unknown, never free.
    pub occupancy: &'static str,
    /// Why it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Moment>,
    /// Who may use it.
    pub admission: Admission,
    /// The one word that matters most.
    pub sign: Sign,
    /// The status of open data.
    pub status: Status,
    /// Where it is, in degrees (WGS 84).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    /// Where it is, in degrees (WGS 84).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
    /// Where it is on the project's plan, 0 to 1 from its left edge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_x: Option<f64>,
    /// Where it is on the project's plan, 0 to 1 from its upper edge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_y: Option<f64>,
    /// Whether the caller has booked it.
    pub is_mine: bool,
    /// Counts what people change of it; it is the entity tag.
    pub version: i64,
    /// What those see who look after it.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ForSome)]
    pub care: Option<Care>,
}

/// How the description of the API has [`Care`] beside what everybody sees: there for some and absent for others, which
/// `null` would not say.
struct ForSome;

impl PartialSchema for ForSome {
    fn schema() -> RefOr<Schema> {
        let nothing = ObjectBuilder::new().build();
        let either = AnyOfBuilder::new().item(Care::schema()).item(nothing);
        RefOr::T(Schema::AnyOf(either.build()))
    }
}

impl ToSchema for ForSome {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Care::schemas(schemas);
    }
}

/// What installers and those above them see of a bay.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Care {
    /// The board that watches it.
    pub device_id: Option<String>,
    /// What the operator says of it.
    pub opening: Opening,
    /// Whether what watches it does its work.
    pub health: Health,
    /// What is not as it was agreed.
    pub conflict: Option<Conflict>,
    /// When its device last said anything.
    pub heard_at: Option<Moment>,
    /// The distance its sensor sees.
    pub distance_mm: Option<i64>,
    /// What its lamp shows.
    pub lamp: Option<LampView>,
    /// What its battery holds.
    pub battery: Option<BatteryView>,
    /// The bookings that hold it, in the order they begin.
    pub bookings: Vec<HeldView>,
}

/// What a lamp shows, as its device last said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LampView {
    /// `green`, `orange`, … or `#rrggbb`.
    pub colour: String,
    /// How it moves.
    pub pattern: Option<String>,
    /// What it says.
    pub cause: Option<String>,
}

/// A battery, as its device last said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatteryView {
    /// Charge left, 0 to 100.
    pub charge_percent: Option<i64>,
    /// Voltage of the whole pack.
    pub voltage_mv: Option<i64>,
    /// `none`, `low` or `critical`.
    #[schema(value_type = String)]
    pub alarm: Alarm,
    /// When it said so.
    pub at: Moment,
}

/// A booking of a bay, without whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldView {
    /// Which one.
    pub id: String,
    /// From when.
    pub begins_at: Moment,
    /// Until when.
    pub ends_at: Moment,
    /// Whether its car stays on after its end.
    pub is_overstayed: bool,
}

impl BayView {
    /// A bay as this caller may see it, now.
    #[must_use]
    pub fn now(bay: &Bay, caller: &Caller, app: &App) -> Self {
        let state = bay.state(&Rules::from(&app.settings), app.now());
        Self::of(bay, &state, caller)
    }

    /// See [`Sign::symbol`].
    #[must_use]
    pub const fn symbol(&self) -> &'static str {
        self.sign.symbol()
    }

    /// A bay in this state, as this caller may see it.
    #[must_use]
    pub fn of(bay: &Bay, state: &State, caller: &Caller) -> Self {
        Self {
            id: bay.id.clone(),
            project_id: bay.site.id.clone(),
            project: bay.site.name.clone(),
            number: bay.number.clone(),
            kind: bay.purpose,
            occupancy: state.occupancy.as_str(),
            reason: state.reason,
            since: state.since.map(Moment),
            admission: state.admission,
            sign: state.sign,
            status: state.status,
            latitude: bay.latitude,
            longitude: bay.longitude,
            plan_x: bay.plan_x,
            plan_y: bay.plan_y,
            is_mine: bay.is_of(caller),
            version: bay.version,
            care: (caller.role >= Role::Installer).then(|| care(bay, state)),
        }
    }
}

fn care(bay: &Bay, state: &State) -> Care {
    let telling = bay.telling.as_deref();
    let lamp = telling.and_then(|telling| {
        Some(LampView {
            colour: telling.lamp_colour.clone()?,
            pattern: telling.lamp_pattern.clone(),
            cause: telling.lamp_cause.clone(),
        })
    });
    let battery = telling.and_then(|telling| {
        Some(BatteryView {
            charge_percent: telling.charge_percent,
            voltage_mv: telling.voltage_mv,
            alarm: bay.said.map_or(Alarm::None, |said| said.battery),
            at: Moment(telling.battery_at?),
        })
    });
    Care {
        device_id: bay.device_id.clone(),
        opening: bay.opening,
        health: state.health,
        conflict: state.conflict,
        heard_at: bay.said.map(|said| Moment(said.heard_at)),
        distance_mm: telling.and_then(|telling| telling.distance_mm),
        lamp,
        battery,
        bookings: bay.bookings.iter().map(held).collect(),
    }
}

fn held(held: &Held) -> HeldView {
    HeldView {
        id: held.id.clone(),
        begins_at: Moment(held.begins_at),
        ends_at: Moment(held.ends_at),
        is_overstayed: held.phase == super::state::Phase::Overstaying,
    }
}
