//! What fields of requests have to be, in words for whoever sent them.

use crate::problem::Problem;

/// The longest name, place or contact, in characters.
const LINE: usize = 200;

/// One line of text that says something, without blanks at its ends.
///
/// # Errors
/// 400: it is empty, longer than 200 characters, or has control characters in it.
pub fn name(field: &'static str, text: &str) -> Result<String, Problem> {
    let line = line(field, text)?;
    if line.is_empty() {
        return Err(Problem::field(field, "must not be empty"));
    }
    Ok(line)
}

/// One line of text, which may be empty, without blanks at its ends.
///
/// # Errors
/// 400: it is longer than 200 characters, or has control characters in it.
pub fn line(field: &'static str, text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.chars().count() > LINE {
        let detail = format!("must have at most {LINE} characters");
        return Err(Problem::field(field, detail));
    }
    // PostgreSQL refuses a NUL in a text; nobody wants the others in a name.
    if text.chars().any(char::is_control) {
        return Err(Problem::field(field, "must be one line of text"));
    }
    Ok(text.to_owned())
}

/// A point on the earth: both coordinates or neither, in degrees (WGS 84).
///
/// # Errors
/// 400: one is missing, or out of its range.
pub fn place(latitude: Option<f64>, longitude: Option<f64>) -> Result<(), Problem> {
    match (latitude, longitude) {
        (Some(latitude), _) if !(-90.0..=90.0).contains(&latitude) => {
            Err(Problem::field("latitude", "must be -90 to 90 degrees"))
        }
        (_, Some(longitude)) if !(-180.0..=180.0).contains(&longitude) => {
            Err(Problem::field("longitude", "must be -180 to 180 degrees"))
        }
        (Some(_), None) => Err(Problem::field("longitude", "must stand beside latitude")),
        (None, Some(_)) => Err(Problem::field("latitude", "must stand beside longitude")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_lines() {
        assert_eq!(name("name", "  Town \t").expect("a name"), "Town");
        assert_eq!(line("place", "").expect("a line"), "");
        for wrong in ["", "  ", "a\0b", "a\nb", &"x".repeat(201)] {
            assert_eq!(
                name("name", wrong).expect_err("no name").field.as_deref(),
                Some("name")
            );
        }
    }

    #[test]
    fn places() {
        place(None, None).expect("nowhere");
        place(Some(50.6), Some(5.5)).expect("somewhere");
        for (latitude, longitude, field) in [
            (Some(91.0), Some(0.0), "latitude"),
            (Some(0.0), Some(-181.0), "longitude"),
            (Some(f64::NAN), Some(0.0), "latitude"),
            (Some(0.0), None, "longitude"),
            (None, Some(0.0), "latitude"),
        ] {
            let problem = place(latitude, longitude).expect_err("no place");
            assert_eq!(problem.field.as_deref(), Some(field));
        }
    }
}
