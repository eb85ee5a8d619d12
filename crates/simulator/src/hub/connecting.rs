//! Who may connect, and what a connection changes.

use std::collections::HashMap;
use std::sync::Arc;

use hub_proto::identity::Identity;
use hub_proto::sas::CLOCK_SKEW;
use hub_proto::user_name::UserName;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::comings::Coming;
use super::sign_in::{Examined, Proof};
use super::{Core, Face, Hub, Live};
use crate::certificates::PeerCertificates;
use crate::change::Change;
use crate::connection::End;
use crate::history::Cause;
use crate::mailbox::{EndReason, Mailbox};
use crate::registry::Filter;
use crate::trace::What;
use crate::wire::{Connect, ReturnCode, Will};

/// A connection the hub let in.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) identity: Identity,
    pub(crate) face: Face,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) session_present: bool,
    /// When the token ends; none for a clock too far ahead to matter.
    pub(crate) expires: Option<Instant>,
    /// `devices/{d}[/modules/{m}]/messages/events/`: what nearly every PUBLISH starts with.
    pub(super) telemetry_prefix: String,
    connection: u64,
}

impl Attached {
    /// Tells this connection from others of the same identity.
    pub(super) fn connection(&self) -> u64 {
        self.connection
    }
}

/// Who a client says it is, before anything is checked.
pub(crate) struct Claim {
    pub(crate) identity: Identity,
    /// The hub's name as the client knows it.
    pub(crate) hub: String,
    /// The Plug and Play model it announces; empty for none.
    pub(crate) model_id: String,
}

/// How a client connects.
pub(super) struct Manner {
    /// Which face it asked for.
    pub(super) face: Option<Face>,
    /// Whether it has no use for what it once subscribed to.
    pub(super) is_clean: bool,
    pub(super) mailbox: Mailbox,
    /// Where it listens by links, what it listens to.
    pub(super) links: Option<Vec<Filter>>,
}

/// Why a client was refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// What CONNACK says; nothing when the connection just ends, as on a cut link.
    pub(crate) code: Option<ReturnCode>,
    pub(crate) reason: String,
    pub(crate) cause: Cause,
}

impl Refusal {
    fn not_authorized(cause: Cause, reason: impl Into<String>) -> Self {
        Self {
            code: Some(ReturnCode::NotAuthorized),
            reason: reason.into(),
            cause,
        }
    }
}

impl Hub {
    /// Decides on a CONNECT, and takes the place of an older connection of the same identity.
    pub(crate) fn connect(
        &self,
        connect: &Connect,
        face: Option<Face>,
        peer: Option<&PeerCertificates>,
    ) -> Result<Attached, Refusal> {
        let connected = self.identify(connect).and_then(|claim| {
            let password = connect.password.as_deref();
            let token = password.filter(|password| !password.is_empty());
            let proof = match token.map(std::str::from_utf8).transpose() {
                Ok(token) => Proof::new(token, peer),
                Err(_) => {
                    let reason = "the token is no text";
                    return Err(Refusal::not_authorized(Cause::Token, reason));
                }
            };
            let manner = Manner {
                face,
                is_clean: connect.clean_session,
                mailbox: Mailbox::default(),
                links: None,
            };
            self.let_in(claim, proof, manner)
        });
        match connected {
            Ok((attached, _)) => Ok(attached),
            Err(refusal) => Err(self.refused(&connect.client_id, refusal)),
        }
    }

    /// Lets a client in if its proof opens who it claims to be; says too when that ends.
    pub(super) fn let_in(
        &self,
        claim: Claim,
        proof: Proof<'_>,
        manner: Manner,
    ) -> Result<(Attached, Timestamp), Refusal> {
        let examined = self.examine(&claim.identity, proof, Timestamp::now());
        let mut core = self.lock();
        let expires = core.admit(&claim, &examined, &self.names.accepted)?;
        core.note_model(&claim);
        let attached = core.attach(claim.identity, manner, expires);
        core.resume(&attached.identity);
        // A client may only hear that it is connected when what this changed is kept.
        if let Err(error) = self.commit(&mut core) {
            core.live.remove(&attached.identity);
            core.tell_connection(&attached.identity, attached.face, false);
            return Err(Refusal {
                code: Some(ReturnCode::ServerUnavailable),
                reason: format!("the journal cannot be written: {error}"),
                cause: Cause::Journal,
            });
        }
        drop(core);
        self.connections
            .connected(&attached.identity, Timestamp::now());
        self.presence.notify_waiters();
        self.trace
            .tell(Some(&attached.identity), || What::Connection {
                state: "connected",
                reason: String::new(),
            });
        Ok((attached, expires))
    }

