//! Keys and tokens outside a connection: policies, the workload API's signing, and tokens in HTTPS headers.

use hub_proto::identity::Identity;
use hub_proto::sas::{SymmetricKey, Token};
use jiff::Timestamp;

use super::Hub;
use super::sign_in::Proof;
use crate::certificates::PeerCertificates;
use crate::change::Change;
use crate::registry::StoredKey;
use crate::with_causes;

/// What a shared access policy can allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Reading identities and configurations.
    RegistryRead,
    /// Writing them.
    RegistryWrite,
    /// All that a back end does with devices: twins, methods, queries, messages.
    ServiceConnect,
    /// All that devices do: a token of such a policy opens any of them.
    DeviceConnect,
}

/// The shared access policies every hub is born with, and what they allow.
pub(crate) const POLICIES: [(&str, &[Right]); 5] = [
    (
        "iothubowner",
        &[
            Right::RegistryRead,
            Right::RegistryWrite,
            Right::ServiceConnect,
            Right::DeviceConnect,
        ],
    ),
    ("service", &[Right::ServiceConnect]),
    ("device", &[Right::DeviceConnect]),
    ("registryRead", &[Right::RegistryRead]),
    (
        "registryReadWrite",
        &[Right::RegistryRead, Right::RegistryWrite],
    ),
];

impl Right {
    pub(crate) fn is_of(self, policy: &str) -> bool {
        let mut policies = POLICIES.iter();
        policies.any(|(name, rights)| *name == policy && rights.contains(&self))
    }
}

impl Hub {
    /// Makes the policies a new hub needs; one loaded from disk has them.
    pub(crate) fn ensure_policies(&self) -> std::io::Result<()> {
        let mut core = self.lock();
        for (name, _) in POLICIES {
            if !core.registry.policies.contains_key(name) {
                core.record(Change::PolicySet {
                    name: name.to_owned(),
                    key: StoredKey::generate(),
                });
            }
        }
        self.commit(&mut core)
    }

    pub(crate) fn policy_key(&self, name: &str) -> Option<SymmetricKey> {
        self.lock().registry.policies.get(name).map(StoredKey::key)
    }

    /// The key the workload API signs with.
    pub(crate) fn module_key(&self, module: &Identity) -> Option<SymmetricKey> {
        self.lock()
            .client(module)
            .map(|client| client.primary.key())
    }

    pub(crate) fn generation(&self, module: &Identity) -> Option<String> {
        self.lock()
            .client(module)
            .map(|client| client.generation.clone())
    }

    pub(crate) fn device_ids(&self) -> Vec<String> {
        self.lock().registry.devices.keys().cloned().collect()
    }

    /// Whether an HTTPS request is a device's own: an enabled one's, with its own key or certificate and no policy's.
    pub(crate) fn is_device_itself(
        &self,
        device: &Identity,
        token: Option<&str>,
        peer: Option<&PeerCertificates>,
    ) -> bool {
        let of_policy = token
            .and_then(|token| Token::parse(token).ok())
            .is_some_and(|token| token.policy().is_some_and(|policy| !policy.is_empty()));
        let is_enabled = |id: &str| {
            let core = self.lock();
            core.registry
                .devices
                .get(id)
                .is_some_and(|device| device.enabled)
        };
        !of_policy
            && is_enabled(device.device_id())
            && self.check_module(device, token, peer).is_ok()
    }

    /// Checks what a device sends with an HTTPS request: its own token, a policy's that lets devices connect, or the
    /// certificate it sent before.
    ///
    /// # Errors
    /// Why that does not open the device.
    pub(crate) fn check_device(
        &self,
        device: &Identity,
        token: Option<&str>,
        peer: Option<&PeerCertificates>,
    ) -> Result<(), String> {
        self.check_module(device, token, peer)?;
        let core = self.lock();
        match core.registry.devices.get(device.device_id()) {
            Some(known) if known.enabled => Ok(()),
            _ => Err(format!("{device} is disabled")),
        }
    }

    /// Checks the token that a module sends with an HTTPS request, or the certificate it sent before.
    ///
    /// # Errors
    /// Why that does not open what the module asks for.
    pub(crate) fn check_module(
        &self,
        module: &Identity,
        token: Option<&str>,
        peer: Option<&PeerCertificates>,
    ) -> Result<(), String> {
        let now = Timestamp::now();
        let examined = self.examine(module, Proof::new(token, peer), now);
        let core = self.lock();
        let mut refused = None;
        for name in &self.names.accepted {
            match core.open(module, name, &examined, now) {
                Ok(_) => return Ok(()),
                // The last name's fault stands for all: they differ in the audience only.
                Err(fault) => refused = Some(fault),
            }
        }
        Err(refused.map_or_else(String::new, |fault| with_causes(&fault)))
    }
}
