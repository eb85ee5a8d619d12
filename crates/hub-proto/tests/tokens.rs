//! Tokens, keys and connection strings. The signatures were made with Python's `hmac`.

use hub_proto::connection_string::{ConnectionString, ConnectionStringError, Credential};
use hub_proto::identity::Identity;
use hub_proto::sas::{self, KeyError, SasError, SymmetricKey, Token, Unsigned};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const SE: i64 = 1_772_362_800;
const MODULE: &str = "myhub.azure-devices.net/devices/edge01/modules/sensor";
const MODULE_TOKEN: &str = "SharedAccessSignature sr=myhub.azure-devices.net%2Fdevices%2Fedge01%2Fmodules%2Fsensor&sig=2hVjlNXj73F641Rs6DGG%2B8pFBeqWFCYikEqpK5XqbSo%3D&se=1772362800";

fn key() -> SymmetricKey {
    SymmetricKey::from_base64(KEY).expect("the key is base64")
}

fn other_key() -> SymmetricKey {
    SymmetricKey::from_bytes([7; 32])
}

#[test]
fn signs_as_the_sdks_do() {
    let unsigned = Unsigned::new(MODULE, SE);
    assert_eq!(
        unsigned.string_to_sign(),
        format!("{}\n{SE}", MODULE.replace('/', "%2F"))
    );
    assert_eq!(unsigned.sign(&key()), MODULE_TOKEN);
    let elsewhere = key().sign(unsigned.string_to_sign().as_bytes());
    assert_eq!(
        unsigned.with_signature(&elsewhere),
        MODULE_TOKEN,
        "a signer that keeps its key gives the same token"
    );
    let service = Unsigned::new("myhub.azure-devices.net", SE)
        .with_policy("service")
        .sign(&key());
    assert_eq!(
        service,
        "SharedAccessSignature sr=myhub.azure-devices.net&sig=UwR23VSbsYXQVwefyT3bmCqoj9oERFHXKfkj6TPSrlQ%3D&se=1772362800&skn=service"
    );
}

#[test]
fn verifies_what_the_sdks_write() {
    let raw_sr = "SharedAccessSignature sr=0ne00AA/registrations/r1&sig=JH%2F9l0EiHwl6jTGM3oAwqOuWNu%2FOoZdTFZhw9vBQK9s%3D&skn=registration&se=1772362800";
    let raw_sig = "SharedAccessSignature sr=0ne00AA/registrations/r1&sig=JH/9l0EiHwl6jTGM3oAwqOuWNu/OoZdTFZhw9vBQK9s=&se=1772362800";
    let lower_hex = "SharedAccessSignature sr=myhub.azure-devices.net%2fdevices%2fpump7&sig=4GxsbcllFfUZpiGRtxdUQgWY%2fh57REQMENQ1w2VxTxA%3d&se=1772362800";
    let other_order = "SharedAccessSignature sig=2hVjlNXj73F641Rs6DGG%2B8pFBeqWFCYikEqpK5XqbSo%3D&se=1772362800&sr=myhub.azure-devices.net%2Fdevices%2Fedge01%2Fmodules%2Fsensor";
    let plus = "SharedAccessSignature sr=myhub.azure-devices.net%2Fdevices%2Fedge01%2Fmodules%2Fsensor&sig=2hVjlNXj73F641Rs6DGG+8pFBeqWFCYikEqpK5XqbSo=&se=1772362800";
    for (token, audience) in [
        (MODULE_TOKEN, MODULE),
        (raw_sr, "0ne00AA/registrations/r1"),
        (raw_sig, "0ne00AA/registrations/r1"),
        (lower_hex, "myhub.azure-devices.net/devices/pump7"),
        (lower_hex, "MyHub.azure-devices.net/devices/Pump7"),
        (other_order, MODULE),
        (plus, MODULE),
    ] {
        assert_eq!(
            sas::verify(token, audience, [&other_key(), &key()], SE - 1, 0),
            Ok(SE),
            "{token}"
        );
    }
    assert_eq!(
        Token::parse(raw_sr).expect("parses").policy(),
        Some("registration")
    );
    assert_eq!(Token::parse(raw_sig).expect("parses").policy(), None);
}

#[test]
fn audiences_open_what_lies_below_them_and_nothing_beside() {
    let hub = "myhub.azure-devices.net";
    let device = "myhub.azure-devices.net/devices/edge01";
    for (own, resource, opens) in [
        (hub, device, true),
        (hub, MODULE, true),
        (device, MODULE, true),
        (device, "myhub.azure-devices.net/devices/edge011", false),
        ("myhub.azure-devices.net/devices/edge0", device, false),
        (
            "myhub.azure-devices.net/devices/edge01/api-version=2016-11-14",
            device,
            true,
        ),
        (MODULE, device, false),
        (
            MODULE,
            "myhub.azure-devices.net/devices/edge01/modules/other",
            false,
        ),
        ("otherhub.azure-devices.net/devices/edge01", device, false),
        ("", device, false),
    ] {
        let token = Unsigned::new(own, SE).sign(&key());
        let verdict = sas::verify(&token, resource, [&key()], SE - 1, 0);
        let expected = if opens {
            Ok(SE)
        } else {
            Err(SasError::Audience(own.to_owned()))
        };
        assert_eq!(verdict, expected, "{own} for {resource}");
    }
}

