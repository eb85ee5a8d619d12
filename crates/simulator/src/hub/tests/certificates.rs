//! Who signs in with a certificate, and who does not.

use super::*;
use crate::authentication::Authentication;
use crate::certificates::issuing::{Holder, Signer, authority, device, self_signed};
use crate::certificates::{Certificate, PeerCertificates, Thumbprint};
use crate::hub::{NewDevice, NewModule};
use crate::registry::Registry;

/// Good for longer than these tests will be run.
const GOOD: (i32, i32) = (2020, 2120);

fn with_thumbprints(primary: Thumbprint, secondary: Option<Thumbprint>) -> Authentication {
    Authentication::SelfSigned { primary, secondary }
}

fn register(hub: &Hub, id: &str, authentication: Authentication) {
    let new = NewDevice {
        id: id.to_owned(),
        edge: false,
        authentication,
        modules: Vec::new(),
    };
    let credentials = hub.register(&new).expect("a free id");
    let expected = format!("HostName=localhost;DeviceId={id};x509=true");
    assert_eq!(credentials.connection_string, expected);
}

/// Connects without a password; why not, if not.
fn present(hub: &Hub, id: &str, peer: Option<&PeerCertificates>) -> Result<(), String> {
    let mut packet = connect_packet(id, "");
    packet.password = None;
    match hub.connect(&packet, None, peer) {
        Ok(_) => Ok(()),
        Err(refusal) => {
            assert_eq!(refusal.code, Some(ReturnCode::NotAuthorized));
            Err(refusal.reason)
        }
    }
}

fn refused(hub: &Hub, id: &str, peer: Option<&PeerCertificates>) -> String {
    present(hub, id, peer).expect_err("it must not be let in")
}

fn own(name: &str) -> Holder {
    self_signed(name, GOOD.0, GOOD.1)
}

fn root() -> (Certificate, Signer) {
    authority("root", None, GOOD.0, GOOD.1)
}

#[test]
fn a_thumbprint_of_either_kind_and_place_opens() {
    let (hub, first, second) = (hub(None), own("press7"), own("press7"));
    for (id, primary, secondary) in [
        ("sha256", first.certificate().sha256(), None),
        ("sha1", first.certificate().sha1(), None),
        (
            "second",
            second.certificate().sha1(),
            Some(first.certificate().sha256()),
        ),
    ] {
        register(&hub, id, with_thumbprints(primary, secondary));
        assert_eq!(present(&hub, id, Some(&first.with(&[]))), Ok(()), "{id}");
    }
    // The name in a certificate that is known by its thumbprint says nothing.
    let reason = refused(&hub, "sha256", Some(&second.with(&[])));
    assert!(reason.contains("thumbprint"), "{reason}");
}

#[test]
fn a_certificate_has_its_time_also_where_its_thumbprint_is_known() {
    let hub = hub(None);
    for (id, holder, says) in [
        ("old", self_signed("old", 2000, 2010), "expired"),
        (
            "early",
            self_signed("early", 2110, 2120),
            "not valid before",
        ),
    ] {
        let thumbprint = holder.certificate().sha256();
        register(&hub, id, with_thumbprints(thumbprint, None));
        let reason = refused(&hub, id, Some(&holder.with(&[])));
        assert!(reason.contains(says), "{reason}");
    }
}

#[test]
fn a_key_does_not_stand_for_a_certificate_nor_a_certificate_for_a_key() {
    let hub = furnished(None);
    let holder = own("press7");
    let peer = holder.with(&[]);
    let thumbprint = holder.certificate().sha256();
    register(&hub, "press7", with_thumbprints(thumbprint, None));
    let reason = refused(&hub, "press7", None);
    assert!(reason.contains("presented none"), "{reason}");
    // The keys the registry has for it all the same, and those of a policy.
    let key = hub.lock().registry.devices["press7"].client.primary.key();
    let expiry = Timestamp::now().as_second() + 600;
    let of_device = Unsigned::new("localhost/devices/press7", expiry).sign(&key);
    let owner = hub.policy_key("iothubowner").expect("born with it");
    let of_policy = Unsigned::new("localhost", expiry)
        .with_policy("iothubowner")
        .sign(&owner);
    for token in [of_device, of_policy] {
        let packet = connect_packet("press7", &token);
        for peer in [None, Some(&peer)] {
            let refusal = hub.connect(&packet, None, peer).expect_err("a token");
            assert_eq!(refusal.code, Some(ReturnCode::NotAuthorized));
        }
    }
    let reason = refused(&hub, "pump7", Some(&peer));
    assert!(reason.contains("signs in with a token"), "{reason}");
    // A certificate beside a good token is somebody else's business.
    let packet = connect_packet(
        "pump7",
        &token(&hub, "pump7", "localhost/devices/pump7", 600),
    );
    assert!(hub.connect(&packet, None, Some(&peer)).is_ok());
}

