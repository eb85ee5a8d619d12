//! The provisioning service over real sockets: several hubs, certificates, levers, the control API.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

use super::*;
use crate::certificates::Certificate;
use crate::certificates::issuing::{Holder, authority, device};
use crate::options::LinkedHub;

/// A simulator with a second hub at 127.0.0.2, and its control API.
struct Scene {
    simulator: Arc<Simulator>,
    control: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
    directory: tempfile::TempDir,
}

impl Scene {
    async fn set(directory: tempfile::TempDir) -> Self {
        let second = LinkedHub {
            address: IpAddr::from([127, 0, 0, 2]),
            weight: 1,
            latency_ms: 5,
        };
        let simulator = Simulator::start(Options {
            state: Some(directory.path().join("hub")),
            more_hubs: vec![second],
            ..Options::on_free_ports(directory.path())
        })
        .await
        .expect("it starts");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let control = listener.local_addr().expect("bound");
        let router = simulator.control();
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Self {
            simulator,
            control,
            serving,
            directory,
        }
    }

    /// Stops everything, and waits until nothing holds the state any more.
    async fn end(self) -> tempfile::TempDir {
        self.simulator.shutdown().await;
        self.serving.abort();
        let left = Arc::downgrade(&self.simulator);
        drop(self.simulator);
        let gone = async {
            while left.strong_count() > 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), gone)
            .await
            .expect("nothing holds it");
        self.directory
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let stream = TcpStream::connect(self.control).await.expect("it listens");
        let answer = ask(stream, method, path, &body.to_string()).await;
        answer.expect("an answer")
    }

    /// Asks the service at this hub's address over HTTPS; nothing if the connection ends without an answer.
    async fn https(
        &self,
        ip: [u8; 4],
        method: &str,
        path: &str,
        holder: &Holder,
        issuers: &[&Certificate],
    ) -> Option<(u16, Value)> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_file(self.directory.path().join("pki/ca.pem"));
        roots.add(root.expect("made at the start")).expect("a root");
        let chain = std::iter::once(holder.der.clone());
        let chain = chain.chain(issuers.iter().map(|issuer| issuer.der.clone()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("known")
            .with_root_certificates(roots)
            .with_client_auth_cert(chain.collect(), holder.key.clone_key())
            .expect("a pair");
        let ip = IpAddr::from(ip);
        let port = self.simulator.info().https.port();
        let stream = TcpStream::connect((ip, port)).await.expect("it listens");
        let stream = TlsConnector::from(Arc::new(config))
            .connect(ip.into(), stream)
            .await
            .expect("its certificate has the address");
        ask(stream, method, path, "{}").await
    }
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    method: &str,
    path: &str,
    body: &str,
) -> Option<(u16, Value)> {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
    let mut answer = Vec::new();
    // An end without TLS's goodbye is what an unreachable service looks like.
    let read = stream.read_to_end(&mut answer);
    let _ = timeout(Duration::from_secs(20), read)
        .await
        .expect("it answers or ends");
    let text = String::from_utf8(answer).expect("text");
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).unwrap_or_default()))
}

#[tokio::test]
async fn a_device_with_a_certificate_is_assigned_to_a_further_hub_and_stays_after_a_restart() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let scene = Scene::set(directory).await;
    let (root, signer) = authority("root", None, 2020, 2120);
    let holder = device("press7", &signer, 2020, 2120);
    let group = json!({"enrollmentGroupId": "presses", "attestation": {"type": "x509", "x509": {
        "signingCertificates": {"primary": {"certificate": root.to_pem()}}}},
        "allocationPolicy": "static", "iotHubHostName": "127.0.0.2"});
    let (status, kept) = scene
        .control("PUT", "/control/dps/groups/presses", group)
        .await;
    assert_eq!(status, 200, "{kept}");
    let info = scene.simulator.info();
    let path = format!("/{}/registrations/press7/register", info.id_scope);
    let (status, begun) = scene
        .https([127, 0, 0, 1], "PUT", &path, &holder, &[])
        .await
        .expect("an answer");
    assert_eq!(status, 202, "{begun}");
    let operation = begun["operationId"].as_str().expect("an operation");
    let ask = format!(
        "/{}/registrations/press7/operations/{operation}",
        info.id_scope
    );
    // The service answers at every hub's address.
    let (status, done) = scene
        .https([127, 0, 0, 2], "GET", &ask, &holder, &[])
        .await
        .expect("an answer");
    assert_eq!(
        (status, &done["registrationState"]["assignedHub"]),
        (200, &json!("127.0.0.2"))
    );
    let press7 = Identity::device("press7").expect("an id");
    assert!(scene.simulator.twin(&press7).is_err());
    assert!(scene.simulator.more_hubs[0].twin(&press7).is_ok());
    let directory = scene.end().await;
    let again = Scene::set(directory).await;
    assert_eq!(again.simulator.info().id_scope, info.id_scope);
    assert!(again.simulator.more_hubs[0].twin(&press7).is_ok());
    let (status, done) = again
        .https([127, 0, 0, 1], "GET", &ask, &holder, &[])
        .await
        .expect("an answer");
    assert_eq!((status, done["status"].as_str()), (200, Some("assigned")));
    again.end().await;
}

