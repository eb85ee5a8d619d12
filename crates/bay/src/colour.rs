use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a red, green and blue light emit together, each from 0 (dark) to 255 (full).
///
/// As text it is one of the names of [`Colour::NAMED`], else `#rrggbb`; both forms, in any case,
/// are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Colour {
    /// Red, 0 to 255.
    pub red: u8,
    /// Green, 0 to 255.
    pub green: u8,
    /// Blue, 0 to 255.
    pub blue: u8,
}

impl Colour {
    /// No light.
    pub const OFF: Self = Self::rgb(0, 0, 0);
    /// Free, by default.
    pub const GREEN: Self = Self::rgb(0, 255, 0);
    /// Occupied, by default.
    pub const RED: Self = Self::rgb(255, 0, 0);
    /// Booked, by default.
    pub const ORANGE: Self = Self::rgb(255, 128, 0);
    /// For palettes that show free, or a bay for disabled drivers, in blue.
    pub const BLUE: Self = Self::rgb(0, 0, 255);
    /// Unknown, by default.
    pub const WHITE: Self = Self::rgb(255, 255, 255);

    /// The names that stand for colours in messages and settings.
    pub const NAMED: [(&'static str, Self); 8] = [
        ("off", Self::OFF),
        ("green", Self::GREEN),
        ("red", Self::RED),
        ("orange", Self::ORANGE),
        ("blue", Self::BLUE),
        ("white", Self::WHITE),
        ("yellow", Self::rgb(255, 255, 0)),
        ("purple", Self::rgb(128, 0, 255)),
    ];

    /// The colour of these three parts.
    #[must_use]
    pub const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    /// Whether nothing is lit.
    #[must_use]
    pub fn is_off(self) -> bool {
        self == Self::OFF
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMED.iter().find(|(_, colour)| colour == self) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue),
        }
    }
}

impl FromStr for Colour {
    type Err = ColourError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((_, colour)) = Self::NAMED
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text))
        {
            return Ok(*colour);
        }
        let digits = text
            .strip_prefix('#')
            .filter(|digits| {
                digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
            })
            .ok_or(ColourError)?;
        let [_, red, green, blue] = u32::from_str_radix(digits, 16)
            .map_err(|_| ColourError)?
            .to_be_bytes();
        Ok(Self { red, green, blue })
    }
}

impl TryFrom<String> for Colour {
    type Error = ColourError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Colour> for String {
    fn from(colour: Colour) -> Self {
        colour.to_string()
    }
}

/// A text that names no colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be off, green, red, orange, blue, white, yellow, purple or #rrggbb")]
pub struct ColourError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_digits() {
        for (text, colour, back) in [
            ("green", Colour::GREEN, "green"),
            ("Orange", Colour::ORANGE, "orange"),
            ("#FF0000", Colour::RED, "red"),
            ("#0a0B0c", Colour::rgb(10, 11, 12), "#0a0b0c"),
            ("off", Colour::OFF, "off"),
        ] {
            assert_eq!(text.parse(), Ok(colour), "{text}");
            assert_eq!(colour.to_string(), back);
        }
        for text in [
            "", "#", "#12345", "#1234567", "#12345g", "grün", "#+12345", "mauve",
        ] {
            assert_eq!(text.parse::<Colour>(), Err(ColourError), "{text}");
        }
    }

    #[test]
    fn the_error_lists_every_name() {
        let text = ColourError.to_string();

        assert!(
            Colour::NAMED.iter().all(|(name, _)| text.contains(name)),
            "{text}"
        );
    }
}
