//! What a bay's lamp is told of a booking, how often it is tried again, and the truth about how far that is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::hub::{HubError, MethodAnswer};

/// The first pause after a failure; each next is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: i64 = 2_000;
const LONGEST_PAUSE: i64 = 60_000;
/// Nobody else takes a lamp that is being told up for this long: more than a method may take.
pub const CLAIM: i64 = 45_000;

/// How far a lamp is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Told {
    /// Not yet: its time has not come, or it is being told.
    Waiting,
    /// It shows the booking.
    Told,
    /// It is to be told that the booking is over.
    Releasing,
    /// It shows the booking no more, or never did.
    Released,
    /// It did not do what it was told; it is tried again.
    Failed,
}

impl Told {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Waiting,
        Self::Told,
        Self::Releasing,
        Self::Released,
        Self::Failed,
    ];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Told => "told",
            Self::Releasing => "releasing",
            Self::Released => "released",
            Self::Failed => "failed",
        }
    }
}

/// What the lamp of a booking's bay was told, and what it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lamp {
    /// How far it is.
    pub told: Told,
    /// What went wrong the last time, as a sentence.
    pub problem: Option<String>,
    /// How often it was tried since it last did what it was told.
    pub attempts: i64,
    /// When it is tried next; `None` when there is nothing to tell.
    pub next_at: Option<i64>,
}

/// What a lamp said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It does it.
    Done,
    /// It does not, or nobody knows; a sentence for people.
    Not {
        /// Why.
        problem: String,
        /// When it is of use to ask again, if anybody said so.
        retry_after: Option<i64>,
    },
}

impl Answer {
    /// Of a method's outcome. `releasing`: that another booking has the lamp is then as good as done.
    #[must_use]
    pub fn of(outcome: Result<MethodAnswer, HubError>, releasing: bool) -> Self {
        let not = |problem: String| Self::Not {
            problem,
            retry_after: None,
        };
        match outcome {
            Ok(answer) if (200..300).contains(&answer.status) => Self::Done,
            Ok(answer) if answer.status == 409 && releasing => Self::Done,
            Ok(answer) => {
                let said = answer.payload.get("message").and_then(|said| said.as_str());
                not(match said {
                    Some(said) => format!("the lamp refuses: {said}"),
                    None => format!("the lamp refuses with status {}", answer.status),
                })
            }
            Err(HubError::Throttled { retry_after }) => Self::Not {
                problem: "the hub is busy".into(),
                retry_after: i64::try_from(retry_after.as_millis()).ok(),
            },
            Err(error) => not(error.to_string()),
        }
    }
}

impl Lamp {
    /// One that is to be told at `at`.
    #[must_use]
    pub const fn due(at: i64) -> Self {
        Self {
            told: Told::Waiting,
            problem: None,
            attempts: 0,
            next_at: Some(at),
        }
    }

    /// Whether it was told and did not do it.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        matches!(self.told, Told::Failed)
    }

    /// Takes it up: until the answer is in, or [`CLAIM`] has gone by, nobody else does.
    pub fn claim(&mut self, now: i64) {
        self.attempts += 1;
        self.next_at = Some(now + CLAIM);
    }

    /// Its booking is not what it was told: it is told again.
    pub fn tell_again(&mut self, now: i64) {
        if self.told != Told::Waiting || self.attempts > 0 {
            self.next_at = Some(now);
        }
    }

    /// Its booking is over. A lamp nobody has told anything has nothing to unlearn, and neither has one that was told
    /// until when, at that time.
    pub fn release(&mut self, now: i64, by_itself: bool) {
        let never_told = self.told == Told::Waiting && self.attempts == 0;
        if never_told || by_itself {
            self.told = Told::Released;
            self.next_at = None;
            self.problem = None;
        } else {
            self.told = Told::Releasing;
            self.next_at = Some(now);
        }
        self.attempts = 0;
    }

    /// What it answered when it was told, while its booking `holds` or not. `ends_at` is when the lamp ends it by itself.
    pub fn handle_answer(&mut self, answer: Answer, holds: bool, ends_at: i64, now: i64) {
        match answer {
            Answer::Done => {
                self.told = if holds { Told::Told } else { Told::Released };
                self.next_at = None;
                self.attempts = 0;
                self.problem = None;
            }
            Answer::Not {
                problem,
                retry_after,
            } => {
                self.told = if holds { Told::Failed } else { Told::Releasing };
                self.problem = Some(problem);
                self.next_at = Some(now + retry_after.unwrap_or_else(|| pause(self.attempts)));
            }
        }
        if self.next_at.is_some_and(|next| next >= ends_at) && !holds {
            self.told = Told::Released;
            self.next_at = None;
        }
    }
}

