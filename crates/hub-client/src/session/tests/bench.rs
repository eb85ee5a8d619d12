//! A session with its clock.

use std::sync::Arc;

use hub_proto::identity::Identity;

use super::super::*;
use crate::place::Place;

pub(super) fn closed() -> LinkError {
    transport::Error::Closed.into()
}

/// The module `light` of a device.
pub(super) fn place(hub: &str, device: &str) -> Arc<Place> {
    Arc::new(Place {
        identity: Identity::module(device, "light").expect("plain ids"),
        hub: hub.to_owned(),
        host: "127.0.0.1".to_owned(),
    })
}

/// The topic of the message with this ticket.
pub(super) fn message(ticket: Ticket) -> String {
    format!("devices/edge01/modules/light/messages/events/message={ticket}")
}

pub(super) struct Bench {
    pub(super) session: Session,
    pub(super) now: Instant,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(super) fn with(options: Options) -> Self {
        let standing = Standing::given(place("myhub", "edge01"));
        Self::at(standing, &options, Instant::now())
    }

    /// A device that asks the provisioning service who it is.
    pub(super) fn unassigned() -> Self {
        let (options, now) = (Options::default(), Instant::now());
        Self::at(
            Standing::assigned(options.register_again, now),
            &options,
            now,
        )
    }

    fn at(standing: Standing, options: &Options, now: Instant) -> Self {
        let session = Session::new(standing, options, fastrand::Rng::with_seed(7), now);
        Self { session, now }
    }

    /// Up to a connection with subscriptions and the twin at desired version 1.
    pub(super) fn online() -> Self {
        let mut bench = Self::new();
        bench.connect();
        bench
    }

    pub(super) fn connect(&mut self) {
        self.wait_for_open();
        self.session.handle_up(
            Some(TokenSpan {
                signed_at: self.now,
                life: Duration::from_secs(3600),
            }),
            self.now,
        );
        self.session.handle_subscribed(false, self.now);
        let rid = self
            .published()
            .iter()
            .find_map(|topic| rid_in(topic, "$iothub/twin/GET/?$rid="))
            .expect("a GET");
        self.deliver(
            &format!("$iothub/twin/res/200/?$rid={rid}"),
            r#"{"desired":{"a":1,"$version":1},"reported":{"$version":1}}"#,
        );
        self.outputs();
    }

    pub(super) fn wait_for_open(&mut self) {
        for _ in 0..100 {
            if self
                .outputs()
                .iter()
                .any(|output| matches!(output, Output::Open(_)))
            {
                return;
            }
            self.wake();
        }
        panic!("never opened");
    }

    /// Moves time to when the session wants to be woken.
    pub(super) fn wake(&mut self) {
        self.now = self
            .now
            .max(self.session.poll_timeout().expect("something to wait for"));
        self.session.handle_timeout(self.now);
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.session.handle_timeout(self.now);
    }

    pub(super) fn send(&mut self, ticket: Ticket) {
        let letter = Letter {
            bag: format!("message={ticket}"),
            payload: Bytes::new(),
        };
        self.session
            .handle_send(ticket, letter, self.now)
            .expect("the outbox has room");
    }

    pub(super) fn deliver(&mut self, topic: &str, body: &str) {
        self.session
            .handle_delivery(topic, Bytes::copy_from_slice(body.as_bytes()), 0, self.now);
    }

    pub(super) fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.session.poll_output()).collect()
    }

    pub(super) fn published(&mut self) -> Vec<String> {
        self.outputs()
            .into_iter()
            .filter_map(|output| match output {
                Output::Publish(packet) | Output::PublishAcknowledged(packet) => Some(packet.topic),
                _ => None,
            })
            .collect()
    }
}

pub(super) fn rid_in(topic: &str, before: &str) -> Option<String> {
    topic.strip_prefix(before).map(str::to_owned)
}

pub(super) fn has_settled(outputs: &[Output], expected: Ticket) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Settle(ticket, Settled::Acknowledged) if *ticket == expected))
}
