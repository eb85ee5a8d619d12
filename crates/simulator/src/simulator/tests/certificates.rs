//! Signing in with certificates over real sockets: MQTT, WebSocket and HTTPS, by TLS 1.2 and 1.3.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::authentication::Authentication;
use crate::certificates::Certificate;
use crate::certificates::issuing::{Holder, authority, device, self_signed};
use crate::hub::{NewDevice, NewModule};
use crate::wire::ReturnCode;

type Version = &'static SupportedProtocolVersion;
type Chain<'a> = Option<(&'a Holder, &'a [&'a Certificate])>;

/// A running simulator with a root authority, and devices that sign in each way.
struct Scene {
    simulator: Arc<Simulator>,
    intermediate: Certificate,
    below: Holder,
    own: Holder,
    directory: tempfile::TempDir,
}

async fn scene() -> Scene {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let simulator = Simulator::start(Options::on_free_ports(directory.path()))
        .await
        .expect("it starts");
    let (root, root_signer) = authority("root", None, 2020, 2120);
    let (intermediate, signer) = authority("customer", Some(&root_signer), 2020, 2120);
    let (below, own) = (
        device("below", &signer, 2020, 2120),
        self_signed("own", 2020, 2120),
    );
    let hub = simulator.hub();
    hub.put_authority("root", &root.to_pem()).expect("a root");
    let by_thumbprint = Authentication::SelfSigned {
        primary: own.certificate().sha256(),
        secondary: None,
    };
    let reader = NewModule {
        id: "reader".to_owned(),
        authentication: by_thumbprint.clone(),
    };
    for (id, edge, authentication, modules) in [
        ("below", false, Authentication::CertificateAuthority, vec![]),
        ("own", false, by_thumbprint, vec![]),
        ("edge01", true, Authentication::Sas, vec![reader]),
    ] {
        let new = NewDevice {
            id: id.to_owned(),
            edge,
            authentication,
            modules,
        };
        hub.register(&new).expect("a free id");
    }
    Scene {
        simulator,
        intermediate,
        below,
        own,
        directory,
    }
}

impl Scene {
    async fn dial(
        &self,
        to: SocketAddr,
        version: Version,
        chain: Chain<'_>,
    ) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_file(self.directory.path().join("pki/ca.pem"));
        roots.add(root.expect("made at the start")).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .expect("known")
            .with_root_certificates(roots);
        let config = match chain {
            None => config.with_no_client_auth(),
            Some((holder, issuers)) => {
                let issuers = issuers.iter().map(|issuer| issuer.der.clone());
                let chain = std::iter::once(holder.der.clone()).chain(issuers).collect();
                config
                    .with_client_auth_cert(chain, holder.key.clone_key())
                    .expect("a pair")
            }
        };
        let stream = TcpStream::connect(to).await.expect("it listens");
        TlsConnector::from(Arc::new(config))
            .connect("localhost".try_into().expect("a name"), stream)
            .await
            .expect("whoever issued a certificate, TLS takes it")
    }

    /// What CONNACK says to a CONNECT over MQTT.
    async fn mqtt(&self, version: Version, id: &str, token: Option<&str>, chain: Chain<'_>) -> u8 {
        let to = self.simulator.info().mqtt;
        let mut stream = self.dial(to, version, chain).await;
        stream
            .write_all(&connect_packet(id, token))
            .await
            .expect("it reads");
        let mut connack = [0; 4];
        within(stream.read_exact(&mut connack)).await;
        connack[3]
    }

    /// What CONNACK says to a CONNECT over MQTT over WebSocket.
    async fn websocket(&self, id: &str, chain: Chain<'_>) -> u8 {
        let to = self.simulator.info().https;
        let mut stream = self.dial(to, &TLS13, chain).await;
        let upgrade = "GET /$iothub/websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
        stream
            .write_all(upgrade.as_bytes())
            .await
            .expect("it reads");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within(stream.read_u8()).await);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{head:?}");
        let packet = connect_packet(id, None);
        // A whole binary message, masked with zeros (RFC 6455, section 5.2).
        let mut frame = vec![0x82, 0x80 | packet.len() as u8, 0, 0, 0, 0];
        frame.extend(packet);
        stream.write_all(&frame).await.expect("it reads");
        let mut answer = [0; 6];
        within(stream.read_exact(&mut answer)).await;
        assert_eq!(answer[..4], [0x82, 4, 0x20, 2], "{answer:?}");
        answer[5]
    }

    /// The status of a method that the module `edge01/reader` calls on its device.
    async fn method(&self, chain: Chain<'_>) -> String {
        let to = self.simulator.info().https;
        let mut stream = self.dial(to, &TLS12, chain).await;
        let body = r#"{"methodName":"x","connectTimeoutInSeconds":0}"#;
        let request = format!(
            "POST /twins/edge01/methods HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nx-ms-edge-moduleId: edge01/reader\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it reads");
        let mut answer = [0; 12];
        within(stream.read_exact(&mut answer)).await;
        String::from_utf8_lossy(&answer[9..]).into_owned()
    }
}

