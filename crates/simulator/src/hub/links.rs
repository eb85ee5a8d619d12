//! Clients that say link by link what they listen to, as those of AMQP do.
//!
//! A subscription over MQTT outlasts its connection; a link does not. So what such a client listens to belongs to its
//! connection, and what the same client once subscribed to waits until it comes back over MQTT.

use hub_proto::identity::Identity;
use jiff::Timestamp;

use super::connecting::{Claim, Manner};
use super::sign_in::Proof;
use super::{Attached, Batch, Core, Face, Hub, Live, Refusal};
use crate::mailbox::Mailbox;
use crate::registry::{Filter, Subscription};

impl Hub {
    /// Whether a client may connect that it claims to be; when its proof ends.
    ///
    /// # Errors
    /// Why it may not.
    pub(crate) fn may_connect(
        &self,
        claim: &Claim,
        proof: Proof<'_>,
    ) -> Result<Timestamp, Refusal> {
        let examined = self.examine(&claim.identity, proof, Timestamp::now());
        let admitted = self.lock().admit(claim, &examined, &self.names.accepted);
        admitted.map_err(|refusal| self.refused(&claim.identity.to_string(), refusal))
    }

    /// Connects a client that listens by links, and takes the place of an older connection of the same identity; says
    /// too when its proof ends.
    ///
    /// # Errors
    /// Why it may not connect.
    pub(crate) fn connect_by_links(
        &self,
        claim: Claim,
        proof: Proof<'_>,
        face: Option<Face>,
        mailbox: Mailbox,
    ) -> Result<(Attached, Timestamp), Refusal> {
        let identity = claim.identity.to_string();
        let manner = Manner {
            face,
            is_clean: false,
            mailbox,
            links: Some(Vec::new()),
        };
        self.let_in(claim, proof, manner)
            .map_err(|refusal| self.refused(&identity, refusal))
    }
}

impl Batch<'_> {
    /// From here on the client hears what `filter` is for.
    pub(crate) fn listen(&mut self, filter: Filter) {
        let Some(links) = self.links() else { return };
        if !links.contains(&filter) {
            links.push(filter);
        }
        self.core.resume(&self.attached.identity);
        self.hub.presence.notify_waiters();
    }

    /// From here on the client hears only what `keep` says.
    pub(crate) fn listen_only(&mut self, keep: impl Fn(Filter) -> bool) {
        let Some(live) = self.live() else { return };
        if let Some(links) = &mut live.links {
            links.retain(|filter| keep(*filter));
        }
        if !keep(Filter::Inputs) {
            // Nobody is left to say what became of it.
            live.in_flight = None;
        }
    }

    /// The client is done with an input message, or (if not `taken`) wants it again.
    pub(crate) fn settle_input(&mut self, sequence: u64, taken: bool) {
        if taken {
            return self.input_acknowledged(sequence);
        }
        let Some(live) = self.live() else { return };
        let in_flight = &mut live.in_flight;
        let released = in_flight.take_if(|in_flight| in_flight.sequence == sequence);
        if released.is_some() {
            self.core.resume(&self.attached.identity);
        }
    }

    fn links(&mut self) -> Option<&mut Vec<Filter>> {
        self.live()?.links.as_mut()
    }

    /// The connection's own place, unless another one has it by now.
    fn live(&mut self) -> Option<&mut Live> {
        let (identity, own) = (&self.attached.identity, self.attached.connection());
        let live = self.core.live.get_mut(identity)?;
        (live.connection == own).then_some(live)
    }
}

impl Core {
    /// What a client listens to, by a link or by a subscription.
    pub(super) fn subscription(&self, of: &Identity, filter: Filter) -> Option<Subscription> {
        let live = self.live.get(of);
        match live.and_then(|live| live.links.as_ref()) {
            Some(links) => {
                let listens = links.contains(&filter);
                listens.then_some(Subscription { filter, qos: 1 })
            }
            None => self.client(of)?.subscription(filter),
        }
    }
}