fn pause(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.clamp(1, 10) - 1).unwrap_or_default();
    (FIRST_PAUSE << doublings).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const END: i64 = 10_000_000;

    fn refused(status: i64) -> Result<MethodAnswer, HubError> {
        Ok(MethodAnswer {
            status,
            payload: json!({"reason": "booked", "message": "the bay is booked by another"}),
        })
    }

    #[test]
    fn a_lamp_that_is_offline_is_told_until_it_listens() {
        let mut lamp = Lamp::due(1_000);
        let mut now = 1_000;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            lamp.claim(now);
            lamp.handle_answer(Answer::of(Err(HubError::Offline), false), true, END, now);
            assert_eq!(lamp.told, Told::Failed);
            assert!(
                lamp.problem
                    .as_deref()
                    .expect("a problem")
                    .contains("not connected")
            );
            let next = lamp.next_at.expect("it is tried again");
            pauses.push((next - now) / 1000);
            now = next;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
        lamp.claim(now);
        let done = MethodAnswer {
            status: 200,
            payload: json!({}),
        };
        lamp.handle_answer(Answer::of(Ok(done), false), true, END, now);
        assert_eq!(
            lamp,
            Lamp {
                told: Told::Told,
                problem: None,
                attempts: 0,
                next_at: None
            }
        );
    }

    #[test]
    fn what_another_has_is_a_failure_to_book_and_as_good_as_released() {
        assert_eq!(
            Answer::of(refused(409), false),
            Answer::Not {
                problem: "the lamp refuses: the bay is booked by another".into(),
                retry_after: None
            }
        );
        assert_eq!(Answer::of(refused(409), true), Answer::Done);
        assert_ne!(Answer::of(refused(500), true), Answer::Done);
        let busy = HubError::Throttled {
            retry_after: Duration::from_secs(7),
        };
        let mut lamp = Lamp::due(0);
        lamp.claim(0);
        lamp.handle_answer(Answer::of(Err(busy), false), true, END, 0);
        assert_eq!(lamp.next_at, Some(7_000));
    }

    #[test]
    fn a_lamp_nobody_told_is_not_told_that_it_is_over() {
        let mut lamp = Lamp::due(5_000);
        lamp.release(1_000, false);
        assert_eq!((lamp.told, lamp.next_at), (Told::Released, None));
        // One that was being told may have heard it.
        let mut lamp = Lamp::due(5_000);
        lamp.claim(5_000);
        lamp.release(6_000, false);
        assert_eq!((lamp.told, lamp.next_at), (Told::Releasing, Some(6_000)));
    }

    proptest! {
        /// Whatever a lamp answers, somebody looks after it until it shows what it should, or its own clock has ended it.
        #[test]
        fn a_lamp_is_never_left_alone(outcomes in prop::collection::vec(0..5_u8, 0..40), release_at in 0..40_usize) {
            let mut lamp = Lamp::due(0);
            let mut now = 0;
            let mut holds = true;
            for (step, outcome) in outcomes.into_iter().enumerate() {
                if step == release_at {
                    holds = false;
                    lamp.release(now, false);
                }
                let Some(next) = lamp.next_at else {
                    let settled = if holds { Told::Told } else { Told::Released };
                    prop_assert_eq!(lamp.told, settled);
                    continue;
                };
                now = now.max(next);
                lamp.claim(now);
                let outcome = match outcome {
                    0 => Ok(MethodAnswer { status: 200, payload: json!(null) }),
                    1 => refused(409),
                    2 => refused(500),
                    3 => Err(HubError::TimedOut),
                    _ => Err(HubError::Unknown),
                };
                lamp.handle_answer(Answer::of(outcome, !holds), holds, END, now);
                prop_assert!(lamp.problem.is_none() || lamp.next_at.is_some() || now + 60_000 >= END);
            }
        }
    }
}