async fn within<T>(wait: impl Future<Output = io::Result<T>>) -> T {
    let waited = timeout(Duration::from_secs(5), wait).await;
    waited.expect("it answers").expect("it goes on")
}

/// CONNECT of a device (MQTT 3.1.1, section 3.1), short enough for one byte of length.
fn connect_packet(id: &str, token: Option<&str>) -> Vec<u8> {
    let text = |text: &str| {
        let mut bytes = (text.len() as u16).to_be_bytes().to_vec();
        bytes.extend(text.as_bytes());
        bytes
    };
    let user_name = format!("localhost/{id}/?api-version=2021-04-12");
    let flags = 0x80 | if token.is_some() { 0x40 } else { 0 };
    let mut rest = [
        text("MQTT"),
        vec![4, flags, 0, 60],
        text(id),
        text(&user_name),
    ]
    .concat();
    rest.extend(token.map(text).unwrap_or_default());
    assert!(rest.len() < 128, "one byte of length");
    [vec![0x10, rest.len() as u8], rest].concat()
}

const TAKEN: u8 = ReturnCode::Accepted as u8;
const REFUSED: u8 = ReturnCode::NotAuthorized as u8;

#[tokio::test]
async fn devices_sign_in_over_mqtt_by_either_version_of_tls() {
    let scene = scene().await;
    let issuers = [&scene.intermediate];
    let below: Chain<'_> = Some((&scene.below, &issuers));
    let own: Chain<'_> = Some((&scene.own, &[]));
    for version in [&TLS12, &TLS13] {
        for (id, token, chain, expected) in [
            ("below", None, below, TAKEN),
            ("own", None, own, TAKEN),
            ("below", None, Some((&scene.below, &[][..])), REFUSED),
            ("below", None, own, REFUSED),
            ("own", None, below, REFUSED),
            ("own", None, None, REFUSED),
            ("own", Some("SharedAccessSignature sr=x"), own, REFUSED),
            ("edge01", None, own, REFUSED),
            ("nobody", None, own, REFUSED),
        ] {
            let said = scene.mqtt(version, id, token, chain).await;
            assert_eq!(said, expected, "{id} by {version:?}");
        }
    }
    scene.simulator.shutdown().await;
}

#[tokio::test]
async fn a_websocket_and_a_request_carry_the_certificate_of_their_handshake() {
    let scene = scene().await;
    let own: Chain<'_> = Some((&scene.own, &[]));
    assert_eq!(scene.websocket("own", own).await, TAKEN);
    assert_eq!(scene.websocket("own", None).await, REFUSED);
    // Past the sign-in, the device called is not connected.
    assert_eq!(scene.method(own).await, "404");
    assert_eq!(scene.method(None).await, "401");
    assert_eq!(scene.method(Some((&scene.below, &[]))).await, "401");
    scene.simulator.shutdown().await;
}
