//! Points in time as the API writes them.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// A time: milliseconds since 1970 in the database, RFC 3339 in UTC in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub struct Moment(pub i64);

impl Moment {
    /// A column that may be empty.
    #[must_use]
    pub fn of(column: Option<i64>) -> Option<Self> {
        column.map(Self)
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What is beyond what a calendar holds was never written by this service.
        let time = Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        write!(f, "{time}")
    }
}

impl std::str::FromStr for Moment {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        text.parse::<Timestamp>()
            .map(|time| Self(time.as_millisecond()))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| {
            serde::de::Error::custom("a time is written like 2026-03-01T08:30:00Z, with its zone")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_in_utc_and_read_in_any_zone() {
        let moment = Moment(1_772_353_800_000);
        assert_eq!(
            serde_json::to_string(&moment).expect("JSON"),
            "\"2026-03-01T08:30:00Z\""
        );
        let read: Moment = serde_json::from_str("\"2026-03-01T09:30:00+01:00\"").expect("a moment");
        assert_eq!(read, moment);
        let error = serde_json::from_str::<Moment>("\"today\"").expect_err("no time");
        assert!(error.to_string().contains("with its zone"), "{error}");
    }
}