#[test]
fn refuses_wrong_keys_tampering_and_expiry() {
    assert_eq!(
        sas::verify(MODULE_TOKEN, MODULE, [&other_key()], SE - 1, 0),
        Err(SasError::Signature)
    );
    assert_eq!(
        sas::verify(MODULE_TOKEN, MODULE, [], SE - 1, 0),
        Err(SasError::Signature)
    );
    let longer = MODULE_TOKEN.replace("se=1772362800", "se=1872362800");
    assert_eq!(
        sas::verify(&longer, MODULE, [&key()], SE, 0),
        Err(SasError::Signature)
    );
    assert_eq!(
        sas::verify(MODULE_TOKEN, MODULE, [&key()], SE, 0),
        Err(SasError::Expired(SE))
    );
    assert_eq!(
        sas::verify(MODULE_TOKEN, MODULE, [&key()], SE + 299, sas::CLOCK_SKEW),
        Ok(SE)
    );
    assert_eq!(
        sas::verify(MODULE_TOKEN, MODULE, [&key()], SE + 300, sas::CLOCK_SKEW),
        Err(SasError::Expired(SE))
    );
    for (token, error) in [
        ("", SasError::Scheme),
        ("Bearer x", SasError::Scheme),
        ("SharedAccessSignature", SasError::Scheme),
        (
            "SharedAccessSignature sig=eA==&se=1",
            SasError::Missing("sr"),
        ),
        ("SharedAccessSignature sr=h&se=1", SasError::Missing("sig")),
        (
            "SharedAccessSignature sr=h&sig=eA==",
            SasError::Missing("se"),
        ),
        (
            "SharedAccessSignature sr=h&sig=*&se=1",
            SasError::Malformed("sig"),
        ),
        (
            "SharedAccessSignature sr=h&sig=eA==&se=soon",
            SasError::Malformed("se"),
        ),
        (
            "SharedAccessSignature sr=h&sig=eA==&se=99999999999999999999",
            SasError::Malformed("se"),
        ),
    ] {
        assert_eq!(
            sas::verify(token, "h", [&key()], 0, 0),
            Err(error),
            "{token}"
        );
    }
}

#[test]
fn derives_a_device_key_from_a_group_key() {
    assert_eq!(
        key().derive("edge01").to_base64(),
        "lIjxL39BLdzXsf3PYuvkGqgVOc6E+aN4TkKs/BEhBOA="
    );
}

#[test]
fn keys_do_not_print() {
    let connection = format!("HostName=h;DeviceId=d;SharedAccessKey={KEY}");
    let parsed: ConnectionString = connection.parse().expect("parses");
    let token = Token::parse(MODULE_TOKEN).expect("parses");
    let printed = format!("{:?} {parsed:?} {:?} {token:?}", key(), parsed.credential);
    assert!(
        !printed.contains("AAEC") && !printed.contains("2hVj"),
        "{printed}"
    );
    assert_eq!(SymmetricKey::from_base64(""), Err(KeyError::Empty));
    assert_eq!(SymmetricKey::from_base64("AAE"), Err(KeyError::NotBase64));
}

#[test]
fn connection_strings_read_back() {
    for text in [
        format!("HostName=h;DeviceId=d;SharedAccessKey={KEY}"),
        format!(
            "HostName=h;GatewayHostName=mypc;DeviceId=edge01;ModuleId=sensor;SharedAccessKey={KEY}"
        ),
        format!("HostName=h;SharedAccessKeyName=service;SharedAccessKey={KEY}"),
        "HostName=h;DeviceId=d;SharedAccessSignature=SharedAccessSignature sr=a&sig=b&se=1"
            .to_owned(),
        "HostName=h;DeviceId=d;x509=true".to_owned(),
    ] {
        let parsed: ConnectionString = text.parse().expect("parses");
        assert_eq!(parsed.to_secret_string(), text);
    }
    let parsed: ConnectionString =
        format!(" hostname=h;deviceid=d;ModuleId=m;sharedaccesskey={KEY};\n")
            .parse()
            .expect("names have no case");
    assert_eq!(
        parsed.identity,
        Some(Identity::module("d", "m").expect("plain"))
    );
    assert_eq!(
        parsed.credential,
        Credential::Key {
            policy: None,
            key: key()
        }
    );
}

#[test]
fn connection_strings_say_which_field_is_wrong() {
    type E = ConnectionStringError;
    for (text, error) in [
        ("", E::Missing("HostName")),
        ("HostName=h;DeviceId=d", E::Missing("SharedAccessKey")),
        (
            "HostName=h;DeviceId=d;SharedAccessKey=",
            E::Missing("SharedAccessKey"),
        ),
        (
            "HostName=h;ModuleId=m;SharedAccessKey=eA==",
            E::Missing("DeviceId"),
        ),
        ("HostName=h;secret", E::Part(2)),
        ("HostName=h;HostName=i", E::Duplicate("HostName")),
        ("HostName=h;Port=1", E::Unknown("Port".to_owned())),
        (
            "HostName=h;DeviceId=d;SharedAccessKey=x",
            E::Key(KeyError::NotBase64),
        ),
        ("HostName=h;DeviceId=d;x509=maybe", E::X509),
    ] {
        assert_eq!(text.parse::<ConnectionString>(), Err(error), "{text}");
    }
    assert!(matches!(
        "HostName=h;DeviceId=a b;x509=true".parse::<ConnectionString>(),
        Err(E::Identity(_))
    ));
}
