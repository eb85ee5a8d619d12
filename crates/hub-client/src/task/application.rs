//! The application's side of the task: its commands, its waiting callers, its events.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::oneshot;

use super::{Task, now};
use crate::error::{ReceiptError, SendError, TwinError};
use crate::event::{Ack, Event, Reply, Responder};
use crate::outbox::{Full, Letter, Ticket};
use crate::session::{Notice, Settled};
use crate::twin::{TwinAnswer, TwinState};

/// What an application asks for.
#[derive(Debug)]
pub(crate) enum Command {
    Send {
        letter: Letter,
        accepted: oneshot::Sender<Result<(), SendError>>,
        settled: oneshot::Sender<Result<(), ReceiptError>>,
    },
    Report {
        patch: Bytes,
        settled: oneshot::Sender<Result<Option<u64>, TwinError>>,
    },
    Twin {
        settled: oneshot::Sender<Result<TwinState, TwinError>>,
    },
    Close {
        within: Duration,
        done: oneshot::Sender<usize>,
    },
}

/// Whoever waits for a ticket to be settled.
#[derive(Debug)]
pub(super) enum Waiter {
    Receipt(oneshot::Sender<Result<(), ReceiptError>>),
    Report(oneshot::Sender<Result<Option<u64>, TwinError>>),
    Twin(oneshot::Sender<Result<TwinState, TwinError>>),
}

impl Task {
    pub(super) fn handle_reply(&mut self, reply: Reply) {
        match reply {
            Reply::Ack { link, packet } => self.session.handle_ack(link, packet),
            Reply::Response {
                rid,
                status,
                payload,
            } => self.session.handle_response(&rid, status, &payload, now()),
        }
    }

    pub(super) fn handle_command(&mut self, command: Command) {
        self.tickets += 1;
        let ticket = self.tickets;
        match command {
            Command::Close { within, done } => {
                self.closers.push(done);
                self.session.handle_close(now() + within, now());
            }
            Command::Send { accepted, .. } if self.session.is_closing() => {
                let _ = accepted.send(Err(SendError::Closed));
            }
            Command::Send {
                letter,
                accepted,
                settled,
            } => {
                // Whoever gave up waiting has still sent: only `send`'s own answer tells of a refusal.
                let verdict = match self.session.handle_send(ticket, letter, now()) {
                    Ok(()) => {
                        self.waiters.insert(ticket, Waiter::Receipt(settled));
                        Ok(())
                    }
                    Err(Full) => Err(SendError::OutboxFull),
                };
                let _ = accepted.send(verdict);
            }
            // Dropping their senders tells the callers that the client is closed.
            Command::Report { .. } | Command::Twin { .. } if self.session.is_closing() => {}
            Command::Report { patch, settled } => {
                self.waiters.insert(ticket, Waiter::Report(settled));
                self.session.handle_report(ticket, patch, now());
            }
            Command::Twin { settled } => {
                self.waiters.insert(ticket, Waiter::Twin(settled));
                self.session.handle_get_twin(ticket, now());
            }
        }
    }

    /// A caller that no longer waits is no error.
    pub(super) fn settle(&mut self, ticket: Ticket, settled: Settled) {
        match (self.waiters.remove(&ticket), settled) {
            (Some(Waiter::Receipt(waiter)), Settled::Acknowledged) => {
                let _ = waiter.send(Ok(()));
            }
            (Some(Waiter::Receipt(waiter)), Settled::Dropped) => {
                let _ = waiter.send(Err(ReceiptError::Dropped));
            }
            (Some(Waiter::Report(waiter)), Settled::Twin(answer)) => {
                let _ = waiter.send(answer.and_then(|answer| match answer {
                    TwinAnswer::Reported { version } => Ok(version),
                    TwinAnswer::State(_) => Err(TwinError::Malformed),
                }));
            }
            (Some(Waiter::Twin(waiter)), Settled::Twin(answer)) => {
                let _ = waiter.send(answer.and_then(|answer| match answer {
                    TwinAnswer::State(twin) => Ok(twin),
                    TwinAnswer::Reported { .. } => Err(TwinError::Malformed),
                }));
            }
            _ => {}
        }
    }

    pub(super) fn notify(&mut self, notice: Notice) {
        // What has to be told waits in the backlog; of a slow reader's link events only the last counts.
        let is_full = self.events.capacity() == 0 || !self.backlog.is_empty();
        if is_full && matches!(notice, Notice::Connected | Notice::Disconnected { .. }) {
            self.backlog
                .retain(|event| !matches!(event, Event::Connected | Event::Disconnected { .. }));
        }
        let event = match notice {
            Notice::Assigned { place, payload } => {
                self.backlog
                    .retain(|event| !matches!(event, Event::Assigned { .. }));
                let (identity, hub) = (place.identity.clone(), place.hub.clone());
                self.place.send_replace(Some(place));
                Event::Assigned {
                    identity,
                    hub,
                    payload,
                }
            }
            Notice::Connected => Event::Connected,
            Notice::Disconnected { why, retry_in } => Event::Disconnected { why, retry_in },
            Notice::Twin(twin) => {
                self.backlog
                    .retain(|event| !matches!(event, Event::Twin(_) | Event::Desired { .. }));
                Event::Twin(twin)
            }
            Notice::Desired { .. } if is_full => return self.session.handle_missed_desired(now()),
            Notice::Desired { patch, version } => Event::Desired { patch, version },
            Notice::Method { rid, .. } if is_full => {
                let payload = json!({ "message": "too many events wait for the application" });
                return self.session.handle_response(&rid, 429, &payload, now());
            }
            Notice::Method { name, payload, rid } => Event::Method {
                name,
                payload,
                responder: Responder::new(self.replies.clone(), rid),
            },
            Notice::Input { .. } | Notice::CloudToDevice { .. } if is_full => return,
            Notice::Input {
                name,
                message,
                packet,
            } => Event::Input {
                name,
                message,
                ack: self.ack(packet),
            },
            Notice::CloudToDevice { message, packet } => Event::CloudToDevice {
                message,
                ack: self.ack(packet),
            },
        };
        self.backlog.push_back(event);
        self.deliver();
    }

    pub(super) fn deliver(&mut self) {
        while let Ok(permit) = self.events.try_reserve() {
            match self.backlog.pop_front() {
                Some(event) => permit.send(event),
                None => return,
            }
        }
        if self.events.is_closed() {
            // Nobody listens: dropping the events answers the methods among them.
            self.backlog.clear();
        }
    }

    fn ack(&self, packet: u16) -> Ack {
        Ack::new(self.replies.clone(), self.session.link(), packet)
    }
}
