//! What can be set while the module runs: each field is a writable property of the DTDL interface.

use std::time::Duration;

use bay::settings::{Clash, Setting, Table, seconds, text};
use bay::{Palette, PaletteError, Sign};

/// The settings of light.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How each sign looks.
    pub palette: Palette,
    /// Longest silence of the bay's sensor before the bay counts as unknown. By default two and a
    /// half of its heartbeats.
    pub stale_after: Duration,
    /// How long a battery alarm is told after it was last heard. A route may carry only alarms, and
    /// then nobody says that one has ended; by default two of the battery's intervals and an hour.
    pub alarm_lasts: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            palette: Palette::default(),
            stale_after: Duration::from_secs(1500),
            alarm_lasts: Duration::from_secs(7 * 3600),
        }
    }
}

/// A setting that is one colour or one pattern of the palette.
macro_rules! look {
    ($name:literal, $field:ident) => {
        Setting {
            name: $name,
            read: |settings| settings.palette.$field.to_string().into(),
            write: |settings, value| {
                settings.palette.$field = text(value)?;
                Ok(())
            },
        }
    };
}

impl Table for Settings {
    const SETTINGS: &'static [Setting<Self>] = &[
        look!("freeColour", free),
        look!("bookedColour", booked),
        look!("occupiedColour", occupied),
        look!("unknownColour", unknown),
        look!("faultColour", fault),
        look!("freePattern", free_pattern),
        look!("bookedPattern", booked_pattern),
        look!("occupiedPattern", occupied_pattern),
        look!("occupiedWhileBookedPattern", occupied_while_booked_pattern),
        look!("unknownPattern", unknown_pattern),
        look!("unknownWhileBookedPattern", unknown_while_booked_pattern),
        look!("faultPattern", fault_pattern),
        Setting {
            name: "staleAfterSeconds",
            read: |settings| settings.stale_after.as_secs().into(),
            write: |settings, value| {
                settings.stale_after = seconds(value, 15..=172_800)?;
                Ok(())
            },
        },
        Setting {
            name: "alarmLastsSeconds",
            read: |settings| settings.alarm_lasts.as_secs().into(),
            write: |settings, value| {
                settings.alarm_lasts = seconds(value, 60..=1_209_600)?;
                Ok(())
            },
        },
    ];

    fn check(&self) -> Result<(), Clash> {
        self.palette.check().map_err(|error| {
            let settings = match error {
                PaletteError::Dark(sign) => vec![colour_of(sign)],
                PaletteError::LooksFree(sign) => vec![colour_of(Sign::Free), colour_of(sign)],
                PaletteError::LooksLikeIdentify(sign) | PaletteError::UnknownMustBlink(sign) => {
                    vec![pattern_of(sign)]
                }
                PaletteError::SamePattern(one, other) => vec![pattern_of(one), pattern_of(other)],
            };
            Clash {
                settings,
                reason: error.to_string(),
            }
        })
    }
}

/// The setting that colours a sign; some share one.
fn colour_of(sign: Sign) -> &'static str {
    match sign {
        Sign::Free => "freeColour",
        Sign::Booked | Sign::UnknownWhileBooked => "bookedColour",
        Sign::Occupied | Sign::OccupiedWhileBooked => "occupiedColour",
        Sign::Unknown => "unknownColour",
        Sign::Fault => "faultColour",
    }
}

fn pattern_of(sign: Sign) -> &'static str {
    match sign {
        Sign::Free => "freePattern",
        Sign::Booked => "bookedPattern",
        Sign::Occupied => "occupiedPattern",
        Sign::OccupiedWhileBooked => "occupiedWhileBookedPattern",
        Sign::Unknown => "unknownPattern",
        Sign::UnknownWhileBooked => "unknownWhileBookedPattern",
        Sign::Fault => "faultPattern",
    }
}

#[cfg(test)]
mod tests {
    use bay::settings::{answers, disagreements};
    use bay::{Colour, Pattern, model};
    use serde_json::json;

    use super::*;

    #[test]
    fn interface_and_readme_tell_of_every_setting() {
        let readme = include_str!("../README.md");
        assert_eq!(
            disagreements(&Settings::default(), &model::LIGHT, readme),
            Vec::<String>::new()
        );
    }

    #[test]
    fn every_value_read_can_be_written_back() {
        let palette = Palette {
            free: Colour::BLUE,
            unknown: Colour::rgb(1, 2, 3),
            booked_pattern: Pattern::Flash,
            ..Palette::default()
        };
        let settings = Settings {
            palette,
            stale_after: Duration::from_secs(60),
            alarm_lasts: Duration::from_secs(600),
        };
        let mut copy = Settings::default();
        for setting in Settings::SETTINGS {
            (setting.write)(&mut copy, &(setting.read)(&settings)).expect(setting.name);
        }

        assert_eq!(copy, settings);
    }

    #[test]
    fn wishes_and_answers() {
        for (wish, code, words) in [
            (json!({"freeColour": "blue"}), 200, "taken"),
            (json!({"freeColour": {"value": "#0000FF"}}), 200, "taken"),
            (
                json!({"freeColour": "red"}),
                400,
                "occupied would have the colour of free",
            ),
            (json!({"freeColour": "off"}), 400, "free would be dark"),
            (json!({"bookedColour": 7}), 400, "must be a text"),
            (
                json!({"bookedColour": "mauve"}),
                400,
                "must be off, green, red, orange, blue, white, yellow, purple or #rrggbb",
            ),
            (
                json!({"bookedPattern": "wink", "occupiedPattern": "double-wink"}),
                200,
                "taken",
            ),
            (
                json!({"bookedPattern": "wink"}),
                400,
                "booked and occupied would have the same pattern, and colour alone tells nothing to many people",
            ),
            (
                json!({"freePattern": "fast-blink"}),
                400,
                "free would look like identify: fast-blink is kept for that",
            ),
            (
                json!({"unknownPattern": "steady"}),
                400,
                "unknown has to blink: take blink, slow-blink, flash, double-flash or triple-flash",
            ),
            (
                json!({"staleAfterSeconds": 14}),
                400,
                "must be a whole number from 15 to 172800",
            ),
            (json!({"staleAfterSeconds": null}), 203, "default"),
        ] {
            let wishes = wish.as_object().expect("a patch").len();
            let expected = vec![(code, words.to_owned()); wishes];
            assert_eq!(answers(Settings::default(), &wish), expected, "{wish}");
        }
    }
}
