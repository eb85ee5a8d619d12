//! Messages out: subscriptions, cloud-to-device messages, and module inputs.

use std::time::Duration;

use hub_proto::identity::Identity;
use hub_proto::{property_bag, topic};
use tokio::time::Instant;

use super::{Batch, Core, Face, InFlight, Outcome};
use crate::change::Change;
use crate::edge::Endpoint;
use crate::mailbox::{Delivery, Settles};
use crate::registry::{Filter, Subscription};
use crate::trace::What;
use crate::wire::QoS;

/// An edge hub sends an input message again when it is not acknowledged for this long (`MessageAckTimeoutSecs`).
const INPUT_ACK_WITHIN: Duration = Duration::from_secs(30);
/// The hub sends a cloud-to-device message again when it is not acknowledged for this long.
const MESSAGE_LOCK: Duration = Duration::from_secs(60);

impl Batch<'_> {
    /// Takes a SUBSCRIBE; returns the granted QoS of each filter.
    ///
    /// # Errors
    /// A filter that is not this client's: SDKs ignore a refusal in SUBACK, so a hub ends the connection.
    pub(crate) fn subscribe(&mut self, filters: &[(String, QoS)]) -> Result<Vec<u8>, String> {
        let identity = &self.attached.identity;
        let mut subscriptions = self
            .core
            .client(identity)
            .map(|c| c.subscriptions.clone())
            .unwrap_or_default();
        let before = subscriptions.clone();
        let mut granted = Vec::with_capacity(filters.len());
        for (text, qos) in filters {
            let filter = Filter::of(identity, text)
                .ok_or_else(|| format!("{identity} may not subscribe to {text}"))?;
            // QoS 2 is granted as 1, as by the real hub.
            let qos = (*qos as u8).min(1);
            subscriptions.retain(|held| held.filter != filter);
            subscriptions.push(Subscription { filter, qos });
            granted.push(qos);
        }
        if subscriptions != before {
            self.core.record(Change::Subscribed {
                target: identity.clone(),
                subscriptions,
            });
        }
        self.core.resume(identity);
        self.hub.presence.notify_waiters();
        Ok(granted)
    }

    pub(crate) fn unsubscribe(&mut self, filters: &[String]) {
        let identity = &self.attached.identity;
        let mut subscriptions = self
            .core
            .client(identity)
            .map(|c| c.subscriptions.clone())
            .unwrap_or_default();
        let gone: Vec<_> = filters
            .iter()
            .filter_map(|text| Filter::of(identity, text))
            .collect();
        subscriptions.retain(|held| !gone.contains(&held.filter));
        self.core.record(Change::Subscribed {
            target: identity.clone(),
            subscriptions,
        });
    }

    /// The module has a message of one of its inputs: it is settled, and the next one goes.
    pub(super) fn input_acknowledged(&mut self, sequence: u64) {
        let identity = &self.attached.identity;
        let Some(live) = self.core.live.get_mut(identity) else {
            return;
        };
        let Some(in_flight) = live
            .in_flight
            .take_if(|in_flight| in_flight.sequence == sequence)
        else {
            return;
        };
        self.core
            .settle_input(identity, in_flight.sequence, &in_flight.endpoint);
        if let Endpoint::Input { input, .. } = in_flight.endpoint {
            self.core
                .observe(Some(identity), || What::Delivered { input, sequence });
        }
        if let Some(module) = identity.module_id() {
            self.core.pump_input(identity.device_id(), module);
        }
    }
}

impl Core {
    /// Sends what waits for a client that has just connected or subscribed.
    pub(super) fn resume(&mut self, identity: &Identity) {
        match identity.module_id() {
            None => self.pump_messages(identity),
            Some(module) => self.pump_input(identity.device_id(), module),
        }
    }

