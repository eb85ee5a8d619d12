//! User names and identities against what the SDKs were seen to write.

use hub_proto::identity::{Identity, IdentityError};
use hub_proto::user_name::{self, UserName};

fn module() -> Identity {
    Identity::module("d1", "m1").expect("ids are plain")
}

#[test]
fn user_names_of_every_sdk_are_understood() {
    let python = "myhub.azure-devices.net/d1/m1/?api-version=2019-10-01&DeviceClientType=azure-iot-device-iothub-py%2F2.14.0%28x%29";
    let Ok(UserName::Hub(user)) = UserName::parse(python) else {
        panic!("not a hub user name")
    };
    assert_eq!(
        (user.hub, user.device, user.module),
        ("myhub.azure-devices.net", "d1", Some("m1"))
    );
    assert_eq!(user.api_version.as_deref(), Some("2019-10-01"));
    assert_eq!(
        user.client_type.as_deref(),
        Some("azure-iot-device-iothub-py/2.14.0(x)")
    );
    assert_eq!(user.identity(), Ok(module()));

    let node = "h/d1/?api-version=2021-04-12&model-id=dtmi:acme:Pump;1&DeviceClientType=azure-iot-device%2F1.18.4%20(node%20v20)";
    let Ok(UserName::Hub(user)) = UserName::parse(node) else {
        panic!("not a hub user name")
    };
    assert_eq!(
        (user.device, user.module, user.model_id.as_deref()),
        ("d1", None, Some("dtmi:acme:Pump;1"))
    );

    for old in [
        "h/d1/api-version=2016-11-14&DeviceClientType=x",
        "h/d1?api-version=2016-11-14",
        "h/d1/api-version=2016-11-14",
    ] {
        let Ok(UserName::Hub(user)) = UserName::parse(old) else {
            panic!("{old} is a hub user name")
        };
        assert_eq!(
            (user.device, user.module, user.api_version.as_deref()),
            ("d1", None, Some("2016-11-14")),
            "{old}"
        );
    }
    let Ok(UserName::Hub(user)) = UserName::parse("h/d1") else {
        panic!("a bare one is a hub user name")
    };
    assert_eq!(user.api_version, None);

    let dps = "0ne00AA/registrations/r1/api-version=2019-03-31&ClientVersion=azure-iot-device-provisioning-py%2F2";
    let Ok(UserName::Dps(user)) = UserName::parse(dps) else {
        panic!("not a DPS user name")
    };
    assert_eq!((user.id_scope, user.registration_id), ("0ne00AA", "r1"));
    assert_eq!(
        user.client_version.as_deref(),
        Some("azure-iot-device-provisioning-py/2")
    );

    for text in ["", "h", "h/", "h//m", "h/d/m/x", "/d"] {
        assert!(UserName::parse(text).is_err(), "{text}");
    }
}

#[test]
fn our_user_names_read_back() {
    let text = user_name::hub(
        "h",
        &module(),
        "light/0.1 (linux)",
        Some("dtmi:cow:Light;1"),
    );
    assert_eq!(
        text,
        "h/d1/m1/?api-version=2021-04-12&DeviceClientType=light%2F0.1%20%28linux%29&model-id=dtmi%3Acow%3ALight%3B1"
    );
    let Ok(UserName::Hub(user)) = UserName::parse(&text) else {
        panic!("not a hub user name")
    };
    assert_eq!(user.client_type.as_deref(), Some("light/0.1 (linux)"));
    assert_eq!(user.model_id.as_deref(), Some("dtmi:cow:Light;1"));
    assert_eq!(
        user_name::dps("s", "r", "a b"),
        "s/registrations/r/api-version=2021-06-01&ClientVersion=a%20b"
    );
}

#[test]
fn identities_read_back_and_keep_to_the_hubs_characters() {
    assert_eq!("d1/m1".parse(), Ok(module()));
    assert_eq!(module().to_string(), "d1/m1");
    assert_eq!(module().audience("h"), "h/devices/d1/modules/m1");
    assert_eq!(module().parent().audience("h"), "h/devices/d1");
    assert!(module().is("d1", Some("m1")) && !module().is("d1", None));
    assert!("edge01/$edgeAgent".parse::<Identity>().is_ok());
    assert_eq!("".parse::<Identity>(), Err(IdentityError::Empty("device")));
    assert_eq!(
        "d/".parse::<Identity>(),
        Err(IdentityError::Empty("module"))
    );
    assert_eq!(
        "d/m/x".parse::<Identity>(),
        Err(IdentityError::Character {
            kind: "module",
            character: '/'
        })
    );
    assert_eq!(
        "d d".parse::<Identity>(),
        Err(IdentityError::Character {
            kind: "device",
            character: ' '
        })
    );
    assert_eq!(
        "d".repeat(129).parse::<Identity>(),
        Err(IdentityError::TooLong("device"))
    );
    assert!("d".repeat(128).parse::<Identity>().is_ok());
}