    /// Tells whoever watches that a client was refused, by the name it gave.
    pub(super) fn refused(&self, client: &str, refusal: Refusal) -> Refusal {
        let Refusal { cause, reason, .. } = &refusal;
        tracing::debug!(client, reason, "connection refused");
        let claimed = client.parse::<Identity>().ok();
        self.trace.tell(claimed.as_ref(), || What::Connection {
            state: "refused",
            reason: reason.clone(),
        });
        self.connections
            .refused(client, *cause, reason, Timestamp::now());
        refusal
    }

    fn identify(&self, connect: &Connect) -> Result<Claim, Refusal> {
        let Some(user_name) = &connect.user_name else {
            let reason = "CONNECT without a user name";
            return Err(Refusal::not_authorized(Cause::UserName, reason));
        };
        let hub = match UserName::parse(user_name) {
            Ok(UserName::Hub(hub)) => hub,
            Ok(UserName::Dps(_)) => {
                let reason = "a registration's user name; the provisioning service answers those";
                return Err(Refusal::not_authorized(Cause::UserName, reason));
            }
            Err(error) => {
                return Err(Refusal::not_authorized(Cause::UserName, error.to_string()));
            }
        };
        let identity = hub
            .identity()
            .map_err(|error| Refusal::not_authorized(Cause::UserName, error.to_string()))?;
        if identity.to_string() != connect.client_id {
            let reason = format!(
                "client id {:?} is not the user name's {identity}",
                connect.client_id
            );
            return Err(Refusal {
                code: Some(ReturnCode::IdentifierRejected),
                reason,
                cause: Cause::ClientId,
            });
        }
        Ok(Claim {
            identity,
            hub: hub.hub.to_owned(),
            model_id: hub.model_id.unwrap_or_default().into_owned(),
        })
    }

    /// A connection ended: frees its place, unless a newer connection has taken it.
    pub(crate) fn detach(&self, attached: &Attached, end: &End, will: Option<&Will>) {
        let (cause, reason) = match end {
            End::Disconnect => (Cause::Goodbye, "the client said goodbye"),
            End::Hub(reason) => (Cause::from(*reason), reason.text()),
            End::Lost(reason) => (Cause::Lost, reason.as_str()),
            End::Violation(reason) => (Cause::Violation, reason.as_str()),
        };
        tracing::debug!(client = %attached.identity, reason, "connection ended");
        let unspoken = matches!(end, End::Disconnect | End::Hub(EndReason::Replaced));
        if let (Some(will), false) = (will, unspoken) {
            let mut batch = self.batch(attached);
            let published = batch.publish_will(will);
            if let (Err(reason), _) | (Ok(()), Err(reason)) =
                (published, batch.commit().map_err(|error| error.to_string()))
            {
                tracing::debug!(client = %attached.identity, reason, "the will was not published");
            }
        }
        let mut core = self.lock();
        if core
            .live
            .get(&attached.identity)
            .is_some_and(|live| live.connection == attached.connection)
        {
            core.live.remove(&attached.identity);
            core.comings
                .note(&attached.identity, Coming::Left(reason.to_owned()));
            if core.client(&attached.identity).is_some() {
                core.left
                    .insert(attached.identity.clone(), Timestamp::now());
            }
            core.edge_client_changed(&attached.identity, attached.face);
            core.tell_connection(&attached.identity, attached.face, false);
            if let Err(error) = self.commit(&mut core) {
                tracing::error!(%error, "the journal cannot be written");
            }
        }
        drop(core);
        self.connections
            .disconnected(&attached.identity, cause, reason, Timestamp::now());
        let reason = reason.to_owned();
        self.trace
            .tell(Some(&attached.identity), || What::Connection {
                state: "disconnected",
                reason,
            });
    }

    /// A connection ended before anybody knew whose it was.
    pub(crate) fn note_stranger(&self, reason: &str) {
        tracing::debug!(reason, "a connection ended before CONNECT");
        self.connections
            .refused("", Cause::Stranger, reason, Timestamp::now());
    }

