//! A module's link to its hub, with settings taken and answered on the way.

use std::time::Duration;

use bay::message::KIND;
use bay::model::Model;
use bay::settings::{Answers, InForce, Memory, Refusal, Table, snapshot};
use hub_client::{
    Ack, Client, Event, Events, Message, Options, OutboxLimits, Receipt, Responder, Source,
    TwinState, WhenFull, error_chain,
};
use hub_proto::message::SystemProperty;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use crate::fault::Fault;
use crate::reporter::Reporter;
use crate::state::{StateDir, StateFile};

/// A container engine gives a process ten seconds to stop; this leaves half of them to the module.
const LAST_REPORT_WITHIN: Duration = Duration::from_secs(1);
const CLOSE_WITHIN: Duration = Duration::from_secs(4);
/// Without a link there is little hope for what waits.
const GIVE_UP_WITHIN: Duration = Duration::from_millis(500);

/// What waits for a link that is down. A bay's messages are some hundred bytes, so this is hours of
/// a busy street; the newest count most, and each tells of the state before it.
const OUTBOX: OutboxLimits = OutboxLimits {
    messages: 500,
    bytes: 256 * 1024,
    when_full: WhenFull::DropOldest,
};

/// The reported property that says why a part of the board cannot be used.
const FAULT: &str = "fault";

/// Who a module says it is.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its name, as in the deployment manifest.
    pub name: &'static str,
    /// Its program's version.
    pub version: &'static str,
    /// What it can do.
    pub model: Model,
}

/// The link of one module to its hub.
///
/// Settings are put in force, answered and remembered here; the module only hears that they
/// changed.
#[derive(Debug)]
pub struct Link<S> {
    about: About,
    client: Client,
    events: Events,
    connection: watch::Sender<Connection>,
    reporter: Reporter,
    in_force: InForce<S>,
    memory: StateFile<Memory>,
    remembered: Memory,
    fault: Fault,
}

/// Whether a module has its hub within reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// The first attempt is being made.
    #[default]
    Connecting,
    /// There is a link.
    Up,
    /// There is none, for this reason; attempts go on.
    Down(String),
}

/// What a module has to act on.
#[derive(Debug)]
pub enum News {
    /// [`Link::settings`] have changed.
    Settings,
    /// A message came to an input.
    Input {
        /// The input's name.
        name: String,
        /// The message.
        message: Message,
        /// When it was sent, if its sender said so.
        sent: Option<Timestamp>,
        /// To be completed when the message has been dealt with.
        ack: Ack,
    },
    /// A method was called.
    Method {
        /// Its name.
        name: String,
        /// Its argument; null when there was none.
        payload: Value,
        /// To be answered.
        responder: Responder,
    },
    /// The client has ended, which it does only when it is closed.
    Ended,
}

impl<S: Table> Link<S> {
    /// Starts to connect, and goes on trying; meanwhile the module works with what it remembers.
    pub fn open(about: About, source: Source, start: S, state: &StateDir) -> Self {
        let memory: StateFile<Memory> = state.file(&format!("{}.settings", about.name));
        let in_force = match memory.load() {
            Some(kept) => InForce::restore(start, kept),
            None => InForce::new(start),
        };
        let settings = Value::Object(snapshot(in_force.settings()));
        info!(
            identity = source.identity().map(display),
            registration = source.registration_id().map(display),
            host = source.host(),
            %settings,
            "settings in effect"
        );

        let options = Options {
            product: format!("{}/{}", about.name, about.version),
            model_id: Some(about.model.id.to_owned()),
            outbox: OUTBOX,
            ..Options::default()
        };
        let (client, events) = Client::connect(source, options);
        Self {
            about,
            reporter: Reporter::new(client.clone()),
            client,
            events,
            connection: watch::Sender::default(),
            remembered: in_force.memory().clone(),
            in_force,
            memory,
            fault: Fault::default(),
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &S {
        self.in_force.settings()
    }

    /// What the module has to act on next. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> News {
        loop {
            let event = tokio::select! {
                event = self.events.next() => event,
                () = self.reporter.carry() => continue,
            };
            match event {
                None => return News::Ended,
                Some(Event::Assigned { identity, hub, .. }) => {
                    info!(%identity, hub, "the provisioning service says where this device belongs");
                }
                Some(Event::Connected) => {
                    self.connection.send_replace(Connection::Up);
                    info!("connected");
                }
                Some(Event::Disconnected { why, retry_in }) => self.disconnected(&why, retry_in),
                Some(Event::Twin(twin)) => {
                    if self.take_twin(&twin) {
                        return News::Settings;
                    }
                }
                Some(Event::Desired { patch, version }) => {
                    if self.take_desired(&patch, version) {
                        return News::Settings;
                    }
                }
                Some(Event::Input { name, message, ack }) => {
                    let sent = sent(&message);
                    return News::Input {
                        name,
                        message,
                        sent,
                        ack,
                    };
                }
                Some(Event::CloudToDevice { ack, .. }) => {
                    debug!("a message from the cloud is not for a bay module");
                    ack.complete();
                }
                Some(Event::Method {
                    name,
                    payload,
                    responder,
                }) => {
                    return News::Method {
                        name,
                        payload,
                        responder,
                    };
                }
            }
        }
    }

    /// Whether the hub is within reach, for a module that tells somebody.
    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.connection.subscribe()
    }

    /// A handle to the hub's client, for calling methods of other modules while this link goes on.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Reports properties that are no settings. They reach the hub when there is a link.
    pub fn report(&mut self, properties: Map<String, Value>) {
        self.reporter.report(properties);
    }

