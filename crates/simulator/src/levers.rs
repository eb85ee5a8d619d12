//! What a person or a test can do to the world of the simulator: cut a link, refuse tokens, hold acknowledgements back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hub_proto::identity::Identity;
use serde::{Deserialize, Serialize};

/// Who a lever acts on: one identity, or everybody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Every client.
    Everybody,
    /// One device or module.
    One(Identity),
}

/// The state of a link or of an edge's upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LinkState {
    /// Works.
    Up,
    /// Connections end and new ones fail, as when a cable is pulled.
    Cut,
}

/// One pull of a lever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lever {
    /// The network between a client and the hub.
    Link(LinkState),
    /// The way from an edge device to the hub; the edge hub keeps what waits.
    Upstream(LinkState),
    /// Refuse every token and certificate at CONNECT with return code 5.
    RefuseTokens(bool),
    /// End connections as if their tokens had just expired; those by certificate stay.
    ExpireTokens,
    /// Hold each PUBACK back for this long.
    DelayAcks(Duration),
    /// Take the next message but never acknowledge it.
    DropNextAck,
}

impl std::fmt::Display for Lever {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Link(LinkState::Up) => f.write_str("the link works again"),
            Self::Link(LinkState::Cut) => f.write_str("the link is cut"),
            Self::Upstream(LinkState::Up) => f.write_str("the way to the hub is open"),
            Self::Upstream(LinkState::Cut) => f.write_str("the way to the hub is cut"),
            Self::RefuseTokens(true) => f.write_str("tokens are refused"),
            Self::RefuseTokens(false) => f.write_str("tokens are checked as usual"),
            Self::ExpireTokens => f.write_str("tokens expire now"),
            Self::DelayAcks(delay) if delay.is_zero() => f.write_str("acknowledgements go at once"),
            Self::DelayAcks(delay) => write!(f, "acknowledgements wait {} ms", delay.as_millis()),
            Self::DropNextAck => f.write_str("the next acknowledgement is dropped"),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Levers {
    cut: BTreeSet<Target>,
    refusing: BTreeSet<Target>,
    delays: BTreeMap<Target, Duration>,
    drop_next: BTreeSet<Target>,
}

/// What the levers say of one client's acknowledgements.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AckPolicy {
    pub(crate) delay: Duration,
    pub(crate) drop_next: bool,
}

/// The levers that are not at rest.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeverState {
    cut: Vec<String>,
    refuse_tokens: Vec<String>,
    delay_acks_ms: BTreeMap<String, u64>,
    drop_next_ack: Vec<String>,
}

impl Levers {
    /// Moves a lever that only the hub's own memory knows; `Upstream` and `ExpireTokens` act on other state.
    pub(crate) fn set(&mut self, target: &Target, lever: Lever) {
        match lever {
            Lever::Link(LinkState::Cut) => {
                self.cut.insert(target.clone());
            }
            Lever::Link(LinkState::Up) => release(&mut self.cut, target),
            Lever::RefuseTokens(true) => {
                self.refusing.insert(target.clone());
            }
            Lever::RefuseTokens(false) => release(&mut self.refusing, target),
            Lever::DelayAcks(delay) if delay.is_zero() => match target {
                Target::Everybody => self.delays.clear(),
                Target::One(_) => {
                    self.delays.remove(target);
                }
            },
            Lever::DelayAcks(delay) => {
                self.delays.insert(target.clone(), delay);
            }
            Lever::DropNextAck => {
                self.drop_next.insert(target.clone());
            }
            Lever::Upstream(_) | Lever::ExpireTokens => {}
        }
    }

    pub(crate) fn is_cut(&self, identity: &Identity) -> bool {
        holds(&self.cut, identity)
    }

    pub(crate) fn refuses(&self, identity: &Identity) -> bool {
        holds(&self.refusing, identity)
    }

    pub(crate) fn acks(&self, identity: &Identity) -> AckPolicy {
        // The usual case, on every client's hot path.
        if self.delays.is_empty() && self.drop_next.is_empty() {
            return AckPolicy::default();
        }
        let one = Target::One(identity.clone());
        let delay = self
            .delays
            .get(&one)
            .or_else(|| self.delays.get(&Target::Everybody));
        AckPolicy {
            delay: delay.copied().unwrap_or_default(),
            drop_next: holds(&self.drop_next, identity),
        }
    }

    /// The next acknowledgement was dropped: the lever is at rest again.
    pub(crate) fn ack_dropped(&mut self, identity: &Identity) {
        if !self.drop_next.remove(&Target::One(identity.clone())) {
            self.drop_next.remove(&Target::Everybody);
        }
    }

    pub(crate) fn state(&self) -> LeverState {
        let names = |targets: &BTreeSet<Target>| targets.iter().map(Target::to_string).collect();
        LeverState {
            cut: names(&self.cut),
            refuse_tokens: names(&self.refusing),
            delay_acks_ms: self
                .delays
                .iter()
                .map(|(t, delay)| (t.to_string(), delay.as_millis() as u64))
                .collect(),
            drop_next_ack: names(&self.drop_next),
        }
    }
}

impl Target {
    pub(crate) fn covers(&self, identity: &Identity) -> bool {
        match self {
            Self::Everybody => true,
            Self::One(one) => one == identity,
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Everybody => f.write_str("*"),
            Self::One(identity) => identity.fmt(f),
        }
    }
}

/// Releasing for everybody releases each one too: afterwards nothing is held.
fn release(held: &mut BTreeSet<Target>, target: &Target) {
    match target {
        Target::Everybody => held.clear(),
        Target::One(_) => {
            held.remove(target);
        }
    }
}

fn holds(held: &BTreeSet<Target>, identity: &Identity) -> bool {
    !held.is_empty() && held.iter().any(|target| target.covers(identity))
}
