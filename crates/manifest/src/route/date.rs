//! Which strings of a JSON body are dates to edgeHub.
//!
//! Newtonsoft makes a date of a string that looks like one while it reads the body, and a date is nothing a route can
//! compare: the path that leads to it is undefined. The rules are those of its ISO parser, which are not quite those of
//! ISO 8601.

/// Whether a JSON string becomes a date.
pub(super) fn reads_as_date(text: &str) -> bool {
    if let Some(ticks) = text
        .strip_prefix("/Date(")
        .and_then(|rest| rest.strip_suffix(")/"))
    {
        let digits = ticks.strip_prefix('-').unwrap_or(ticks);
        let digits = digits
            .find(['+', '-'])
            .map_or(digits, |offset| &digits[..offset]);
        return !digits.is_empty() && digits.parse::<i64>().is_ok();
    }
    // Only ASCII gets past the digits, so bytes are characters.
    let bytes = text.as_bytes();
    (19..=40).contains(&bytes.len())
        && bytes[10] == b'T'
        && is_date(&bytes[..10])
        && is_time(&bytes[11..])
}

fn is_date(text: &[u8]) -> bool {
    let (Some(century), Some(year), Some(month), Some(day)) =
        (two(text, 0), two(text, 2), two(text, 5), two(text, 8))
    else {
        return false;
    };
    let year = century * 100 + year;
    text[4] == b'-' && text[7] == b'-' && year >= 1 && day >= 1 && day <= days_in_month(year, month)
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 0,
    }
}

/// `hh:mm:ss`, an optional fraction of up to seven digits, and an optional zone.
fn is_time(text: &[u8]) -> bool {
    let (Some(hour), Some(minute), Some(second)) = (two(text, 0), two(text, 3), two(text, 6))
    else {
        return false;
    };
    let midnight = minute == 0 && second == 0;
    if text[2] != b':'
        || text[5] != b':'
        || hour > 24
        || minute > 59
        || second > 59
        || (hour == 24 && !midnight)
    {
        return false;
    }
    let mut rest = &text[8..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction
            .iter()
            .take(7)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let is_zero = fraction[..digits].iter().all(|byte| *byte == b'0');
        if digits == 0 || (hour == 24 && !is_zero) {
            return false;
        }
        rest = &fraction[digits..];
    }
    is_zone(rest)
}

/// Nothing, `Z`, `+hh`, `+hhmm` or `+hh:mm`.
fn is_zone(zone: &[u8]) -> bool {
    match zone {
        [] | [b'Z' | b'z'] => true,
        [b'+' | b'-', rest @ ..] => match rest.len() {
            2 => two(rest, 0).is_some(),
            3 => two(rest, 0).is_some() && rest[2] == b':',
            4 => two(rest, 0).is_some() && two(rest, 2).is_some(),
            5 => two(rest, 0).is_some() && rest[2] == b':' && two(rest, 3).is_some(),
            _ => false,
        },
        _ => false,
    }
}

fn two(text: &[u8], at: usize) -> Option<u32> {
    match text.get(at..at + 2)? {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_what_newtonsoft_takes_for_dates() {
        let dates = [
            "2026-03-01T10:00:00Z",
            "2026-03-01T10:00:00",
            "2024-02-29T24:00:00.000z",
            "2026-03-01T10:00:00.1234567+02:00",
            "2026-03-01T10:00:00+0200",
            "2026-03-01T10:00:00-02",
            "/Date(1234567890)/",
            "/Date(-1+0200)/",
        ];
        for text in dates {
            assert!(reads_as_date(text), "{text}");
        }
        let others = [
            "2026-03-01",
            "2026-03-01 10:00:00",
            "2026-02-29T10:00:00Z",
            "2026-13-01T10:00:00Z",
            "2026-03-01T25:00:00Z",
            "2026-03-01T10:00:00.12345678Z",
            "2026-03-01T10:00:00.Z",
            "2026-03-01T10:00:00 Z",
            "0000-03-01T10:00:00Z",
            "/Date()/",
            "free",
            "ünïcödéünïcödéünïcödé",
        ];
        for text in others {
            assert!(!reads_as_date(text), "{text}");
        }
    }
}
