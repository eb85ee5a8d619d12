//! The pure machine that keeps the application from missing a change of its twin.
//!
//! After each connection the twin is fetched, and so it is after a gap in the versions. A notification is
//! passed on only if it follows the version the application knows; an older one is a repetition and a
//! newer one means that something was missed. Reports are sent one at a time, in order: were a later one
//! taken while an earlier one has to be repeated, the repetition would undo it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hub_proto::topic;
use hub_proto::twin::Object;
use serde_json::Value;

use self::state::take_version;
use crate::error::TwinError;
use crate::outbox::Ticket;
use crate::packet::Packet;

mod state;

pub use self::state::{TwinSection, TwinState};

/// How long the hub may take to answer; the C# SDK gives it as long.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The wait before the twin is fetched again when the hub refused it.
const AFTER_REFUSAL: Duration = Duration::from_secs(5);
/// The wait before the twin is fetched again when the answer was older than a notification.
const AFTER_OLD_ANSWER: Duration = Duration::from_secs(1);
/// So many requests of the application may wait.
const MAX_WAITING: usize = 64;

/// What the machine wants done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TwinOutput {
    Publish(Packet),
    State(TwinState),
    Desired { patch: Object, version: u64 },
    Settle(Ticket, Result<TwinAnswer, TwinError>),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TwinAnswer {
    State(TwinState),
    Reported { version: Option<u64> },
}

#[derive(Debug)]
pub(crate) struct TwinSync {
    /// Keeps request ids of different runs apart: a kept session may deliver answers to the last one's.
    salt: u32,
    requests: u64,
    /// Whether requests can be sent: the answers' topic is subscribed.
    ready: bool,
    /// The desired version the application has.
    known: Option<u64>,
    /// The highest desired version a notification has named on this connection.
    seen: u64,
    fetch: Fetch,
    gets: VecDeque<Get>,
    reports: VecDeque<Report>,
    outputs: VecDeque<TwinOutput>,
}

#[derive(Debug)]
enum Fetch {
    Idle,
    /// As soon as this moment has come and requests can be sent.
    Wanted(Option<Instant>),
    Pending {
        rid: String,
        until: Instant,
        /// A notification was passed on since: the answer may be older than what the application has.
        overtaken: bool,
    },
}

#[derive(Debug)]
struct Get {
    ticket: Ticket,
    pending: Option<Pending>,
}

#[derive(Debug)]
struct Report {
    ticket: Ticket,
    patch: Bytes,
    pending: Option<Pending>,
}

#[derive(Debug)]
struct Pending {
    rid: String,
    until: Instant,
}