    /// Reports why the module's part of the board cannot be used, or that it can: property `fault`, which is there while
    /// there is one.
    pub fn tell_fault(&mut self, why: Option<&str>) {
        if let Some(fault) = self.fault.handle_known(why) {
            self.reporter
                .report(Map::from_iter([(FAULT.to_owned(), fault)]));
        }
    }

    /// Sends a message by an output, and waits until the hub has it, but not for longer than `within`.
    /// Says whether it has.
    pub async fn deliver(
        &mut self,
        output: &'static str,
        body: &impl Serialize,
        within: Duration,
    ) -> bool {
        let sent = async {
            match post(&self.client, output, body).await {
                Some(receipt) => receipt.await.is_ok(),
                None => false,
            }
        };
        timeout(within, sent).await.unwrap_or(false)
    }

    /// Sends a message by an output. It is in the outbox when this returns, and reaches the hub
    /// when there is a link.
    pub async fn send(&mut self, output: &'static str, body: &impl Serialize) {
        // The outbox is what keeps the message from here on; nobody waits for its receipt.
        drop(post(&self.client, output, body).await);
    }

    /// Puts a setting in force that the module found out itself, and reports it; `how` says how.
    ///
    /// # Errors
    ///
    /// Why the value cannot be; nothing has changed then.
    pub fn learn(&mut self, name: &'static str, value: Value, how: &str) -> Result<(), Refusal> {
        let answers = self.in_force.learn(name, value, how)?;
        self.answer(answers);
        Ok(())
    }

    /// Takes leave: says so in the twin, sends what waits, disconnects. Bounded in time.
    pub async fn leave(self) {
        // Nobody takes a call any more: one that comes now is told so at once, and does not wait for nothing.
        drop(self.events);
        let mut rest = self.reporter.into_rest();
        rest.insert("status".to_owned(), "stopped".into());
        let connected = *self.connection.borrow() == Connection::Up;
        if connected {
            let last = timeout(LAST_REPORT_WITHIN, self.client.report(Value::Object(rest))).await;
            if !matches!(last, Ok(Ok(_))) {
                warn!("the hub could not be told that this module stops");
            }
        }
        let within = if connected {
            CLOSE_WITHIN
        } else {
            GIVE_UP_WITHIN
        };
        if let Err(error) = self.client.close(within).await {
            warn!(
                error = error_chain(&error),
                "stopping leaves something behind"
            );
        }
    }

    fn disconnected(&mut self, why: &hub_client::LinkError, retry_in: Duration) {
        let (error, retry_in_ms) = (error_chain(why), retry_in.as_millis() as u64);
        let before = self
            .connection
            .send_replace(Connection::Down(error.clone()));
        // An outage is news once, and again when its reason is another one.
        if before == Connection::Down(error.clone()) {
            debug!(error, retry_in_ms, "still no link to the hub");
        } else {
            warn!(error, retry_in_ms, "no link to the hub");
        }
    }

    fn take_twin(&mut self, twin: &TwinState) -> bool {
        let (desired, reported) = (&twin.desired.properties, &twin.reported.properties);
        let before = snapshot(self.settings());
        self.tell_unknown(desired);
        let mut answers = self
            .in_force
            .handle_twin(desired, twin.desired.version, reported);
        for (name, value) in [
            ("status", json!("running")),
            ("version", json!(self.about.version)),
        ] {
            if reported.get(name) != Some(&value) {
                answers.insert(name.to_owned(), value);
            }
        }
        if let Some(fault) = self.fault.handle_at_hub(reported.get(FAULT)) {
            answers.insert(FAULT.to_owned(), fault);
        }
        self.answer(answers);
        self.tell_changes(&before)
    }

    fn take_desired(&mut self, patch: &Map<String, Value>, version: u64) -> bool {
        let before = snapshot(self.settings());
        self.tell_unknown(patch);
        let answers = self.in_force.handle_desired(patch, version);
        self.answer(answers);
        self.tell_changes(&before)
    }

    /// Remembers the settings, then reports what was answered.
    fn answer(&mut self, answers: Answers) {
        if self.remembered != *self.in_force.memory() {
            self.remembered = self.in_force.memory().clone();
            if let Err(error) = self.memory.save(&self.remembered) {
                warn!(
                    error = error_chain(&error),
                    "settings will not survive a restart"
                );
            }
        }
        for (name, answer) in &answers {
            if answer["ac"] == 400 {
                warn!(setting = name, why = %answer["ad"], still_in_use = %answer["value"], "a setting was refused");
            }
        }
        self.reporter.report(answers);
    }

    fn tell_unknown(&self, desired: &Map<String, Value>) {
        let names = self.in_force.unknown(desired);
        if !names.is_empty() {
            warn!(
                ?names,
                "desired properties that are no settings of this module"
            );
        }
    }

    /// Logs what changed since `before`; whether anything did.
    fn tell_changes(&self, before: &Map<String, Value>) -> bool {
        let after = snapshot(self.settings());
        for (name, value) in &after {
            if before.get(name) != Some(value) {
                info!(setting = name, %value, "a setting changed");
            }
        }
        after != *before
    }
}

/// Puts a message into the outbox.
async fn post(client: &Client, output: &'static str, body: &impl Serialize) -> Option<Receipt> {
    let message = match Message::json(body) {
        Ok(message) => message.output(output).property(KIND, output),
        Err(error) => {
            warn!(output, %error, "a message cannot be written");
            return None;
        }
    };
    client
        .send(message)
        .await
        .inspect_err(|error| {
            warn!(
                output,
                error = error_chain(error),
                "a message cannot be sent"
            );
        })
        .ok()
}

fn sent(message: &Message) -> Option<Timestamp> {
    message
        .properties
        .get(SystemProperty::CreationTime)?
        .parse()
        .ok()
}