    /// A TLS handshake failed: the usual first trouble of a new client, which has no name yet.
    pub(crate) fn note_failed_handshake(&self, error: &std::io::Error) {
        tracing::debug!(%error, "TLS handshake failed");
        let reason = format!("the TLS handshake failed: {error}");
        self.connections
            .refused("", Cause::Tls, &reason, Timestamp::now());
    }
}

impl Core {
    /// Checks everything about a client that says who it is; returns when its proof ends to count.
    pub(super) fn admit(
        &self,
        claim: &Claim,
        proof: &Examined<'_>,
        accepted: &[String],
    ) -> Result<Timestamp, Refusal> {
        let (identity, hub_name) = (&claim.identity, claim.hub.as_str());
        if self.levers.is_cut(identity) {
            return Err(Refusal {
                code: None,
                reason: "the link is cut by a lever".to_owned(),
                cause: Cause::LinkCut,
            });
        }
        let Some(device) = self
            .registry
            .devices
            .get(identity.device_id())
            .filter(|_| self.client(identity).is_some())
        else {
            let reason = format!("{identity} is not registered");
            return Err(Refusal::not_authorized(Cause::Unknown, reason));
        };
        if !device.enabled {
            let reason = format!("device {} is disabled", identity.device_id());
            return Err(Refusal::not_authorized(Cause::Disabled, reason));
        }
        if !accepted
            .iter()
            .any(|name| name.eq_ignore_ascii_case(hub_name))
        {
            let reason = format!(
                "the user name says hub {hub_name}; this one is {}",
                accepted.join(" or ")
            );
            return Err(Refusal::not_authorized(Cause::OtherHub, reason));
        }
        if self.levers.refuses(identity) {
            let reason = "tokens and certificates are refused by a lever";
            return Err(Refusal::not_authorized(Cause::Lever, reason));
        }
        let now = Timestamp::now();
        self.open(identity, hub_name, proof, now)
            .map_err(|fault| Refusal::not_authorized(fault.cause(), fault.explain(now)))
    }

    fn note_model(&mut self, claim: &Claim) {
        let known = self
            .client(&claim.identity)
            .map(|client| client.model_id.as_str());
        if known != Some(claim.model_id.as_str()) {
            let (target, model_id) = (claim.identity.clone(), claim.model_id.clone());
            self.record(Change::ModelAnnounced { target, model_id });
        }
    }

    fn attach(&mut self, identity: Identity, manner: Manner, expires: Timestamp) -> Attached {
        if manner.is_clean {
            self.record(Change::Subscribed {
                target: identity.clone(),
                subscriptions: Vec::new(),
            });
        }
        let face = self.face(&identity, manner.face);
        let session_present = self
            .client(&identity)
            .is_some_and(|client| !client.subscriptions.is_empty());
        self.connections += 1;
        let mailbox = Arc::new(manner.mailbox);
        let live = Live {
            connection: self.connections,
            face,
            mailbox: mailbox.clone(),
            since: Timestamp::now(),
            in_flight: None,
            locked: HashMap::new(),
            links: manner.links,
        };
        self.left.remove(&identity);
        self.comings.note(&identity, Coming::Came);
        match self.live.insert(identity.clone(), live) {
            // It is connected as it was.
            Some(older) => older.mailbox.end(EndReason::TakenOver),
            None => self.tell_connection(&identity, face, true),
        }
        self.edge_client_changed(&identity, face);
        // A token is good to its last second; one that is let in within the skew is good to the skew's end.
        let mut left = expires.duration_since(Timestamp::now());
        if !left.is_positive() {
            left += SignedDuration::from_secs(CLOCK_SKEW);
        }
        Attached {
            telemetry_prefix: hub_proto::topic::telemetry(&identity, ""),
            identity,
            face,
            mailbox,
            session_present,
            expires: Instant::now().checked_add(left.try_into().unwrap_or_default()),
            connection: self.connections,
        }
    }

    /// The face a client speaks to. Without an edge there is only the hub; where the name the client asked for does not
    /// tell, modules of an edge device speak to the edge.
    fn face(&self, identity: &Identity, asked: Option<Face>) -> Face {
        if self.registry.edge(identity.device_id()).is_none() {
            return Face::Hub;
        }
        asked.unwrap_or(match identity.module_id() {
            Some(_) => Face::Edge,
            None => Face::Hub,
        })
    }
}
