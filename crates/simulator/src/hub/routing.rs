//! Message routing: what each event passes on its way into the hub's logs, once somebody has asked for more than the
//! usual.

use hub_proto::identity::Identity;
use hub_proto::message::{MAX_MESSAGE_BYTES, Properties};
use hub_proto::property_bag;
use hub_proto::twin::Twin;
use thiserror::Error;

use super::{Core, Hub};
use crate::amqp::EVENT_HUB;
use crate::change::Change;
use crate::edge::Endpoint;
use crate::events::{Event, EventLog, Source};
use crate::journal::Kind;
use crate::routing::{BUILT_IN, Definition, HubMessage, Problem, Table};

/// Why a hub's routing stays as it was.
#[derive(Debug, Error)]
pub enum RoutingFault {
    /// The definition breaks rules: what and where, one after the other.
    #[error("the routing is not valid: {0}")]
    Invalid(String),
    /// The change could not be kept.
    #[error("the journal cannot be written")]
    Journal(#[source] std::io::Error),
}

impl From<Vec<Problem>> for RoutingFault {
    fn from(problems: Vec<Problem>) -> Self {
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Self::Invalid(all.join("; "))
    }
}

impl Hub {
    /// The routing in force.
    pub(crate) fn routing(&self) -> Definition {
        let core = self.lock();
        core.registry
            .routing
            .as_deref()
            .cloned()
            .unwrap_or_default()
    }

    /// Puts another routing in force. Endpoints that are gone lose their events and their readers.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub(crate) fn set_routing(&self, definition: Definition) -> std::io::Result<()> {
        let mut core = self.lock();
        core.record(Change::RoutingPut {
            routing: Box::new(definition),
        });
        core.install_routing(&self.names.hub);
        self.commit(&mut core)?;
        let there = |event_hub: &str| core.log(event_hub).is_some();
        self.endpoint.keep_readers(there);
        drop(core);
        // Those who follow an endpoint that is gone.
        self.new_events.notify_waiters();
        Ok(())
    }

    /// The event hub of this name on the Event Hubs-compatible endpoint, as it is written: names are found in any case.
    pub(crate) fn event_hub(&self, name: &str) -> Option<String> {
        if name.eq_ignore_ascii_case(EVENT_HUB) {
            return Some(EVENT_HUB.to_owned());
        }
        let core = self.lock();
        let mut there = core.registry.routing.as_ref()?.event_hubs();
        there
            .find(|known| known.eq_ignore_ascii_case(name))
            .map(str::to_owned)
    }

    /// The event hub behind an endpoint as routes name it.
    pub(crate) fn event_hub_of(&self, endpoint: &str) -> Option<String> {
        match endpoint.eq_ignore_ascii_case(BUILT_IN) {
            true => Some(EVENT_HUB.to_owned()),
            false => self.event_hub(endpoint),
        }
    }
}

impl Core {
    /// Makes the registry's routing ready. Without any, or with one that does the usual, events are not looked at.
    pub(super) fn install_routing(&mut self, host: &str) {
        self.routing = None;
        let Some(definition) = &self.registry.routing else {
            self.event_hubs.have(std::iter::empty());
            return;
        };
        self.event_hubs.have(definition.event_hubs());
        match Table::compile(definition, host) {
            Ok(table) if table.is_usual() => {}
            Ok(table) => self.routing = Some(Box::new(table)),
            Err(problems) => {
                let error = RoutingFault::from(problems);
                tracing::error!(%error, "the routes that were kept do not compile any more; messages go to the built-in endpoint");
            }
        }
    }

    /// The log of an event hub that is there.
    pub(super) fn log(&self, event_hub: &str) -> Option<&EventLog> {
        if event_hub == EVENT_HUB {
            return Some(&self.events);
        }
        let definition = self.registry.routing.as_ref()?;
        let there = definition.event_hubs().any(|known| known == event_hub);
        self.event_hubs.log(event_hub).filter(|_| there)
    }

    /// How many events there have been, wherever they went.
    pub(super) fn events_taken(&self) -> u64 {
        self.events.next_sequence() + self.routed
    }

    /// Takes an event and puts it where the routes say. `twin` is its sender's, where the registry does not have it any
    /// more.
    pub(super) fn route(&mut self, table: &Table, event: &Event<'_>, twin: Option<&Twin>) {
        let Self {
            registry,
            events,
            event_hubs,
            journal,
            routed,
            ..
        } = self;
        // The bag was checked when the message came in.
        let properties = Properties::decode(event.bag).unwrap_or_default();
        let module = (!event.module.is_empty()).then(|| event.module.to_owned());
        let identity = Identity::new(event.device, module).ok();
        let client = identity.and_then(|identity| registry.client(&identity));
        let twin = twin.or(client.map(|client| &client.twin));
        let model_id = client.map_or("", |client| client.model_id.as_str());
        let message = HubMessage::new(event, &properties, twin, model_id);
        let endpoints = table.endpoints(event.source, &message);

        let group = journal.begin_group();
        let mut taken = false;
        for bit in (0..u16::BITS).filter(|bit| endpoints & (1 << bit) != 0) {
            let stamped =
                (event.source != Source::DigitalTwinChange && table.stamps(bit)).then(|| {
                    let mut bag = event.bag.to_owned();
                    table.stamp(bit, twin, &mut bag);
                    bag
                });
            let bag = stamped.as_deref().unwrap_or(event.bag);
            if stamped.is_some() && size(bag, event.body) > MAX_MESSAGE_BYTES {
                tracing::debug!(
                    device = event.device,
                    "a message is too large with its enrichments"
                );
                continue;
            }
            let event = Event { bag, ..*event };
            match table.event_hub(bit) {
                None => journal.stage(Kind::Event, events.append(&event)),
                Some(name) => {
                    journal.stage(Kind::Routed, &event_hubs.append(name, &event));
                    *routed += 1;
                }
            }
            taken = true;
        }
        // What an edge handed up is settled there by the event that came of it; without one, by itself.
        if event.edge_sequence > 0 && !taken {
            let settled = Change::EdgeSettled {
                device: event.edge.to_owned(),
                sequence: event.edge_sequence,
                endpoint: Endpoint::Upstream,
            };
            match serde_json::to_vec(&settled) {
                Ok(bytes) => journal.stage(Kind::Change, &bytes),
                Err(error) => tracing::error!(%error, "a change cannot be written down"),
            }
        }
        journal.end_group(group);
    }
}

/// What a message counts towards the limit.
fn size(bag: &str, body: &[u8]) -> usize {
    let pairs = property_bag::pairs(bag).flatten();
    let properties: usize = pairs
        .map(|(name, value)| name.len() + value.map_or(0, |value| value.len()))
        .sum();
    properties + body.len()
}
