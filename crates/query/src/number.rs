//! Numbers into JSON.

use serde_json::Value as Json;

/// Beyond this, a double no longer tells one integer from the next.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// A whole number is written without a fraction. None for what JSON cannot say.
pub(crate) fn to_json(number: f64) -> Option<Json> {
    if number.fract() == 0.0 && number.abs() < LARGEST_EXACT {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is whole and within the range of an i64"
        )]
        return Some(Json::from(number as i64));
    }
    serde_json::Number::from_f64(number).map(Json::Number)
}
