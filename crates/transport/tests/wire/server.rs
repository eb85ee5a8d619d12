//! A TLS server of one's own making.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use transport::{ClientCertificate, Trust};

/// No step takes longer, or the test fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// A certificate authority.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("authority")
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        Self { issuer }
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust::only(&self.issuer.pem()).expect("a certificate")
    }

    /// A certificate for these parameters, and its key.
    pub(crate) fn sign(&self, params: &CertificateParams) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate, key)
    }

    pub(crate) fn client(&self, name: &str) -> ClientCertificate {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        let (certificate, key) = self.sign(&params);
        ClientCertificate::from_pem(&certificate.pem(), &key.serialize_pem())
            .expect("they belong together")
    }

    /// A server with a certificate for one name or address.
    pub(crate) async fn server(&self, name: &str) -> Server {
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        self.server_with(&params, None).await
    }

    /// A server that wants a client certificate of this authority.
    pub(crate) async fn server_for(&self, clients: &Self) -> Server {
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
        self.server_with(&params, Some(clients)).await
    }

    pub(crate) async fn server_with(
        &self,
        params: &CertificateParams,
        clients: Option<&Self>,
    ) -> Server {
        let (certificate, key) = self.sign(params);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .expect("versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.issuer.der().clone()).expect("a root");
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let config = builder
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a certificate");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        Server {
            listener,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            port,
        }
    }
}

pub(crate) struct Server {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) async fn tcp(&self) -> TcpStream {
        soon("a connection", self.listener.accept())
            .await
            .expect("a connection")
            .0
    }

    pub(crate) async fn tls(&self) -> TlsStream<TcpStream> {
        let tcp = self.tcp().await;
        soon("a handshake", self.acceptor.accept(tcp))
            .await
            .expect("a handshake")
    }

    /// A connection whose handshake the server ends. It reads on until the client has heard why: closing
    /// with bytes unread would take the alert back.
    pub(crate) async fn refuses(&self) {
        let tcp = self.tcp().await;
        let failed = soon("a handshake", self.acceptor.accept(tcp).into_fallible()).await;
        let Err((_, mut tcp)) = failed else {
            panic!("the handshake went well")
        };
        tcp.shutdown().await.expect("open");
        let mut rest = Vec::new();
        let _ = soon("the client's end", tcp.read_to_end(&mut rest)).await;
    }
}
