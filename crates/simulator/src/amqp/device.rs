//! Devices and modules on a connection: who has signed in, who is there, and what they say and hear.
//!
//! One connection may carry many of them. An identity signs in by a token put to `$cbs`, by SASL, or by the certificate
//! of the connection; it is connected, as the hub sees it, from its first link to its last. What it sends becomes what
//! the same client would publish over MQTT, and what comes to it is read from the same mailbox, so that a hub is a hub
//! over either protocol.

mod fault;
mod inbound;
mod outbound;
mod queue;
mod seat;

use std::collections::BTreeMap;
use std::sync::Arc;

use hub_proto::identity::Identity;
use hub_proto::sas::Token;
use jiff::Timestamp;
use tokio::sync::Notify;

use self::fault::{UNAUTHORIZED, condition, kept, refused, status};
pub(crate) use self::queue::Queue;
use self::seat::{Proven, Seat};
use super::address::Channel;
use super::link::Parcel;
use super::message::{Message, Status};
use super::performative::{Fault, Outcome};
use super::session::Heard;
use crate::certificates::PeerCertificates;
use crate::connection::End;
use crate::history::Cause;
use crate::hub::{Claim, Face, Hub, Proof, Refusal};
use crate::mailbox::{Delivery, EndReason, Mailbox};
use crate::registry::Filter;

/// Identities that may sign in on one connection.
const MAX_SEATS: usize = 1024;

/// Who may speak for whom on one connection. Allocates nothing before somebody signs in.
#[derive(Debug)]
pub(crate) struct Devices {
    face: Option<Face>,
    certificates: Option<PeerCertificates>,
    /// What the peer calls this hub: `hostname` of its open.
    pub(crate) host: String,
    /// The token of a policy by which every device may connect.
    anyone: Option<Proven>,
    seats: BTreeMap<Identity, Seat>,
    links_changed: bool,
    /// The only one on this connection has been cut off: so is the connection.
    cut: bool,
    deliveries: Vec<Delivery>,
}

/// What the hub has for the peer.
#[derive(Debug)]
pub(crate) enum Due {
    /// A message to a link of its owner's.
    Message(Identity, Filter, Parcel),
    /// The identity is not connected any more.
    End(Identity, Fault),
}

impl Devices {
    pub(crate) fn new(face: Option<Face>, certificates: Option<PeerCertificates>) -> Self {
        Self {
            face,
            certificates,
            host: String::new(),
            anyone: None,
            seats: BTreeMap::new(),
            links_changed: false,
            cut: false,
            deliveries: Vec::new(),
        }
    }

    /// Whether the peer may sign in by a certificate.
    pub(crate) fn has_certificate(&self) -> bool {
        self.certificates.is_some()
    }

