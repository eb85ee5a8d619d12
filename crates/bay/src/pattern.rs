use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Alarm;

/// How a lamp's light moves, so that nobody needs to see colours to read it.
///
/// Known states stay lit, some of them winking; unknown states are dark at least half of the time.
/// Every pattern begins lit: a new state shows at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Pattern {
    /// Always lit.
    Steady,
    /// Lit, dark for an instant every two seconds.
    Wink,
    /// Lit, dark for two instants every two seconds.
    DoubleWink,
    /// Lit, dark for three instants every two seconds.
    TripleWink,
    /// Half a second lit, half a second dark.
    Blink,
    /// One second lit, one second dark.
    SlowBlink,
    /// Eight short flashes in two seconds: "here I am". No state of a bay uses it.
    FastBlink,
    /// One short flash a second.
    Flash,
    /// Two short flashes a second.
    DoubleFlash,
    /// Three short flashes a second.
    TripleFlash,
}

impl Pattern {
    /// Every pattern.
    pub const ALL: [Self; 10] = [
        Self::Steady,
        Self::Wink,
        Self::DoubleWink,
        Self::TripleWink,
        Self::Blink,
        Self::SlowBlink,
        Self::FastBlink,
        Self::Flash,
        Self::DoubleFlash,
        Self::TripleFlash,
    ];

    /// The word used in messages and settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Wink => "wink",
            Self::DoubleWink => "double-wink",
            Self::TripleWink => "triple-wink",
            Self::Blink => "blink",
            Self::SlowBlink => "slow-blink",
            Self::FastBlink => "fast-blink",
            Self::Flash => "flash",
            Self::DoubleFlash => "double-flash",
            Self::TripleFlash => "triple-flash",
        }
    }

    /// Whether the lamp is dark for at least half of the time.
    #[must_use]
    pub fn blinks(self) -> bool {
        let (lit, dark) =
            self.cycle()
                .iter()
                .enumerate()
                .fold((0, 0), |(lit, dark), (index, ms)| {
                    if index % 2 == 0 {
                        (lit + ms, dark)
                    } else {
                        (lit, dark + ms)
                    }
                });
        dark > 0 && dark >= lit
    }

    /// Milliseconds lit, dark, lit, dark, … of one cycle; empty when nothing ever changes.
    #[must_use]
    pub const fn cycle(self) -> &'static [u32] {
        match self {
            Self::Steady => &[],
            Self::Wink => &[1_880, 120],
            Self::DoubleWink => &[1_640, 120, 120, 120],
            Self::TripleWink => &[1_400, 120, 120, 120, 120, 120],
            Self::Blink => &[500, 500],
            Self::SlowBlink => &[1_000, 1_000],
            Self::FastBlink => &[125, 125],
            Self::Flash => &[120, 880],
            Self::DoubleFlash => &[120, 160, 120, 600],
            Self::TripleFlash => &[120, 160, 120, 160, 120, 320],
        }
    }

    /// What the lamp does `elapsed` after the pattern began, with the battery's alarm told at the
    /// end of every four seconds: a dark gap, then two short flashes when the charge is low, four
    /// when it is critical.
    #[must_use]
    pub fn phase_at(self, alarm: Alarm, elapsed: Duration) -> Phase {
        let phases = || self.body(alarm).chain(tail(alarm));
        let period: u32 = phases().map(|(_, ms)| ms).sum();
        if period == 0 {
            return Phase {
                lit: true,
                remaining: None,
            };
        }

        let mut left =
            Duration::from_nanos((elapsed.as_nanos() % (u128::from(period) * 1_000_000)) as u64);
        for (lit, ms) in phases() {
            let length = Duration::from_millis(ms.into());
            if left < length {
                return Phase {
                    lit,
                    remaining: Some(length - left),
                };
            }
            left -= length;
        }
        Phase {
            lit: true,
            remaining: None,
        }
    }

    /// The pattern itself: one cycle, or as many as come before the alarm is told.
    fn body(self, alarm: Alarm) -> impl Iterator<Item = (bool, u32)> {
        const BEFORE_ALARM_MS: u32 = 4_000;

        let cycle = self.cycle();
        let length: u32 = cycle.iter().sum();
        let (steady, times) = match (alarm, length) {
            (Alarm::None, 0) => (None, 0),
            (Alarm::None, _) => (None, 1),
            (_, 0) => (Some((true, BEFORE_ALARM_MS)), 0),
            (_, length) => (None, BEFORE_ALARM_MS.div_ceil(length)),
        };
        let one = move || {
            cycle
                .iter()
                .enumerate()
                .map(|(index, ms)| (index % 2 == 0, *ms))
        };
        steady
            .into_iter()
            .chain((0..times).flat_map(move |_| one()))
    }
}

