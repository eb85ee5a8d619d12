//! A bay as it is kept, and what is read of it.

use std::collections::HashMap;
use std::sync::Arc;

use bay::{Alarm, Occupancy, UnknownReason};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyPool, AssertSqlSafe, Row};
use utoipa::ToSchema;

use super::state::{Facts, Held, Opening, Phase, Rules, Said, State, changes_at, state};
use crate::bookings::lamp::Told;
use crate::people::Caller;

/// Ids that are asked for in one statement.
const AT_ONCE: usize = 200;

/// What a bay is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Any car.
    Normal,
    /// People with a disability's badge.
    Accessible,
    /// Cars that charge.
    Charging,
    /// Loading and unloading.
    Delivery,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 4] = [
        Self::Normal,
        Self::Accessible,
        Self::Charging,
        Self::Delivery,
    ];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Accessible => "accessible",
            Self::Charging => "charging",
            Self::Delivery => "delivery",
        }
    }

    /// The name of its words.
    #[must_use]
    pub fn key(self) -> String {
        format!("purpose.{}", self.as_str())
    }
}

/// The project bays are of, as far as bays need it.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub customer_id: String,
    /// How it is called.
    pub name: String,
    /// Where it is.
    pub place: String,
    /// Where its map begins.
    pub latitude: Option<f64>,
    /// Where its map begins.
    pub longitude: Option<f64>,
    /// Whether everybody may read its bays as open data.
    pub is_published: bool,
}

/// What a device last said beside what its bay's state rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// The distance its sensor sees.
    pub distance_mm: Option<i64>,
    /// What its lamp shows.
    pub lamp_colour: Option<String>,
    /// How its lamp moves.
    pub lamp_pattern: Option<String>,
    /// What its lamp says.
    pub lamp_cause: Option<String>,
    /// What its battery holds.
    pub charge_percent: Option<i64>,
    /// Its battery's voltage.
    pub voltage_mv: Option<i64>,
    /// When it last spoke of its battery.
    pub battery_at: Option<i64>,
}

/// A bay, all that is known of it. Times are milliseconds since 1970, coordinates degrees (WGS 84).
#[derive(Debug, Clone, PartialEq)]
pub struct Bay {
    /// Which one.
    pub id: String,
    /// Of which project.
    pub site: Arc<Site>,
    /// The board that watches it: its serial number.
    pub device_id: Option<String>,
    /// The number painted on it.
    pub number: String,
    /// What it is for.
    pub purpose: Purpose,
    /// What the operator says of it.
    pub opening: Opening,
    /// Where it is.
    pub latitude: Option<f64>,
    /// Where it is.
    pub longitude: Option<f64>,
    /// Where it is on the project's plan: 0 to 1 from its left edge.
    pub plan_x: Option<f64>,
    /// Where it is on the project's plan: 0 to 1 from its upper edge.
    pub plan_y: Option<f64>,
    /// Since when it is there.
    pub created_at: i64,
    /// Counts its changes: of what people say of it, not of what stands in it.
    pub version: i64,
    /// What its state rests on, of what its device said.
    pub said: Option<Said>,
    /// What else its device said.
    pub telling: Option<Box<Telling>>,
    /// The bookings that hold it, and those that are overstayed; in the order they begin.
    pub bookings: Vec<Held>,
}

impl Bay {
    /// What its state follows from.
    #[must_use]
    pub fn facts(&self) -> Facts<'_> {
        Facts {
            opening: self.opening,
            is_watched: self.device_id.is_some(),
            said: self.said.as_ref(),
            bookings: &self.bookings,
        }
    }

    /// Whether somebody has booked it.
    #[must_use]
    pub fn is_of(&self, caller: &Caller) -> bool {
        self.bookings
            .iter()
            .any(|held| held.user_id == caller.user_id)
    }

    /// What it is now.
    #[must_use]
    pub fn state(&self, rules: &Rules, now: i64) -> State {
        state(&self.facts(), rules, now)
    }

    /// When it becomes another without anything being said or booked.
    #[must_use]
    pub fn changes_at(&self, rules: &Rules, now: i64) -> Option<i64> {
        changes_at(&self.facts(), rules, now)
    }
}

/// Which bays to read.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// All of them.
    All,
    /// Those there are of these.
    Ids(&'a [String]),
}

/// Reads bays, in the order of their ids.
///
/// # Errors
/// When the database fails.
pub async fn read(from: &AnyPool, which: Which<'_>) -> Result<Vec<Bay>, sqlx::Error> {
    let sites = sites(from).await?;
    match which {
        Which::All => read_some(from, &sites, &[]).await,
        Which::Ids(ids) => {
            let mut bays = Vec::with_capacity(ids.len());
            for ids in ids.chunks(AT_ONCE) {
                bays.extend(read_some(from, &sites, ids).await?);
            }
            bays.sort_unstable_by(|a, b| a.id.cmp(&b.id));
            Ok(bays)
        }
    }
}

/// Reads one bay.
///
/// # Errors
/// When the database fails.
pub async fn read_one(from: &AnyPool, id: &str) -> Result<Option<Bay>, sqlx::Error> {
    let ids = [id.to_owned()];
    Ok(read(from, Which::Ids(&ids)).await?.pop())
}

async fn sites(from: &AnyPool) -> Result<HashMap<String, Arc<Site>>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT id, customer_id, name, place, latitude, longitude, published FROM projects",
    )
    .fetch_all(from)
    .await?;
    rows.iter()
        .map(|row| {
            let id: String = row.try_get("id")?;
            let site = Site {
                id: id.clone(),
                customer_id: row.try_get("customer_id")?,
                name: row.try_get("name")?,
                place: row.try_get("place")?,
                latitude: row.try_get("latitude")?,
                longitude: row.try_get("longitude")?,
                is_published: row.try_get::<Option<i64>, _>("published")?.is_some(),
            };
            Ok((id, Arc::new(site)))
        })
        .collect()
}

