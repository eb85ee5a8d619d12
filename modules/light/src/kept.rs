//! What a restart of the module finds again.

use std::time::Duration;

use bay::{Alarm, Booking, Moment, Occupancy, UnknownReason};
use jiff::Timestamp;
use module::Boot;
use serde::{Deserialize, Serialize};

use crate::sign::Knowledge;

/// What is kept across restarts of the module.
///
/// The gateway keeps what was said while the module was down, so what was heard last still holds
/// until the next message, as long as it is not stale and the machine itself was not restarted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Who the bay is kept for.
    #[serde(default)]
    pub booking: Option<Booking>,
    /// What the bay's sensor said last.
    #[serde(default)]
    pub heard: Option<Heard>,
    /// What the battery said last.
    #[serde(default)]
    pub alarm: Alarm,
}

/// What the bay's sensor said, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// What is known.
    pub occupancy: Occupancy,
    /// Why nothing is known.
    pub reason: Option<UnknownReason>,
    /// When it was said.
    pub at: Timestamp,
}

impl Heard {
    /// What it amounts to for the lamp.
    pub fn knowledge(&self) -> Knowledge {
        Knowledge::new(self.occupancy, self.reason)
    }

    /// How long ago it was said; nothing when a clock was set back since.
    pub fn age(&self, now: Moment) -> Duration {
        Duration::try_from(now.wall.duration_since(self.at)).unwrap_or_default()
    }
}

/// What is kept, and in which run of the machine it was.
#[derive(Debug, Serialize, Deserialize)]
pub struct OnDisk {
    /// The run of the machine, where its kernel numbers them.
    pub boot: Option<Boot>,
    /// What is kept.
    #[serde(flatten)]
    pub kept: Kept,
}

impl OnDisk {
    /// What still counts after a restart in the run `boot`: bookings outlive a power cut; what was heard
    /// of the street before it does not.
    pub fn after_restart(self, boot: Option<&Boot>) -> Kept {
        let same_boot = boot.is_some() && self.boot.as_ref() == boot;
        Kept {
            heard: self.kept.heard.filter(|_| same_boot),
            ..self.kept
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn on_disk(boot: Option<&str>) -> OnDisk {
        let text = json!({
            "boot": boot,
            "booking": {"bookingId": "ann", "until": null},
            "heard": {"occupancy": "free", "reason": null, "at": "2026-03-01T12:00:00Z"},
            "alarm": "low",
        });
        serde_json::from_value(text).expect("what is on disk")
    }

    #[test]
    fn what_was_heard_counts_in_the_same_run_of_the_machine_only() {
        let boot: Boot = serde_json::from_value(json!("one")).expect("a boot id");
        for (written_in, still_heard) in [(Some("one"), true), (Some("two"), false), (None, false)]
        {
            let kept = on_disk(written_in).after_restart(Some(&boot));
            assert_eq!(kept.heard.is_some(), still_heard, "{written_in:?}");
            assert_eq!(kept.booking, on_disk(None).kept.booking);
            assert_eq!(kept.alarm, Alarm::Low);
        }
        assert_eq!(on_disk(None).after_restart(None).heard, None);
    }

    #[test]
    fn a_file_of_an_older_program_is_still_understood() {
        let kept: OnDisk =
            serde_json::from_value(json!({"booking": {"bookingId": "ann", "until": null}}))
                .expect("less than today");

        assert_eq!(kept.kept.booking, on_disk(None).kept.booking);
        assert_eq!(kept.kept.heard, None);
    }

    #[test]
    fn a_clock_set_back_makes_nothing_older() {
        let heard = on_disk(None).kept.heard.expect("heard");
        let now = |text: &str| Moment {
            elapsed: Duration::ZERO,
            wall: text.parse().expect("a literal timestamp"),
        };

        assert_eq!(
            heard.age(now("2026-03-01T12:00:30Z")),
            Duration::from_secs(30)
        );
        assert_eq!(heard.age(now("2026-03-01T11:00:00Z")), Duration::ZERO);
    }
}