    /// Sends a device the cloud-to-device messages it was not sent on this connection, or too long ago.
    pub(super) fn pump_messages(&mut self, identity: &Identity) {
        let Some(subscription) = self.subscription(identity, Filter::Devicebound) else {
            return;
        };
        let Some(device) = self.registry.devices.get_mut(identity.device_id()) else {
            return;
        };
        let Some(live) = self.live.get_mut(identity) else {
            return;
        };
        if live.links.is_some() {
            // It takes them itself, as its link has room.
            return live.mailbox.nudge();
        }
        let (now, sent) = (jiff::Timestamp::now(), Instant::now());
        let now_ms = now.as_millisecond();
        let waiting = &mut device.queue.waiting;
        live.locked.retain(|sequence, sent| {
            sent.elapsed() < MESSAGE_LOCK && waiting.iter().any(|m| m.sequence == *sequence)
        });
        let mut done = Vec::new();
        for message in waiting {
            let held = message.hold.is_held(now_ms);
            if held || live.locked.contains_key(&message.sequence) || message.expires_ms <= now_ms {
                continue;
            }
            let acknowledged = subscription.qos > 0;
            self.outgoing.push((
                live.mailbox.clone(),
                Delivery {
                    topic: topic::devicebound(identity.device_id(), &message.bag),
                    payload: message.body.0.clone(),
                    settles: acknowledged.then_some(Settles::CloudToDevice(message.sequence)),
                    duplicate: acknowledged && message.delivered,
                },
            ));
            message.delivered = true;
            if acknowledged {
                live.locked.insert(message.sequence, sent);
            } else {
                done.push(message.sequence);
            }
        }
        for sequence in done {
            self.settle_message(identity.device_id(), sequence, Outcome::Success, now);
        }
    }

    /// Sends a module its next input message, if it is connected, subscribed, and done with the one before.
    pub(super) fn pump_input(&mut self, edge: &str, module: &str) {
        let Ok(identity) = Identity::module(edge, module) else {
            return;
        };
        loop {
            let Some(subscription) = self.subscription(&identity, Filter::Inputs) else {
                return;
            };
            let store = self.registry.edge(edge);
            let Some((message, endpoint)) = store.and_then(|store| store.next_for_module(module))
            else {
                return;
            };
            let Endpoint::Input { input, .. } = endpoint else {
                return;
            };
            let Some(live) = self.live.get_mut(&identity) else {
                return;
            };
            if live.in_flight.is_some() || live.face != Face::Edge {
                return;
            }
            let (sequence, endpoint) = (message.sequence, endpoint.clone());
            let mut bag = message.bag.clone();
            property_bag::push_pair(&mut bag, "$.cdid", Some(&message.device));
            if !message.module.is_empty() {
                property_bag::push_pair(&mut bag, "$.cmid", Some(&message.module));
            }
            let acknowledged = subscription.qos > 0;
            let seen = self.inputs_sent.insert(identity.clone(), sequence);
            let delivery = Delivery {
                topic: topic::input(edge, module, input, &bag),
                payload: message.body.0.clone(),
                settles: acknowledged.then_some(Settles::EdgeInput(sequence)),
                duplicate: acknowledged && seen == Some(sequence),
            };
            self.outgoing.push((live.mailbox.clone(), delivery));
            if acknowledged {
                live.in_flight = Some(InFlight {
                    sequence,
                    endpoint,
                    sent: Instant::now(),
                });
                return;
            }
            self.settle_input(&identity, sequence, &endpoint);
        }
    }

    fn settle_input(&mut self, module: &Identity, sequence: u64, endpoint: &Endpoint) {
        self.record(Change::EdgeSettled {
            device: module.device_id().to_owned(),
            sequence,
            endpoint: endpoint.clone(),
        });
    }

    /// Forgets what was sent too long ago without an acknowledgement, so that it is sent again.
    pub(super) fn redeliver_inputs(&mut self) {
        let overdue = self.live.iter_mut().filter_map(|(identity, live)| {
            live.in_flight
                .take_if(|in_flight| in_flight.sent.elapsed() >= INPUT_ACK_WITHIN)?;
            Some(identity.clone())
        });
        for identity in overdue.collect::<Vec<_>>() {
            self.resume(&identity);
        }
    }

    /// Sends cloud-to-device messages again that nobody acknowledged.
    pub(super) fn redeliver_messages(&mut self) {
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let overdue = self
            .live
            .iter()
            .filter(|(identity, live)| match &live.links {
                None => {
                    let mut locked = live.locked.values();
                    locked.any(|sent| sent.elapsed() >= MESSAGE_LOCK)
                }
                Some(links) => {
                    let device = self.registry.devices.get(identity.device_id());
                    let mut waiting = device.iter().flat_map(|device| &device.queue.waiting);
                    links.contains(&Filter::Devicebound)
                        && waiting.any(|message| message.delivered && !message.hold.is_held(now_ms))
                }
            });
        let overdue: Vec<_> = overdue.map(|(identity, _)| identity.clone()).collect();
        for identity in overdue {
            self.pump_messages(&identity);
        }
    }
}
