//! Twins, as devices see them and as services change them.

use bytes::Bytes;
use hub_proto::error::{ErrorCode, Failure};
use hub_proto::identity::Identity;
use hub_proto::topic;
use hub_proto::twin::{Envelope, Object, Section, TwinError, diff};
use jiff::Timestamp;
use serde_json::{Value, json};
use thiserror::Error;

use super::{Batch, Core, Face, Hub, identity_documents};
use crate::change::Change;
use crate::history::TwinRevisions;
use crate::precondition::{Mismatch, Precondition};
use crate::registry::{Filter, assignments_section};
use crate::trace::What;

/// Why a service's twin request failed.
#[derive(Debug, Error)]
pub enum TwinFault {
    /// No such device or module.
    #[error("{0} is not registered")]
    NotFound(Identity),
    /// The document is no twin.
    #[error(transparent)]
    Document(TwinError),
    /// The entity tag is another one.
    #[error("the entity tag does not match: somebody else has changed the twin of {0}")]
    Precondition(Identity),
    /// The change could not be kept.
    #[error("the journal cannot be written")]
    Journal(#[source] std::io::Error),
}

impl Batch<'_> {
    pub(super) fn twin_get(&mut self, rid: &str) {
        let twin = self
            .core
            .twin_as_seen_by(&self.attached.identity, self.attached.face);
        self.answer_twin(200, rid, None, Bytes::from(twin.to_string()));
    }

    pub(super) fn reported(&mut self, rid: &str, payload: &[u8]) {
        match self.patch_reported(payload) {
            Ok(version) => self.answer_twin(204, rid, version, Bytes::new()),
            Err(message) => {
                let code = ErrorCode::ArgumentInvalid;
                let failure = Failure {
                    code,
                    message,
                    tracking_id: crate::tracking_id(),
                    at: self.now,
                };
                self.answer_twin(
                    code.status(),
                    rid,
                    None,
                    failure.to_device_json().to_string().into(),
                );
            }
        }
    }

    fn patch_reported(&mut self, payload: &[u8]) -> Result<Option<u64>, String> {
        let patch: Value = serde_json::from_slice(payload)
            .map_err(|error| format!("The reported patch is not JSON: {error}"))?;
        let target = &self.attached.identity;
        let told = patch.clone();
        let section = match (self.attached.face, target.module_id()) {
            (Face::Edge, Some(module)) if self.core.is_offline(target) => {
                let patch = patch
                    .as_object()
                    .ok_or("The reported patch must be a JSON object.")?
                    .clone();
                let (device, module) = (target.device_id().to_owned(), module.to_owned());
                let change = Change::UpstreamReported {
                    device,
                    module,
                    patch,
                    at: self.now,
                };
                self.core
                    .try_record(change)
                    .map_err(|error| error.to_string())?;
                let offline = self.core.registry.edge(target.device_id());
                let reported = &offline.and_then(|edge| edge.offline.as_ref());
                reported.and_then(|offline| offline.reported.get(target.module_id()?))
            }
            _ => {
                self.core
                    .report(target, patch, self.now)
                    .map_err(|error| error.to_string())?;
                self.core
                    .client(target)
                    .map(|client| client.twin.reported())
            }
        };
        let version = section.map_or(0, Section::version);
        if self.attached.face == Face::Edge {
            self.core.route_twin_change(target, &told, self.now);
        }
        self.core.observe(Some(target), || What::Twin {
            section: "reported",
            version,
            patch: told,
        });
        // An edge hub's 204 carries no version.
        Ok((self.attached.face == Face::Hub).then_some(version))
    }

    fn answer_twin(&mut self, status: u16, rid: &str, version: Option<u64>, payload: Bytes) {
        let topic = topic::twin_response(status, rid, version);
        self.core.deliver(
            &self.attached.identity,
            Filter::TwinResponses,
            topic,
            payload,
        );
    }
}

impl Hub {
    /// The twin as the service's REST face shows it.
    ///
    /// # Errors
    /// [`TwinFault::NotFound`].
    pub(crate) fn twin(&self, target: &Identity) -> Result<Value, TwinFault> {
        let core = self.lock_kept().map_err(TwinFault::Journal)?;
        core.service_twin(target)
            .ok_or_else(|| core.twin_missing(target))
    }

