//! The other side, played by the test: "receives X, sends Y" over real TLS and real MQTT.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use hub_client::{ClientCertificate, Event, Events, Source};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v3::{Codec, Connect, ConnectAck, ConnectAckReason, Packet, SubscribeReturnCode};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::codec::Framed;

/// The key of every identity here.
pub(crate) const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// No step takes longer, or the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"))
}

pub(crate) async fn next(events: &mut Events) -> Event {
    soon("an event", events.next())
        .await
        .expect("the client is open")
}

/// A listener with a certificate of its own authority.
pub(crate) struct Hub {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    authority: Arc<CertifiedIssuer<'static, KeyPair>>,
    pub(crate) ca_pem: String,
    pub(crate) port: u16,
}

impl Hub {
    pub(crate) async fn start() -> Self {
        Self::start_as("127.0.0.1").await
    }

    /// With a certificate for one host name or address.
    pub(crate) async fn start_as(name: &str) -> Self {
        Self::start_with(name, false).await
    }

    /// Wants a client certificate, by [`Hub::client_certificate`].
    pub(crate) async fn start_for_certificates() -> Self {
        Self::start_with("127.0.0.1", true).await
    }

    async fn start_with(name: &str, wants_certificates: bool) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("a CA");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self {
            port: listener.local_addr().expect("bound").port(),
            listener,
            acceptor: acceptor(&authority, name, wants_certificates),
            ca_pem: authority.pem(),
            authority: Arc::new(authority),
        }
    }

    /// Another one at another address, with the same port and the same authority.
    pub(crate) async fn beside(&self, address: &str) -> Self {
        let listener = TcpListener::bind((address, self.port)).await;
        Self {
            port: self.port,
            listener: listener.expect("all of 127/8 is this machine"),
            acceptor: acceptor(&self.authority, address, false),
            ca_pem: self.ca_pem.clone(),
            authority: Arc::clone(&self.authority),
        }
    }

    /// The identity `edge01/light`, with its key, through this as gateway.
    pub(crate) fn module(&self) -> Source {
        self.source("GatewayHostName=127.0.0.1;DeviceId=edge01;ModuleId=light")
    }

    pub(crate) fn source(&self, who: &str) -> Source {
        let text = format!("HostName=myhub;{who};SharedAccessKey={KEY}");
        Source::from_connection_string(&text, Some(&self.ca_pem))
            .expect("complete")
            .with_ports(self.port, self.port)
    }

    /// A client certificate that this hub takes.
    pub(crate) fn client_certificate(&self) -> ClientCertificate {
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::default().signed_by(&key, &*self.authority);
        let chain = certificate.expect("a certificate").pem();
        ClientCertificate::from_pem(&chain, &key.serialize_pem()).expect("they belong together")
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
                packet: 0,
            },
            other => panic!("{other:?} in place of CONNECT"),
        }
    }

    /// The next connection, accepted, subscribed, and with the twin at this desired version.
    pub(crate) async fn welcome(&self, desired: u64) -> Connection {
        let mut connection = self.accept().await;
        connection
            .connack(ConnectAckReason::ConnectionAccepted)
            .await;
        connection.suback().await;
        connection.answer_twin(desired).await;
        connection
    }
}

fn acceptor(
    authority: &CertifiedIssuer<'static, KeyPair>,
    name: &str,
    wants_certificates: bool,
) -> TlsAcceptor {
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec![name.to_owned()])
        .expect("a name")
        .signed_by(&key, authority)
        .expect("a leaf");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)
        .expect("versions");
    let builder = if wants_certificates {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).expect("a root");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
    } else {
        builder.with_no_client_auth()
    };
    let config = builder
        .with_single_cert(vec![leaf.der().clone()], key)
        .expect("a certificate");
    TlsAcceptor::from(Arc::new(config))
}

pub(crate) struct Connection {
    framed: Framed<TlsStream<TcpStream>, Codec>,
    pub(crate) connect: Connect,
    packet: u16,
}

impl Connection {
    pub(crate) async fn send(&mut self, packet: Packet) {
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

    pub(crate) async fn publish(&mut self) -> Publish {
        match self.receive().await {
            Packet::Publish(publish) => *publish,
            other => panic!("{other:?} in place of PUBLISH"),
        }
    }

    pub(crate) async fn connack(&mut self, return_code: ConnectAckReason) {
        self.send(Packet::ConnectAck(ConnectAck {
            return_code,
            session_present: false,
        }))
        .await;
    }

    pub(crate) async fn suback(&mut self) -> Vec<String> {
        let Packet::Subscribe {
            packet_id,
            topic_filters,
        } = self.receive().await
        else {
            panic!("no SUBSCRIBE")
        };
        let status = vec![SubscribeReturnCode::Success(QoS::AtLeastOnce); topic_filters.len()];
        self.send(Packet::SubscribeAck { packet_id, status }).await;
        topic_filters
            .into_iter()
            .map(|(filter, _)| filter.to_string())
            .collect()
    }

    pub(crate) async fn answer_twin(&mut self, desired: u64) {
        let request = self.publish().await;
        self.answer_twin_get(&request, desired).await;
    }

    pub(crate) async fn answer_twin_get(&mut self, request: &Publish, desired: u64) {
        let rid = request
            .topic
            .strip_prefix("$iothub/twin/GET/?$rid=")
            .expect("a twin GET")
            .to_owned();
        let body = format!(
            r#"{{"desired":{{"n":{desired},"$version":{desired}}},"reported":{{"$version":1}}}}"#
        );
        self.deliver(
            &format!("$iothub/twin/res/200/?$rid={rid}"),
            &body,
            QoS::AtMostOnce,
        )
        .await;
    }

    /// PUBLISH to the client; gives the packet id, if there is one.
    pub(crate) async fn deliver(
        &mut self,
        topic: &str,
        body: &str,
        qos: QoS,
    ) -> Option<NonZeroU16> {
        let packet_id = if qos == QoS::AtMostOnce {
            None
        } else {
            self.packet += 1;
            NonZeroU16::new(self.packet)
        };
        let publish = Publish {
            dup: false,
            retain: false,
            qos,
            topic: topic.into(),
            packet_id,
            payload: body.as_bytes().to_vec().into(),
            properties: None,
        };
        self.send(Packet::Publish(Box::new(publish))).await;
        packet_id
    }

    pub(crate) async fn puback(&mut self, publish: &Publish) {
        let packet_id = publish.packet_id.expect("QoS 1");
        self.send(Packet::PublishAck { packet_id }).await;
    }

    /// Whether the client goes away, whatever it still says before.
    pub(crate) async fn ends(mut self) {
        soon("the end", async {
            while let Some(Ok(_)) = self.framed.next().await {}
        })
        .await;
    }
}
