//! Requests that the simulator makes of others over HTTP: a provisioning webhook, or somebody's blobs.
//!
//! One request a connection. A URL often carries what opens its target, so that nothing here ever repeats more of it
//! than the host.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where something is.
#[derive(Clone)]
pub(crate) struct Url {
    tls: bool,
    host: String,
    port: u16,
    path: String,
}

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Url")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// The text is no URL. It may hold a secret and is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not http://… or https://… with a host")]
pub(crate) struct UrlError;

impl Url {
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        let uri: Uri = text.trim().parse().map_err(|_| UrlError)?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(UrlError),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(UrlError)?;
        Ok(Self {
            tls,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            path: uri
                .path_and_query()
                .map_or_else(|| "/".to_owned(), ToString::to_string),
        })
    }

    /// The host with its port.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Why a request has no answer.
pub(crate) type Reason = Box<dyn std::error::Error + Send + Sync>;

/// What is asked.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Bytes an answer may have.
    pub(crate) longest_answer: usize,
}

/// Makes one request. `authority_pem` is trusted beside what this machine trusts.
///
/// # Errors
/// When there is no answer, or one that is too long. The text names no more than the host does.
pub(crate) async fn ask(
    asking: Asking<'_>,
    authority_pem: &str,
) -> Result<(StatusCode, Bytes), Reason> {
    let url = asking.url;
    let stream = TcpStream::connect((url.host.as_str(), url.port)).await?;
    if !url.tls {
        return exchange(asking, stream).await;
    }
    let connector = TlsConnector::from(Arc::new(trusting(authority_pem)?));
    let name = ServerName::try_from(url.host.clone())?;
    exchange(asking, connector.connect(name, stream).await?).await
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    asking: Asking<'_>,
    stream: S,
) -> Result<(StatusCode, Bytes), Reason> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::builder()
        .method(asking.method)
        .uri(&asking.url.path)
        .body(Body::from(asking.body))?;
    let headers = request.headers_mut();
    headers.extend(asking.headers);
    headers.insert(header::HOST, asking.url.authority().parse()?);
    headers.insert(
        header::CONNECTION,
        header::HeaderValue::from_static("close"),
    );
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Body::new(response.into_body());
        let body = axum::body::to_bytes(body, asking.longest_answer).await?;
        Ok::<_, Reason>((status, body))
    };
    tokio::pin!(connection);
    tokio::pin!(answer);
    let (mut open, mut broken) = (true, None);
    loop {
        tokio::select! {
            answer = &mut answer => return match (answer, broken) {
                (Err(_), Some(error)) => Err(Reason::from(error)),
                (answer, _) => answer,
            },
            // Who refuses a request may hang up before it is read: the answer is there all the same.
            ended = &mut connection, if open => {
                broken = ended.err();
                open = false;
            }
        }
    }
}

/// Trusts what this machine trusts, and this simulator's own authority.
fn trusting(authority_pem: &str) -> Result<ClientConfig, Reason> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in rustls::pki_types::CertificateDer::pem_slice_iter(authority_pem.as_bytes()) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
