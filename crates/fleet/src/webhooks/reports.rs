//! What is reported of alarms and bookings, in the transaction that changes them.
//!
//! Nobody's name, number plate or user id leaves the service this way: who may know reads the booking by its id.

use serde_json::{Value, json};
use sqlx::Row;

use super::announce;
use crate::bays::bay::Bay;
use crate::bookings::booking::{Booking, Turn};
use crate::moment::Moment;
use crate::store::{StoreError, Transaction};

/// What has become of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmNews {
    /// It stands.
    Raised,
    /// It is about something else now: a battery that was low is critical.
    Changed,
    /// Its cause is gone.
    Ended,
}

/// What has become of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BookingNews {
    /// Somebody has booked.
    Made,
    /// It ends at another time.
    Changed,
    /// Its driver is here.
    CheckedIn,
    /// Something stands in the bay that was there before its driver could be.
    Conflict,
    /// Its time is over, and its car still there.
    Overstay,
    /// Nobody came for it.
    NoShow,
    /// It is over, and why.
    Ended(Ending),
}

/// Why a booking is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its time was up, and its car gone.
    Over,
    /// It was given up before anybody came.
    Cancelled,
    /// The bay was given back before the end.
    Released,
    /// Whoever runs the bay took it away.
    Withdrawn,
}

impl Ending {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Over => "over",
            Self::Cancelled => "cancelled",
            Self::Released => "released",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Which bay a booking is of, and whose that is.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The bay's number.
    pub bay: &'a str,
    /// Its project.
    pub project_id: &'a str,
    /// Whose that is.
    pub customer_id: &'a str,
}

impl<'a> From<&'a Bay> for Place<'a> {
    fn from(bay: &'a Bay) -> Self {
        Self {
            bay: &bay.number,
            project_id: &bay.site.id,
            customer_id: &bay.site.customer_id,
        }
    }
}

impl From<Turn> for BookingNews {
    fn from(turn: Turn) -> Self {
        match turn {
            Turn::CheckedIn => Self::CheckedIn,
            Turn::NoShow => Self::NoShow,
            Turn::Overstayed => Self::Overstay,
            Turn::Over | Turn::Left => Self::Ended(Ending::Over),
        }
    }
}

/// Reports what has become of an alarm, as it is in the database.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn alarm(
    tx: &mut Transaction,
    news: AlarmNews,
    alarm_id: &str,
    at: i64,
) -> Result<(), StoreError> {
    let row = sqlx::query(
        "SELECT a.*, b.number, p.id AS project_id, p.customer_id FROM alarms a
         LEFT JOIN devices d ON d.id = a.device_id LEFT JOIN bays b ON b.id = a.bay_id
         LEFT JOIN projects p ON p.id = COALESCE(b.project_id, d.project_id) WHERE a.id = $1",
    )
    .bind(alarm_id.to_owned())
    .fetch_one(&mut **tx)
    .await?;
    let text = |name: &str| row.try_get::<Option<String>, _>(name);
    let data = json!({
        "alarmId": alarm_id,
        "kind": text("kind")?,
        "detail": text("detail")?,
        "deviceId": text("device_id")?,
        "bayId": text("bay_id")?,
        "bay": text("number")?,
        "projectId": text("project_id")?,
        "raisedAt": Moment(row.try_get("raised_at")?),
        "endedAt": Moment::of(row.try_get("cleared_at")?),
    });
    let event = match news {
        AlarmNews::Raised => "alarm.raised",
        AlarmNews::Changed => "alarm.changed",
        AlarmNews::Ended => "alarm.ended",
    };
    let customer_id = text("customer_id")?;
    announce(tx, event, customer_id.as_deref(), data, at).await
}

/// Reports what has become of a booking.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn booking(
    tx: &mut Transaction,
    news: BookingNews,
    booking: &Booking,
    place: Place<'_>,
    now: i64,
) -> Result<(), StoreError> {
    let mut data = json!({
        "bookingId": booking.id,
        "bayId": booking.bay_id,
        "bay": place.bay,
        "projectId": place.project_id,
        "state": booking.stage,
        "beginsAt": Moment(booking.begins_at),
        "endsAt": Moment(booking.ends_at),
        "checkedInAt": Moment::of(booking.checked_in_at),
        "overstayAt": Moment::of(booking.overstay_at),
        "endedAt": Moment::of(booking.ended_at),
    });
    let event = match news {
        BookingNews::Made => "booking.made",
        BookingNews::Changed => "booking.changed",
        BookingNews::CheckedIn => "booking.checked-in",
        BookingNews::Conflict => "booking.conflict",
        BookingNews::Overstay => "booking.overstay",
        BookingNews::NoShow => "booking.no-show",
        BookingNews::Ended(why) => {
            data["reason"] = Value::from(why.as_str());
            "booking.ended"
        }
    };
    announce(tx, event, Some(place.customer_id), data, now).await
}

#[cfg(test)]
mod tests;
