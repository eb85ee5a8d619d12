//! What people and tests ask of the hub, and what time asks of it.

use bytes::Bytes;
use hub_proto::identity::Identity;
use hub_proto::message::{Properties, SystemProperty};
use hub_proto::twin::{Object, merge};
use jiff::Timestamp;
use manifest::route::MessageSource;
use serde_json::{Value, json};

use super::{Core, Face, Hub, Outcome};
use crate::authentication::Authentication;
use crate::change::Change;
use crate::edge::{Accepted, Endpoint};
use crate::levers::{Lever, LeverState, LinkState, Target};
use crate::mailbox::EndReason;
use crate::registry::Body;
use crate::routing::{Candidate, Routes};
use crate::trace::What;

impl Hub {
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
        let now = Timestamp::now();
        core.redeliver_inputs();
        core.redeliver_messages();
        // Lives are told in seconds, and looking at every message of a long cut takes its time.
        if now.as_millisecond().abs_diff(core.expired_ms) >= 1000 {
            core.expired_ms = now.as_millisecond();
            core.assigning.rouse();
            core.expire(now);
            self.forget_stale_blocks(&mut core, now)?;
            core.forget_jobs(now);
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
                self.tell_connections_behind(edge, false);
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
                self.tell_connections_behind(edge, true);
                self.twins_come_online(edge, &offline);
                self.agent_told(edge);
                self.pump_upstream(edge);
            }
            _ => {}
        }
    }

    pub(super) fn expire(&mut self, now: Timestamp) {
        let now_ms = now.as_millisecond();
        let (mut messages, mut inputs) = (Vec::new(), Vec::new());
        for (id, device) in &self.registry.devices {
            let waiting = device.queue.waiting.iter();
            let late = waiting.filter(|message| message.expires_ms <= now_ms);
            messages.extend(late.map(|message| (id.clone(), message.sequence)));
            let late = device.edge.iter().flat_map(|edge| edge.expired(now_ms));
            inputs.extend(late.map(|(sequence, endpoint)| Change::EdgeSettled {
                device: id.clone(),
                sequence,
                endpoint,
            }));
        }
        for (device, sequence) in messages {
            self.settle_message(&device, sequence, Outcome::Expired, now);
        }
        for change in inputs {
            self.record(change);
        }
        self.give_up_spent(now);
        self.review_notices(now);
        self.review_uploads(now);
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
        self.report_connections(identity.device_id());
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