/// How a battery alarm is told after the pattern: nothing without one.
fn tail(alarm: Alarm) -> impl Iterator<Item = (bool, u32)> {
    let flashes = match alarm {
        Alarm::None => 0,
        Alarm::Low => 2,
        Alarm::Critical => 4,
    };
    let gap = (flashes > 0).then_some((false, 400));
    gap.into_iter()
        .chain((0..flashes).flat_map(|_| [(true, 80), (false, 160)]))
        .chain(gap)
}

/// What a lamp does at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Whether it is lit.
    pub lit: bool,
    /// How long it stays so; `None` for ever.
    pub remaining: Option<Duration>,
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|pattern| pattern.as_str() == text)
            .ok_or(PatternError)
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Pattern> for &'static str {
    fn from(pattern: Pattern) -> Self {
        pattern.as_str()
    }
}

/// A text that names no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be steady, wink, double-wink, triple-wink, blink, slow-blink, fast-blink, flash, double-flash or triple-flash"
)]
pub struct PatternError;

#[cfg(test)]
mod tests {
    use super::*;

    const ALARMS: [Alarm; 3] = [Alarm::None, Alarm::Low, Alarm::Critical];

    /// The lamp as somebody with a stopwatch sees it: one sign per 20 ms.
    fn film(pattern: Pattern, alarm: Alarm, length: Duration) -> String {
        let step = Duration::from_millis(20);
        (0..)
            .map(|tick| step * tick)
            .take_while(|at| *at < length)
            .map(|at| {
                if pattern.phase_at(alarm, at).lit {
                    '#'
                } else {
                    '.'
                }
            })
            .collect()
    }

    #[test]
    fn every_pattern_begins_lit() {
        for pattern in Pattern::ALL {
            for alarm in ALARMS {
                assert!(
                    pattern.phase_at(alarm, Duration::ZERO).lit,
                    "{pattern} {alarm}"
                );
            }
        }
    }

    #[test]
    fn no_two_patterns_or_alarms_look_alike() {
        let films: Vec<_> = Pattern::ALL
            .into_iter()
            .flat_map(|pattern| ALARMS.map(|alarm| film(pattern, alarm, Duration::from_secs(8))))
            .collect();

        for (index, one) in films.iter().enumerate() {
            assert!(!films[index + 1..].contains(one), "film {index}: {one}");
        }
    }

    #[test]
    fn a_wink() {
        let expected = format!("{}{}", "#".repeat(94), ".".repeat(6));

        assert_eq!(
            film(Pattern::Wink, Alarm::None, Duration::from_secs(4)),
            expected.repeat(2)
        );
    }

    #[test]
    fn a_low_battery_on_a_steady_lamp() {
        let told = format!(
            "{}{}{}",
            ".".repeat(20),
            "####........".repeat(2),
            ".".repeat(20)
        );

        assert_eq!(
            film(Pattern::Steady, Alarm::Low, Duration::from_millis(5_280)),
            format!("{}{told}", "#".repeat(200))
        );
    }

    #[test]
    fn following_the_remaining_times_meets_every_change() {
        for pattern in Pattern::ALL {
            for alarm in ALARMS {
                let film = film(pattern, alarm, Duration::from_secs(10));
                let mut at = Duration::ZERO;
                while let Phase {
                    lit,
                    remaining: Some(remaining),
                } = pattern.phase_at(alarm, at)
                {
                    let until = at + remaining;
                    let mut instants = (0..film.len() as u32)
                        .map(|tick| (tick, Duration::from_millis(20) * tick))
                        .filter(|(_, instant)| (at..until).contains(instant));
                    assert!(
                        instants.all(|(tick, _)| (film.as_bytes()[tick as usize] == b'#') == lit),
                        "{pattern} {alarm} {at:?}"
                    );
                    at = until;
                    if at > Duration::from_secs(10) {
                        break;
                    }
                }
            }
        }
    }

    #[test]
    fn which_patterns_blink() {
        let blinking: Vec<_> = Pattern::ALL
            .into_iter()
            .filter(|pattern| pattern.blinks())
            .collect();

        assert_eq!(
            blinking,
            [
                Pattern::Blink,
                Pattern::SlowBlink,
                Pattern::FastBlink,
                Pattern::Flash,
                Pattern::DoubleFlash,
                Pattern::TripleFlash
            ]
        );
    }

    #[test]
    fn words_there_and_back() {
        for pattern in Pattern::ALL {
            assert_eq!(pattern.as_str().parse(), Ok(pattern));
            assert!(PatternError.to_string().contains(pattern.as_str()));
        }
        assert_eq!("STEADY".parse::<Pattern>(), Err(PatternError));
    }
}
