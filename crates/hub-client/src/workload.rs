//! The client of the Edge runtime's workload API.

use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use hub_proto::workload::{Endpoint, ErrorResponse, SignRequest, SignResponse, TrustBundle};
use serde::de::DeserializeOwned;
use tokio::net::{TcpStream, UnixStream};
use transport::Trust;
use transport::http::{ExchangeError, Request, Response, exchange};

use crate::error::LinkError;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A module's place at its runtime.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    pub(crate) uri: WorkloadUri,
    pub(crate) module: String,
    pub(crate) generation: String,
    pub(crate) api_version: String,
}

/// `unix:///path` or `http://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WorkloadUri {
    Unix(PathBuf),
    Http(String),
}

impl FromStr for WorkloadUri {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix://").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        let authority = text
            .strip_prefix("http://")
            .map(|rest| rest.trim_end_matches('/'));
        match authority.filter(|authority| authority.contains(':')) {
            Some(authority) => Ok(Self::Http(authority.to_owned())),
            None => Err("expected unix:///path or http://host:port"),
        }
    }
}

impl std::fmt::Display for WorkloadUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Http(authority) => write!(f, "http://{authority}"),
        }
    }
}

impl Workload {
    /// HMAC-SHA256 with the module's key, which stays where it is.
    pub(crate) async fn sign(&self, data: &[u8]) -> Result<Vec<u8>, LinkError> {
        let endpoint = Endpoint::Sign {
            module: self.module.clone(),
            generation: self.generation.clone(),
        };
        let body = serde_json::to_vec(&SignRequest::new(data))
            .map_err(|_| LinkError::WorkloadMalformed("digest"))?;
        let response: SignResponse = self.call(&endpoint, body, "sign").await?;
        response
            .digest()
            .ok_or(LinkError::WorkloadMalformed("digest"))
    }

    /// Whom to trust.
    pub(crate) async fn trust(&self) -> Result<Trust, LinkError> {
        let bundle: TrustBundle = self
            .call(&Endpoint::TrustBundle, Vec::new(), "give the trust bundle")
            .await?;
        Trust::only(&bundle.certificate).ok_or(LinkError::WorkloadMalformed("trust bundle"))
    }

    async fn call<T: DeserializeOwned>(
        &self,
        endpoint: &Endpoint,
        body: Vec<u8>,
        what: &'static str,
    ) -> Result<T, LinkError> {
        let unreachable = |source| LinkError::WorkloadUnreachable {
            uri: self.uri.to_string(),
            source,
        };
        let answer = match tokio::time::timeout(ANSWER_WITHIN, self.exchange(endpoint, body)).await
        {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(unreachable(error)),
            Err(_) => return Err(unreachable(io::ErrorKind::TimedOut.into())),
        };
        let (status, body) = (answer.status(), answer.body());
        if !status.is_success() {
            let message = serde_json::from_slice::<ErrorResponse>(body)
                .map(|error| error.message)
                .unwrap_or_default();
            return Err(LinkError::WorkloadRefused {
                what,
                status: status.as_u16(),
                message,
            });
        }
        serde_json::from_slice(body).map_err(|_| LinkError::WorkloadMalformed(what))
    }

    async fn exchange(&self, endpoint: &Endpoint, body: Vec<u8>) -> io::Result<Response<Bytes>> {
        let request = Request::builder()
            .method(endpoint.method())
            .uri(endpoint.target(&self.api_version))
            .header("Host", "localhost")
            .header("Content-Type", "application/json")
            .body(Bytes::from(body))
            .map_err(io::Error::other)?;
        let answer = match &self.uri {
            WorkloadUri::Unix(path) => exchange(UnixStream::connect(path).await?, request).await,
            WorkloadUri::Http(authority) => {
                exchange(TcpStream::connect(authority).await?, request).await
            }
        };
        answer.map_err(|error| match error {
            ExchangeError::Broken(error) => io::Error::other(error),
            ExchangeError::Body => io::ErrorKind::InvalidData.into(),
        })
    }
}
