//! Whatever comes from the network is a value or an error; what one side writes the other reads back.

use hub_proto::connection_string::ConnectionString;
use hub_proto::identity::Identity;
use hub_proto::message::{Properties, SystemProperty};
use hub_proto::method::{MethodRequest, MethodResponse};
use hub_proto::percent;
use hub_proto::property_bag::{self, PropertyBag};
use hub_proto::sas::{self, SymmetricKey, Unsigned};
use hub_proto::topic::{self, Delivery, Filter, Inbound};
use hub_proto::twin::{Twin, Update};
use hub_proto::user_name::{self, UserName};
use hub_proto::workload::Endpoint;
use jiff::Timestamp;
use proptest::prelude::*;

/// Text that is likely to come close to something meaningful.
fn near_miss() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("devices/".to_owned()),
        Just("modules/".to_owned()),
        Just("/messages/events/".to_owned()),
        Just("/messages/devicebound/".to_owned()),
        Just("inputs/".to_owned()),
        Just("$iothub/".to_owned()),
        Just("twin/res/".to_owned()),
        Just("methods/POST/".to_owned()),
        Just("$dps/registrations/res/".to_owned()),
        Just("?$rid=".to_owned()),
        Just("&$version=".to_owned()),
        Just("SharedAccessSignature sr=".to_owned()),
        Just("&sig=".to_owned()),
        Just("&se=".to_owned()),
        Just("HostName=".to_owned()),
        Just(";SharedAccessKey=".to_owned()),
        Just("/api-version=".to_owned()),
        Just("#".to_owned()),
        "[ -~]{0,6}",
        "\\PC{0,6}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn id() -> impl Strategy<Value = String> {
    "[A-Za-z0-9._-]{1,20}"
}

proptest! {
    #[test]
    fn texts_never_panic(text in near_miss()) {
        let _ = Inbound::parse(&text);
        let _ = Delivery::parse(&text);
        let _ = Filter::parse(&text);
        let _ = UserName::parse(&text);
        let _ = PropertyBag::decode(&text);
        let _ = text.parse::<ConnectionString>();
        let _ = text.parse::<Identity>();
        let _ = Endpoint::parse("POST", &text);
        let _ = sas::verify(&text, &text, [&SymmetricKey::from_bytes([1; 16])], i64::MAX, i64::MAX);
    }

    #[test]
    fn bodies_never_panic(body in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = MethodResponse::from_device(0, &body);
        let _ = serde_json::from_slice::<MethodRequest>(&body);
        if let Ok(value) = serde_json::from_slice(&body) {
            let mut twin = Twin::new(Timestamp::UNIX_EPOCH);
            let _ = twin.report(&value, Timestamp::UNIX_EPOCH);
            let _ = twin.update(&value, Update::Replace, Timestamp::UNIX_EPOCH);
        }
    }

    #[test]
    fn percent_coding_reads_back(text in any::<String>()) {
        let encoded = percent::encode(&text);
        prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
        prop_assert_eq!(percent::decode(&encoded).expect("own encoding"), text.as_str());
    }

    #[test]
    fn bags_read_back(entries in prop::collection::btree_map("\\PC{1,8}", prop::option::of("\\PC{0,8}"), 0..6)) {
        let mut bag = PropertyBag::new();
        for (name, value) in &entries {
            bag.set(name, value.as_deref());
        }
        let encoded = bag.encode();
        prop_assert_eq!(property_bag::pairs(&encoded).count(), entries.len());
        prop_assert_eq!(PropertyBag::decode(&encoded), Ok(bag.clone()));
        prop_assert_eq!(PropertyBag::decode(&(encoded + "/")), Ok(bag));
    }

    #[test]
    fn properties_read_back(
        system in prop::collection::btree_map(prop::sample::select(SystemProperty::ALL), "\\PC{0,8}", 0..5),
        application in prop::collection::btree_map("[^$]{1,8}", "\\PC{0,8}", 0..5),
    ) {
        let mut properties = Properties::new();
        for (property, value) in system.into_iter().filter(|(property, _)| property.wire().is_some()) {
            properties.set(property, value);
        }
        properties.application = application.into_iter().collect();
        prop_assert_eq!(Properties::decode(&properties.encode()), Ok(properties));
    }

    #[test]
    fn topics_read_back(device in id(), module in prop::option::of(id()), name in id(), bag in "[a-z=&%0-9]{0,20}") {
        let identity = Identity::new(&device, module.as_deref()).expect("plain ids");
        let (d, m) = (device.as_str(), module.as_deref());
        let telemetry = topic::telemetry(&identity, &bag);
        prop_assert_eq!(
            Inbound::parse(&telemetry),
            Some(Inbound::Telemetry { device: d, module: m, bag: &bag })
        );
        let devicebound = topic::devicebound(d, &bag);
        prop_assert_eq!(
            Delivery::parse(&devicebound),
            Some(Delivery::CloudToDevice { device: d, bag: &bag })
        );
        let input = topic::input(d, &name, &name, &bag);
        prop_assert_eq!(
            Delivery::parse(&input),
            Some(Delivery::Input { device: d, module: &name, input: &name, bag: &bag })
        );
        let user = user_name::hub("hub.example", &identity, &bag, Some(&name));
        let Ok(UserName::Hub(user)) = UserName::parse(&user) else { return Err(TestCaseError::fail(user)) };
        prop_assert_eq!(user.identity().expect("plain ids"), identity);
        prop_assert_eq!(user.client_type.as_deref(), Some(bag.as_str()));
    }

    #[test]
    fn tokens_verify_only_with_their_key(
        key in prop::collection::vec(any::<u8>(), 16..64),
        audience in "\\PC{1,40}",
        expiry in 0..i64::MAX,
        policy in prop::option::of("\\PC{1,10}"),
    ) {
        let mut unsigned = Unsigned::new(&audience, expiry);
        if let Some(policy) = policy {
            unsigned = unsigned.with_policy(policy);
        }
        let key = SymmetricKey::from_bytes(key);
        let token = unsigned.sign(&key);
        prop_assert_eq!(sas::verify(&token, &audience, [&key], expiry - 1, 0), Ok(expiry));
        prop_assert!(sas::verify(&token, &audience, [&key.derive("x")], expiry - 1, 0).is_err());
    }
}
