//! The task that owns a client: it does what the [`Session`] decides, and tells it what happened.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hub_proto::user_name;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::error::{LinkError, ReceiptError, SendError, TwinError};
use crate::event::{Ack, Event, Reply, Responder};
use crate::options::Options;
use crate::outbox::{Full, Packet, Ticket};
use crate::session::{Notice, Output, Session, Settled, TokenSpan};
use crate::source::Source;
use crate::transport::{Link, LinkEvent, LinkOptions, Stuck};
use crate::twin::{TwinAnswer, TwinState};

/// Events that did not fit into the application's channel.
const MAX_BACKLOG: usize = 64;

/// What an application asks for.
#[derive(Debug)]
pub(crate) enum Command {
    Send {
        packet: Packet,
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
enum Waiter {
    Receipt(oneshot::Sender<Result<(), ReceiptError>>),
    Report(oneshot::Sender<Result<Option<u64>, TwinError>>),
    Twin(oneshot::Sender<Result<TwinState, TwinError>>),
}

type Opening =
    Pin<Box<dyn Future<Output = Result<(LinkOptions, Option<TokenSpan>), LinkError>> + Send>>;

struct Task {
    source: Arc<Source>,
    options: Options,
    session: Session,
    opening: Option<Opening>,
    token: Option<TokenSpan>,
    link: Option<Link>,
    waiters: HashMap<Ticket, Waiter>,
    tickets: Ticket,
    closers: Vec<oneshot::Sender<usize>>,
    events: mpsc::Sender<Event>,
    backlog: VecDeque<Event>,
    replies: mpsc::UnboundedSender<Reply>,
}

/// Runs until the client is closed or dropped.
pub(crate) async fn run(
    source: Arc<Source>,
    options: Options,
    mut commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
) {
    let (replies, mut reply_receiver) = mpsc::unbounded_channel();
    let session = Session::new(
        source.identity.clone(),
        &options,
        fastrand::Rng::new(),
        now(),
    );
    let mut task = Task {
        source,
        options,
        session,
        opening: None,
        token: None,
        link: None,
        waiters: HashMap::new(),
        tickets: 0,
        closers: Vec::new(),
        events: events.clone(),
        backlog: VecDeque::new(),
        replies,
    };
    let mut is_orphan = false;
    loop {
        if let Some(undelivered) = task.perform() {
            for closer in task.closers.drain(..) {
                let _ = closer.send(undelivered);
            }
            return;
        }
        let wake = task.session.poll_timeout();
        tokio::select! {
            event = next_event(&mut task.link) => task.handle_link(event),
            opened = next_opened(&mut task.opening) => task.handle_opened(opened),
            Some(reply) = reply_receiver.recv() => task.handle_reply(reply),
            command = commands.recv(), if !is_orphan => match command {
                Some(command) => task.handle_command(command),
                None => {
                    // Every handle is gone: nobody could learn of anything any more.
                    is_orphan = true;
                    task.session.handle_close(now(), now());
                }
            },
            () = has_room(&events), if !task.backlog.is_empty() => task.deliver(),
            () = sleep_until_some(wake) => task.session.handle_timeout(now()),
        }
    }
}

async fn sleep_until_some(wake: Option<std::time::Instant>) {
    match wake {
        Some(wake) => sleep_until(Instant::from_std(wake)).await,
        None => std::future::pending().await,
    }
}

async fn has_room(events: &mpsc::Sender<Event>) {
    let _ = events.reserve().await;
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

async fn next_event(link: &mut Option<Link>) -> LinkEvent {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}

async fn next_opened(
    opening: &mut Option<Opening>,
) -> Result<(LinkOptions, Option<TokenSpan>), LinkError> {
    match opening {
        Some(opening) => opening.await,
        None => std::future::pending().await,
    }
}

/// Gets whom to trust and what to say.
async fn open(
    source: Arc<Source>,
    options: Options,
) -> Result<(LinkOptions, Option<TokenSpan>), LinkError> {
    let tls = source.trust.client_config(&source.credential).await?;
    let (signed_at, unix_now) = (now(), Timestamp::now().as_second());
    let signed = source
        .credential
        .token(&source.hub, &source.identity, options.token_life, unix_now)
        .await?;
    let link = LinkOptions {
        host: source.host.clone(),
        port: source.mqtt_port,
        client_id: source.identity.to_string(),
        user_name: user_name::hub(
            &source.hub,
            &source.identity,
            &options.product,
            options.model_id.as_deref(),
        ),
        password: signed.token,
        keep_alive: options.keep_alive,
        tls,
    };
    Ok((link, signed.life.map(|life| TokenSpan { signed_at, life })))
}

impl Task {
    /// Does what the session wants done. Gives the number of undelivered messages when it is over.
    fn perform(&mut self) -> Option<usize> {
        while let Some(output) = self.session.poll_output() {
            let done = match output {
                Output::Open => {
                    self.opening = Some(Box::pin(open(
                        Arc::clone(&self.source),
                        self.options.clone(),
                    )));
                    Ok(())
                }
                Output::Subscribe(filters) => self.on_link(|link| link.subscribe(filters)),
                Output::PublishAcknowledged(packet) => {
                    self.on_link(|link| link.publish(packet, true))
                }
                Output::Publish(packet) => self.on_link(|link| link.publish(packet, false)),
                Output::Acknowledge(packet) => self.on_link(|link| link.acknowledge(packet)),
                Output::Disconnect => self.on_link(Link::disconnect),
                Output::Drop => {
                    self.link = None;
                    self.opening = None;
                    Ok(())
                }
                Output::Notify(notice) => {
                    self.notify(notice);
                    Ok(())
                }
                Output::Settle(ticket, settled) => {
                    self.settle(ticket, settled);
                    Ok(())
                }
                Output::Closed { undelivered } => return Some(undelivered),
            };
            if let Err(Stuck) = done {
                self.link = None;
                self.session.handle_down(LinkError::Silent, now());
            }
        }
        None
    }

    fn on_link(&self, act: impl FnOnce(&Link) -> Result<(), Stuck>) -> Result<(), Stuck> {
        self.link.as_ref().map_or(Ok(()), act)
    }

    fn handle_opened(&mut self, opened: Result<(LinkOptions, Option<TokenSpan>), LinkError>) {
        self.opening = None;
        match opened {
            Ok((options, token)) => {
                self.token = token;
                self.link = Some(Link::open(options));
            }
            Err(why) => self.session.handle_down(why, now()),
        }
    }

    fn handle_link(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up => self.session.handle_up(self.token, now()),
            LinkEvent::Sent(packet) => self.session.handle_sent(packet),
            LinkEvent::Acked(packet) => self.session.handle_acked(packet, now()),
            LinkEvent::Subscribed { refused } => self.session.handle_subscribed(refused, now()),
            LinkEvent::Delivered {
                topic,
                payload,
                packet,
            } => {
                self.session.handle_delivery(&topic, payload, packet, now());
            }
            LinkEvent::Down(why) => {
                self.link = None;
                self.session.handle_down(why, now());
            }
        }
    }

    fn handle_reply(&mut self, reply: Reply) {
        match reply {
            Reply::Ack { link, packet } => self.session.handle_ack(link, packet),
            Reply::Response {
                rid,
                status,
                payload,
            } => self.session.handle_response(&rid, status, &payload, now()),
        }
    }

    fn handle_command(&mut self, command: Command) {
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
                packet,
                accepted,
                settled,
            } => {
                // Whoever gave up waiting has still sent: only `send`'s own answer tells of a refusal.
                let verdict = match self.session.handle_send(ticket, packet, now()) {
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
    fn settle(&mut self, ticket: Ticket, settled: Settled) {
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

    fn notify(&mut self, notice: Notice) {
        let is_full = self.backlog.len() >= MAX_BACKLOG;
        let event = match notice {
            Notice::Connected => Event::Connected,
            Notice::Disconnected { why, retry_in } => {
                // Only the last of a series of failures is worth keeping for a slow reader.
                self.backlog
                    .pop_back_if(|last| matches!(last, Event::Disconnected { .. }));
                Event::Disconnected { why, retry_in }
            }
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

    fn deliver(&mut self) {
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
