//! The lamp as a function: every input, and what is seen of it.

use bay::{Colour, Occupancy, Palette, Pattern, Sign, UnknownReason};
use light::sign::{Knowledge, sign};

const REASONS: [UnknownReason; 7] = [
    UnknownReason::Starting,
    UnknownReason::NoEcho,
    UnknownReason::OutOfRange,
    UnknownReason::Stuck,
    UnknownReason::TooNoisy,
    UnknownReason::SensorFailed,
    UnknownReason::Stale,
];

fn knowledge() -> impl Iterator<Item = Knowledge> {
    [Knowledge::Free, Knowledge::Occupied]
        .into_iter()
        .chain(REASONS.map(Knowledge::Unknown))
}

#[test]
fn every_input_has_its_sign() {
    let mut table = String::new();
    for knowledge in knowledge() {
        for booked in [false, true] {
            let sign = sign(knowledge, booked);
            let (colour, pattern) = Palette::default().look(sign);
            let booked = if booked { "booked" } else { "-" };
            table += &format!("{knowledge:?} {booked}: {sign}, {colour} {pattern}\n");
        }
    }
    let expected = "\
Free -: free, green steady
Free booked: booked, orange double-wink
Occupied -: occupied, red wink
Occupied booked: occupied-while-booked, red triple-wink
Unknown(Starting) -: unknown, white blink
Unknown(Starting) booked: unknown-while-booked, orange slow-blink
Unknown(NoEcho) -: fault, red double-flash
Unknown(NoEcho) booked: unknown-while-booked, orange slow-blink
Unknown(OutOfRange) -: fault, red double-flash
Unknown(OutOfRange) booked: unknown-while-booked, orange slow-blink
Unknown(Stuck) -: fault, red double-flash
Unknown(Stuck) booked: unknown-while-booked, orange slow-blink
Unknown(TooNoisy) -: fault, red double-flash
Unknown(TooNoisy) booked: unknown-while-booked, orange slow-blink
Unknown(SensorFailed) -: fault, red double-flash
Unknown(SensorFailed) booked: unknown-while-booked, orange slow-blink
Unknown(Stale) -: unknown, white blink
Unknown(Stale) booked: unknown-while-booked, orange slow-blink
";

    assert_eq!(table, expected);
}

/// What a palette may be is checked when it is set; whatever passes, nobody can take an unknown or
/// a kept bay for a free one, with or without colours.
#[test]
fn no_good_palette_makes_anything_else_look_free() {
    let colours = Colour::NAMED.map(|(_, colour)| colour);
    let mut checked = 0;
    for free in colours {
        for other in colours {
            for pattern in Pattern::ALL {
                let palette = Palette {
                    free,
                    unknown: other,
                    booked: other,
                    free_pattern: pattern,
                    ..Palette::default()
                };
                if palette.check().is_err() {
                    continue;
                }
                checked += 1;
                let shown_free = palette.look(Sign::Free);
                for knowledge in knowledge() {
                    for booked in [false, true] {
                        let (colour, pattern) = palette.look(sign(knowledge, booked));
                        let free = knowledge == Knowledge::Free && !booked;
                        assert_eq!(
                            free,
                            colour == shown_free.0,
                            "{palette:?} {knowledge:?} {booked}"
                        );
                        assert_eq!(
                            free,
                            pattern == shown_free.1,
                            "{palette:?} {knowledge:?} {booked}"
                        );
                    }
                }
            }
        }
    }
    assert!(checked > 50, "only {checked} palettes were good");
}

#[test]
fn a_report_without_a_reason_is_still_unknown() {
    assert_eq!(
        Knowledge::new(Occupancy::Unknown, None),
        Knowledge::Unknown(UnknownReason::Stale)
    );
    assert_eq!(
        Knowledge::new(Occupancy::Free, Some(UnknownReason::NoEcho)),
        Knowledge::Free
    );
}
