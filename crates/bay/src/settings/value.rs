//! Reading one wish.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

/// Why a wish cannot be granted, as a clause to follow the setting's name: "must be a whole number
/// from 60 to 10000".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// A whole number in a range. `100.0` is one: some tools know only floating point.
///
/// # Errors
///
/// A [`Refusal`] that names the range.
pub fn whole(value: &Value, range: RangeInclusive<u32>) -> Result<u32, Refusal> {
    let number = value.as_u64().or_else(|| {
        value
            .as_f64()
            .filter(|number| {
                number.fract() == 0.0 && *number >= 0.0 && *number <= f64::from(u32::MAX)
            })
            .map(|number| number as u64)
    });
    number
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            Refusal(format!(
                "must be a whole number from {} to {}",
                range.start(),
                range.end()
            ))
        })
}

/// A number in a range.
///
/// # Errors
///
/// A [`Refusal`] that names the range.
pub fn number(value: &Value, range: RangeInclusive<f64>) -> Result<f64, Refusal> {
    let number = value.as_f64().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        Refusal(format!(
            "must be a number from {} to {}",
            range.start(),
            range.end()
        ))
    })
}

/// A whole number of seconds in a range.
///
/// # Errors
///
/// A [`Refusal`] that names the range.
pub fn seconds(value: &Value, range: RangeInclusive<u32>) -> Result<Duration, Refusal> {
    whole(value, range).map(|seconds| Duration::from_secs(seconds.into()))
}

/// `true` or `false`.
///
/// # Errors
///
/// A [`Refusal`] for anything else.
pub fn yes_or_no(value: &Value) -> Result<bool, Refusal> {
    value
        .as_bool()
        .ok_or_else(|| Refusal("must be true or false".to_owned()))
}

/// A text that is one of these words; returns what the word stands for.
///
/// # Errors
///
/// A [`Refusal`] that lists the words.
pub fn word<T: Copy>(value: &Value, words: &[(&str, T)]) -> Result<T, Refusal> {
    value
        .as_str()
        .and_then(|text| words.iter().find(|(word, _)| *word == text))
        .map(|(_, meaning)| *meaning)
        .ok_or_else(|| {
            Refusal(format!(
                "must be {}",
                self::words(words.iter().map(|(word, _)| *word))
            ))
        })
}

/// A text read by its type.
///
/// # Errors
///
/// A [`Refusal`] with the type's own words.
pub fn text<T: FromStr<Err: Display>>(value: &Value) -> Result<T, Refusal> {
    let text = value
        .as_str()
        .ok_or_else(|| Refusal("must be a text".to_owned()))?;
    text.parse()
        .map_err(|error: T::Err| Refusal(error.to_string()))
}

/// "a, b or c".
pub fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.into_iter().collect();
    match words.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Colour;

    #[test]
    fn whole_numbers() {
        for (value, expected) in [
            (json!(60), Some(60)),
            (json!(100.0), Some(100)),
            (json!(10_000), Some(10_000)),
        ] {
            assert_eq!(whole(&value, 60..=10_000).ok(), expected, "{value}");
        }
        for value in [
            json!(59),
            json!(10_001),
            json!(60.5),
            json!(-60),
            json!("60"),
            json!(true),
            json!(null),
            json!(1e300),
            json!([60]),
            json!({}),
        ] {
            let refusal = whole(&value, 60..=10_000).expect_err("out of range");
            assert_eq!(
                refusal.to_string(),
                "must be a whole number from 60 to 10000",
                "{value}"
            );
        }
    }

    #[test]
    fn words_of_a_list() {
        let modes = [("floor", 1), ("absolute", 2)];

        assert_eq!(word(&json!("absolute"), &modes), Ok(2));
        assert_eq!(
            word(&json!("roof"), &modes),
            Err(Refusal("must be floor or absolute".to_owned()))
        );
        assert_eq!(words(["a", "b", "c"]), "a, b or c");
    }

    #[test]
    fn types_that_read_themselves() {
        assert_eq!(text(&json!("#ff0000")), Ok(Colour::RED));
        assert!(
            text::<Colour>(&json!("mauve"))
                .expect_err("no such colour")
                .to_string()
                .starts_with("must be off, green")
        );
        assert_eq!(
            text::<Colour>(&json!(5)),
            Err(Refusal("must be a text".to_owned()))
        );
    }
}
