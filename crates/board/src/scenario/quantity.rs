//! Numbers with units: `1m30s`, `-5`, `9 %`, `2500 mm`.

use std::time::Duration;

use super::{problem::Problem, words::Words};

/// A week: longer than anybody watches.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

pub(super) fn duration(words: &mut Words<'_>) -> Result<Duration, Problem> {
    const WANTED: &str = "a time like 2s, 500ms, 1m30s or 2h";
    let found = words.peek().and_then(|word| read_duration(word.text));
    match found {
        Some(duration) if duration <= LONGEST => {
            words.next();
            Ok(duration)
        }
        Some(_) => Err(words.expected("a time of at most 168h")),
        None => Err(words.expected(WANTED)),
    }
}

fn read_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    let mut coarser = f64::INFINITY;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let unit_end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let seconds = match after[..unit_end].to_ascii_lowercase().as_str() {
            "ms" => 0.001,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        // 1m30s, not 30s1m and not 1s1s: a mistyped time should not pass for another one.
        if seconds >= coarser {
            return None;
        }
        coarser = seconds;
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = &after[unit_end..];
    }
    (!text.is_empty()).then_some(total)
}

/// A number within `range`, followed by one of `units`, which may be left out.
pub(super) fn number(
    words: &mut Words<'_>,
    range: std::ops::RangeInclusive<f64>,
    units: &[&str],
) -> Result<f64, Problem> {
    let unit = units.first().copied().unwrap_or_default();
    let wanted = format!("a number from {} to {} {unit}", range.start(), range.end());
    let wanted = wanted.trim_end();
    let Some(word) = words.peek() else {
        return Err(words.expected(wanted));
    };
    let digits = word
        .text
        .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-' | '+' | '−'))
        .unwrap_or(word.text.len());
    let attached = &word.text[digits..];
    let is_unit = |text: &str| units.iter().any(|unit| unit.eq_ignore_ascii_case(text));
    // A minus sign typed as one is as good as a hyphen.
    let value = word.text[..digits].replace('−', "-").parse::<f64>().ok();
    match value {
        Some(value) if range.contains(&value) && (attached.is_empty() || is_unit(attached)) => {
            words.next();
            if attached.is_empty() && words.peek().is_some_and(|word| is_unit(word.text)) {
                words.next();
            }
            Ok(value)
        }
        _ => Err(words.expected(wanted)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_unit() {
        for (text, millis) in [
            ("2s", 2000),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1.5m", 90_000),
            ("2min", 120_000),
            ("1h1m1s1ms", 3_661_001),
            ("0s", 0),
            ("2S", 2000),
        ] {
            assert_eq!(
                read_duration(text),
                Some(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for text in [
            "", "2", "s", "-2s", "2d", "1s1m", "1s1s", "1..2s", "2s3", "é",
        ] {
            assert_eq!(read_duration(text), None, "{text}");
        }
    }

    #[test]
    fn units_may_be_attached_apart_or_absent() {
        for text in ["9%", "9 %", "9", "9 percent", "+9", "9.0%"] {
            let mut words = Words::of(1, text);
            assert_eq!(
                number(&mut words, 0.0..=100.0, &["%", "percent"]),
                Ok(9.0),
                "{text}"
            );
            assert_eq!(words.finish(), Ok(()), "{text}");
        }
        let mut minus = Words::of(1, "−5 °C");
        assert_eq!(number(&mut minus, -60.0..=80.0, &["°C", "C"]), Ok(-5.0));
        for text in ["", "x", "101%", "9 km", "9km", "-"] {
            let mut words = Words::of(1, text);
            let read = number(&mut words, 0.0..=100.0, &["%"]).and_then(|_| words.finish());
            assert!(read.is_err(), "{text}");
        }
    }
}
