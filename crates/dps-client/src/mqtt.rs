//! Registration over MQTT: one clean session, kept between the questions and opened again when it ends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hub_proto::topic::{Delivery, Filter, dps_operation_status, dps_register};
use hub_proto::user_name;
use rustls::ClientConfig;
use tokio::time::timeout;
use transport::mqtt::{Link, LinkEvent, LinkOptions, Stuck};

use crate::machine::Call;
use crate::registration::Registration;
use crate::wire::{Outcome, register_body, token};

const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// How long the other side may take to close after a DISCONNECT.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct MqttWire<'a> {
    registration: &'a Registration,
    tls: Arc<ClientConfig>,
    link: Option<Link>,
    /// Whether the service has confirmed the subscription, without which it has nowhere to answer to.
    is_subscribed: bool,
    /// The request that waits for its answer.
    request: Option<u32>,
    /// What that request is to say, until it is said.
    unsent: Option<Call>,
}

impl<'a> MqttWire<'a> {
    pub(crate) const fn new(registration: &'a Registration, tls: Arc<ClientConfig>) -> Self {
        Self {
            registration,
            tls,
            link: None,
            is_subscribed: false,
            request: None,
            unsent: None,
        }
    }

    pub(crate) fn send(&mut self, request: u32, call: Call) {
        if self.link.is_none() {
            self.link = Some(Link::open(self.options()));
        }
        self.request = Some(request);
        self.unsent = Some(call);
    }

    pub(crate) fn abandon(&mut self) {
        self.link = None;
        self.is_subscribed = false;
        self.request = None;
        self.unsent = None;
    }

    pub(crate) async fn next(&mut self) -> Outcome {
        loop {
            let happened = match self.publish() {
                Ok(()) => self.link_event().await,
                Err(Stuck) => LinkEvent::Down(transport::Error::Silent),
            };
            if let Some(outcome) = self.handle(happened) {
                return outcome;
            }
        }
    }

    pub(crate) async fn close(mut self) {
        let Some(link) = &mut self.link else { return };
        if link.disconnect().is_err() {
            return;
        }
        let ended = async { while !matches!(link.next().await, LinkEvent::Down(_)) {} };
        // A service that does not close has answered all the same.
        let _ = timeout(LEAVE_WITHIN, ended).await;
    }

    fn options(&self) -> LinkOptions {
        let registration = self.registration;
        let id = registration.registration_id.as_str();
        LinkOptions {
            host: registration.global_endpoint.host.clone(),
            port: registration.global_endpoint.mqtt_port,
            client_id: id.to_owned(),
            user_name: user_name::dps(&registration.id_scope, id, &registration.product),
            password: token(registration),
            clean_session: true,
            keep_alive: KEEP_ALIVE,
            tls: Arc::clone(&self.tls),
        }
    }

    /// Says what is to be said, as soon as it can be answered.
    fn publish(&mut self) -> Result<(), Stuck> {
        let (Some(link), Some(request), true) = (&self.link, self.request, self.is_subscribed)
        else {
            return Ok(());
        };
        let rid = request.to_string();
        match self.unsent.take() {
            None => Ok(()),
            Some(Call::Register) => {
                link.publish_acknowledged(dps_register(&rid), register_body(self.registration))
            }
            Some(Call::Status { operation_id }) => link.publish_acknowledged(
                dps_operation_status(&rid, &operation_id),
                // As the SDKs have it: a payload of no meaning, but not none.
                Bytes::from_static(b" "),
            ),
        }
    }

    async fn link_event(&mut self) -> LinkEvent {
        match &mut self.link {
            Some(link) => link.next().await,
            None => std::future::pending().await,
        }
    }

    fn handle(&mut self, event: LinkEvent) -> Option<Outcome> {
        match event {
            LinkEvent::Up => {
                let filters = vec![Filter::DpsResponses.to_string()];
                match self.link.as_ref()?.subscribe(filters) {
                    Ok(()) => None,
                    Err(Stuck) => self.end(transport::Error::Silent),
                }
            }
            LinkEvent::Subscribed { refused: false } => {
                self.is_subscribed = true;
                None
            }
            LinkEvent::Subscribed { refused: true } => self.end(transport::Error::Protocol(
                "the subscription to answers was refused".to_owned(),
            )),
            LinkEvent::Delivered {
                topic,
                payload,
                packet,
            } => self.deliver(&topic, payload, packet),
            LinkEvent::Sent(_) | LinkEvent::Acked(_) => None,
            LinkEvent::Down(why) => self.end(why),
        }
    }

    fn deliver(&mut self, topic: &str, body: Bytes, packet: u16) -> Option<Outcome> {
        if packet != 0 {
            // An answer counts also where the connection ended right behind it.
            let _ = self.link.as_ref()?.acknowledge(packet);
        }
        let Some(Delivery::DpsResponse {
            status,
            rid,
            retry_after,
        }) = Delivery::parse(topic)
        else {
            tracing::debug!(topic, "passed over a message that is no answer");
            return None;
        };
        let request = self.request.take_if(|request| rid == request.to_string())?;
        Some(Outcome::Answered {
            request,
            status,
            retry_after: retry_after.map(|seconds| Duration::from_secs(seconds.into())),
            body,
        })
    }

    /// The connection is over. Between two questions nobody needs to know: the next opens another.
    fn end(&mut self, why: transport::Error) -> Option<Outcome> {
        let request = self.request.take();
        self.abandon();
        request.map(|request| Outcome::Failed { request, why })
    }
}
