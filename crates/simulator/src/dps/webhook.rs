//! The custom allocation policy: a webhook of the operator's is asked which hub a device goes to.
//!
//! The URL often carries the webhook's key, so that nothing here ever repeats more of it than the host.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, Uri, header};
use hub_proto::dps::enrollment::InitialTwin;
use hub_proto::dps::error::DpsErrorCode;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Dps;
use super::allocation::Candidate;
use super::assigning::Failure;
use super::attestation::Credential;
use super::registering::Begun;
use super::registry::{Registry, Source};

/// What the real service gives a webhook to answer in.
pub(super) const WITHIN: Duration = Duration::from_secs(5);
const LONGEST_ANSWER: usize = 64 << 10;

/// What a webhook is asked: `AllocationRequest` of the service's documentation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Question {
    device_runtime_context: Value,
    linked_hubs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    individual_enrollment: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrollment_group: Option<Value>,
}

/// What it answers: `AllocationResponse`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Allocation {
    pub(super) iot_hub_host_name: String,
    pub(super) initial_twin: Option<InitialTwin>,
    pub(super) payload: Option<Value>,
}

impl Question {
    pub(super) fn new(registry: &Registry, begun: &Begun, among: &[&Candidate]) -> Self {
        let record = registry.registration(begun.id.as_str());
        let placed = record.and_then(|record| record.placed.as_ref());
        let proof = match begun.admitted.credential {
            Credential::Keys { .. } => "symmetricKey",
            Credential::Certificates { .. } => "x509",
        };
        let shown = |document: Option<Value>| {
            document.map(|mut document| {
                if let Some(attestation) = document.get_mut("attestation") {
                    // Whoever runs the webhook need not be who holds the keys.
                    let kind = attestation.get("type").cloned();
                    *attestation = json!({"type": kind});
                }
                document
            })
        };
        let (individual, group) = match &begun.admitted.source {
            Source::Individual => (registry.enrollment(begun.id.as_str()), None),
            Source::Group(group) => (None, registry.group(group)),
        };
        Self {
            device_runtime_context: json!({
                "registrationId": begun.id,
                "currentIotHubHostName": placed.map(|placed| &placed.hub),
                "currentDeviceId": placed.map(|placed| &placed.device_id),
                proof: {},
                "payload": begun.payload,
            }),
            linked_hubs: among.iter().map(|hub| hub.name.clone()).collect(),
            individual_enrollment: shown(individual.and_then(|e| serde_json::to_value(e).ok())),
            enrollment_group: shown(group.and_then(|g| serde_json::to_value(g).ok())),
        }
    }
}

/// Where a webhook is.
#[derive(Clone)]
pub(super) struct Url {
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

/// The text is no address of a webhook. It may hold a secret and is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the webhook's URL is not http://… or https://… with a host")]
pub(super) struct UrlError;

impl Url {
    pub(super) fn parse(text: &str) -> Result<Self, UrlError> {
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

    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl Dps {
    /// Asks a webhook, within its time.
    pub(super) async fn ask(&self, url: &str, question: &Question) -> Result<Allocation, Failure> {
        let url = Url::parse(url).map_err(|error| failure(&error.to_string()))?;
        let body = serde_json::to_vec(question).unwrap_or_default();
        let asked = timeout(self.webhook_within, post(&url, &self.authority_pem, body)).await;
        let (status, body) = asked
            .map_err(|_| {
                failure(&format!(
                    "{} did not answer within {} ms",
                    url.authority(),
                    self.webhook_within.as_millis()
                ))
            })?
            .map_err(|error| failure(&format!("{}: {error}", url.authority())))?;
        if status != StatusCode::OK {
            return Err(Failure {
                code: DpsErrorCode::CustomAllocationFailed,
                // The service's own words, which people search for.
                message: format!(
                    "Custom allocation failed with status code: {}",
                    status.as_u16()
                ),
            });
        }
        serde_json::from_slice(&body)
            .map_err(|error| failure(&format!("the webhook's answer is none: {error}")))
    }
}

fn failure(reason: &str) -> Failure {
    Failure {
        code: DpsErrorCode::CustomAllocationFailed,
        message: format!("Custom allocation failed: {reason}"),
    }
}

type Reason = Box<dyn std::error::Error + Send + Sync>;

async fn post(
    url: &Url,
    authority_pem: &str,
    body: Vec<u8>,
) -> Result<(StatusCode, Vec<u8>), Reason> {
    let stream = TcpStream::connect((url.host.as_str(), url.port)).await?;
    if !url.tls {
        return exchange(url, stream, body).await;
    }
    let connector = TlsConnector::from(Arc::new(trusting(authority_pem)?));
    let name = ServerName::try_from(url.host.clone())?;
    exchange(url, connector.connect(name, stream).await?, body).await
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    url: &Url,
    stream: S,
    body: Vec<u8>,
) -> Result<(StatusCode, Vec<u8>), Reason> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(&url.path)
        .header(header::HOST, url.authority())
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header(header::CONNECTION, "close")
        .body(Body::from(body))?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = axum::body::to_bytes(Body::new(response.into_body()), LONGEST_ANSWER).await?;
        Ok((status, body.to_vec()))
    };
    tokio::pin!(connection);
    tokio::pin!(answer);
    let mut open = true;
    loop {
        tokio::select! {
            answer = &mut answer => return answer,
            ended = &mut connection, if open => {
                ended?;
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
