//! Who the device is in stock and in a project, and a configuration that says so.

use std::path::Path;

use hub_proto::sas::SymmetricKey;
use provisioning::edge_config::{DpsIdentity, EdgeConfig, Endpoint};

/// Keys that would be noticed anywhere.
pub(crate) const STOCK_KEY: &str = "c3RvY2stc3RvY2stc3RvY2stc3RvY2stc3RvY2stc3Q=";
pub(crate) const PROJECT_KEY: &str = "cHJvamVjdC1wcm9qZWN0LXByb2plY3QtcHJvamVjdC0=";

pub(crate) fn with(config: &[u8], identity: &DpsIdentity) -> Vec<u8> {
    let path = Path::new("config.toml");
    let config = EdgeConfig::parse(config, path).expect("a configuration");
    let config = config.with_dps(identity, path).expect("a change");
    config.as_bytes().to_vec()
}

pub(crate) fn stock() -> DpsIdentity {
    identity("0ne000STOCK", STOCK_KEY)
}

pub(crate) fn project() -> DpsIdentity {
    identity("0ne00PROJECT", PROJECT_KEY)
}

fn identity(id_scope: &str, key: &str) -> DpsIdentity {
    DpsIdentity {
        global_endpoint: Endpoint::default(),
        id_scope: id_scope.to_owned(),
        registration_id: "10000000abcdef01".parse().expect("a registration id"),
        symmetric_key: SymmetricKey::from_base64(key).expect("a key"),
    }
}
