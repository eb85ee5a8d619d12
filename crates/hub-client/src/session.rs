//! What a client does and when, without doing it: connect, renew, resend, answer, close. Pure: it is told
//! the time and what happened, and is asked what to do and when to be woken.
//!
//! ```text
//! Waiting ──until──▶ Opening ──up──▶ Online ──renewal due──▶ Draining ──all acknowledged──▶ Leaving
//!    ▲                  │ down          │ down                  │ down                         │ down
//!    └──────────────────┴───────────────┴───────────────────────┘        Opening ◀── renewal ──┴── close ──▶ Closed
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hub_proto::topic;

use self::delivery::{KeptResponse, filters};
use self::standing::Step;
use crate::backoff::Backoff;
use crate::error::LinkError;
use crate::options::Options;
use crate::outbox::{Full, Letter, Outbox, Ticket};
use crate::packet::Packet;
use crate::provisioning::Assigned;
use crate::twin::{TwinOutput, TwinSync};

mod delivery;
mod output;
mod standing;

pub(crate) use self::output::{Notice, Output, Settled, TokenSpan};
pub(crate) use self::standing::Standing;

/// A connection that lasted so long ends a series of failures.
const STABLE_AFTER: Duration = Duration::from_secs(10);
/// How long a planned reconnection waits for acknowledgements that are due.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);
/// How long the other side may take to close after a DISCONNECT.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);
#[derive(Debug)]
pub(crate) struct Session {
    standing: Standing,
    acknowledge_within: Duration,
    phase: Phase,
    /// Counts connections, so that late acknowledgements do not hit another's packet ids.
    link: u64,
    /// Whether the application believes to be connected.
    announced: bool,
    closing: Option<Instant>,
    backoff: Backoff,
    chance: fastrand::Rng,
    outbox: Outbox,
    twin: TwinSync,
    responses: VecDeque<KeptResponse>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum Phase {
    Waiting {
        until: Instant,
    },
    /// Asking where the device belongs, or connecting there.
    Opening,
    Online {
        since: Instant,
        renew_at: Option<Instant>,
    },
    Draining {
        until: Instant,
    },
    Leaving {
        until: Instant,
    },
    Closed,
}

impl Session {
    pub(crate) fn new(
        standing: Standing,
        options: &Options,
        mut chance: fastrand::Rng,
        now: Instant,
    ) -> Self {
        Self {
            standing,
            acknowledge_within: options.acknowledge_within,
            phase: Phase::Waiting { until: now },
            link: 0,
            announced: false,
            closing: None,
            backoff: Backoff::new(options.backoff),
            outbox: Outbox::new(options.outbox),
            twin: TwinSync::new(chance.u32(..)),
            chance,
            responses: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Whether nothing new is taken any more.
    pub(crate) const fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// The connection's number, to be handed back with acknowledgements.
    pub(crate) const fn link(&self) -> u64 {
        self.link
    }

    /// The provisioning service says where the device belongs.
    pub(crate) fn handle_assigned(&mut self, assigned: Assigned, now: Instant) {
        let Assigned { place, payload } = assigned;
        let is_other = self
            .standing
            .handle_assigned(&place, self.chance.f64(), now);
        // At the same hub, too, the device may have been made anew.
        self.twin.handle_other();
        if is_other {
            // Nobody there waits for them.
            self.responses.clear();
            self.outputs
                .push_back(Output::Notify(Notice::Assigned { place, payload }));
        }
        self.open(now);
    }

    /// CONNACK said yes.
    pub(crate) fn handle_up(&mut self, token: Option<TokenSpan>, now: Instant) {
        // Four fifths of a life leave time for a few failed attempts before the hub ends it.
        let renew_at = token.map(|token| token.signed_at + token.life.mul_f64(0.8));
        self.phase = Phase::Online {
            since: now,
            renew_at,
        };
        self.link += 1;
        self.standing.handle_up(now);
        if let Some(place) = self.standing.place() {
            // The session may be kept by the other side, but subscribing again is harmless where it is and
            // the only way where it is not.
            let filters = filters(&place.identity);
            self.outputs.push_back(Output::Subscribe(filters));
        }
        if !self.announced {
            self.announced = true;
            self.outputs.push_back(Output::Notify(Notice::Connected));
        }
        for kept in self.responses.drain(..).filter(|kept| kept.until > now) {
            self.outputs.push_back(Output::Publish(kept.packet));
        }
        self.pump(now);
    }

    /// SUBACK.
    pub(crate) fn handle_subscribed(&mut self, refused: bool, now: Instant) {
        if refused {
            return self.give_up(LinkError::SubscriptionRefused, now);
        }
        self.twin.handle_ready(now);
        self.pump(now);
    }

    /// The connection ended, or could not be opened.
    pub(crate) fn handle_down(&mut self, why: LinkError, now: Instant) {
        self.outbox.handle_down();
        self.twin.handle_down();
        match self.phase {
            Phase::Closed => return,
            Phase::Leaving { .. } => {
                if self.closing.is_some() {
                    self.finish();
                } else {
                    self.open(now);
                }
                return;
            }
            Phase::Online { since, .. } if now >= since + STABLE_AFTER => self.backoff.reset(),
            Phase::Draining { .. } => self.backoff.reset(),
            Phase::Online { .. } | Phase::Opening | Phase::Waiting { .. } => {}
        }
        self.standing.handle_down(&why, self.chance.f64(), now);
        let retry_in = self.backoff.next(self.chance.f64());
        let retry_in = retry_in.max(self.standing.wait(now));
        self.phase = Phase::Waiting {
            until: now + retry_in,
        };
        self.announced = false;
        self.outputs
            .push_back(Output::Notify(Notice::Disconnected { why, retry_in }));
        self.pump(now);
    }

    /// The transport wrote the oldest unwritten QoS 1 publish.
    pub(crate) fn handle_sent(&mut self, packet: u16) {
        self.outbox.handle_sent(packet);
    }

    /// PUBACK.
    pub(crate) fn handle_acked(&mut self, packet: u16, now: Instant) {
        if let Some(ticket) = self.outbox.handle_acked(packet) {
            self.outputs
                .push_back(Output::Settle(ticket, Settled::Acknowledged));
        }
        self.pump(now);
    }

    /// The application sends. `Err` when the outbox refuses.
    pub(crate) fn handle_send(
        &mut self,
        ticket: Ticket,
        letter: Letter,
        now: Instant,
    ) -> Result<(), Full> {
        for dropped in self.outbox.push(ticket, letter)? {
            self.outputs
                .push_back(Output::Settle(dropped, Settled::Dropped));
        }
        self.pump(now);
        Ok(())
    }

    /// The application wants the twin.
    pub(crate) fn handle_get_twin(&mut self, ticket: Ticket, now: Instant) {
        self.twin.handle_get(ticket, now);
        self.pump(now);
    }

    /// The application reports.
    pub(crate) fn handle_report(&mut self, ticket: Ticket, patch: Bytes, now: Instant) {
        self.twin.handle_report(ticket, patch, now);
        self.pump(now);
    }

    /// The application could not be told of changed settings.
    pub(crate) fn handle_missed_desired(&mut self, now: Instant) {
        self.twin.handle_missed(now);
        self.pump(now);
    }

    /// Whatever waits may still go out until `deadline`; then it is over.
    pub(crate) fn handle_close(&mut self, deadline: Instant, now: Instant) {
        self.closing = Some(
            self.closing
                .map_or(deadline, |earlier| earlier.min(deadline)),
        );
        self.pump(now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.twin.handle_timeout(now);
        match self.phase {
            Phase::Waiting { until } if until <= now => self.open(now),
            Phase::Online {
                renew_at: Some(at), ..
            } if at <= now => {
                tracing::debug!("renewing the connection before its token ends");
                self.phase = Phase::Draining {
                    until: now + DRAIN_WITHIN,
                };
            }
            Phase::Leaving { until } if until <= now => {
                self.outputs.push_back(Output::Drop);
                self.handle_down(transport::Error::Silent.into(), now);
            }
            _ => {}
        }
        if self.acknowledgement_due().is_some_and(|due| due <= now) {
            self.give_up(LinkError::Unacknowledged, now);
        }
        self.pump(now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Waiting { until } | Phase::Draining { until } | Phase::Leaving { until } => {
                Some(until)
            }
            Phase::Online { renew_at, .. } => renew_at,
            Phase::Opening => None,
            Phase::Closed => return None,
        };
        let closing = self
            .closing
            .filter(|_| !matches!(self.phase, Phase::Leaving { .. }));
        [
            phase,
            self.acknowledgement_due(),
            self.twin.poll_timeout(),
            closing,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn acknowledgement_due(&self) -> Option<Instant> {
        self.outbox
            .oldest_in_flight()
            .map(|since| since + self.acknowledge_within)
    }

    const fn is_up(&self) -> bool {
        matches!(
            self.phase,
            Phase::Online { .. } | Phase::Draining { .. } | Phase::Leaving { .. }
        )
    }

    fn open(&mut self, now: Instant) {
        self.phase = Phase::Opening;
        self.outputs.push_back(match self.standing.step(now) {
            Step::Register => Output::Register,
            Step::Connect(place) => Output::Open(place),
        });
    }

    fn give_up(&mut self, why: LinkError, now: Instant) {
        self.outputs.push_back(Output::Drop);
        self.handle_down(why, now);
    }

    /// Moves on whatever the last input made possible.
    fn pump(&mut self, now: Instant) {
        while let Some(output) = self.twin.poll_output() {
            self.outputs.push_back(match output {
                TwinOutput::Publish(packet) => Output::Publish(packet),
                TwinOutput::State(twin) => Output::Notify(Notice::Twin(twin)),
                TwinOutput::Desired { patch, version } => {
                    Output::Notify(Notice::Desired { patch, version })
                }
                TwinOutput::Settle(ticket, answer) => Output::Settle(ticket, Settled::Twin(answer)),
            });
        }
        if let (Phase::Online { .. }, Some(place)) = (&self.phase, self.standing.place()) {
            while let Some(letter) = self.outbox.next(now) {
                self.outputs.push_back(Output::PublishAcknowledged(Packet {
                    topic: topic::telemetry(&place.identity, &letter.bag),
                    payload: letter.payload.clone(),
                }));
            }
        }
        if let Phase::Draining { until } = self.phase
            && (until <= now || (self.outbox.in_flight() == 0 && !self.twin.is_busy()))
        {
            self.leave(now);
        }
        if let Some(deadline) = self.closing {
            self.pump_closing(deadline, now);
        }
    }

    fn pump_closing(&mut self, deadline: Instant, now: Instant) {
        let is_flushed =
            self.outbox.is_empty() && !self.twin.has_reports() && self.responses.is_empty();
        if !is_flushed && now < deadline {
            return;
        }
        match self.phase {
            Phase::Online { .. } | Phase::Draining { .. } => self.leave(now),
            Phase::Waiting { .. } | Phase::Opening => self.finish(),
            Phase::Leaving { .. } | Phase::Closed => {}
        }
    }

    fn leave(&mut self, now: Instant) {
        self.phase = Phase::Leaving {
            until: now + LEAVE_WITHIN,
        };
        self.outputs.push_back(Output::Disconnect);
    }

    fn finish(&mut self) {
        self.phase = Phase::Closed;
        self.outputs.push_back(Output::Drop);
        self.outputs.push_back(Output::Closed {
            undelivered: self.outbox.len(),
        });
    }
}

#[cfg(test)]
mod tests;
