//! What people and tests ask of the hub, and what time asks of it.

use std::time::Duration;

use bytes::Bytes;
use hub_proto::identity::Identity;
use hub_proto::message::{MAX_CLOUD_TO_DEVICE_BYTES, Properties, SystemProperty};
use hub_proto::property_bag;
use hub_proto::twin::{Object, merge};
use jiff::Timestamp;
use manifest::route::MessageSource;
use serde_json::{Value, json};
use thiserror::Error;

use super::{Core, Face, Hub};
use crate::authentication::Authentication;
use crate::change::Change;
use crate::edge::{Accepted, Endpoint};
use crate::levers::{Lever, LeverState, LinkState, Target};
use crate::mailbox::EndReason;
use crate::registry::{Body, CloudToDevice};
use crate::routing::{Candidate, Routes};
use crate::trace::What;
use crate::wire::MAX_TOPIC;

/// Messages that may wait for one device.
const MAX_WAITING: usize = 50;
const MESSAGE_LIFE: Duration = Duration::from_secs(3600);

/// Why a cloud-to-device message was not taken.
#[derive(Debug, Error)]
pub enum SendError {
    /// No such device.
    #[error("{0} is not registered")]
    NotFound(Identity),
    /// Modules have no cloud-to-device messages.
    #[error("{0} is a module; cloud-to-device messages go to devices")]
    Module(Identity),
    /// The device's queue is full.
    #[error("{MAX_WAITING} messages already wait for {0}")]
    QueueFull(Identity),
    /// Too large.
    #[error("a message of {0} bytes is more than {MAX_CLOUD_TO_DEVICE_BYTES}")]
    TooLarge(usize),
    /// More properties than a topic can carry.
    #[error("properties that take {0} bytes on the way are more than {MAX_TOPIC}")]
    TooManyProperties(usize),
    /// The message could not be kept.
    #[error("the journal cannot be written")]
    Journal(#[source] std::io::Error),
}

impl Hub {
    /// Queues a cloud-to-device message; returns its message id.
    ///
    /// # Errors
    /// When the device is unknown, its queue full, or the message too large.
    pub(crate) fn send(
        &self,
        to: &Identity,
        mut properties: Properties,
        body: Bytes,
    ) -> Result<String, SendError> {
        if to.module_id().is_some() {
            return Err(SendError::Module(to.clone()));
        }
        let size = body.len() + properties.size();
        if size > MAX_CLOUD_TO_DEVICE_BYTES {
            return Err(SendError::TooLarge(size));
        }
        let id = match properties.get(SystemProperty::MessageId) {
            Some(id) => id.to_owned(),
            None => uuid::Uuid::new_v4().to_string(),
        };
        properties.set(SystemProperty::MessageId, id.clone());
        // The real hub always puts the destination first.
        let mut bag = String::new();
        property_bag::push_pair(
            &mut bag,
            "$.to",
            Some(&format!("/devices/{}/messages/deviceBound", to.device_id())),
        );
        bag.push('&');
        bag.push_str(&properties.encode());
        if bag.len() > MAX_TOPIC {
            return Err(SendError::TooManyProperties(bag.len()));
        }
        let mut core = self.lock();
        let device = core
            .registry
            .devices
            .get(to.device_id())
            .ok_or_else(|| SendError::NotFound(to.clone()))?;
        if device.queue.waiting.len() >= MAX_WAITING {
            return Err(SendError::QueueFull(to.clone()));
        }
        let expires = Timestamp::now() + MESSAGE_LIFE;
        let message = CloudToDevice {
            sequence: device.queue.next,
            bag,
            body: Body(body),
            expires_ms: expires.as_millisecond(),
            delivered: false,
        };
        core.record(Change::MessageQueued {
            device: to.device_id().to_owned(),
            message,
        });
        core.pump_messages(to);
        self.commit(&mut core).map_err(SendError::Journal)?;
        Ok(id)
    }

    /// Events from `sequence` on, of one device or of all, as JSON; and where to read on.
    pub(crate) fn events(&self, from: u64, device: Option<&str>, most: usize) -> (Vec<Value>, u64) {
        let core = self.lock();
        let mut next = from.min(core.events.next_sequence());
        let mut found = Vec::new();
        for (sequence, event) in core.events.read_from(from) {
            if found.len() == most {
                return (found, next);
            }
            next = sequence + 1;
            if device.is_none_or(|device| device == event.device) {
                found.push(event.to_json(sequence));
            }
        }
        (found, next)
    }

    /// The sequence number the next event gets.
    pub(crate) fn next_event(&self) -> u64 {
        self.lock().events.next_sequence()
    }

