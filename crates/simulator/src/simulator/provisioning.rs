//! The simulator's provisioning service: how it starts, and what a person or a test may ask of it.

use std::sync::Arc;

use hub_proto::dps::enrollment::{EnrollmentGroup, IndividualEnrollment};
use hub_proto::dps::registration::RegistrationId;
use hub_proto::sas::SymmetricKey;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Simulator, StartError};
use crate::dps::{Dps, DpsLever, EnrollFault, Linked, Opening};
use crate::hub::{Hub, IdentityFault, check_deployment};
use crate::options::Options;
use crate::pki::Authority;
use crate::precondition::Precondition;

pub(super) fn open(
    options: &Options,
    hub: &Arc<Hub>,
    more_hubs: &[Arc<Hub>],
    authority: &Authority,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Result<Arc<Dps>, StartError> {
    if let Some(deployment) = &options.default_deployment {
        check_deployment(deployment).map_err(StartError::Deployment)?;
    }
    let own = Linked {
        hub: hub.clone(),
        weight: 1,
        latency_ms: 0,
    };
    let more = options.more_hubs.iter().zip(more_hubs);
    let more = more.map(|(linked, hub)| Linked {
        hub: hub.clone(),
        weight: linked.weight,
        latency_ms: linked.latency_ms,
    });
    let state = options.state.as_ref().map(|state| state.join("dps"));
    let dps = Dps::open(Opening {
        state: state.as_deref(),
        linked: std::iter::once(own).chain(more).collect(),
        retry_after: options.retry_after,
        deployment: options.default_deployment.clone(),
        authority_pem: authority.certificate_pem().to_owned(),
        tasks: tasks.clone(),
        stop: stop.clone(),
    })?;
    dps.make_ready().map_err(StartError::Journal)?;
    Ok(Arc::new(dps))
}

impl Simulator {
    /// Enrols one device, or changes its enrolment. Keys that are missing are made; what is returned has them.
    ///
    /// # Errors
    /// When the document breaks a rule.
    pub fn enroll(
        &self,
        enrollment: IndividualEnrollment,
    ) -> Result<IndividualEnrollment, EnrollFault> {
        let id = enrollment.registration_id.as_str().to_owned();
        self.dps.put_enrollment(&id, enrollment, Precondition::None)
    }

    /// Enrols a group of devices, or changes it. Keys that are missing are made; what is returned has them.
    ///
    /// # Errors
    /// When the document breaks a rule.
    pub fn enroll_group(&self, group: EnrollmentGroup) -> Result<EnrollmentGroup, EnrollFault> {
        let id = group.enrollment_group_id.clone();
        self.dps.put_group(&id, group, Precondition::None)
    }

    /// The key that one device of a group registers with, derived from the group's first one.
    ///
    /// # Errors
    /// When there is no such group, or it has certificates in place of keys.
    pub fn derive_key(
        &self,
        group: &str,
        id: &RegistrationId,
    ) -> Result<SymmetricKey, EnrollFault> {
        self.dps.derive_key(group, id)
    }

    /// What an edge device runs from the moment the provisioning service makes it (`{"modulesContent": {…}}`), from here
    /// on; nothing but the system modules without it.
    ///
    /// # Errors
    /// When it is no deployment.
    pub fn set_default_deployment(&self, deployment: Option<Value>) -> Result<(), IdentityFault> {
        if let Some(deployment) = &deployment {
            check_deployment(deployment)?;
        }
        self.dps.set_deployment(deployment);
        Ok(())
    }

    /// Moves a lever of the provisioning service.
    pub fn pull_dps(&self, lever: DpsLever) {
        self.dps.pull(lever);
    }

    /// The service itself, for the control API.
    pub(crate) fn dps(&self) -> &Arc<Dps> {
        &self.dps
    }
}
