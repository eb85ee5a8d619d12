//! The PIN that lets an installer in.

use std::fmt;
use std::io;
use std::str::FromStr;

use thiserror::Error;

const DIGITS: usize = 6;
const LONGEST: usize = 64;

/// A PIN. It shows itself only through [`Pin::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Pin(String);

/// Why a text is no PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PinError {
    /// It could be guessed.
    #[error("a PIN has at least {DIGITS} characters")]
    TooShort,
    /// Nobody could type it.
    #[error("a PIN has at most {LONGEST} characters")]
    TooLong,
    /// A character that some keyboard lacks, or that could not be seen.
    #[error("a PIN has only letters, digits and punctuation of ASCII, and no spaces")]
    Character,
}

impl Pin {
    /// Six digits from the system's random source.
    ///
    /// # Errors
    ///
    /// The system has none.
    pub fn random() -> io::Result<Self> {
        let choices = 10_u32.pow(u32::try_from(DIGITS).unwrap_or_default());
        // What is beyond the last whole multiple would make some PINs likelier than others.
        let usable = u32::MAX - u32::MAX % choices;
        loop {
            let number = getrandom::u32()?;
            if number < usable {
                let number = number % choices;
                return Ok(Self(format!("{number:0DIGITS$}")));
            }
        }
    }

    /// The PIN in the clear, for the console or a label.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        match text.len() {
            ..DIGITS => Err(PinError::TooShort),
            DIGITS..=LONGEST if text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Ok(Self(text.into()))
            }
            DIGITS..=LONGEST => Err(PinError::Character),
            _ => Err(PinError::TooLong),
        }
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_long_enough_to_lock_and_short_enough_to_type() {
        for (text, problem) in [
            ("31415", Some(PinError::TooShort)),
            ("314159", None),
            ("3141 9", Some(PinError::Character)),
            ("31415é", Some(PinError::Character)),
            ("correct-horse", None),
        ] {
            assert_eq!(text.parse::<Pin>().err(), problem, "{text}");
        }
        assert_eq!("1".repeat(65).parse::<Pin>(), Err(PinError::TooLong));
    }

    #[test]
    fn a_random_pin_is_six_digits_and_not_printed() {
        let pins: Vec<_> = (0..20).map(|_| Pin::random().expect("a PIN")).collect();
        for pin in &pins {
            assert!(pin.expose().len() == 6 && pin.expose().bytes().all(|b| b.is_ascii_digit()));
            assert!(!format!("{pin:?}").contains(pin.expose()));
        }
        assert!(pins.iter().any(|pin| pin != &pins[0]), "all are alike");
    }
}
