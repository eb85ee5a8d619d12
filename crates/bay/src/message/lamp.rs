use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Alarm, Booking, BookingId, Colour, Pattern, Sign, UnknownReason};

/// Output `lamp` of light, on every change; also part of the answers of its methods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LampReport {
    /// The colour shown while the lamp is lit.
    pub colour: Colour,
    /// How the light moves.
    pub pattern: Pattern,
    /// What the lamp says, or who made it say something else.
    pub cause: Cause,
    /// Why the bay is unknown; `null` when it is known.
    pub reason: Option<UnknownReason>,
    /// Whose booking holds; `null` when the bay is not booked.
    pub booking_id: Option<BookingId>,
    /// The battery alarm told after the pattern.
    pub battery_alarm: Alarm,
    /// Since when the lamp shows this.
    pub since: Timestamp,
}

impl LampReport {
    /// The output's name, and its value of the `kind` property.
    pub const OUTPUT: &'static str = "lamp";
}

/// Why a lamp shows what it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cause {
    /// It says what is known about the bay.
    Bay(Sign),
    /// Somebody asked it to.
    Asked(Asked),
}

/// Who made a lamp show something else than the bay's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// Method `identify`.
    Identify,
    /// Method `setLight`.
    SetLight,
}

impl Cause {
    /// Method `identify` asked for it.
    pub const IDENTIFY: Self = Self::Asked(Asked::Identify);
    /// Method `setLight` asked for it.
    pub const SET_LIGHT: Self = Self::Asked(Asked::SetLight);

    /// The word used in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bay(sign) => sign.as_str(),
            Self::Asked(Asked::Identify) => "identify",
            Self::Asked(Asked::SetLight) => "set-light",
        }
    }
}

/// Argument of method `book`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BookRequest {
    /// Whose booking it is. The same id again is the same booking.
    pub booking_id: BookingId,
    /// When it ends by itself; without it, it holds until it is released.
    pub until: Option<Timestamp>,
}

/// Argument of method `release`; nothing at all releases whatever holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseRequest {
    /// The booking to release. Another one is left alone.
    pub booking_id: Option<BookingId>,
}

/// Argument of method `identify`; nothing at all means the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentifyRequest {
    /// For how long, 1 to 300.
    pub seconds: Option<u32>,
}

/// Argument of method `setLight`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetLightRequest {
    /// The colour to show; `off` for a dark lamp.
    pub colour: Colour,
    /// How the light moves: steady without it.
    pub pattern: Option<Pattern>,
    /// For how long, 0 to 3600; 0 returns to the bay's state at once.
    pub seconds: Option<u32>,
}

/// Answer of the methods of light: what holds, and what the lamp shows of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BookingAnswer {
    /// The booking that holds; `null` when the bay is not booked.
    pub booking: Option<Booking>,
    /// What the lamp shows.
    pub lamp: LampReport,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_body_on_the_wire() {
        let body = json!({
            "colour": "red",
            "pattern": "triple-wink",
            "cause": "occupied-while-booked",
            "reason": null,
            "bookingId": "b-17",
            "batteryAlarm": "none",
            "since": "2026-03-01T12:00:00Z",
        });
        let report: LampReport = serde_json::from_value(body.clone()).expect("a body");

        assert_eq!(report.cause, Cause::Bay(Sign::OccupiedWhileBooked));
        assert_eq!(serde_json::to_value(report).expect("a report"), body);
    }

    #[test]
    fn causes_are_words() {
        for cause in Sign::ALL
            .map(Cause::Bay)
            .into_iter()
            .chain([Cause::IDENTIFY, Cause::SET_LIGHT])
        {
            let word = serde_json::to_value(cause).expect("a cause");
            assert_eq!(word, cause.as_str());
            assert_eq!(
                serde_json::from_value::<Cause>(word).expect("its word"),
                cause
            );
        }
    }

    #[test]
    fn requests() {
        let book: BookRequest = serde_json::from_value(
            json!({"bookingId": "b-17", "until": "2026-03-01T13:00:00+01:00"}),
        )
        .expect("a request");
        assert_eq!(
            book.until.expect("an end").to_string(),
            "2026-03-01T12:00:00Z"
        );
        assert_eq!(
            serde_json::from_value::<BookRequest>(json!({"bookingId": "b-17"}))
                .expect("a request")
                .until,
            None
        );
        serde_json::from_value::<BookRequest>(json!({"until": null}))
            .expect_err("nobody's booking");
        assert_eq!(
            serde_json::from_value::<ReleaseRequest>(json!({})).expect("a request"),
            ReleaseRequest::default()
        );
        let light: SetLightRequest =
            serde_json::from_value(json!({"colour": "blue", "seconds": 5})).expect("a request");
        assert_eq!(
            light,
            SetLightRequest {
                colour: Colour::BLUE,
                pattern: None,
                seconds: Some(5)
            }
        );
    }
}
