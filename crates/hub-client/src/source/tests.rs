//! The order of identity sources, and that every problem is named at once.

use rcgen::{CertificateParams, KeyPair};

use super::*;
use crate::workload::WorkloadUri;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

const EDGE: [(&str, &str); 8] = [
    (
        "IOTEDGE_WORKLOADURI",
        "unix:///var/run/iotedge/workload.sock",
    ),
    ("IOTEDGE_GATEWAYHOSTNAME", "edge01.lan"),
    ("IOTEDGE_IOTHUBHOSTNAME", "myhub.azure-devices.net"),
    ("IOTEDGE_DEVICEID", "edge01"),
    ("IOTEDGE_MODULEID", "light"),
    ("IOTEDGE_MODULEGENERATIONID", "638412"),
    ("IOTEDGE_APIVERSION", "2022-08-03"),
    ("IOTEDGE_AUTHSCHEME", "sasToken"),
];

fn from(variables: &[(&str, &str)]) -> Result<Source, SourceError> {
    Source::from_env(&|name| {
        variables
            .iter()
            .rev()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    })
}

fn name(source: &Source) -> String {
    source.identity().expect("given").to_string()
}

fn hub(source: &Source) -> &str {
    &source.place().expect("given").hub
}

fn problems(variables: &[(&str, &str)]) -> Vec<&'static str> {
    from(variables)
        .expect_err("something is wrong")
        .problems
        .iter()
        .map(|problem| problem.variable)
        .collect()
}

#[test]
fn the_runtimes_environment_comes_first() {
    let mut variables = EDGE.to_vec();
    variables.push(("EdgeHubConnectionString", "not even readable"));
    let source = from(&variables).expect("complete");
    assert_eq!(name(&source), "edge01/light");
    assert_eq!(
        (source.host(), hub(&source)),
        ("edge01.lan", "myhub.azure-devices.net")
    );
    assert_eq!((source.mqtt_port, source.https_port), (8883, 443));
    let Credential::Workload(workload) = &source.credential else {
        panic!("{source:?}")
    };
    assert_eq!(workload.api_version, "2022-08-03");
    assert_eq!(
        workload.uri,
        WorkloadUri::Unix("/var/run/iotedge/workload.sock".into())
    );
}

#[test]
fn all_problems_are_named_together() {
    let error = from(&[
        ("IOTEDGE_WORKLOADURI", "unix://"),
        ("IOTEDGE_GATEWAY_MQTT_PORT", "high"),
    ]);
    let error = error.expect_err("nearly everything is wrong");
    let variables: Vec<_> = error
        .problems
        .iter()
        .map(|problem| problem.variable)
        .collect();
    assert_eq!(
        variables,
        [
            "IOTEDGE_WORKLOADURI",
            "IOTEDGE_GATEWAYHOSTNAME",
            "IOTEDGE_IOTHUBHOSTNAME",
            "IOTEDGE_DEVICEID",
            "IOTEDGE_MODULEID",
            "IOTEDGE_MODULEGENERATIONID",
            "IOTEDGE_GATEWAY_MQTT_PORT",
        ]
    );
    let text = error.to_string();
    assert!(
        text.starts_with(
            "IOTEDGE_WORKLOADURI is \"unix://\": expected unix:///path or http://host:port; "
        ),
        "{text}"
    );
    let mut variables = EDGE.to_vec();
    variables.push(("IOTEDGE_AUTHSCHEME", "x509"));
    assert_eq!(problems(&variables), ["IOTEDGE_AUTHSCHEME"]);
    assert_eq!(problems(&[]), ["IOTEDGE_WORKLOADURI"]);
}

#[test]
fn development_tools_come_second() {
    let text = format!(
        "HostName=h;GatewayHostName=127.0.0.1;DeviceId=edge01;ModuleId=light;SharedAccessKey={KEY}"
    );
    let variables = [
        ("EdgeHubConnectionString", text.as_str()),
        ("IOTHUB_DEVICE_CONNECTION_STRING", "unused"),
        ("IOTEDGE_GATEWAY_MQTT_PORT", "18883"),
        ("IOTEDGE_GATEWAY_HTTPS_PORT", "10443"),
    ];
    let source = from(&variables).expect("complete");
    assert_eq!((source.host(), hub(&source)), ("127.0.0.1", "h"));
    assert_eq!((source.mqtt_port, source.https_port), (18883, 10443));
    assert!(matches!(source.trust, Some(Trust::System)));
    let mut variables = variables.to_vec();
    variables.push(("EdgeModuleCACertificateFile", "/does/not/exist.pem"));
    assert_eq!(problems(&variables), ["EdgeModuleCACertificateFile"]);
}