#[tokio::test]
async fn the_control_api_enrols_derives_explains_and_pulls_levers() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let scene = Scene::set(directory).await;
    let bare = json!({"enrollmentGroupId": "stock", "attestation": {"type": "symmetricKey"}});
    let (_, shown) = scene
        .control("PUT", "/control/dps/groups/stock", bare)
        .await;
    assert_eq!(shown["attestation"], json!({"type": "symmetricKey"}));
    let (_, keys) = scene
        .control("GET", "/control/dps/groups/stock/keys", Value::Null)
        .await;
    let primary = keys["primaryKey"].as_str().expect("a key");
    let primary = hub_proto::sas::SymmetricKey::from_base64(primary).expect("a key");
    let (_, derived) = scene
        .control("GET", "/control/dps/groups/stock/keys/bay1", Value::Null)
        .await;
    let expected = json!({"registrationId": "bay1", "key": primary.derive("bay1").to_base64()});
    assert_eq!(derived, expected);
    let (_, all) = scene.control("GET", "/control/dps", Value::Null).await;
    assert_eq!(all["hubs"], json!(["localhost", "127.0.0.2"]));
    assert_eq!(
        (
            all["groups"].as_array().map(Vec::len),
            &all["registrations"]
        ),
        (Some(1), &json!([]))
    );
    assert!(!all.to_string().contains("primaryKey"));
    let (status, fault) = scene
        .control("GET", "/control/dps/enrollments/none/keys", Value::Null)
        .await;
    assert_eq!((status, &fault["error"]["code"]), (404, &json!(404_201)));

    let (_, signer) = authority("root", None, 2020, 2120);
    let stranger = device("bay1", &signer, 2020, 2120);
    let path = format!(
        "/{}/registrations/bay1/register",
        scene.simulator.info().id_scope
    );
    let refused = scene
        .https([127, 0, 0, 1], "PUT", &path, &stranger, &[])
        .await;
    assert_eq!(refused.expect("an answer").0, 404);
    let (_, attempts) = scene
        .control(
            "GET",
            "/control/dps/attempts?registrationId=bay1",
            Value::Null,
        )
        .await;
    assert_eq!(
        (&attempts[0]["outcome"], &attempts[0]["transport"]),
        (&json!("refused"), &json!("https"))
    );
    assert!(
        attempts[0]["presented"]
            .as_str()
            .is_some_and(|text| text.contains("CN=bay1"))
    );

    let lever = |lever: Value| scene.control("POST", "/control/levers", lever);
    let (_, state) = lever(json!({"target": "dps", "throttleSeconds": 7})).await;
    assert_eq!(state["dps"]["throttle"], 7);
    let throttled = scene
        .https([127, 0, 0, 1], "PUT", &path, &stranger, &[])
        .await;
    assert_eq!(throttled.expect("an answer").0, 429);
    lever(json!({"target": "dps", "throttleSeconds": 0, "unreachable": true})).await;
    assert_eq!(
        scene
            .https([127, 0, 0, 1], "PUT", &path, &stranger, &[])
            .await,
        None
    );
    for wrong in [
        json!({"refuse": true}),
        json!({"target": "dps", "link": "cut"}),
        json!({"target": "other"}),
    ] {
        assert_ne!(lever(wrong).await.0, 200);
    }
    scene.end().await;
}
