//! The code a device shows: eight consonants, which make no words and are not taken for digits (RFC 8628, section 6.1).

const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LENGTH: usize = 8;

/// A new one, as it is kept: 20 to the eighth, over 25 thousand million.
pub(super) fn new() -> Result<String, getrandom::Error> {
    let mut code = String::with_capacity(LENGTH);
    while code.len() < LENGTH {
        let mut bytes = [0; LENGTH];
        getrandom::fill(&mut bytes)?;
        // The largest multiple of 20 in a byte: beyond it some letters would come more often.
        let even = bytes.into_iter().filter(|byte| *byte < 240);
        let letters = even.map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
        code.extend(letters.take(LENGTH - code.len()));
    }
    Ok(code)
}

/// As it is shown.
pub(super) fn shown(code: &str) -> String {
    match code.split_at_checked(LENGTH / 2) {
        Some((first, second)) if !second.is_empty() => format!("{first}-{second}"),
        _ => code.to_owned(),
    }
}

/// As somebody typed it in; `None` when it cannot be one.
pub(super) fn typed(text: &str) -> Option<String> {
    let letters: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(|c| c.to_ascii_uppercase())
        .collect();
    let is_one = letters.len() == LENGTH && letters.bytes().all(|byte| LETTERS.contains(&byte));
    is_one.then_some(letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = new().expect("random numbers");
        assert_ne!(code, new().expect("random numbers"));
        assert_eq!(typed(&shown(&code)), Some(code));
        assert_eq!(typed(" bcdf ghjk"), Some("BCDFGHJK".into()));
        assert_eq!(shown("BCDFGHJK"), "BCDF-GHJK");
        for text in ["", "BCDF", "AEIO-UAEI", "BCDF-GHJ1", "BCDFGHJKL", "ßßßß"] {
            assert_eq!(typed(text), None, "{text}");
        }
    }
}