    /// The twin, and how it became what it is.
    ///
    /// # Errors
    /// [`TwinFault::NotFound`].
    pub(crate) fn twin_history(&self, target: &Identity) -> Result<TwinRevisions, TwinFault> {
        let core = self.lock_kept().map_err(TwinFault::Journal)?;
        let client = core.client(target);
        let client = client.ok_or_else(|| core.twin_missing(target))?;
        Ok(core.twin_history.of(target, &client.twin))
    }

    /// A service's PATCH (or with `replace`, PUT) of `tags` and `properties.desired`; returns the whole twin.
    ///
    /// # Errors
    /// When the target is unknown or the document breaks a rule; nothing has changed then.
    pub(crate) fn update_twin(
        &self,
        target: &Identity,
        document: Value,
        replace: bool,
    ) -> Result<Value, TwinFault> {
        self.update_twin_when(target, document, replace, Precondition::None)
    }

    /// As [`Hub::update_twin`], if the twin's entity tag is what it has to be.
    ///
    /// # Errors
    /// As there, or [`TwinFault::Precondition`].
    pub(crate) fn update_twin_when(
        &self,
        target: &Identity,
        document: Value,
        replace: bool,
        when: Precondition<'_>,
    ) -> Result<Value, TwinFault> {
        let mut core = self.lock();
        core.update_twin_when(target, document, replace, when)?;
        self.commit(&mut core).map_err(TwinFault::Journal)?;
        core.service_twin(target)
            .ok_or_else(|| TwinFault::NotFound(target.clone()))
    }
}

impl Core {
    pub(super) fn update_twin_when(
        &mut self,
        target: &Identity,
        document: Value,
        replace: bool,
        when: Precondition<'_>,
    ) -> Result<(), TwinFault> {
        let etag = self.client(target).map(|client| client.twin.etag());
        match when.check(etag.as_deref()) {
            Ok(()) => self.update_twin(target, document, replace),
            Err(Mismatch::Exists | Mismatch::Changed) => {
                Err(TwinFault::Precondition(target.clone()))
            }
            Err(Mismatch::Missing) => Err(self.twin_missing(target)),
        }
    }

    /// Whose twin is missing: the device's, or only the module's.
    fn twin_missing(&self, target: &Identity) -> TwinFault {
        TwinFault::NotFound(self.missing_of(target))
    }

    pub(super) fn update_twin(
        &mut self,
        target: &Identity,
        document: Value,
        replace: bool,
    ) -> Result<(), TwinFault> {
        if self.client(target).is_none() {
            return Err(self.twin_missing(target));
        }
        let at = Timestamp::now();
        let tags = document
            .get("tags")
            .filter(|tags| tags.is_object())
            .cloned();
        let change = Change::TwinUpdated {
            target: target.clone(),
            document,
            replace,
            at,
        };
        let told = self.try_record(change).map_err(TwinFault::Document)?;
        if let Some(patch) = tags {
            let version = self
                .client(target)
                .map_or(0, |client| client.twin.version());
            self.observe(Some(target), || What::Twin {
                section: "tags",
                version,
                patch,
            });
        }
        let Some(patch) = told else {
            return Ok(());
        };
        let version = self
            .client(target)
            .map_or(0, |client| client.twin.desired().version());
        // While the upstream is cut the edge hub does not know; it catches up when the cut ends.
        if self
            .live
            .get(target)
            .is_some_and(|live| live.face == Face::Hub)
            || !self.is_offline(target)
        {
            self.notify_desired(target, version, &patch);
        }
        match target.module_id() {
            Some("$edgeHub") => self.compile_routes(target.device_id()),
            Some("$edgeAgent") => self.agent_told(target.device_id()),
            _ => {}
        }
        self.observe(Some(target), || What::Twin {
            section: "desired",
            version,
            patch: Value::Object(patch),
        });
        Ok(())
    }

