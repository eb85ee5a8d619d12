//! Moments in the form .NET's round-trip format gives them, which C# clients insist on.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What the service shows for a moment that has not come yet.
pub const NEVER: &str = "0001-01-01T00:00:00Z";

/// `2026-03-01T10:00:00.1234567Z`: UTC with seven fractional digits, the rest cut off.
#[must_use]
pub fn format(moment: Timestamp) -> String {
    let t = TimeZone::UTC.to_datetime(moment);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:07}Z",
        t.year(),
        t.month(),
        t.day(),
        t.hour(),
        t.minute(),
        t.second(),
        t.subsec_nanosecond() / 100
    )
}

/// `03/01/2026 10:00:00`: the form inside tracking ids.
#[must_use]
pub fn format_for_tracking(moment: Timestamp) -> String {
    let t = TimeZone::UTC.to_datetime(moment);
    format!(
        "{:02}/{:02}/{:04} {:02}:{:02}:{:02}",
        t.month(),
        t.day(),
        t.year(),
        t.hour(),
        t.minute(),
        t.second()
    )
}