impl TwinSync {
    pub(crate) const fn new(salt: u32) -> Self {
        Self {
            salt,
            requests: 0,
            ready: false,
            known: None,
            seen: 0,
            fetch: Fetch::Wanted(None),
            gets: VecDeque::new(),
            reports: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    /// The subscriptions stand: fetch, and send what waits.
    pub(crate) fn handle_ready(&mut self, now: Instant) {
        self.ready = true;
        self.fetch = Fetch::Wanted(None);
        self.pump(now);
    }

    pub(crate) fn handle_down(&mut self) {
        self.ready = false;
        self.seen = 0;
        self.fetch = Fetch::Wanted(None);
        for get in &mut self.gets {
            get.pending = None;
        }
        for report in &mut self.reports {
            report.pending = None;
        }
    }

    /// The application could not be told of a change: it gets the whole twin later.
    pub(crate) fn handle_missed(&mut self, now: Instant) {
        self.known = None;
        self.want(now);
    }

    /// The twin of the next connection may be another one: the application gets the whole of it.
    pub(crate) const fn handle_other(&mut self) {
        self.known = None;
    }

    pub(crate) fn handle_get(&mut self, ticket: Ticket, now: Instant) {
        if self.gets.len() >= MAX_WAITING {
            return self
                .outputs
                .push_back(TwinOutput::Settle(ticket, Err(TwinError::TooMany)));
        }
        self.gets.push_back(Get {
            ticket,
            pending: None,
        });
        self.pump(now);
    }

    pub(crate) fn handle_report(&mut self, ticket: Ticket, patch: Bytes, now: Instant) {
        if self.reports.len() >= MAX_WAITING {
            return self
                .outputs
                .push_back(TwinOutput::Settle(ticket, Err(TwinError::TooMany)));
        }
        self.reports.push_back(Report {
            ticket,
            patch,
            pending: None,
        });
        self.pump(now);
    }

    /// `$iothub/twin/PATCH/properties/desired/`: both topic and body name the version.
    pub(crate) fn handle_desired(&mut self, version: Option<u64>, body: &[u8], now: Instant) {
        let Ok(mut patch) = serde_json::from_slice::<Object>(body) else {
            return self.want(now);
        };
        let in_body = take_version(&mut patch);
        let Some(version) = in_body.or(version) else {
            return self.want(now);
        };
        self.seen = self.seen.max(version);
        match self.known {
            Some(known) if version <= known => {}
            Some(known) if version == known + 1 => {
                self.known = Some(version);
                if let Fetch::Pending { overtaken, .. } = &mut self.fetch {
                    *overtaken = true;
                }
                self.outputs
                    .push_back(TwinOutput::Desired { patch, version });
            }
            _ => self.want(now),
        }
    }

    /// `$iothub/twin/res/{status}/`. An answer nobody waits for any more is passed over.
    pub(crate) fn handle_response(
        &mut self,
        status: u16,
        rid: &str,
        version: Option<u64>,
        body: &[u8],
        now: Instant,
    ) {
        let is =
            |pending: &Option<Pending>| pending.as_ref().is_some_and(|pending| pending.rid == rid);
        if self
            .reports
            .front()
            .is_some_and(|report| is(&report.pending))
        {
            let answer = refusal(status, body).map_or(Ok(TwinAnswer::Reported { version }), Err);
            if let Some(report) = self.reports.pop_front() {
                self.outputs
                    .push_back(TwinOutput::Settle(report.ticket, answer));
            }
        } else if let Some(index) = self.gets.iter().position(|get| is(&get.pending)) {
            if let Some(get) = self.gets.remove(index) {
                let answer = state(status, body).map(TwinAnswer::State);
                self.outputs
                    .push_back(TwinOutput::Settle(get.ticket, answer));
            }
        } else if matches!(&self.fetch, Fetch::Pending { rid: pending, .. } if pending == rid) {
            self.handle_fetched(state(status, body), now);
        }
        self.pump(now);
    }

    fn handle_fetched(&mut self, answer: Result<TwinState, TwinError>, now: Instant) {
        let overtaken = matches!(
            self.fetch,
            Fetch::Pending {
                overtaken: true,
                ..
            }
        );
        let Ok(twin) = answer else {
            self.fetch = Fetch::Wanted(Some(now + AFTER_REFUSAL));
            return;
        };
        let version = twin.desired.version;
        let is_news = match self.known {
            Some(known) if version == known => false,
            // Unless notifications have overtaken the answer, the identity was made anew.
            Some(known) if version < known => !overtaken,
            _ => true,
        };
        if is_news {
            self.known = Some(version);
            self.outputs.push_back(TwinOutput::State(twin));
        }
        let is_behind = self.known < Some(self.seen);
        self.fetch = if is_behind {
            Fetch::Wanted(Some(now + AFTER_OLD_ANSWER))
        } else {
            Fetch::Idle
        };
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let over = |pending: &Option<Pending>| {
            pending.as_ref().is_some_and(|pending| pending.until <= now)
        };
        if matches!(self.fetch, Fetch::Pending { until, .. } if until <= now) {
            self.fetch = Fetch::Wanted(None);
        }
        while let Some(report) = self.reports.pop_front_if(|report| over(&report.pending)) {
            self.outputs
                .push_back(TwinOutput::Settle(report.ticket, Err(TwinError::TimedOut)));
        }
        while let Some(index) = self.gets.iter().position(|get| over(&get.pending)) {
            if let Some(get) = self.gets.remove(index) {
                self.outputs
                    .push_back(TwinOutput::Settle(get.ticket, Err(TwinError::TimedOut)));
            }
        }
        self.pump(now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let fetch = match &self.fetch {
            Fetch::Pending { until, .. } => Some(*until),
            Fetch::Wanted(Some(at)) if self.ready => Some(*at),
            Fetch::Wanted(_) | Fetch::Idle => None,
        };
        let report = self
            .reports
            .front()
            .and_then(|report| report.pending.as_ref());
        let gets = self.gets.iter().filter_map(|get| get.pending.as_ref());
        gets.chain(report)
            .map(|pending| pending.until)
            .chain(fetch)
            .min()
    }

    pub(crate) fn poll_output(&mut self) -> Option<TwinOutput> {
        self.outputs.pop_front()
    }

    /// Whether a request is on its way, which a planned reconnection had better await.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.fetch, Fetch::Pending { .. })
            || self.gets.iter().any(|get| get.pending.is_some())
            || self.has_reports()
    }

    /// Whether a report waits or is on its way.
    pub(crate) fn has_reports(&self) -> bool {
        !self.reports.is_empty()
    }

    fn want(&mut self, now: Instant) {
        if matches!(self.fetch, Fetch::Idle | Fetch::Wanted(_)) {
            self.fetch = Fetch::Wanted(None);
        }
        self.pump(now);
    }

    /// Sends what may be sent.
    fn pump(&mut self, now: Instant) {
        if !self.ready {
            return;
        }
        let until = now + ANSWER_WITHIN;
        if matches!(self.fetch, Fetch::Wanted(at) if at.is_none_or(|at| at <= now)) {
            let rid = self.next_rid();
            self.outputs.push_back(TwinOutput::Publish(get(&rid)));
            self.fetch = Fetch::Pending {
                rid,
                until,
                overtaken: false,
            };
        }
        while let Some(index) = self.gets.iter().position(|get| get.pending.is_none()) {
            let rid = self.next_rid();
            self.outputs.push_back(TwinOutput::Publish(get(&rid)));
            self.gets[index].pending = Some(Pending { rid, until });
        }
        let rid = self.next_rid();
        if let Some(report) = self
            .reports
            .front_mut()
            .filter(|report| report.pending.is_none())
        {
            let packet = Packet {
                topic: topic::reported_patch(&rid),
                payload: report.patch.clone(),
            };
            report.pending = Some(Pending { rid, until });
            self.outputs.push_back(TwinOutput::Publish(packet));
        }
    }

    fn next_rid(&mut self) -> String {
        self.requests += 1;
        format!("{:08x}{:x}", self.salt, self.requests)
    }
}

/// The SDKs send one space, since some MQTT stacks cannot send nothing.
fn get(rid: &str) -> Packet {
    Packet {
        topic: topic::twin_get(rid),
        payload: Bytes::from_static(b" "),
    }
}

fn state(status: u16, body: &[u8]) -> Result<TwinState, TwinError> {
    match refusal(status, body) {
        Some(refusal) => Err(refusal),
        None => TwinState::parse(body).ok_or(TwinError::Malformed),
    }
}

fn refusal(status: u16, body: &[u8]) -> Option<TwinError> {
    if status < 300 {
        return None;
    }
    let message = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|body| body.get("message")?.as_str().map(str::to_owned))
        .unwrap_or_default();
    Some(TwinError::Refused { status, message })
}

#[cfg(test)]
mod tests;
