//! What comes in on a connection, and the application's answers to it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hub_proto::identity::Identity;
use hub_proto::message::Properties;
use hub_proto::method::MAX_PAYLOAD_BYTES;
use hub_proto::percent;
use hub_proto::topic::{self, Delivery, Filter};
use serde_json::{Value, json};

use super::{Notice, Output, Phase, Session};
use crate::message::Message;
use crate::packet::Packet;

/// How long a method's answer is kept for the next connection; its caller waits no longer than 300 s.
const KEEP_RESPONSES: Duration = Duration::from_secs(300);
const MAX_KEPT_RESPONSES: usize = 64;

/// A method's answer that has no connection to go by.
#[derive(Debug)]
pub(super) struct KeptResponse {
    pub(super) packet: Packet,
    pub(super) until: Instant,
}

/// What to subscribe to.
pub(super) fn filters(identity: &Identity) -> Vec<String> {
    let device = identity.device_id();
    let messages = match identity.module_id() {
        None => Filter::Devicebound { device },
        Some(module) => Filter::Inputs { device, module },
    };
    [
        messages,
        Filter::MethodRequests,
        Filter::TwinResponses,
        Filter::DesiredPatches,
    ]
    .iter()
    .map(ToString::to_string)
    .collect()
}

impl Session {
    /// PUBLISH; `packet` is 0 at QoS 0.
    pub(crate) fn handle_delivery(
        &mut self,
        topic: &str,
        payload: Bytes,
        packet: u16,
        now: Instant,
    ) {
        let delivery = Delivery::parse(topic);
        if !matches!(
            delivery,
            Some(Delivery::Input { .. } | Delivery::CloudToDevice { .. })
        ) {
            // Nothing but messages waits for the application before it is acknowledged.
            self.acknowledge(packet);
        }
        match delivery {
            Some(Delivery::Input { input, bag, .. }) => {
                self.handle_message(bag, payload, packet, |message| Notice::Input {
                    name: input.to_owned(),
                    message,
                    packet,
                });
            }
            Some(Delivery::CloudToDevice { bag, .. }) => {
                self.handle_message(bag, payload, packet, |message| Notice::CloudToDevice {
                    message,
                    packet,
                });
            }
            Some(Delivery::MethodRequest { name, rid }) => {
                self.handle_method(name, rid, &payload, now);
            }
            Some(Delivery::TwinResponse {
                status,
                rid,
                version,
            }) => {
                self.twin
                    .handle_response(status, rid, version, &payload, now);
            }
            Some(Delivery::DesiredPatch { version }) => {
                self.twin.handle_desired(version, &payload, now);
            }
            Some(Delivery::DpsResponse { .. }) | None => {
                tracing::debug!(topic, "ignored a publish on an unknown topic");
            }
        }
        self.pump(now);
    }

    fn handle_message(
        &mut self,
        bag: &str,
        body: Bytes,
        packet: u16,
        notice: impl FnOnce(Message) -> Notice,
    ) {
        match Properties::decode(bag) {
            Ok(properties) => self
                .outputs
                .push_back(Output::Notify(notice(Message { properties, body }))),
            Err(error) => {
                // Left unacknowledged it would come again and again, and never become readable.
                tracing::warn!(%error, "dropped a message whose properties cannot be read");
                self.acknowledge(packet);
            }
        }
    }

    fn handle_method(&mut self, name: &str, rid: &str, payload: &[u8], now: Instant) {
        let payload = if payload.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_slice(payload)
        };
        match (percent::decode(name), payload) {
            (Ok(name), Ok(payload)) => {
                let (name, rid) = (name.into_owned(), rid.to_owned());
                self.outputs
                    .push_back(Output::Notify(Notice::Method { name, payload, rid }));
            }
            _ => self.handle_response(
                rid,
                400,
                &json!({ "message": "name or payload cannot be read" }),
                now,
            ),
        }
    }

    /// The application has dealt with a message that came on connection number `link`.
    pub(crate) fn handle_ack(&mut self, link: u64, packet: u16) {
        if link == self.link {
            self.acknowledge(packet);
        }
    }

    fn acknowledge(&mut self, packet: u16) {
        if packet != 0 && self.is_up() {
            self.outputs.push_back(Output::Acknowledge(packet));
        }
    }

    /// The application answers a method. Without a connection the answer waits for the next one, since a
    /// renewal may come between a call and its answer.
    pub(crate) fn handle_response(
        &mut self,
        rid: &str,
        status: i32,
        payload: &Value,
        now: Instant,
    ) {
        let body = payload.to_string();
        let (status, body) = if body.len() > MAX_PAYLOAD_BYTES {
            (
                500,
                json!({ "message": format!("answer of {} bytes is above 128 KB", body.len()) })
                    .to_string(),
            )
        } else {
            (status, body)
        };
        let packet = Packet {
            topic: topic::method_response(status, rid),
            payload: body.into(),
        };
        if matches!(self.phase, Phase::Online { .. } | Phase::Draining { .. }) {
            self.outputs.push_back(Output::Publish(packet));
        } else {
            if self.responses.len() == MAX_KEPT_RESPONSES {
                self.responses.pop_front();
            }
            self.responses.push_back(KeptResponse {
                packet,
                until: now + KEEP_RESPONSES,
            });
        }
    }
}