    /// Moves a lever.
    pub(crate) fn pull(&self, target: &Target, lever: Lever) -> std::io::Result<()> {
        let mut core = self.lock();
        core.levers.set(target, lever);
        match lever {
            Lever::Link(LinkState::Cut) => core.end_connections(target, EndReason::LinkCut),
            Lever::ExpireTokens => core.expire_tokens(target),
            Lever::Upstream(state) => {
                for edge in core.edges_of(target) {
                    core.set_upstream(&edge, state);
                    core.observe_upstream(&edge);
                }
            }
            _ => {}
        }
        core.observe(None, || What::Lever {
            text: match target {
                Target::Everybody => format!("for everybody, {lever}"),
                Target::One(identity) => format!("for {identity}, {lever}"),
            },
        });
        self.commit(&mut core)?;
        // Calls from the cloud may be waiting for the way to an edge.
        self.presence.notify_waiters();
        Ok(())
    }

    /// The levers that are not at rest, and the way of each edge to the hub.
    pub(crate) fn levers(&self) -> Value {
        let core = self.lock();
        let state: LeverState = core.levers.state();
        let edges = core.registry.devices.iter().filter_map(|(id, device)| {
            let edge = device.edge.as_ref()?;
            let state = if edge.offline.is_some() { "cut" } else { "up" };
            Some((
                id.clone(),
                json!({"state": state, "pending": edge.waiting_for(&Endpoint::Upstream)}),
            ))
        });
        json!({"levers": state, "upstream": edges.collect::<serde_json::Map<_, _>>()})
    }

    /// Ends every connection: the simulator is stopping.
    pub(crate) fn end_all(&self) {
        self.lock()
            .end_connections(&Target::Everybody, EndReason::ShuttingDown);
    }

    /// What is due by now: redelivery, expiry, and the rest of a long backlog. Called a few times a second.
    pub(crate) fn tick(&self) -> std::io::Result<()> {
        let mut core = self.lock();
        let now = Timestamp::now().as_millisecond();
        core.redeliver_inputs();
        core.redeliver_messages();
        // Lives are told in seconds, and looking at every message of a long cut takes its time.
        if now.abs_diff(core.expired_ms) >= 1000 {
            core.expired_ms = now;
            core.expire(now);
        }
        let edges: Vec<String> = core.edges_of(&Target::Everybody);
        for edge in edges {
            if core
                .registry
                .edge(&edge)
                .is_some_and(|store| store.waiting_for(&Endpoint::Upstream) > 0)
            {
                core.pump_upstream(&edge);
                core.observe_upstream(&edge);
            }
        }
        self.commit(&mut core)
    }
}

impl Core {
    fn observe_upstream(&mut self, edge: &str) {
        let Some(store) = self.registry.edge(edge) else {
            return;
        };
        let pending = store.waiting_for(&Endpoint::Upstream);
        let state = if store.offline.is_some() { "cut" } else { "up" };
        let identity = Identity::device(edge).ok();
        self.observe(identity.as_ref(), || What::Upstream { state, pending });
    }

    fn edges_of(&self, target: &Target) -> Vec<String> {
        let edges = self.registry.devices.iter().filter(|(id, device)| {
            let covered = match target {
                Target::Everybody => true,
                Target::One(identity) => identity.device_id() == *id,
            };
            covered && device.edge.is_some()
        });
        edges.map(|(id, _)| id.clone()).collect()
    }

    fn end_connections(&self, target: &Target, reason: EndReason) {
        for (identity, live) in &self.live {
            if target.covers(identity) {
                live.mailbox.end(reason);
            }
        }
    }

    /// Ends the connections that a token opened; a certificate is no token.
    fn expire_tokens(&self, target: &Target) {
        for (identity, live) in &self.live {
            let by_token = self
                .client(identity)
                .is_some_and(|client| client.authentication == Authentication::Sas);
            if by_token && target.covers(identity) {
                live.mailbox.end(EndReason::TokenExpired);
            }
        }
    }

    fn set_upstream(&mut self, edge: &str, state: LinkState) {
        let Some(store) = self.registry.edge(edge) else {
            return;
        };
        match (state, store.offline.clone()) {
            (LinkState::Cut, None) => {
                let offline = Box::new(self.twins_go_offline(edge));
                self.record(Change::UpstreamCut {
                    device: edge.to_owned(),
                    offline,
                });
            }
            (LinkState::Up, Some(offline)) => {
                self.record(Change::UpstreamRestored {
                    device: edge.to_owned(),
                });
                self.twins_come_online(edge, &offline);
                self.pump_upstream(edge);
            }
            _ => {}
        }
    }