#[test]
fn a_plain_device_comes_last() {
    let text = format!("HostName=h;DeviceId=d;SharedAccessKey={KEY}");
    let source = from(&[("IOTHUB_DEVICE_CONNECTION_STRING", &text)]).expect("complete");
    assert_eq!((name(&source).as_str(), source.host()), ("d", "h"));
    assert!(
        !format!("{source:?}").contains("AAEC"),
        "the key does not print"
    );
    let bad = [
        ("IOTHUB_DEVICE_CONNECTION_STRING", text.as_str()),
        ("SSL_CERT_FILE", "/does/not/exist.pem"),
    ];
    assert_eq!(problems(&bad), ["SSL_CERT_FILE"]);
}

#[test]
fn unusable_connection_strings_say_why() {
    for (text, part) in [
        (
            format!("HostName=h;SharedAccessKeyName=service;SharedAccessKey={KEY}"),
            "names no DeviceId",
        ),
        (
            format!("HostName=h;DeviceId=a+b;SharedAccessKey={KEY}"),
            "with + or #",
        ),
        (
            "HostName=h;DeviceId=d;x509=true".to_owned(),
            "wants a client certificate",
        ),
        (
            "HostName=h;DeviceId=d;SharedAccessKey=*".to_owned(),
            "SharedAccessKey cannot be used: key is not base64",
        ),
    ] {
        let error = Source::from_connection_string(&text, None)
            .expect_err("cannot be used")
            .to_string();
        assert!(error.contains(part), "{error}");
    }
    let text = format!("HostName=h;DeviceId=d;SharedAccessKey={KEY}");
    assert!(Source::from_connection_string(&text, Some("no PEM")).is_err());
}

fn certificate() -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::default().self_signed(&key);
    (
        certificate.expect("a certificate").pem(),
        key.serialize_pem(),
    )
}

#[test]
fn a_certificate_takes_the_place_of_a_key() {
    let (chain, key) = certificate();
    let given = ClientCertificate::from_pem(&chain, &key).expect("they belong together");
    let text = "HostName=h;DeviceId=d;x509=true";
    let source = Source::from_x509(text, given.clone(), None).expect("complete");
    assert!(matches!(source.credential, Credential::X509(_)));
    let with_key = format!("HostName=h;DeviceId=d;SharedAccessKey={KEY}");
    let error = Source::from_x509(&with_key, given, None).expect_err("it has a key");
    assert!(error.to_string().contains("x509=true"), "{error}");
}

#[tokio::test]
async fn certificate_files_are_read_early_and_again_at_each_connection() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name| directory.path().join(name).display().to_string();
    let (chain_file, key_file) = (file("chain.pem"), file("key.pem"));
    let variables = [
        (
            "IOTHUB_DEVICE_CONNECTION_STRING",
            "HostName=h;DeviceId=d;x509=true",
        ),
        ("IOTHUB_DEVICE_X509_CERTIFICATE", chain_file.as_str()),
        ("IOTHUB_DEVICE_X509_KEY", key_file.as_str()),
    ];
    assert_eq!(
        problems(&variables[..1]),
        ["IOTHUB_DEVICE_X509_CERTIFICATE", "IOTHUB_DEVICE_X509_KEY"]
    );
    assert_eq!(problems(&variables), ["IOTHUB_DEVICE_X509_CERTIFICATE"]);
    let (chain, key) = certificate();
    std::fs::write(&chain_file, &chain).expect("written");
    std::fs::write(&key_file, certificate().1).expect("written");
    let error = from(&variables).expect_err("another's key").to_string();
    assert!(
        error.contains("the private key is not the certificate's"),
        "{error}"
    );

    std::fs::write(&key_file, key).expect("written");
    let source = from(&variables).expect("complete");
    let read = source.credential.certificate().await.expect("readable");
    assert!(read.is_some());
    std::fs::remove_file(&key_file).expect("removed");
    let error = source.credential.certificate().await.expect_err("gone");
    assert!(
        matches!(&error, LinkError::CertificateFile { path, .. } if path.ends_with("key.pem")),
        "{error:?}"
    );
    assert!(error.is_permanent());
}

