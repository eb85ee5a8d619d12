//! What edgeHub's routes and the hub's queries compute alike: functions on numbers and strings, and the order of
//! strings. Both languages are evaluated by .NET, so text counts in UTF-16 code units.
//!
//! None, where a function gives an option, is the languages' "undefined".

mod number;

use std::cmp::Ordering;

/// A result that is a number. "Not a number" and "undefined" are one.
pub fn defined(number: f64) -> Option<f64> {
    (!number.is_nan()).then_some(number)
}

/// `SIGN`: zero for zero, unlike `f64::signum`.
pub fn sign(number: f64) -> f64 {
    if number == 0.0 { 0.0 } else { number.signum() }
}

/// `AS_NUMBER`: the number a text is, as .NET reads one with `NumberStyles.Any` and the invariant culture.
pub fn as_number(text: &str) -> Option<f64> {
    number::parse(text)
}

/// `LENGTH`, in UTF-16 code units.
#[expect(
    clippy::cast_precision_loss,
    reason = "no text in memory is long enough to lose a unit"
)]
pub fn length(text: &str) -> f64 {
    text.encode_utf16().count() as f64
}

/// `LOWER`, by the invariant culture.
pub fn lower(text: &str) -> String {
    map_chars(text, |char| single(char.to_lowercase()))
}

/// `UPPER`, by the invariant culture.
pub fn upper(text: &str) -> String {
    map_chars(text, |char| single(char.to_uppercase()))
}

/// `SUBSTRING`. Positions count UTF-16 code units from zero, and fractions of them are cut off. A start at the end
/// gives the empty string, but only without a length.
pub fn substring(text: &str, start: f64, length: Option<f64>) -> Option<String> {
    let whole = self::length(text);
    let fits = match length {
        None => (0.0..=whole).contains(&start),
        Some(length) => (0.0..whole).contains(&start) && (0.0..=whole - start).contains(&length),
    };
    if !fits {
        return None;
    }
    let start = truncate(start);
    let length = length.map_or(usize::MAX, truncate);
    let part: Vec<u16> = text.encode_utf16().skip(start).take(length).collect();
    Some(String::from_utf16_lossy(&part))
}

/// `INDEX_OF`, in UTF-16 code units from zero; -1 when it is not there.
pub fn index_of(text: &str, fragment: &str) -> f64 {
    text.find(fragment)
        .map_or(-1.0, |index| length(&text[..index]))
}

/// The order of two strings: by UTF-16 code unit, which is not the order of UTF-8 bytes beyond U+FFFF.
pub fn compare_strings(left: &str, right: &str) -> Ordering {
    if left == right {
        Ordering::Equal
    } else {
        left.encode_utf16().cmp(right.encode_utf16())
    }
}

fn map_chars(text: &str, map: fn(char) -> Option<char>) -> String {
    text.chars().map(|char| map(char).unwrap_or(char)).collect()
}

/// The invariant culture maps one character to one: `ß` stays what it is.
fn single(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    let first = mapped.next();
    if mapped.next().is_some() { None } else { first }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller has checked that it lies within a text"
)]
fn truncate(position: f64) -> usize {
    position as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_counts_in_utf16_code_units() {
        assert_eq!(length("a\u{1F697}"), 3.0);
        assert_eq!(index_of("\u{1F697}ab", "b"), 3.0);
        assert_eq!(index_of("ab", "c"), -1.0);
        assert_eq!(
            substring("\u{1F697}ab", 2.0, Some(1.9)).as_deref(),
            Some("a")
        );
        assert_eq!(substring("ab", 2.0, None).as_deref(), Some(""));
        assert_eq!(substring("ab", 2.0, Some(0.0)), None);
        assert_eq!(substring("ab", f64::NAN, None), None);
        assert_eq!(
            compare_strings("\u{1F697}", "\u{FF41}"),
            Ordering::Less,
            "a surrogate comes before"
        );
    }

    #[test]
    fn one_character_becomes_one() {
        assert_eq!(upper("straße"), "STRAßE");
        assert_eq!(lower("ÄŻ"), "äż");
        assert_eq!((sign(-0.0), sign(-3.5), sign(9.0)), (0.0, -1.0, 1.0));
    }
}
