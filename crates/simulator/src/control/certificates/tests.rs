//! The JSON of devices with certificates, and of authorities.

use axum::http::Method;
use serde_json::{Value, json};

use crate::certificates::issuing::{authority, self_signed};
use crate::control::asking::ask;
use crate::{Options, Simulator};

async fn start(directory: &tempfile::TempDir) -> std::sync::Arc<Simulator> {
    Simulator::start(Options::on_free_ports(directory.path()))
        .await
        .expect("it starts")
}

#[tokio::test]
async fn a_device_is_registered_with_what_it_signs_in_with() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let simulator = start(&directory).await;
    let certificate = self_signed("press7", 2020, 2120).certificate();
    let (sha1, sha256) = (
        certificate.sha1().to_string(),
        certificate.sha256().to_string(),
    );
    let add = async |id: &str, x509: Value| {
        let body = json!({"deviceId": id, "x509": x509});
        ask(&simulator, Method::POST, "/control/devices", &body).await
    };
    for (id, x509, kind, thumbprints) in [
        (
            "ca",
            json!({"ca": true}),
            "certificateAuthority",
            [Value::Null, Value::Null],
        ),
        (
            "thumbs",
            json!({"thumbprints": [sha1.to_ascii_lowercase(), sha256]}),
            "selfSigned",
            [json!(sha1), json!(sha256)],
        ),
        (
            "pem",
            json!({"certificates": [certificate.to_pem()]}),
            "selfSigned",
            [json!(sha256), Value::Null],
        ),
    ] {
        let (status, body) = add(id, x509).await;
        assert_eq!(status, 201, "{body}");
        let expected = format!("HostName=localhost;DeviceId={id};x509=true");
        assert_eq!(body["connectionString"], expected);
        let (_, twin) = ask(
            &simulator,
            Method::GET,
            &format!("/control/twins/{id}"),
            &Value::Null,
        )
        .await;
        assert_eq!(twin["authenticationType"], kind);
        let shown = &twin["x509Thumbprint"];
        let shown = [&shown["primaryThumbprint"], &shown["secondaryThumbprint"]];
        assert_eq!(shown, thumbprints.each_ref());
    }
    for wrong in [
        json!({"thumbprints": []}),
        json!({"thumbprints": [sha1, sha1, sha1]}),
        json!({"thumbprints": ["AB:CD"]}),
        json!({"certificates": ["nonsense"]}),
        json!({"ca": true, "thumbprints": [sha1]}),
        json!({"keys": []}),
    ] {
        let (status, body) = add("wrong", wrong.clone()).await;
        assert!((400..500).contains(&status), "{wrong}: {status} {body}");
    }
    let (_, body) = add("plain", Value::Null).await;
    let string = body["connectionString"].as_str().expect("a text");
    assert!(string.contains("SharedAccessKey="), "no x509 means a key");
    simulator.shutdown().await;
}

#[tokio::test]
async fn modules_are_named_or_described() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let simulator = start(&directory).await;
    let body = json!({"deviceId": "edge01", "edge": true, "modules": [
        "keyed",
        {"moduleId": "certified", "x509": {"ca": true}},
    ]});
    let (status, body) = ask(&simulator, Method::POST, "/control/devices", &body).await;
    assert_eq!(status, 201, "{body}");
    let strings = body["modules"].as_array().expect("modules");
    let ends = |id: &str, end: &str| {
        let module = strings.iter().find(|module| module["moduleId"] == id);
        let string = module.expect("registered")["connectionString"].as_str();
        string.expect("a text").contains(end)
    };
    assert!(ends("certified", "ModuleId=certified;x509=true"), "{body}");
    assert!(ends("keyed", ";SharedAccessKey="), "{body}");
    simulator.shutdown().await;
}

#[tokio::test]
async fn authorities_come_and_go_by_name() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let simulator = start(&directory).await;
    let (root, _) = authority("root", None, 2020, 2120);
    let all = "/control/certificates";
    let new = json!({"name": "factory", "certificate": root.to_pem()});
    let (status, body) = ask(&simulator, Method::POST, all, &new).await;
    assert_eq!((status, &body["name"]), (201, &json!("factory")));
    let (_, listed) = ask(&simulator, Method::GET, all, &Value::Null).await;
    let expected = json!([{
        "name": "factory",
        "subjectName": "CN=root",
        "sha1Thumbprint": root.sha1().to_string(),
        "sha256Thumbprint": root.sha256().to_string(),
        "issuerName": "CN=root",
        "notBeforeUtc": "2020-01-01T00:00:00.0000000Z",
        "notAfterUtc": "2120-01-01T00:00:00.0000000Z",
        "serialNumber": root.serial,
        "version": 3,
    }]);
    assert_eq!(listed, expected);
    let one = "/control/certificates/factory";
    let (status, _) = ask(&simulator, Method::DELETE, one, &Value::Null).await;
    assert_eq!(status, 204);
    let (status, body) = ask(&simulator, Method::DELETE, one, &Value::Null).await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!(404_001)));
    let leaf = self_signed("press7", 2020, 2120).certificate();
    let new = json!({"name": "leaf", "certificate": leaf.to_pem()});
    let (status, body) = ask(&simulator, Method::POST, all, &new).await;
    let message = body["error"]["message"].as_str().expect("a sentence");
    assert!(
        status == 400 && message.contains("may not issue others"),
        "{body}"
    );
    simulator.shutdown().await;
}
