//! Messages in: straight into the hub's log, or through an edge hub's routes.

use bytes::Bytes;
use hub_proto::message::{MAX_MESSAGE_BYTES, Properties, SystemProperty};
use hub_proto::property_bag;
use hub_proto::topic::Inbound;
use manifest::route::MessageSource;

use super::{Batch, Core, Face};
use crate::change::Change;
use crate::edge::{Accepted, Endpoint};
use crate::events::{Event, Source, body_json};
use crate::registry::Body;
use crate::routing::Candidate;
use crate::trace::{RouteTaken, What};
use crate::wire::{MAX_TOPIC, Will};

/// Messages handed upstream in one go when a cut ends, so that clients get their turn in between.
const UPSTREAM_BATCH: usize = 256;

impl Batch<'_> {
    /// Takes one PUBLISH.
    ///
    /// # Errors
    /// What is wrong with it, when a hub would end the connection over it.
    pub(crate) fn publish(
        &mut self,
        topic: &str,
        payload: &Bytes,
        retain: bool,
    ) -> Result<(), String> {
        within_limit(topic)?;
        if let Some(bag) = topic.strip_prefix(&self.attached.telemetry_prefix) {
            return self.telemetry(bag, payload, retain);
        }
        match Inbound::parse(topic) {
            Some(Inbound::Telemetry {
                device,
                module,
                bag,
            }) if self.attached.identity.is(device, module) => self.telemetry(bag, payload, retain),
            Some(Inbound::TwinGet { rid }) => {
                self.twin_get(rid);
                Ok(())
            }
            Some(Inbound::ReportedPatch { rid }) => {
                self.reported(rid, payload);
                Ok(())
            }
            Some(Inbound::MethodResponse { status, rid }) => {
                self.core
                    .calls
                    .answer(&self.attached.identity, rid, status, payload);
                Ok(())
            }
            _ => Err(format!(
                "{} may not publish to {topic}",
                self.attached.identity
            )),
        }
    }

    /// Publishes a will: telemetry that says so of itself.
    pub(super) fn publish_will(&mut self, will: &Will) -> Result<(), String> {
        within_limit(&will.topic)?;
        let bag = will.topic.strip_prefix(&self.attached.telemetry_prefix);
        let bag = bag.ok_or_else(|| format!("a will may not go to {}", will.topic))?;
        let mut bag = bag.strip_suffix('/').unwrap_or(bag).to_owned();
        property_bag::push_pair(&mut bag, "iothub-MessageType", Some("Will"));
        self.telemetry(&bag, &will.payload, false)
    }

    fn telemetry(&mut self, bag: &str, payload: &Bytes, retain: bool) -> Result<(), String> {
        let bag = bag.strip_suffix('/').unwrap_or(bag);
        let mut size = payload.len();
        for pair in property_bag::pairs(bag) {
            let (name, value) =
                pair.map_err(|error| format!("the topic's property bag: {error}"))?;
            size += name.len() + value.map_or(0, |value| value.len());
        }
        if size > MAX_MESSAGE_BYTES {
            return Err(format!(
                "a message of {size} bytes is more than {MAX_MESSAGE_BYTES}"
            ));
        }
        let retained = retain.then(|| {
            let mut bag = bag.to_owned();
            property_bag::push_pair(&mut bag, "mqtt-retain", Some("true"));
            bag
        });
        let bag = retained.as_deref().unwrap_or(bag);
        match self.attached.face {
            Face::Hub => self.take_to_hub(bag, payload),
            Face::Edge => self.take_to_edge(bag, payload)?,
        }
        Ok(())
    }

    fn take_to_hub(&mut self, bag: &str, payload: &Bytes) {
        let identity = &self.attached.identity;
        self.core.append(&Event {
            enqueued_ms: self.now.as_millisecond(),
            edge_sequence: 0,
            edge: "",
            source: Source::Telemetry,
            device: identity.device_id(),
            module: identity.module_id().unwrap_or_default(),
            bag,
            body: payload,
        });
        self.core
            .observe(Some(identity), || message_seen(bag, payload, Vec::new()));
    }

    fn take_to_edge(&mut self, bag: &str, payload: &Bytes) -> Result<(), String> {
        let identity = &self.attached.identity;
        let properties = Properties::decode(bag).map_err(|error| error.to_string())?;
        let source = match identity.module_id() {
            Some(module) => MessageSource::Module {
                module,
                output: properties.get(SystemProperty::OutputName),
            },
            None => MessageSource::Device,
        };
        let accepted = Accepted {
            sequence: 0,
            device: identity.device_id().to_owned(),
            module: identity.module_id().unwrap_or_default().to_owned(),
            bag: bag.to_owned(),
            body: Body(Bytes::copy_from_slice(payload)),
            accepted_ms: self.now.as_millisecond(),
            destinations: Vec::new(),
        };
        let taken = self.core.accept(
            identity.device_id(),
            accepted,
            &Candidate::new(source, identity, &properties, payload),
        );
        self.core
            .observe(Some(identity), || message_seen(bag, payload, taken));
        Ok(())
    }
}

