use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Colour, Pattern};

/// What a bay's lamp says about the bay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sign {
    /// Drive in.
    Free,
    /// Kept for somebody, and empty.
    Booked,
    /// Taken.
    Occupied,
    /// Kept for somebody, and something stands in it: the guest, or a stranger.
    OccupiedWhileBooked,
    /// Nobody can say; nothing is known to be broken.
    Unknown,
    /// Kept for somebody, and nobody can say whether it is empty.
    UnknownWhileBooked,
    /// Nobody can say, and somebody has to look at the sensor.
    Fault,
}

impl Sign {
    /// Every sign.
    pub const ALL: [Self; 7] = [
        Self::Free,
        Self::Booked,
        Self::Occupied,
        Self::OccupiedWhileBooked,
        Self::Unknown,
        Self::UnknownWhileBooked,
        Self::Fault,
    ];

    /// The word used in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Booked => "booked",
            Self::Occupied => "occupied",
            Self::OccupiedWhileBooked => "occupied-while-booked",
            Self::Unknown => "unknown",
            Self::UnknownWhileBooked => "unknown-while-booked",
            Self::Fault => "fault",
        }
    }

    /// Whether it is known what stands in the bay.
    #[must_use]
    pub const fn is_known(self) -> bool {
        match self {
            Self::Free | Self::Booked | Self::Occupied | Self::OccupiedWhileBooked => true,
            Self::Unknown | Self::UnknownWhileBooked | Self::Fault => false,
        }
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The colour and the pattern of every sign. The default: free is green, booked orange, occupied
/// red, unknown blinks white, a fault flashes red.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the sign of the same name")]
pub struct Palette {
    pub free: Colour,
    pub booked: Colour,
    pub occupied: Colour,
    pub unknown: Colour,
    pub fault: Colour,
    pub free_pattern: Pattern,
    pub booked_pattern: Pattern,
    pub occupied_pattern: Pattern,
    pub occupied_while_booked_pattern: Pattern,
    pub unknown_pattern: Pattern,
    pub unknown_while_booked_pattern: Pattern,
    pub fault_pattern: Pattern,
}

impl Default for Palette {
    fn default() -> Self {
        Self {
            free: Colour::GREEN,
            booked: Colour::ORANGE,
            occupied: Colour::RED,
            unknown: Colour::WHITE,
            fault: Colour::RED,
            free_pattern: Pattern::Steady,
            booked_pattern: Pattern::DoubleWink,
            occupied_pattern: Pattern::Wink,
            occupied_while_booked_pattern: Pattern::TripleWink,
            unknown_pattern: Pattern::Blink,
            unknown_while_booked_pattern: Pattern::SlowBlink,
            fault_pattern: Pattern::DoubleFlash,
        }
    }
}

impl Palette {
    /// How a sign looks. An occupied bay is red whether or not it is booked, and a booked one
    /// orange whether or not its state is known: the pattern tells the rest.
    #[must_use]
    pub fn look(&self, sign: Sign) -> (Colour, Pattern) {
        match sign {
            Sign::Free => (self.free, self.free_pattern),
            Sign::Booked => (self.booked, self.booked_pattern),
            Sign::Occupied => (self.occupied, self.occupied_pattern),
            Sign::OccupiedWhileBooked => (self.occupied, self.occupied_while_booked_pattern),
            Sign::Unknown => (self.unknown, self.unknown_pattern),
            Sign::UnknownWhileBooked => (self.booked, self.unknown_while_booked_pattern),
            Sign::Fault => (self.fault, self.fault_pattern),
        }
    }

    /// Whether this palette can be trusted on a street.
    ///
    /// # Errors
    ///
    /// A dark sign, a colour shared with *free*, two signs of one pattern, a sign that looks like
    /// *identify*, or an unknown bay that does not blink.
    pub fn check(&self) -> Result<(), PaletteError> {
        for (index, sign) in Sign::ALL.into_iter().enumerate() {
            let (colour, pattern) = self.look(sign);
            if colour.is_off() {
                return Err(PaletteError::Dark(sign));
            }
            if sign != Sign::Free && colour == self.free {
                return Err(PaletteError::LooksFree(sign));
            }
            if pattern == Pattern::FastBlink {
                return Err(PaletteError::LooksLikeIdentify(sign));
            }
            if !sign.is_known() && !pattern.blinks() {
                return Err(PaletteError::UnknownMustBlink(sign));
            }
            if let Some(other) = Sign::ALL[..index]
                .iter()
                .find(|other| self.look(**other).1 == pattern)
            {
                return Err(PaletteError::SamePattern(*other, sign));
            }
        }
        Ok(())
    }
}

/// Why a palette would mislead somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each variant says it")]
pub enum PaletteError {
    #[error("{0} would be dark")]
    Dark(Sign),
    #[error("{0} would have the colour of free")]
    LooksFree(Sign),
    #[error("{0} would look like identify: fast-blink is kept for that")]
    LooksLikeIdentify(Sign),
    #[error("{0} has to blink: take blink, slow-blink, flash, double-flash or triple-flash")]
    UnknownMustBlink(Sign),
    #[error(
        "{0} and {1} would have the same pattern, and colour alone tells nothing to many people"
    )]
    SamePattern(Sign, Sign),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_palette_is_the_documented_one() {
        let palette = Palette::default();

        assert_eq!(palette.check(), Ok(()));
        let looks = Sign::ALL.map(|sign| {
            let (colour, pattern) = palette.look(sign);
            format!("{sign}: {colour} {pattern}")
        });
        assert_eq!(
            looks,
            [
                "free: green steady",
                "booked: orange double-wink",
                "occupied: red wink",
                "occupied-while-booked: red triple-wink",
                "unknown: white blink",
                "unknown-while-booked: orange slow-blink",
                "fault: red double-flash",
            ]
        );
    }

    #[test]
    fn misleading_palettes_are_refused() {
        type Change = fn(&mut Palette);
        let cases: [(Change, PaletteError); 6] = [
            (
                |palette| palette.booked = Colour::OFF,
                PaletteError::Dark(Sign::Booked),
            ),
            (
                |palette| palette.free = Colour::RED,
                PaletteError::LooksFree(Sign::Occupied),
            ),
            (
                |palette| palette.unknown = Colour::GREEN,
                PaletteError::LooksFree(Sign::Unknown),
            ),
            (
                |palette| palette.occupied_pattern = Pattern::FastBlink,
                PaletteError::LooksLikeIdentify(Sign::Occupied),
            ),
            (
                |palette| palette.fault_pattern = Pattern::Steady,
                PaletteError::UnknownMustBlink(Sign::Fault),
            ),
            (
                |palette| palette.booked_pattern = Pattern::Wink,
                PaletteError::SamePattern(Sign::Booked, Sign::Occupied),
            ),
        ];
        for (change, expected) in cases {
            let mut palette = Palette::default();
            change(&mut palette);
            assert_eq!(palette.check(), Err(expected));
        }
    }

    #[test]
    fn free_may_be_blue() {
        let palette = Palette {
            free: Colour::BLUE,
            ..Palette::default()
        };

        assert_eq!(palette.check(), Ok(()));
        assert_eq!(palette.look(Sign::Free), (Colour::BLUE, Pattern::Steady));
    }
}
