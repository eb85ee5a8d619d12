//! What a registration does and when, without doing it: register, wait as told, ask how far it is, start
//! again, give up. Pure: it is told the time and what happened, and is asked what to do and when to be woken.
//!
//! ```text
//! Asking ──202, 429, 5xx, lost, silent──▶ Waiting ──until──▶ Asking
//!    └──assigned, failed, disabled, other refusals──▶ Done ◀──would last too long──┘
//! ```
//!
//! What is asked is the operation's status as soon as the service has given an operation id, and the
//! registration anew until then, or when the service knows that operation no more. Registering twice does no
//! harm: the service gives a device that has its hub the same one again, as its enrolment says.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use self::reading::Reading;
use crate::error::{Refusal, RegisterError, chain};
use crate::registration::{Assignment, Limits, Progress, Waiting};

mod reading;

/// The shortest wait, so that a service that asks for none is not flooded.
const MIN_WAIT: Duration = Duration::from_millis(100);
/// Longer than anything is waited for: stands for moments beyond the clock's end.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// One registration, from its first request to its end.
#[derive(Debug)]
pub struct Machine {
    limits: Limits,
    chance: fastrand::Rng,
    started: Instant,
    give_up_at: Instant,
    phase: Phase,
    /// What to ask with, once the service has given it.
    operation: Option<String>,
    /// The number of the last request.
    request: u32,
    /// How many of the requests were registrations.
    attempts: u32,
    /// Failures in a row.
    failures: u32,
    trouble: Trouble,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum Phase {
    Waiting { until: Instant },
    Asking { until: Instant },
    Done,
}

/// What stood in the way last.
#[derive(Debug)]
enum Trouble {
    Silence,
    Lost(transport::Error),
    PutOff(Refusal),
    Assigning,
}

/// Something to do.
#[derive(Debug)]
pub enum Output {
    /// Ask the service, over a new connection if there is none.
    Send {
        /// To be handed back with the answer.
        request: u32,
        /// What to ask.
        call: Call,
    },
    /// Forget the request: no answer came in time, and the connection it went over is not worth keeping.
    Abandon,
    /// Tell whoever watches.
    Progress(Progress),
    /// It is over; nothing comes after this.
    Done(Result<Assignment, RegisterError>),
}

/// What to ask the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// To register the device.
    Register,
    /// How far a registration is.
    Status {
        /// What the service gave to ask with. Fit for a topic; still to be escaped in a path.
        operation_id: String,
    },
}

/// An answer of the service.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The HTTP status, also used over MQTT.
    pub status: u16,
    /// How long to wait before asking again, if the service says.
    pub retry_after: Option<Duration>,
    /// JSON, if all is well.
    pub body: &'a [u8],
}

impl Machine {
    /// A registration that begins now.
    #[must_use]
    pub fn new(limits: Limits, chance: fastrand::Rng, now: Instant) -> Self {
        let mut machine = Self {
            limits,
            chance,
            started: now,
            give_up_at: later(now, limits.give_up_after),
            phase: Phase::Waiting { until: now },
            operation: None,
            request: 0,
            attempts: 0,
            failures: 0,
            trouble: Trouble::Silence,
            outputs: VecDeque::new(),
        };
        machine.ask(now);
        machine
    }

    /// The service answered a request. An answer that comes too late is passed over.
    pub fn handle_answer(&mut self, request: u32, answer: Answer<'_>, now: Instant) {
        if !self.awaits(request) {
            return;
        }
        match reading::read(answer.status, answer.body) {
            Reading::Assigned(assignment) => {
                self.outputs.push_back(Output::Progress(Progress::Assigned {
                    hub: assignment.hub.clone(),
                    device_id: assignment.device_id.clone(),
                }));
                self.finish(Ok(assignment));
            }
            Reading::Assigning { operation_id } => {
                self.operation = Some(operation_id);
                self.failures = 0;
                self.trouble = Trouble::Assigning;
                let wait = answer.retry_after.unwrap_or(self.limits.ask_again_after);
                self.wait(wait, Waiting::Assigning, now);
            }
            Reading::PutOff(refusal) => self.put_off(refusal, answer.retry_after, now),
            // The service lost the operation, not the enrolment: that, the next registration tells.
            Reading::Refused(RegisterError::NotFound(refusal)) if self.operation.is_some() => {
                self.operation = None;
                self.put_off(refusal, answer.retry_after, now);
            }
            Reading::Refused(error) => self.finish(Err(error)),
        }
    }