impl Core {
    /// Puts a message into an edge hub's store and sets it going to every endpoint its routes name.
    pub(super) fn accept(
        &mut self,
        edge: &str,
        mut message: Accepted,
        candidate: &Candidate<'_>,
    ) -> Vec<RouteTaken> {
        let Some(store) = self.registry.edge(edge) else {
            return Vec::new();
        };
        message.sequence = store.next_sequence();
        message.destinations = store.routes.destinations(candidate, message.accepted_ms);
        let named = message.destinations.iter();
        let taken = named
            .map(|to| RouteTaken {
                name: to.route.clone(),
                to: to.endpoint.to_string(),
            })
            .collect();
        let endpoints: Vec<_> = message
            .destinations
            .iter()
            .map(|to| to.endpoint.clone())
            .collect();
        self.record(Change::EdgeAccepted {
            device: edge.to_owned(),
            message: Box::new(message),
        });
        for endpoint in endpoints {
            match endpoint {
                Endpoint::Upstream => self.pump_upstream(edge),
                Endpoint::Input { module, .. } => self.pump_input(edge, &module),
            }
        }
        taken
    }

    /// Forwards what waits for the hub, if the way is open; what is left after one batch goes at the next tick.
    pub(super) fn pump_upstream(&mut self, edge: &str) {
        for _ in 0..UPSTREAM_BATCH {
            let Some(store) = self
                .registry
                .edge_mut(edge)
                .filter(|store| store.offline.is_none())
            else {
                return;
            };
            let Some(message) = store.next_for(&Endpoint::Upstream).cloned() else {
                return;
            };
            // The event carries its number in the edge's store: replaying it settles the message there too, so
            // that a kill between any two bytes of the journal neither loses nor doubles it.
            store.settle(message.sequence, &Endpoint::Upstream);
            self.append(&Event {
                enqueued_ms: jiff::Timestamp::now().as_millisecond(),
                edge_sequence: message.sequence,
                edge,
                source: Source::Telemetry,
                device: &message.device,
                module: &message.module,
                bag: &message.bag,
                body: &message.body.0,
            });
        }
    }
}

fn within_limit(topic: &str) -> Result<(), String> {
    match topic.len() {
        bytes if bytes > MAX_TOPIC => {
            Err(format!("a topic of {bytes} bytes is more than {MAX_TOPIC}"))
        }
        _ => Ok(()),
    }
}

fn message_seen(bag: &str, payload: &[u8], routes: Vec<RouteTaken>) -> What {
    let properties = Properties::decode(bag).unwrap_or_default();
    let application = properties.application.iter();
    What::Message {
        output: properties
            .get(SystemProperty::OutputName)
            .map(str::to_owned),
        properties: application
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect(),
        body: body_json(payload).1,
        bytes: payload.len(),
        routes,
    }
}