async fn read_some(
    from: &AnyPool,
    sites: &HashMap<String, Arc<Site>>,
    ids: &[String],
) -> Result<Vec<Bay>, sqlx::Error> {
    let sql = format!(
        "SELECT b.*, s.occupancy, s.reason, s.occupancy_since, s.distance_mm, s.lamp_colour, s.lamp_pattern, s.lamp_cause,
                s.charge_percent, s.voltage_mv, s.battery_alarm, s.battery_at, s.heard_at
         FROM bays b LEFT JOIN device_states s ON s.device_id = b.device_id {} ORDER BY b.id",
        among("WHERE b.id", ids.len())
    );
    let rows = bind(sqlx::query(AssertSqlSafe(sql)), ids)
        .fetch_all(from)
        .await?;
    let sql = format!(
        "SELECT id, bay_id, user_id, begins_at, ends_at, state, lamp FROM bookings
         WHERE (holds = 1 OR (overstay_at IS NOT NULL AND ended_at IS NULL)) {} ORDER BY begins_at, id",
        among("AND bay_id", ids.len())
    );
    let held_rows = bind(sqlx::query(AssertSqlSafe(sql)), ids)
        .fetch_all(from)
        .await?;
    let mut bookings: HashMap<String, Vec<Held>> = HashMap::new();
    for row in &held_rows {
        let bay_id = row.try_get("bay_id")?;
        bookings.entry(bay_id).or_default().push(held(row)?);
    }
    let mut bays = Vec::with_capacity(rows.len());
    for row in &rows {
        // A project that came between the two statements is announced, so its bays are read again.
        let project_id: String = row.try_get("project_id")?;
        if let Some(site) = sites.get(&project_id) {
            let mut bay = bay(row, Arc::clone(site))?;
            bay.bookings = bookings.remove(&bay.id).unwrap_or_default();
            bays.push(bay);
        }
    }
    Ok(bays)
}

/// `WHERE b.id IN ($1, $2)`; nothing when every one is meant.
fn among(what: &str, count: usize) -> String {
    if count == 0 {
        return String::new();
    }
    let numbers: Vec<String> = (1..=count).map(|number| format!("${number}")).collect();
    format!("{what} IN ({})", numbers.join(", "))
}

fn bind<'q>(query: Query<'q, Any, AnyArguments>, ids: &[String]) -> Query<'q, Any, AnyArguments> {
    ids.iter().fold(query, |query, id| query.bind(id.clone()))
}

fn bay(row: &AnyRow, site: Arc<Site>) -> Result<Bay, sqlx::Error> {
    let heard_at: Option<i64> = row.try_get("heard_at")?;
    let said = heard_at
        .map(|heard_at| {
            Ok::<_, sqlx::Error>(Said {
                occupancy: optional(row, "occupancy")?.unwrap_or(Occupancy::Unknown),
                reason: optional::<UnknownReason>(row, "reason")?,
                since: row.try_get("occupancy_since")?,
                battery: optional::<Alarm>(row, "battery_alarm")?.unwrap_or_default(),
                heard_at,
            })
        })
        .transpose()?;
    let telling = heard_at
        .map(|_| {
            Ok::<_, sqlx::Error>(Box::new(Telling {
                distance_mm: row.try_get("distance_mm")?,
                lamp_colour: row.try_get("lamp_colour")?,
                lamp_pattern: row.try_get("lamp_pattern")?,
                lamp_cause: row.try_get("lamp_cause")?,
                charge_percent: row.try_get("charge_percent")?,
                voltage_mv: row.try_get("voltage_mv")?,
                battery_at: row.try_get("battery_at")?,
            }))
        })
        .transpose()?;
    Ok(Bay {
        id: row.try_get("id")?,
        site,
        device_id: row.try_get("device_id")?,
        number: row.try_get("number")?,
        purpose: word(row, "kind")?,
        opening: word(row, "admission")?,
        latitude: row.try_get("latitude")?,
        longitude: row.try_get("longitude")?,
        plan_x: row.try_get("plan_x")?,
        plan_y: row.try_get("plan_y")?,
        created_at: row.try_get("created_at")?,
        version: row.try_get("version")?,
        said,
        telling,
        bookings: Vec::new(),
    })
}

fn held(row: &AnyRow) -> Result<Held, sqlx::Error> {
    let phase = match row.try_get::<String, _>("state")?.as_str() {
        "booked" => Phase::Booked,
        "in-use" => Phase::InUse,
        _ => Phase::Overstaying,
    };
    let lamp: String = row.try_get("lamp")?;
    Ok(Held {
        id: row.try_get("id")?,
        user_id: row.try_get("user_id")?,
        begins_at: row.try_get("begins_at")?,
        ends_at: row.try_get("ends_at")?,
        phase,
        lamp_failed: lamp == Told::Failed.as_str(),
    })
}

/// A word of one of our enums; the database's own checks keep others out.
pub(crate) fn word<T: DeserializeOwned>(row: &AnyRow, column: &str) -> Result<T, sqlx::Error> {
    let text: String = row.try_get(column)?;
    serde_json::from_value(text.into()).map_err(|error| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: error.into(),
    })
}

/// The same where nothing may stand. A word a newer device says and this release does not know is none.
fn optional<T: DeserializeOwned>(row: &AnyRow, column: &str) -> Result<Option<T>, sqlx::Error> {
    let text: Option<String> = row.try_get(column)?;
    Ok(text.and_then(|text| serde_json::from_value(text.into()).ok()))
}
