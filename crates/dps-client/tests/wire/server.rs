//! The service, played by the test: "receives X, sends Y" over real TLS, and real MQTT or HTTP.

use std::sync::Arc;
use std::time::Duration;

use dps_client::service::Service;
use dps_client::{Attestation, Endpoint, Protocol, Registration};
use futures_util::{SinkExt as _, StreamExt as _};
use hub_proto::sas::{self, SymmetricKey};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v3::{Codec, Connect, ConnectAck, ConnectAckReason, Packet, SubscribeReturnCode};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::codec::Framed;
use transport::{ClientCertificate, Trust};

pub(crate) const SCOPE: &str = "0ne00AA12BC";
/// The key of every device here.
pub(crate) const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// No step takes longer, or the test fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// Whether a token opens the registration `r1` with the devices' key.
pub(crate) fn assert_opens(token: &str) {
    let key = SymmetricKey::from_base64(KEY).expect("a key");
    let token = sas::Token::parse(token).expect("a token");
    assert_eq!(token.policy(), Some("registration"));
    let now = jiff::Timestamp::now().as_second();
    let expiry = token
        .verify(&format!("{SCOPE}/registrations/r1"), [&key], now, 0)
        .expect("it opens");
    assert!((now + 3500..=now + 3600).contains(&expiry), "an hour");
}

/// A listener with a certificate of its own authority, which also signs devices' certificates.
pub(crate) struct Dps {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    authority: CertifiedIssuer<'static, KeyPair>,
    pub(crate) port: u16,
}

impl Dps {
    pub(crate) async fn start() -> Self {
        Self::start_as("127.0.0.1").await
    }

    /// With a certificate for one host name or address.
    pub(crate) async fn start_as(name: &str) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key"))
                .expect("a CA");
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec![name.to_owned()])
            .expect("a name")
            .signed_by(&key, &authority)
            .expect("a leaf");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut devices = RootCertStore::empty();
        devices.add(authority.der().clone()).expect("a root");
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(devices), Arc::clone(&provider))
                .allow_unauthenticated()
                .build()
                .expect("a verifier");
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .expect("versions")
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![leaf.der().clone()], key)
            .expect("a certificate");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self {
            port: listener.local_addr().expect("bound").port(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            listener,
            authority,
        }
    }

    /// The device `r1` with its key.
    pub(crate) fn device(&self, protocol: Protocol) -> Registration {
        let key = SymmetricKey::from_base64(KEY).expect("a key");
        let id = "r1".parse().expect("an id");
        let mut device = Registration::new(SCOPE, id, Attestation::SymmetricKey(key));
        device.global_endpoint = Endpoint::new("127.0.0.1").with_ports(self.port, self.port);
        device.trust = Trust::only(&self.authority.pem()).expect("a certificate");
        device.protocol = protocol;
        device.product = "test/1".to_owned();
        device
    }

    /// The device `r1` with a certificate in place of its key.
    pub(crate) fn device_with_certificate(&self, protocol: Protocol) -> Registration {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "r1");
        let certificate = params.signed_by(&key, &self.authority).expect("a leaf");
        let certificate = ClientCertificate::from_pem(&certificate.pem(), &key.serialize_pem())
            .expect("they belong together");
        Registration {
            attestation: Attestation::X509(certificate),
            ..self.device(protocol)
        }
    }

    /// For its operator, with the policy `owner`.
    pub(crate) fn service(&self) -> Service {
        let text = format!(
            "HostName=127.0.0.1:{};SharedAccessKeyName=owner;SharedAccessKey={KEY}",
            self.port
        );
        let trust = Trust::only(&self.authority.pem()).expect("a certificate");
        Service::from_connection_string(&text, trust).expect("a service")
    }

    pub(crate) async fn accept_tls(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let (tcp, _) = soon("a connection", self.listener.accept()).await?;
        tcp.set_nodelay(true)?;
        soon("a handshake", self.acceptor.accept(tcp)).await
    }

    /// The next MQTT connection, up to its CONNECT.
    pub(crate) async fn accept(&self) -> Connection {
        let stream = self.accept_tls().await.expect("TLS");
        let mut framed = Framed::new(stream, Codec::new(0));
        match soon("CONNECT", framed.next()).await {
            Some(Ok((Packet::Connect(connect), _))) => Connection {
                framed,
                connect: *connect,
            },
            other => panic!("{other:?} in place of CONNECT"),
        }
    }

    /// The next MQTT connection, accepted and subscribed.
    pub(crate) async fn welcome(&self) -> Connection {
        let mut connection = self.accept().await;
        connection
            .connack(ConnectAckReason::ConnectionAccepted)
            .await;
        let filters = connection
            .suback(SubscribeReturnCode::Success(QoS::AtLeastOnce))
            .await;
        assert_eq!(filters, ["$dps/registrations/res/#"]);
        connection
    }

    /// The next HTTP request.
    pub(crate) async fn request(&self) -> Exchange {
        let mut stream = self.accept_tls().await.expect("TLS");
        let mut read = Vec::new();
        loop {
            if let Some(exchange) = Exchange::parse(&read) {
                return Exchange {
                    stream: Some(stream),
                    ..exchange
                };
            }
            let count = soon("a request", stream.read_buf(&mut read)).await;
            assert_ne!(count.expect("TLS"), 0, "the client hung up");
        }
    }
}