const DPS: [(&str, &str); 4] = [
    ("IOTHUB_DEVICE_SECURITY_TYPE", "DPS"),
    ("IOTHUB_DEVICE_DPS_ID_SCOPE", "0ne00AA12BC"),
    ("IOTHUB_DEVICE_DPS_DEVICE_ID", "r1"),
    ("IOTHUB_DEVICE_DPS_DEVICE_KEY", KEY),
];

#[test]
fn the_security_type_chooses_between_a_hub_and_the_provisioning_service() {
    let text = format!("HostName=h;DeviceId=d;SharedAccessKey={KEY}");
    let string = ("IOTHUB_DEVICE_CONNECTION_STRING", text.as_str());
    let mut variables = DPS.to_vec();
    variables.push(string);
    let source = from(&variables).expect("complete");
    assert_eq!(source.identity(), None);
    assert_eq!(
        source.registration_id().map(ToString::to_string).as_deref(),
        Some("r1")
    );
    assert_eq!(source.host(), "global.azure-devices-provisioning.net");
    assert!(
        !format!("{source:?}").contains("AAEC"),
        "the key does not print"
    );

    variables.push(("IOTHUB_DEVICE_SECURITY_TYPE", "ConnectionString"));
    assert_eq!(name(&from(&variables).expect("complete")), "d");
    variables.push(("IOTHUB_DEVICE_CONNECTION_STRING", ""));
    assert_eq!(problems(&variables), ["IOTHUB_DEVICE_CONNECTION_STRING"]);
    variables.push(("IOTHUB_DEVICE_SECURITY_TYPE", "TPM"));
    assert_eq!(problems(&variables), ["IOTHUB_DEVICE_SECURITY_TYPE"]);
}

#[test]
fn a_registration_is_read_from_the_variables_of_the_samples() {
    let mut variables = DPS.to_vec();
    variables.extend([
        ("IOTHUB_DEVICE_DPS_ENDPOINT", "dps.example:18883"),
        ("IOTEDGE_GATEWAY_MQTT_PORT", "28883"),
    ]);
    let source = from(&variables).expect("complete");
    let Who::Registers(registration) = &source.who else {
        panic!("{source:?}")
    };
    assert_eq!(registration.id_scope, "0ne00AA12BC");
    assert_eq!(registration.global_endpoint.mqtt_port, 18883);
    assert_eq!((source.host(), source.mqtt_port), ("dps.example", 28883));

    assert_eq!(
        problems(&DPS[..1]),
        [
            "IOTHUB_DEVICE_DPS_ID_SCOPE",
            "IOTHUB_DEVICE_DPS_DEVICE_ID",
            "IOTHUB_DEVICE_DPS_DEVICE_KEY"
        ]
    );
    variables.extend([
        ("IOTHUB_DEVICE_DPS_ENDPOINT", "http://dps.example"),
        ("IOTHUB_DEVICE_DPS_DEVICE_ID", "r 1"),
        ("IOTHUB_DEVICE_DPS_DEVICE_KEY", "c2VjcmV0*"),
    ]);
    let error = from(&variables).expect_err("three things are wrong");
    assert_eq!(error.problems.len(), 3, "{error}");
    assert!(!error.to_string().contains("c2VjcmV0"), "{error}");
}

#[test]
fn a_certificate_takes_the_place_of_a_registrations_key() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let (chain, key) = certificate();
    let (chain, key) = (file("chain.pem", &chain), file("key.pem", &key));
    let mut variables = DPS[..3].to_vec();
    variables.push(("IOTHUB_DEVICE_X509_CERTIFICATE", &chain));
    assert_eq!(problems(&variables), ["IOTHUB_DEVICE_X509_KEY"]);
    variables.push(("IOTHUB_DEVICE_X509_KEY", &key));
    let source = from(&variables).expect("complete");
    assert!(matches!(
        source.credential,
        Credential::X509(Certificate::Files { .. })
    ));
}
