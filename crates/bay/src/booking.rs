use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Whoever booked knows the booking by this id: 1 to 128 printable ASCII characters without spaces.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BookingId(String);

impl BookingId {
    /// The longest id accepted.
    pub const MAX_LEN: usize = 128;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for BookingId {
    type Error = BookingIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty()
            || text.len() > Self::MAX_LEN
            || !text.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(BookingIdError);
        }
        Ok(Self(text))
    }
}

impl TryFrom<&str> for BookingId {
    type Error = BookingIdError;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::try_from(text.to_owned())
    }
}

impl From<BookingId> for String {
    fn from(id: BookingId) -> Self {
        id.0
    }
}

impl fmt::Display for BookingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A booking id that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a booking id is 1 to 128 printable ASCII characters without spaces")]
pub struct BookingIdError;

/// A bay kept for somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Booking {
    /// Whose booking it is.
    pub booking_id: BookingId,
    /// When it ends by itself; without it, the booking holds until it is released.
    pub until: Option<Timestamp>,
}

impl Booking {
    /// Whether the booking is over at `now`.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked_on_the_way_in() {
        for text in ["b-17", "0f3c8f5e-8c1c-4f8e-9a55-5b2c5d6b0a51", "x"] {
            assert!(BookingId::try_from(text).is_ok(), "{text}");
        }
        for text in ["", "two words", "tab\t", "größe", "x".repeat(129).as_str()] {
            assert_eq!(BookingId::try_from(text), Err(BookingIdError), "{text}");
        }
        serde_json::from_str::<BookingId>("\"\"").expect_err("an empty id from the wire");
    }

    #[test]
    fn a_booking_is_over_at_its_end() {
        let until: Timestamp = "2026-03-01T12:00:00Z".parse().expect("a literal timestamp");
        let mut booking = Booking {
            booking_id: BookingId::try_from("b").expect("a short id"),
            until: Some(until),
        };

        assert!(!booking.is_over(until - jiff::SignedDuration::from_millis(1)));
        assert!(booking.is_over(until));
        booking.until = None;
        assert!(!booking.is_over(Timestamp::MAX));
    }
}