/// One MQTT connection.
pub(crate) struct Connection {
    framed: Framed<TlsStream<TcpStream>, Codec>,
    pub(crate) connect: Connect,
}

impl Connection {
    pub(crate) fn has_certificate(&self) -> bool {
        self.framed
            .get_ref()
            .get_ref()
            .1
            .peer_certificates()
            .is_some()
    }

    async fn send(&mut self, packet: Packet) {
        soon("sending", self.framed.send(packet))
            .await
            .expect("the client reads");
    }

    pub(crate) async fn receive(&mut self) -> Packet {
        match soon("a packet", self.framed.next()).await {
            Some(Ok((packet, _))) => packet,
            other => panic!("{other:?} in place of a packet"),
        }
    }

    pub(crate) async fn connack(&mut self, return_code: ConnectAckReason) {
        self.send(Packet::ConnectAck(ConnectAck {
            return_code,
            session_present: false,
        }))
        .await;
    }

    pub(crate) async fn suback(&mut self, code: SubscribeReturnCode) -> Vec<String> {
        let Packet::Subscribe {
            packet_id,
            topic_filters,
        } = self.receive().await
        else {
            panic!("no SUBSCRIBE")
        };
        let status = vec![code; topic_filters.len()];
        self.send(Packet::SubscribeAck { packet_id, status }).await;
        topic_filters
            .into_iter()
            .map(|(filter, _)| filter.to_string())
            .collect()
    }

    /// The next question, acknowledged: topic up to its request id, that id, what follows it, and the body.
    pub(crate) async fn question(&mut self) -> Question {
        loop {
            match self.receive().await {
                Packet::Publish(publish) => {
                    assert_eq!(publish.qos, QoS::AtLeastOnce);
                    let packet_id = publish.packet_id.expect("QoS 1");
                    self.send(Packet::PublishAck { packet_id }).await;
                    let (topic, query) = publish.topic.split_once("?$rid=").expect("a request id");
                    let (rid, rest) = query.split_once('&').unwrap_or((query, ""));
                    return Question {
                        topic: topic.to_owned(),
                        rid: rid.to_owned(),
                        rest: rest.to_owned(),
                        body: String::from_utf8(publish.payload.to_vec()).expect("text"),
                    };
                }
                // Of an answer before.
                Packet::PublishAck { .. } => {}
                other => panic!("{other:?} in place of PUBLISH"),
            }
        }
    }

    /// PUBLISH at QoS 1.
    pub(crate) async fn deliver(&mut self, topic: &str, body: &str) {
        let publish = Publish {
            dup: false,
            retain: false,
            qos: QoS::AtLeastOnce,
            topic: topic.into(),
            packet_id: std::num::NonZeroU16::new(7),
            payload: body.as_bytes().to_vec().into(),
            properties: None,
        };
        self.send(Packet::Publish(Box::new(publish))).await;
    }

    /// Whether the client takes leave by DISCONNECT.
    pub(crate) async fn takes_leave(mut self) -> bool {
        loop {
            match soon("the end", self.framed.next()).await {
                Some(Ok((Packet::Disconnect, _))) => return true,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return false,
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) topic: String,
    pub(crate) rid: String,
    pub(crate) rest: String,
    pub(crate) body: String,
}

/// One HTTP request and, later, its answer.
pub(crate) struct Exchange {
    stream: Option<TlsStream<TcpStream>>,
    /// `PUT /path HTTP/1.1`
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Exchange {
    fn parse(read: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(read).expect("text");
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let exchange = Self {
            stream: None,
            line: lines.next().expect("a line").to_owned(),
            headers: lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            body: body.to_owned(),
        };
        let length = exchange.header("content-length").unwrap_or("0");
        (body.len() == length.parse::<usize>().expect("a length")).then_some(exchange)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn has_certificate(&self) -> bool {
        let stream = self.stream.as_ref().expect("open");
        stream.get_ref().1.peer_certificates().is_some()
    }

    /// Answers and closes. `headers` are whole lines.
    pub(crate) async fn answer(mut self, status: u16, headers: &[&str], body: &str) {
        let mut text = format!(
            "HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\n",
            body.len()
        );
        for header in headers {
            text += header;
            text += "\r\n";
        }
        text += "\r\n";
        text += body;
        let mut stream = self.stream.take().expect("open");
        stream
            .write_all(text.as_bytes())
            .await
            .expect("the client reads");
        stream.shutdown().await.expect("the client reads");
    }
}
