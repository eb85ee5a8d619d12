//! A booking as the API shows it, and what its driver has to be told.

use serde::Serialize;
use utoipa::ToSchema;

use super::booking::{Booking, Stage};
use super::lamp::Told;
use crate::app::App;
use crate::bays::bay::Bay;
use crate::bays::state::{Conflict, Rules};
use crate::moment::Moment;

/// Who is here is told so long before the end.
const ENDS_SOON: i64 = 10 * 60_000;

/// What a driver has to be told of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Notice {
    /// Something stands in the bay that was there before they could be.
    WrongCar,
    /// The lamp does not show the booking.
    LampFailed,
    /// It is over in a few minutes.
    EndsSoon,
    /// It is over, and the car still there.
    Overstay,
    /// Nobody came, so the bay was given to others.
    NoShow,
    /// Whoever runs the bay took it away.
    Withdrawn,
}

impl Notice {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WrongCar => "wrong-car",
            Self::LampFailed => "lamp-failed",
            Self::EndsSoon => "ends-soon",
            Self::Overstay => "overstay",
            Self::NoShow => "no-show",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The name of its words.
    #[must_use]
    pub fn key(self) -> String {
        format!("notice.{}", self.as_str())
    }
}

/// A booking.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BookingView {
    /// Which one.
    pub id: String,
    /// The bay.
    pub bay_id: String,
    /// The number painted on it.
    pub bay: String,
    /// Where that is.
    pub project: String,
    /// Whose it is.
    pub user_id: String,
    /// The car's number plate.
    pub plate: String,
    /// From when.
    pub begins_at: Moment,
    /// Until when.
    pub ends_at: Moment,
    /// How far it is.
    pub state: Stage,
    /// When its driver came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checked_in_at: Option<Moment>,
    /// When it was over, or its overstayed car gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Moment>,
    /// Since when its car has stayed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overstay_at: Option<Moment>,
    /// When whoever runs the bay took it away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<Moment>,
    /// What the bay's lamp was told.
    pub lamp: Told,
    /// Why the lamp does not show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lamp_problem: Option<String>,
    /// What its driver has to be told.
    pub notices: Vec<Notice>,
    /// When it was made.
    pub created_at: Moment,
    /// Counts its changes; it is the entity tag.
    pub version: i64,
}

impl BookingView {
    /// The name of the words for its state.
    #[must_use]
    pub fn state_key(&self) -> String {
        format!("stage.{}", self.state.as_str())
    }

    /// A booking, and what is to be said of it now.
    #[must_use]
    pub fn now(booking: &Booking, bay: &Bay, app: &App) -> Self {
        let rules = Rules::from(&app.settings);
        Self {
            id: booking.id.clone(),
            bay_id: booking.bay_id.clone(),
            bay: bay.number.clone(),
            project: bay.site.name.clone(),
            user_id: booking.user_id.clone(),
            plate: booking.plate.clone(),
            begins_at: Moment(booking.begins_at),
            ends_at: Moment(booking.ends_at),
            state: booking.stage,
            checked_in_at: booking.checked_in_at.map(Moment),
            ended_at: booking.ended_at.map(Moment),
            overstay_at: booking.overstay_at.map(Moment),
            withdrawn_at: booking.withdrawn_at.map(Moment),
            lamp: booking.lamp.told,
            lamp_problem: booking.lamp.problem.clone(),
            notices: notices(booking, bay, &rules, app.now()),
            created_at: Moment(booking.created_at),
            version: booking.version,
        }
    }
}

/// What a booking's driver has to be told now.
#[must_use]
pub fn notices(booking: &Booking, bay: &Bay, rules: &Rules, now: i64) -> Vec<Notice> {
    let mut notices = Vec::new();
    let is_on = booking.begins_at <= now && now < booking.ends_at;
    if booking.stage == Stage::Booked
        && is_on
        && bay.state(rules, now).conflict == Some(Conflict::WrongCar)
    {
        notices.push(Notice::WrongCar);
    }
    if booking.lamp.has_failed() {
        notices.push(Notice::LampFailed);
    }
    if booking.stage == Stage::InUse && is_on && booking.ends_at - now <= ENDS_SOON {
        notices.push(Notice::EndsSoon);
    }
    if booking.is_overstayed() {
        notices.push(Notice::Overstay);
    }
    if booking.stage == Stage::NoShow {
        notices.push(Notice::NoShow);
    }
    if booking.withdrawn_at.is_some() {
        notices.push(Notice::Withdrawn);
    }
    notices
}
