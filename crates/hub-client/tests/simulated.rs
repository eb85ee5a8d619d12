//! A device between two hubs of the simulated cloud: the whole way, with nobody playing a part.

use std::net::Ipv4Addr;
use std::time::Duration;

use dps_client::{Attestation, Endpoint};
use hub_client::{Client, Event, Events, Message, Options, Registration, Source};
use hub_proto::sas::SymmetricKey;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};
use simulator::{LinkedHub, Simulator};
use tokio::sync::oneshot;
use tokio::time::timeout;
use transport::{ClientCertificate, Trust};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// No step takes longer, or the test fails.
const PATIENCE: Duration = Duration::from_secs(20);
const SECOND_HUB: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// By a key.
fn by_key() -> Value {
    json!({"type": "symmetricKey", "symmetricKey": {"primaryKey": KEY, "secondaryKey": KEY}})
}

/// Enrols `r1`, known as `device`, for one hub.
fn enroll(simulator: &Simulator, attestation: Value, hub: &str, device: &str) {
    let document = json!({
        "registrationId": "r1",
        "deviceId": device,
        "attestation": attestation,
        "allocationPolicy": "static",
        "iotHubHostName": hub,
        "initialTwin": {"properties": {"desired": {"from": hub}}},
    });
    let enrollment = serde_json::from_value(document).expect("an enrolment");
    simulator.enroll(enrollment).expect("taken");
}

fn device(simulator: &Simulator, attestation: Attestation) -> Source {
    let info = simulator.info();
    let id = "r1".parse().expect("an id");
    let mut registration = Registration::new(info.id_scope, id, attestation);
    registration.global_endpoint =
        Endpoint::new(info.provisioning_host).with_ports(info.mqtt.port(), info.https.port());
    registration.trust = Trust::File(info.ca_file);
    Source::from_registration(registration).with_ports(info.mqtt.port(), info.https.port())
}

/// Waits until the device is at its hub and knows its twin; gives what its twin says of where it is from.
async fn at_hub(events: &mut Events) -> (String, String, Value) {
    let mut place = None;
    let arrival = async {
        loop {
            match events.next().await.expect("the client is open") {
                Event::Assigned { identity, hub, .. } => place = Some((identity, hub)),
                Event::Twin(twin) if place.is_some() => break twin,
                _ => {}
            }
        }
    };
    let twin = timeout(PATIENCE, arrival).await.expect("it arrives");
    let (identity, hub) = place.expect("assigned");
    let from = twin.desired.properties["from"].clone();
    (identity.to_string(), hub, from)
}

/// Sends a message every 20 ms, before, between and after; then awaits every acknowledgement.
async fn send_until(client: Client, mut stopped: oneshot::Receiver<()>) -> usize {
    let mut receipts = Vec::new();
    let mut beat = tokio::time::interval(Duration::from_millis(20));
    while stopped.try_recv().is_err() {
        beat.tick().await;
        let message = Message::new(receipts.len().to_string());
        receipts.push(client.send(message).await.expect("room"));
    }
    let sent = receipts.len();
    for receipt in receipts {
        receipt.await.expect("acknowledged");
    }
    sent
}

#[tokio::test]
async fn a_device_follows_its_enrolment_and_every_message_is_acknowledged() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut options = simulator::Options::on_free_ports(directory.path());
    options.more_hubs.push(LinkedHub {
        address: SECOND_HUB.into(),
        weight: 1,
        latency_ms: 0,
    });
    let simulator = Simulator::start(options).await.expect("it starts");
    let own = simulator.info().hub_host_name;
    enroll(&simulator, by_key(), &own, "pump7");

    let key = SymmetricKey::from_base64(KEY).expect("a key");
    let source = device(&simulator, Attestation::SymmetricKey(key));
    let (client, mut events) = Client::connect(source, Options::default());
    let (stop, stopped) = oneshot::channel();
    let sender = tokio::spawn(send_until(client.clone(), stopped));
    let arrived = at_hub(&mut events).await;
    assert_eq!(arrived, ("pump7".to_owned(), own.clone(), json!(own)));

    let second = SECOND_HUB.to_string();
    enroll(&simulator, by_key(), &second, "pump8");
    simulator.remove_device("pump7").expect("it exists");
    let arrived = at_hub(&mut events).await;
    assert_eq!(arrived, ("pump8".to_owned(), second.clone(), json!(second)));
    stop.send(()).expect("it still sends");
    let sent = timeout(PATIENCE, sender).await.expect("in time");
    assert!(sent.expect("every message is acknowledged") > 10);
    client.close(PATIENCE).await.expect("nothing is left");
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_device_with_a_certificate_comes_to_its_hub() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = simulator::Options::on_free_ports(directory.path());
    let simulator = Simulator::start(options).await.expect("it starts");
    let own = simulator.info().hub_host_name;
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "r1");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    let attestation = json!({
        "type": "x509",
        "x509": {"clientCertificates": {"primary": {"certificate": certificate}}},
    });
    enroll(&simulator, attestation, &own, "r1");

    let certificate = ClientCertificate::from_pem(&certificate, &key.serialize_pem())
        .expect("they belong together");
    let source = device(&simulator, Attestation::X509(certificate));
    let (client, mut events) = Client::connect(source, Options::default());
    let arrived = at_hub(&mut events).await;
    assert_eq!(arrived, ("r1".to_owned(), own.clone(), json!(own)));
    let receipt = client.send(Message::new("here")).await.expect("room");
    let acknowledged = timeout(PATIENCE, receipt).await;
    acknowledged.expect("in time").expect("acknowledged");
    client.close(PATIENCE).await.expect("nothing is left");
    simulator.shutdown().await;
}