    /// Whether the connection is to end as if its cable were pulled.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Whether anybody has shown who they are.
    pub(crate) fn has_proof(&self) -> bool {
        self.anyone.is_some() || !self.seats.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// Takes a token for an identity. One that is connected stays so, until the new token ends.
    pub(crate) fn put_token(
        &mut self,
        hub: &Hub,
        owner: &Identity,
        host: &str,
        token: &str,
        now: Timestamp,
    ) -> Status {
        if self.seats.len() >= MAX_SEATS && !self.seats.contains_key(owner) {
            return Status::new(403, "too many devices on one connection");
        }
        let claim = claim(owner, host, "");
        match hub.may_connect(&claim, Proof::Token(token)) {
            Ok(expires) => {
                let proven = Proven::new(host, token, expires, now);
                self.seats.entry(owner.clone()).or_default().proven = Some(proven);
                Status::new(200, "OK")
            }
            Err(refusal) if refusal.cause == Cause::LinkCut => {
                self.put_unchecked(owner, host, token, now)
            }
            Err(refusal) => Status::new(status(&refusal), refusal.reason),
        }
    }

    /// Takes a token of an identity that is cut off, as it is: the hub looks at it again when there is a link, and that
    /// ends as over a cable that was pulled. An SDK whose token is never answered does not try again.
    fn put_unchecked(
        &mut self,
        owner: &Identity,
        host: &str,
        token: &str,
        now: Timestamp,
    ) -> Status {
        let expires = Token::parse(token).map(|token| token.expiry());
        match expires.map(Timestamp::from_second) {
            Ok(Ok(expires)) => {
                let proven = Proven::new(host, token, expires, now);
                self.seats.entry(owner.clone()).or_default().proven = Some(proven);
                Status::new(200, "OK")
            }
            Ok(Err(_)) | Err(_) => Status::new(401, "the token cannot be read"),
        }
    }

    /// Takes a token of a policy, checked before, by which every device may connect.
    pub(crate) fn put_policy_token(&mut self, host: &str, token: &str, until: i64, now: Timestamp) {
        let until = Timestamp::from_second(until).unwrap_or(Timestamp::MAX);
        let proven = Proven::new(host, token, until, now);
        for seat in self.seats.values_mut() {
            seat.renew(&proven);
        }
        self.anyone = Some(proven);
    }

    /// Lets an identity in for a link, unless it is in already.
    ///
    /// # Errors
    /// When it has not signed in, or the hub does not let it in.
    pub(crate) fn enter(
        &mut self,
        hub: &Hub,
        owner: &Identity,
        model: Option<&str>,
        wake: &Arc<Notify>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        if self.seats.get(owner).is_some_and(Seat::is_taken) {
            return Ok(());
        }
        if self.seats.len() >= MAX_SEATS && !self.seats.contains_key(owner) {
            let text = "Too many devices are on one connection.";
            return Err(Fault::new("amqp:resource-limit-exceeded", text));
        }
        let own = self.seats.get(owner).and_then(|seat| seat.proven.as_ref());
        let proven = own
            .or(self.anyone.as_ref())
            .filter(|proven| proven.until > now);
        let (host, proof) = match (proven, &self.certificates) {
            (Some(proven), _) => (proven.host.as_str(), Proof::Token(&proven.token)),
            (None, Some(peer)) if self.host.is_empty() => {
                (hub.names.hub.as_str(), Proof::Certificates(peer))
            }
            (None, Some(peer)) => (self.host.as_str(), Proof::Certificates(peer)),
            (None, None) => {
                let text = format!("Unauthorized access. {owner} has not signed in.");
                return Err(Fault::new(UNAUTHORIZED, text));
            }
        };
        let claim = claim(owner, host, model.unwrap_or_default());
        let mailbox = Mailbox::waking(wake.clone());
        match hub.connect_by_links(claim, proof, self.face, mailbox) {
            Ok((attached, expires)) => {
                let until = seat::end_of(expires, now);
                let seat = self.seats.entry(owner.clone()).or_default();
                seat.sit(attached, until);
                Ok(())
            }
            Err(refusal) => {
                self.note_cut(owner, &refusal);
                Err(Fault::new(refused(&refusal), refusal.reason))
            }
        }
    }

    /// From here on an identity hears what a link of its is for.
    ///
    /// # Errors
    /// When the hub cannot keep what that changes.
    pub(crate) fn listen(
        &mut self,
        hub: &Hub,
        owner: &Identity,
        filter: Filter,
    ) -> Result<(), Fault> {
        let Some(attached) = self.seats.get(owner).and_then(Seat::attached) else {
            return Ok(());
        };
        let mut batch = hub.batch(attached);
        batch.listen(filter);
        kept(batch.commit())
    }

    /// Takes what an identity sent.
    ///
    /// # Errors
    /// What is wrong with it, or with who sent it.
    pub(crate) fn take(
        &mut self,
        hub: &Hub,
        owner: &Identity,
        channel: Channel,
        messages: Vec<Message>,
        now: Timestamp,
    ) -> Result<Heard, Fault> {
        let Some(seat) = self.seats.get_mut(owner).filter(|seat| seat.is_taken()) else {
            let text = format!("{owner} is not connected.");
            return Err(Fault::new(UNAUTHORIZED, text));
        };
        seat.take(hub, channel, messages, now)
    }

    /// Takes what an identity made of a message to it.
    pub(crate) fn settle(
        &mut self,
        hub: &Hub,
        owner: &Identity,
        filter: Filter,
        ticket: u128,
        outcome: Outcome,
        now: Timestamp,
    ) {
        let attached = self.seats.get(owner).and_then(Seat::attached);
        let settled = match (filter, attached) {
            (Filter::Devicebound, _) => queue::settle(hub, owner, ticket, outcome, now),
            (Filter::Inputs, Some(attached)) => {
                let mut batch = hub.batch(attached);
                batch.settle_input(ticket as u64, outcome.is_final());
                batch.commit()
            }
            _ => Ok(()),
        };
        if let Err(error) = settled {
            // The message stays, and is sent again.
            tracing::error!(%error, "the journal cannot be written");
        }
    }

    /// What has come for those who are connected, and who is so no more.
    pub(crate) fn collect(&mut self, hub: &Hub, now: Timestamp) -> Vec<Due> {
        let mut due = Vec::new();
        let mut ended = Vec::new();
        for (owner, seat) in &mut self.seats {
            let Some(attached) = seat.attached() else {
                continue;
            };
            let end = match attached.mailbox.take(&mut self.deliveries) {
                Err(reason) => Some(reason),
                Ok(()) if seat.is_over(now) => Some(EndReason::TokenExpired),
                Ok(()) => None,
            };
            if let Some(reason) = end {
                ended.push((owner.clone(), reason));
                continue;
            }
            for delivery in self.deliveries.drain(..) {
                if let Some((filter, parcel)) = outbound::translate(delivery, &mut seat.questions) {
                    due.push(Due::Message(owner.clone(), filter, parcel));
                }
            }
        }
        for (owner, reason) in ended {
            self.leave(hub, &owner, &End::Hub(reason));
            match reason {
                EndReason::TokenExpired => {
                    // What was put before is worth nothing any more.
                    self.seats.remove(&owner);
                    self.anyone = None;
                }
                EndReason::LinkCut => self.cut = self.is_alone(&owner),
                _ => {}
            }
            let fault = Fault::new(condition(reason), reason.text());
            due.push(Due::End(owner, fault));
        }
        self.seats
            .retain(|_, seat| seat.is_taken() || seat.is_proven(now));
        due
    }

    /// One does not take what is sent to it.
    pub(crate) fn overrun(&mut self, owner: &Identity) {
        if let Some(attached) = self.seats.get(owner).and_then(Seat::attached) {
            attached.mailbox.end(EndReason::Overrun);
        }
    }

    /// Some link was detached.
    pub(crate) fn links_changed(&mut self) {
        self.links_changed = true;
    }

    /// Lets those leave who have no link any more, and the others hear only what they still have links for; `links`
    /// says of one what its links are for.
    pub(crate) fn review_links(
        &mut self,
        hub: &Hub,
        links: impl Fn(&Identity) -> Vec<Option<Filter>>,
    ) {
        if !std::mem::take(&mut self.links_changed) {
            return;
        }
        let mut gone = Vec::new();
        for (owner, seat) in &self.seats {
            let Some(attached) = seat.attached() else {
                continue;
            };
            let links = links(owner);
            if links.is_empty() {
                gone.push(owner.clone());
                continue;
            }
            let mut batch = hub.batch(attached);
            batch.listen_only(|filter| {
                // Changes of desired properties come on the link of the answers.
                let by = match filter {
                    Filter::DesiredPatches => Filter::TwinResponses,
                    filter => filter,
                };
                links.contains(&Some(by))
            });
        }
        for owner in gone {
            self.leave(hub, &owner, &End::Disconnect);
        }
    }

    /// The connection is over: everybody leaves.
    pub(crate) fn leave_all(&mut self, hub: &Hub, end: &End) {
        let owners: Vec<Identity> = self.seats.keys().cloned().collect();
        for owner in owners {
            self.leave(hub, &owner, end);
        }
        self.seats.clear();
    }

    /// When somebody's right to be here ends next.
    pub(crate) fn next_end(&self) -> Option<Timestamp> {
        self.seats.values().filter_map(Seat::end).min()
    }

    /// An identity's connection ends.
    fn leave(&mut self, hub: &Hub, owner: &Identity, end: &End) {
        let attached = self.seats.get_mut(owner).and_then(Seat::stand_up);
        if let Some(attached) = attached {
            hub.detach(&attached, end, None);
        }
    }
}

impl Devices {
    /// Whether nobody but `owner` is connected here.
    fn is_alone(&self, owner: &Identity) -> bool {
        let mut seats = self.seats.iter();
        !seats.any(|(other, seat)| other != owner && seat.is_taken())
    }

    fn note_cut(&mut self, owner: &Identity, refusal: &Refusal) {
        self.cut |= refusal.code.is_none() && self.is_alone(owner);
    }
}

fn claim(owner: &Identity, host: &str, model_id: &str) -> Claim {
    Claim {
        identity: owner.clone(),
        hub: host.to_owned(),
        model_id: model_id.to_owned(),
    }
}
