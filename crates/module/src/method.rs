//! The arguments and answers of methods.

use bay::message::MethodRefusal;
use hub_client::Responder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Answers to method calls that every module gives alike.
pub trait Answer {
    /// Answers that it was done, with status 200.
    fn done(self, answer: &impl Serialize);

    /// Answers that it was not done: `status` as in HTTP, a word for programs, a sentence for
    /// people.
    fn refuse(self, status: i32, reason: &str, message: impl Into<String>);

    /// Answers that there is no such method.
    fn unknown(self, name: &str, known: &[&str]);
}

impl Answer for Responder {
    fn done(self, answer: &impl Serialize) {
        match serde_json::to_value(answer) {
            Ok(answer) => self.respond(200, answer),
            Err(error) => self.refuse(500, "internal", error.to_string()),
        }
    }

    fn refuse(self, status: i32, reason: &str, message: impl Into<String>) {
        let MethodRefusal { reason, message } = MethodRefusal::new(reason, message);
        self.respond(
            status,
            serde_json::json!({ "reason": reason, "message": message }),
        );
    }

    fn unknown(self, name: &str, known: &[&str]) {
        let known = bay::settings::words(known.iter().copied());
        self.refuse(
            404,
            "unknown-method",
            format!("there is no method {name} here, only {known}"),
        );
    }
}

/// Reads a method's argument; nothing at all is an empty object.
///
/// # Errors
///
/// A sentence about what is wrong with it.
pub fn argument<T: DeserializeOwned>(payload: Value) -> Result<T, String> {
    let payload = if payload.is_null() {
        Value::Object(serde_json::Map::new())
    } else {
        payload
    };
    serde_json::from_value(payload).map_err(|error| error.to_string())
}

/// A number of an argument, with its default and its bounds.
///
/// # Errors
///
/// A sentence that names the bounds.
pub fn bounded(
    name: &str,
    value: Option<u32>,
    default: u32,
    range: std::ops::RangeInclusive<u32>,
) -> Result<u32, String> {
    let value = value.unwrap_or(default);
    if range.contains(&value) {
        return Ok(value);
    }
    Err(format!(
        "{name} must be a whole number from {} to {}",
        range.start(),
        range.end()
    ))
}

#[cfg(test)]
mod tests {
    use bay::message::{BookRequest, MeasureRequest};
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments() {
        assert_eq!(argument(json!(null)), Ok(MeasureRequest { count: None }));
        assert_eq!(
            argument(json!({"count": 5})),
            Ok(MeasureRequest { count: Some(5) })
        );
        argument::<MeasureRequest>(json!({"count": -5})).expect_err("not a count");
        argument::<MeasureRequest>(json!("five")).expect_err("not an object");
        assert_eq!(
            argument::<BookRequest>(json!(null)),
            Err("missing field `bookingId`".to_owned())
        );
    }

    #[test]
    fn bounds() {
        assert_eq!(bounded("count", None, 5, 1..=50), Ok(5));
        assert_eq!(bounded("count", Some(50), 5, 1..=50), Ok(50));
        assert_eq!(
            bounded("count", Some(51), 5, 1..=50),
            Err("count must be a whole number from 1 to 50".to_owned())
        );
    }

    #[test]
    fn answers() {
        for (answer, status, body) in [
            (
                (|responder: Responder| responder.done(&json!({"x": 1}))) as fn(Responder),
                200,
                json!({"x": 1}),
            ),
            (
                |responder| responder.refuse(409, "booked", "by another"),
                409,
                json!({"reason": "booked", "message": "by another"}),
            ),
            (
                |responder| responder.unknown("dance", &["book", "release"]),
                404,
                json!({"reason": "unknown-method", "message": "there is no method dance here, only book or release"}),
            ),
        ] {
            let (responder, mut answered) = Responder::detached();
            answer(responder);
            assert_eq!(answered.try_recv().expect("an answer"), (status, body));
        }
    }
}
