//! Who a client is, and at which hub.

use hub_proto::identity::Identity;

/// Given with the source, or assigned by the provisioning service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) identity: Identity,
    /// The hub's name, in user name and token, also behind a gateway.
    pub(crate) hub: String,
    /// What is connected to, and what the certificate must name.
    pub(crate) host: String,
}