    fn notify_desired(&mut self, target: &Identity, version: u64, patch: &Object) {
        let payload = Bytes::from(serde_json::to_vec(patch).unwrap_or_default());
        self.deliver(
            target,
            Filter::DesiredPatches,
            topic::desired_patch(version),
            payload,
        );
    }

    pub(super) fn report(
        &mut self,
        target: &Identity,
        patch: Value,
        at: Timestamp,
    ) -> Result<(), TwinError> {
        self.try_record(Change::Reported {
            target: target.clone(),
            patch,
            at,
        })
        .map(|_| ())
    }

    /// Whether an edge hub cannot reach the hub for this identity's device.
    pub(super) fn is_offline(&self, identity: &Identity) -> bool {
        self.registry
            .edge(identity.device_id())
            .is_some_and(|store| store.offline.is_some())
    }

    /// Keeps what modules may still see, from the moment the upstream is cut.
    pub(super) fn twins_go_offline(&self, device: &str) -> crate::edge::Offline {
        let modules = self
            .registry
            .devices
            .get(device)
            .into_iter()
            .flat_map(|device| &device.modules);
        let desired =
            modules.map(|(id, module)| (id.clone(), module.client.twin.desired().clone()));
        crate::edge::Offline {
            desired: desired.collect(),
            ..Default::default()
        }
    }

    /// Brings hub and modules together again: reported properties up, what was missed of desired ones down.
    pub(super) fn twins_come_online(&mut self, device: &str, offline: &crate::edge::Offline) {
        let now = Timestamp::now();
        for (module, reported) in &offline.reported {
            let Ok(target) = Identity::module(device, module) else {
                continue;
            };
            let Some(client) = self.client(&target) else {
                continue;
            };
            let patch = diff(client.twin.reported().value(), reported.value());
            if let Err(error) = self.report(&target, Value::Object(patch), now) {
                tracing::warn!(%target, %error, "reported properties of the offline time were refused");
            }
        }
        for (module, seen) in &offline.desired {
            let Ok(target) = Identity::module(device, module) else {
                continue;
            };
            let Some(client) = self.client(&target) else {
                continue;
            };
            let desired = client.twin.desired();
            if desired.version() != seen.version() {
                let version = desired.version();
                let mut patch = diff(seen.value(), desired.value());
                patch.insert("$version".to_owned(), version.into());
                self.notify_desired(&target, version, &patch);
            }
        }
    }

    fn twin_as_seen_by(&self, identity: &Identity, face: Face) -> Value {
        let Some(client) = self.client(identity) else {
            return json!({});
        };
        let mut twin = client.twin.to_device_json();
        let store = self
            .registry
            .edge(identity.device_id())
            .filter(|_| face == Face::Edge);
        if let (Some(offline), Some(module)) = (
            store.and_then(|store| store.offline.as_ref()),
            identity.module_id(),
        ) {
            if let Some(desired) = offline.desired.get(module) {
                twin["desired"] = desired.to_device_json();
            }
            if let Some(reported) = offline.reported.get(module) {
                twin["reported"] = reported.to_device_json();
            }
        }
        twin
    }

    pub(super) fn service_twin(&self, target: &Identity) -> Option<Value> {
        let device = self.registry.devices.get(target.device_id())?;
        let client = self.client(target)?;
        let live = self.live.get(target);
        let mut twin = client.twin.to_service_json(&Envelope {
            identity: target,
            device_etag: &client.etag(),
            enabled: device.enabled,
            status_updated: device.status_updated,
            connected: live.is_some(),
            last_activity: self.last_activity(target),
            waiting_messages: if target.module_id().is_none() {
                device.queue.waiting.len()
            } else {
                0
            },
            authentication_type: client.authentication.name(),
            model_id: &client.model_id,
            edge: device.edge.is_some(),
        });
        twin["x509Thumbprint"] = identity_documents::thumbprints(&client.authentication);
        if !client.assigned.is_empty() {
            twin["configurations"] = assignments_section(&client.assigned);
        }
        if target.module_id().is_none() {
            identity_documents::scopes(&mut twin, target.device_id(), device);
        }
        Some(twin)
    }
}