    /// A request could not be made, or its connection ended before the answer.
    pub fn handle_failed(&mut self, request: u32, why: transport::Error, now: Instant) {
        if !self.awaits(request) {
            return;
        }
        if why.is_permanent() {
            return self.finish(Err(RegisterError::from_permanent(why)));
        }
        let text = chain(&why);
        self.trouble = Trouble::Lost(why);
        let wait = self.back_off();
        self.wait(wait, Waiting::NoAnswer { why: text }, now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.phase {
            Phase::Waiting { until } if until <= now => self.ask(now),
            Phase::Asking { until } if until <= now => {
                self.outputs.push_back(Output::Abandon);
                if now >= self.give_up_at {
                    return self.give_up(now);
                }
                self.trouble = Trouble::Silence;
                let wait = self.back_off();
                let why = "the provisioning service did not answer in time".to_owned();
                self.wait(wait, Waiting::NoAnswer { why }, now);
            }
            Phase::Waiting { .. } | Phase::Asking { .. } | Phase::Done => {}
        }
    }

    /// When to be woken; `None` when it is over.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting { until } | Phase::Asking { until } => Some(until),
            Phase::Done => None,
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    const fn awaits(&self, request: u32) -> bool {
        matches!(self.phase, Phase::Asking { .. }) && request == self.request
    }

    fn ask(&mut self, now: Instant) {
        self.request = self.request.wrapping_add(1);
        self.phase = Phase::Asking {
            until: later(now, self.limits.answer_within).min(self.give_up_at),
        };
        let call = match &self.operation {
            Some(operation_id) => Call::Status {
                operation_id: operation_id.clone(),
            },
            None => {
                self.attempts = self.attempts.saturating_add(1);
                let attempt = self.attempts;
                self.outputs
                    .push_back(Output::Progress(Progress::Registering { attempt }));
                Call::Register
            }
        };
        let request = self.request;
        self.outputs.push_back(Output::Send { request, call });
    }

    fn put_off(&mut self, refusal: Refusal, retry_after: Option<Duration>, now: Instant) {
        let status = refusal.status;
        self.trouble = Trouble::PutOff(refusal);
        // Never sooner than told; the back-off on top spreads those who were told the same.
        let wait = retry_after
            .unwrap_or_default()
            .saturating_add(self.back_off());
        self.wait(wait, Waiting::PutOff { status }, now);
    }

    /// The wait after one more failure.
    fn back_off(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let doubled = self.limits.back_off_first.saturating_mul(factor);
        let part = 1.0 - self.chance.f64() / 2.0;
        doubled.min(self.limits.back_off_cap).min(FAR).mul_f64(part)
    }

    fn wait(&mut self, wait: Duration, why: Waiting, now: Instant) {
        let wait = wait.max(MIN_WAIT);
        let until = later(now, wait);
        if until >= self.give_up_at {
            return self.give_up(now);
        }
        self.phase = Phase::Waiting { until };
        self.outputs
            .push_back(Output::Progress(Progress::Waiting { wait, why }));
    }

    fn give_up(&mut self, now: Instant) {
        let after = now.saturating_duration_since(self.started);
        let error = match std::mem::replace(&mut self.trouble, Trouble::Silence) {
            Trouble::Silence => RegisterError::Unreachable {
                after,
                source: None,
            },
            Trouble::Lost(why) => RegisterError::Unreachable {
                after,
                source: Some(why),
            },
            Trouble::PutOff(refusal) => RegisterError::Busy { after, refusal },
            Trouble::Assigning => RegisterError::StillAssigning { after },
        };
        self.finish(Err(error));
    }

    fn finish(&mut self, result: Result<Assignment, RegisterError>) {
        self.phase = Phase::Done;
        self.outputs.push_back(Output::Done(result));
    }
}

/// `now + wait`, or a moment that never comes where the clock cannot say it.
fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait.min(FAR)).unwrap_or(now)
}

#[cfg(test)]
mod tests;
