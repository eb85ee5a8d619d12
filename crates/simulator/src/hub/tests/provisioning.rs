//! Devices that the provisioning service puts into the hub.

use std::fs;

use hub_proto::sas::SymmetricKey;

use super::*;
use crate::certificates::issuing::self_signed;
use crate::dps;
use crate::hub::{Provision, Start};

fn keys(text: &str) -> dps::Credential {
    let key = SymmetricKey::from_bytes(text.as_bytes().to_vec());
    dps::Credential::Keys {
        primary: key.clone(),
        secondary: key,
    }
}

fn wanted(credential: &dps::Credential, edge: bool) -> Provision<'_> {
    Provision {
        device_id: "press7",
        credential,
        edge,
        twin: Start::Keep(None),
        deployment: None,
    }
}

fn written(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).expect("the state directory");
    files
        .map(|file| file.and_then(|file| file.metadata()).expect("a file").len())
        .sum()
}

#[test]
fn a_device_that_is_all_it_is_to_be_is_not_written_again() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let hub = hub(Some(directory.path()));
    let holder = self_signed("press7", 2020, 2120).certificate();
    let certificate = dps::Credential::Certificates {
        primary: holder.sha256(),
        secondary: None,
    };
    let mut before = written(directory.path());
    for (what, wanted, writes) in [
        ("new", wanted(&keys("a"), false), true),
        ("again", wanted(&keys("a"), false), false),
        ("another key", wanted(&keys("b"), false), true),
        ("a certificate", wanted(&certificate, false), true),
        ("the same certificate", wanted(&certificate, false), false),
        ("with an edge", wanted(&certificate, true), true),
        ("it keeps the edge", wanted(&certificate, false), false),
        ("a key again", wanted(&keys("b"), true), true),
    ] {
        hub.provision(wanted).expect("an id of a device");
        let after = written(directory.path());
        assert_eq!(after > before, writes, "{what}");
        before = after;
    }
}
