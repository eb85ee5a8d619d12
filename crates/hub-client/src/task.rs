//! The task that owns a client: it does what the [`Session`] decides, and tells it what happened.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hub_proto::user_name;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use transport::mqtt::{Link, LinkEvent, LinkOptions, Stuck};

use self::application::Waiter;
use crate::error::LinkError;
use crate::event::{Event, Reply};
use crate::options::Options;
use crate::outbox::Ticket;
use crate::place::Place;
use crate::provisioning::{self, Assigned};
use crate::session::{Output, Session, Standing, TokenSpan};
use crate::source::{Source, Who};

mod application;

pub(crate) use self::application::Command;

type Opening = Pin<Box<dyn Future<Output = Result<Opened, LinkError>> + Send>>;

/// How far the way to a connection is.
enum Opened {
    Assigned(Assigned),
    Ready(LinkOptions, Option<TokenSpan>),
}

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
    /// Events that the application's channel has no room for.
    backlog: VecDeque<Event>,
    replies: mpsc::UnboundedSender<Reply>,
    /// For whoever asks the client who it is.
    place: watch::Sender<Option<Arc<Place>>>,
}

/// Runs until the client is closed or dropped.
pub(crate) async fn run(
    source: Arc<Source>,
    options: Options,
    mut commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    place: watch::Sender<Option<Arc<Place>>>,
) {
    let (replies, mut reply_receiver) = mpsc::unbounded_channel();
    let standing = match &source.who {
        Who::Given(place) => Standing::given(Arc::clone(place)),
        Who::Registers(_) => Standing::assigned(options.register_again, now()),
    };
    let session = Session::new(standing, &options, fastrand::Rng::new(), now());
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
        place,
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

async fn next_opened(opening: &mut Option<Opening>) -> Result<Opened, LinkError> {
    match opening {
        Some(opening) => opening.await,
        None => std::future::pending().await,
    }
}

/// Asks where the device belongs.
async fn register(source: Arc<Source>, options: Options) -> Result<Opened, LinkError> {
    let assigned = match &source.who {
        Who::Given(place) => Assigned {
            place: Arc::clone(place),
            payload: None,
        },
        Who::Registers(registration) => {
            provisioning::assign(registration, &source.credential, &options).await?
        }
    };
    Ok(Opened::Assigned(assigned))
}

/// Gets whom to trust and what to say.
async fn open(
    source: Arc<Source>,
    place: Arc<Place>,
    options: Options,
) -> Result<Opened, LinkError> {
    let config = source.tls().await?;
    let (signed_at, unix_now) = (now(), Timestamp::now().as_second());
    let signed = source
        .credential
        .token(&place, options.token_life, unix_now)
        .await?;
    let link = LinkOptions {
        host: place.host.clone(),
        port: source.mqtt_port,
        client_id: place.identity.to_string(),
        user_name: user_name::hub(
            &place.hub,
            &place.identity,
            &options.product,
            options.model_id.as_deref(),
        ),
        password: signed.as_ref().map(|signed| signed.token.clone()),
        clean_session: false,
        keep_alive: options.keep_alive,
        tls: config,
    };
    let life = signed.and_then(|signed| signed.life);
    let token = life.map(|life| TokenSpan { signed_at, life });
    Ok(Opened::Ready(link, token))
}

impl Task {
    /// Does what the session wants done. Gives the number of undelivered messages when it is over.
    fn perform(&mut self) -> Option<usize> {
        while let Some(output) = self.session.poll_output() {
            let done = match output {
                Output::Register => {
                    let (source, options) = (Arc::clone(&self.source), self.options.clone());
                    self.opening = Some(Box::pin(register(source, options)));
                    Ok(())
                }
                Output::Open(place) => {
                    let (source, options) = (Arc::clone(&self.source), self.options.clone());
                    self.opening = Some(Box::pin(open(source, place, options)));
                    Ok(())
                }
                Output::Subscribe(filters) => self.on_link(|link| link.subscribe(filters)),
                Output::PublishAcknowledged(packet) => {
                    self.on_link(|link| link.publish_acknowledged(packet.topic, packet.payload))
                }
                Output::Publish(packet) => {
                    self.on_link(|link| link.publish(packet.topic, packet.payload))
                }
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
                self.session
                    .handle_down(transport::Error::Silent.into(), now());
            }
        }
        None
    }

    fn on_link(&self, act: impl FnOnce(&Link) -> Result<(), Stuck>) -> Result<(), Stuck> {
        self.link.as_ref().map_or(Ok(()), act)
    }

    fn handle_opened(&mut self, opened: Result<Opened, LinkError>) {
        self.opening = None;
        match opened {
            Ok(Opened::Assigned(assigned)) => self.session.handle_assigned(assigned, now()),
            Ok(Opened::Ready(options, token)) => {
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
                self.session.handle_down(why.into(), now());
            }
        }
    }
}