    fn expire(&mut self, now_ms: i64) {
        let mut changes = Vec::new();
        for (id, device) in &self.registry.devices {
            let late = device
                .queue
                .waiting
                .iter()
                .filter(|message| message.expires_ms <= now_ms);
            changes.extend(late.map(|m| Change::MessageSettled {
                device: id.clone(),
                sequence: m.sequence,
            }));
            let late = device.edge.iter().flat_map(|edge| edge.expired(now_ms));
            changes.extend(late.map(|(sequence, endpoint)| Change::EdgeSettled {
                device: id.clone(),
                sequence,
                endpoint,
            }));
        }
        for change in changes {
            self.record(change);
        }
    }

    pub(super) fn compile_all_routes(&mut self) {
        for edge in self.edges_of(&Target::Everybody) {
            self.compile_routes(&edge);
        }
    }

    /// Takes the routes of `$edgeHub`'s desired properties. If one of them is wrong, none is taken, the ones before
    /// stay, and the module's reported properties say why, as edgeHub does it.
    pub(super) fn compile_routes(&mut self, device: &str) {
        let Ok(target) = Identity::module(device, "$edgeHub") else {
            return;
        };
        let Some(desired) = self.client(&target).map(|client| client.twin.desired()) else {
            return;
        };
        let (version, compiled) = (desired.version(), Routes::compile(desired.value()));
        let (code, description) = match &compiled {
            Ok(_) => (200, String::new()),
            Err(reason) => (400, reason.clone()),
        };
        if let (Ok(routes), Some(edge)) = (compiled, self.registry.edge_mut(device)) {
            edge.routes = routes;
        }
        let status = json!({
            "lastDesiredVersion": version,
            "lastDesiredStatus": {"code": code, "description": description},
        });
        self.report_news(&target, status);
    }

    /// Reports for a system module, if it is not what was reported before: a restart is no news.
    fn report_news(&mut self, target: &Identity, status: Value) {
        let Some(client) = self.client(target) else {
            return;
        };
        let mut merged = client.twin.reported().value().clone();
        merge(&mut merged, status.as_object().unwrap_or(&Object::new()));
        if merged == *client.twin.reported().value() {
            return;
        }
        if let Err(error) = self.report(target, status, Timestamp::now()) {
            tracing::error!(%target, %error, "the edge's own report was refused");
        }
    }

    /// Keeps `$edgeHub`'s reported list of clients.
    pub(super) fn edge_client_changed(&mut self, identity: &Identity, face: Face) {
        if face != Face::Edge {
            return;
        }
        let Ok(target) = Identity::module(identity.device_id(), "$edgeHub") else {
            return;
        };
        let now = hub_proto::time::format(Timestamp::now());
        let state = if self.live.contains_key(identity) {
            json!({"status": "Connected", "lastConnectedTimeUtc": now})
        } else {
            json!({"status": "Disconnected", "lastDisconnectedTimeUtc": now})
        };
        let name = identity
            .to_string()
            .replace('.', "%2E")
            .replace('$', "%24")
            .replace(' ', "%20");
        let patch = json!({"clients": {name: state}});
        if let Err(error) = self.report(&target, patch, Timestamp::now()) {
            tracing::debug!(%error, "the edge hub's list of clients is full");
        }
    }

    /// A reported patch at the edge is a message too, for routes that ask for twin changes.
    pub(super) fn route_twin_change(&mut self, from: &Identity, patch: &Value, at: Timestamp) {
        let edge = from.device_id();
        if self
            .registry
            .edge(edge)
            .is_none_or(|store| !store.routes.wants_twin_changes())
        {
            return;
        }
        let mut properties = Properties::new();
        properties.set(SystemProperty::ContentType, "application/json");
        properties.set(SystemProperty::ContentEncoding, "utf-8");
        properties.set(SystemProperty::MessageSchema, "twinChangeNotification");
        properties.set(SystemProperty::MessageType, "twinChangeNotification");
        let body = Bytes::from(patch.to_string());
        let candidate = Candidate::new(MessageSource::TwinChange, from, &properties, &body);
        let message = Accepted {
            sequence: 0,
            device: from.device_id().to_owned(),
            module: from.module_id().unwrap_or_default().to_owned(),
            bag: properties.encode(),
            body: Body(body.clone()),
            accepted_ms: at.as_millisecond(),
            destinations: Vec::new(),
        };
        self.accept(edge, message, &candidate);
    }
}
