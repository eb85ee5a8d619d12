//! Keys and tokens outside a connection: policies, the workload API's signing, and tokens in HTTPS headers.

use hub_proto::identity::Identity;
use hub_proto::sas::SymmetricKey;
use jiff::Timestamp;

use super::{Core, Hub};
use crate::change::Change;
use crate::registry::StoredKey;

/// The shared access policies every hub is born with.
const POLICIES: [&str; 5] = [
    "iothubowner",
    "service",
    "device",
    "registryRead",
    "registryReadWrite",
];

/// Those of them that have the DeviceConnect right, so that a token of theirs opens any device.
pub(super) const MAY_CONNECT: [&str; 2] = ["iothubowner", "device"];

impl Hub {
    /// Makes the policies a new hub needs; one loaded from disk has them.
    pub(crate) fn ensure_policies(&self) -> std::io::Result<()> {
        let mut core = self.lock();
        for name in POLICIES {
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

    /// Checks the token a module sends with an HTTPS request.
    ///
    /// # Errors
    /// Why the token does not open what the module asks for.
    pub(crate) fn check_module_token(
        &self,
        module: &Identity,
        token: Option<&str>,
    ) -> Result<(), String> {
        let token = token.ok_or("the request has no Authorization header")?;
        let core: &Core = &self.lock();
        let client = core
            .client(module)
            .ok_or_else(|| format!("{module} is not registered"))?;
        let keys = [client.primary.key(), client.secondary.key()];
        let now = Timestamp::now().as_second();
        let names = self.names.accepted.iter();
        let mut checked =
            names.map(|hub| core.check_token(token, &module.audience(hub), &keys, now));
        // The last name's error stands for all: they differ in the audience only.
        match checked.find_map(Result::ok) {
            Some(_) => Ok(()),
            None => Err(format!("the token is not one of {module}")),
        }
    }
}