#[test]
fn below_an_authority_of_the_hub_the_common_name_says_who() {
    let (hub, (root, root_signer)) = (hub(None), root());
    let (customer, signer) = authority("customer", Some(&root_signer), GOOD.0, GOOD.1);
    let press7 = device("press7", &signer, GOOD.0, GOOD.1);
    let peer = press7.with(&[&customer]);
    register(&hub, "press7", Authentication::CertificateAuthority);
    register(&hub, "press8", Authentication::CertificateAuthority);
    let reason = refused(&hub, "press7", Some(&peer));
    assert!(reason.contains("no trusted authority"), "{reason}");
    hub.put_authority("root", &root.to_pem()).expect("a root");
    assert_eq!(present(&hub, "press7", Some(&peer)), Ok(()));
    let reason = refused(&hub, "press8", Some(&peer));
    assert!(reason.contains(r#"is "press7", not press8"#), "{reason}");
    let reason = refused(&hub, "press7", Some(&press7.with(&[])));
    assert!(reason.contains("0 further certificates"), "{reason}");
    let reason = refused(&hub, "press7", Some(&own("press7").with(&[&customer])));
    assert!(reason.contains("no trusted authority"), "{reason}");
    hub.remove_authority("root").expect("registered");
    refused(&hub, "press7", Some(&peer));
    // An intermediate is authority enough, and needs nothing sent along.
    hub.put_authority("customer", &customer.to_pem())
        .expect("an intermediate");
    assert_eq!(present(&hub, "press7", Some(&press7.with(&[]))), Ok(()));
}

#[test]
fn a_namesake_of_the_authority_is_found_out() {
    let (hub, (real, _), (_, false_signer)) = (hub(None), root(), root());
    hub.put_authority("root", &real.to_pem()).expect("a root");
    register(&hub, "press7", Authentication::CertificateAuthority);
    let forged = device("press7", &false_signer, GOOD.0, GOOD.1);
    let reason = refused(&hub, "press7", Some(&forged.with(&[])));
    assert!(reason.contains("signature"), "{reason}");
}

#[test]
fn modules_may_have_certificates_of_their_own() {
    let (hub, (root, signer)) = (hub(None), root());
    hub.put_authority("root", &root.to_pem()).expect("a root");
    let holder = own("whatever");
    let module = |id: &str, authentication| NewModule {
        id: id.to_owned(),
        authentication,
    };
    let new = NewDevice {
        id: "edge01".to_owned(),
        edge: true,
        authentication: Authentication::CertificateAuthority,
        modules: vec![
            module("own", with_thumbprints(holder.certificate().sha1(), None)),
            module("below", Authentication::CertificateAuthority),
            module("keyed", Authentication::Sas),
        ],
    };
    hub.register(&new).expect("a free id");
    let (of_device, of_module) = (
        device("edge01", &signer, GOOD.0, GOOD.1).with(&[]),
        device("edge01/below", &signer, GOOD.0, GOOD.1).with(&[]),
    );
    assert_eq!(present(&hub, "edge01", Some(&of_device)), Ok(()));
    assert_eq!(present(&hub, "edge01/own", Some(&holder.with(&[]))), Ok(()));
    assert_eq!(present(&hub, "edge01/below", Some(&of_module)), Ok(()));
    refused(&hub, "edge01/below", Some(&of_device));
    let own_token = token(
        &hub,
        "edge01/keyed",
        "localhost/devices/edge01/modules/keyed",
        600,
    );
    assert!(connect_with(&hub, "edge01/keyed", &own_token).is_ok());
    // The device has no key, so that none opens its modules.
    let key = hub.lock().registry.devices["edge01"].client.primary.key();
    let expiry = Timestamp::now().as_second() + 600;
    let of_parent = Unsigned::new("localhost/devices/edge01", expiry).sign(&key);
    assert!(connect_with(&hub, "edge01/keyed", &of_parent).is_err());
}

#[test]
fn tokens_that_expire_are_nothing_to_a_certificate() {
    let hub = furnished(None);
    let holder = own("press7");
    let thumbprint = holder.certificate().sha256();
    register(&hub, "press7", with_thumbprints(thumbprint, None));
    let mut packet = connect_packet("press7", "");
    packet.password = None;
    let press = hub.connect(&packet, None, Some(&holder.with(&[])));
    let (press, pump) = (press.expect("its own"), connect(&hub, "pump7"));
    hub.pull(&Target::Everybody, Lever::ExpireTokens)
        .expect("moved");
    assert_eq!(received(&pump).err(), Some(EndReason::TokenExpired));
    assert_eq!(received(&press).err(), None);
    hub.pull(&Target::Everybody, Lever::RefuseTokens(true))
        .expect("moved");
    let reason = refused(&hub, "press7", Some(&holder.with(&[])));
    assert!(reason.contains("refused by a lever"), "{reason}");
}

#[test]
fn the_service_sees_how_a_device_signs_in() {
    let (hub, holder) = (hub(None), own("press7"));
    let thumbprint = holder.certificate().sha1();
    register(&hub, "press7", with_thumbprints(thumbprint.clone(), None));
    let twin = hub.twin(&identity("press7")).expect("registered");
    assert_eq!(twin["authenticationType"], "selfSigned");
    let shown = json!({"primaryThumbprint": thumbprint.to_string(), "secondaryThumbprint": null});
    assert_eq!(twin["x509Thumbprint"], shown);
    assert_eq!(hub.devices()[0]["authentication"], "selfSigned");
}

#[test]
fn only_authorities_are_taken_for_authorities() {
    let (hub, (root, _)) = (hub(None), root());
    let leaf = own("press7").certificate().to_pem();
    for (name, text, says) in [
        ("leaf", leaf.as_str(), "may not issue others"),
        ("text", "nonsense!", "cannot be used"),
        ("a/b", &root.to_pem(), "is no name"),
    ] {
        let fault = hub.put_authority(name, text).expect_err("refused");
        assert!(fault.to_string().contains(says), "{fault}");
    }
    assert!(hub.authorities().is_empty());
    let fault = hub.remove_authority("leaf").expect_err("never taken");
    assert!(fault.to_string().contains("no certificate"), "{fault}");
}

#[test]
fn how_devices_sign_in_outlives_the_hub() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let ((root, signer), holder) = (root(), own("own"));
    let below = device("below", &signer, GOOD.0, GOOD.1);
    let first = hub(Some(directory.path()));
    first.put_authority("root", &root.to_pem()).expect("a root");
    register(&first, "below", Authentication::CertificateAuthority);
    let thumbprint = holder.certificate().sha256();
    register(&first, "own", with_thumbprints(thumbprint, None));
    drop(first);
    let again = hub(Some(directory.path()));
    assert_eq!(present(&again, "below", Some(&below.with(&[]))), Ok(()));
    assert_eq!(present(&again, "own", Some(&holder.with(&[]))), Ok(()));
    refused(&again, "own", Some(&below.with(&[])));
}

#[test]
fn a_registry_from_before_certificates_has_tokens_for_everybody() {
    let hub = furnished(None);
    let mut kept = serde_json::to_value(&hub.lock().registry).expect("plain data");
    let text = kept.to_string();
    // As version 0.1 wrote it.
    kept.as_object_mut()
        .expect("an object")
        .remove("authorities")
        .expect("this version writes it");
    for device in kept["devices"]
        .as_object_mut()
        .expect("devices")
        .values_mut()
    {
        let modules = device["modules"].as_object_mut().expect("modules");
        for module in modules.values_mut() {
            strip(&mut module["client"]);
        }
        strip(&mut device["client"]);
    }
    let loaded: Registry = serde_json::from_value(kept).expect("old is still read");
    let again = serde_json::to_string(&loaded).expect("plain data");
    let sorted = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    assert_eq!(sorted(&again), sorted(&text));
}

fn strip(client: &mut Value) {
    let client = client.as_object_mut().expect("a client");
    client
        .remove("authentication")
        .expect("this version writes it");
}
