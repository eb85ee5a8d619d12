//! Client of a running simulator's control API.

use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hub_proto::identity::Identity;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// Where `cow up` and `cow sim` serve the control API unless told otherwise.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// Long enough for any answer that does not itself wait for a device.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything but what RFC 3986 section 2.3 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ControlArgs {
    /// Where the running simulator's control API is
    #[arg(long = "control", value_name = "URL", env = "COW_CONTROL", default_value = DEFAULT_URL)]
    url: ControlUrl,
}

/// `http://HOST[:PORT]`.
#[derive(Clone, Debug)]
struct ControlUrl(String);

impl FromStr for ControlUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let base = text.trim_end_matches('/');
        let plain_http = base
            .parse::<Uri>()
            .is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some());
        if plain_http {
            Ok(Self(base.to_owned()))
        } else {
            Err(format!("write it like {DEFAULT_URL}"))
        }
    }
}

/// The path `/control/{collection}/{device}[/modules/{module}]`.
pub(crate) fn path_of<'a>(collection: &'a str, target: &'a Identity) -> Vec<&'a str> {
    let mut path = vec![collection, target.device_id()];
    if let Some(module) = target.module_id() {
        path.extend(["modules", module]);
    }
    path
}

/// Why the control API did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error(
        "nothing runs at {0}: start it with `cow up`, or say where it is with --control URL or COW_CONTROL"
    )]
    NothingRuns(String),
    #[error("no answer from {url} within {} s", waited.as_secs())]
    NoAnswer { url: String, waited: Duration },
    #[error("the connection to {0} broke")]
    Broken(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("what runs at {url} is no simulator: it answered {status}")]
    NoSimulator { url: String, status: StatusCode },
    #[error("{message} (error {code})")]
    Refused { code: u64, message: String },
}

/// A running simulator, as far as can be told without asking it.
#[derive(Debug)]
pub(crate) struct Control {
    url: String,
    patience: Duration,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Control {
    pub(crate) fn new(args: ControlArgs) -> Self {
        Self::at(args.url.0)
    }

    /// At `http://HOST:PORT`.
    pub(crate) fn at(url: String) -> Self {
        Self {
            url,
            patience: PATIENCE,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Waits longer for answers: by what the request itself may take at the other end.
    pub(crate) fn with_extra_patience(mut self, extra: Duration) -> Self {
        self.patience += extra;
        self
    }

    pub(crate) async fn get(&self, path: &[&str]) -> Result<Value, ControlError> {
        self.find(path, &[]).await
    }

    /// Gets what of a collection is asked for.
    pub(crate) async fn find(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Value, ControlError> {
        self.ask(Method::GET, self.uri(path, query), None).await
    }

    pub(crate) async fn put(&self, path: &[&str], body: &Value) -> Result<Value, ControlError> {
        self.ask(Method::PUT, self.uri(path, &[]), Some(body)).await
    }

    /// Puts a text as it was written, so that what is told of it has the places of that text.
    pub(crate) async fn put_text(
        &self,
        path: &[&str],
        text: String,
    ) -> Result<Value, ControlError> {
        self.ask_with(Method::PUT, self.uri(path, &[]), text).await
    }

    pub(crate) async fn post(&self, path: &[&str], body: &Value) -> Result<Value, ControlError> {
        self.ask(Method::POST, self.uri(path, &[]), Some(body))
            .await
    }

    pub(crate) async fn patch(&self, path: &[&str], body: &Value) -> Result<Value, ControlError> {
        self.ask(Method::PATCH, self.uri(path, &[]), Some(body))
            .await
    }

    pub(crate) async fn delete(&self, path: &[&str]) -> Result<(), ControlError> {
        self.ask(Method::DELETE, self.uri(path, &[]), None)
            .await
            .map(drop)
    }

    /// Opens an endless answer of one JSON document a line.
    pub(crate) async fn follow(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Documents, ControlError> {
        let uri = self.uri(path, query);
        let response = self.request(Method::GET, uri, String::new()).await?;
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        Ok(Documents {
            url: self.url.clone(),
            body: response.into_body(),
            received: Vec::new(),
            searched: 0,
        })
    }

    async fn ask(
        &self,
        method: Method,
        uri: String,
        body: Option<&Value>,
    ) -> Result<Value, ControlError> {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.ask_with(method, uri, body).await
    }

    async fn ask_with(
        &self,
        method: Method,
        uri: String,
        body: String,
    ) -> Result<Value, ControlError> {
        let exchange = async {
            let response = self.request(method, uri, body).await?;
            let status = response.status();
            if !status.is_success() {
                return Err(self.refusal(response).await);
            }
            let body = self.collect(response).await?;
            if body.is_empty() {
                return Ok(Value::Null);
            }
            serde_json::from_slice(&body).map_err(|_| self.no_simulator(status))
        };
        tokio::time::timeout(self.patience, exchange)
            .await
            .unwrap_or_else(|_| {
                Err(ControlError::NoAnswer {
                    url: self.url.clone(),
                    waited: self.patience,
                })
            })
    }

    fn uri(&self, path: &[&str], query: &[(&str, &str)]) -> String {
        let mut uri = format!("{}/control", self.url);
        for segment in path {
            uri.push('/');
            uri.extend(utf8_percent_encode(segment, RESERVED));
        }
        for (at, (name, value)) in query.iter().enumerate() {
            uri.push(if at == 0 { '?' } else { '&' });
            uri.push_str(name);
            uri.push('=');
            uri.extend(utf8_percent_encode(value, RESERVED));
        }
        uri
    }

    async fn request(
        &self,
        method: Method,
        uri: String,
        body: String,
    ) -> Result<Response<Incoming>, ControlError> {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body))
            .map_err(|error| self.broken(error))?;
        self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                ControlError::NothingRuns(self.url.clone())
            } else {
                self.broken(error)
            }
        })
    }

    async fn collect(&self, response: Response<Incoming>) -> Result<Bytes, ControlError> {
        let body = response.into_body().collect().await;
        Ok(body.map_err(|error| self.broken(error))?.to_bytes())
    }

    /// What the body of a refusal says: `{"error":{"code":…,"message":…}}`.
    async fn refusal(&self, response: Response<Incoming>) -> ControlError {
        let status = response.status();
        let body = match self.collect(response).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let error = &body["error"];
        match (error["code"].as_u64(), error["message"].as_str()) {
            (Some(code), Some(message)) => ControlError::Refused {
                code,
                message: message.trim_end_matches('.').to_owned() + cure(code),
            },
            _ => self.no_simulator(status),
        }
    }

    fn broken(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ControlError {
        ControlError::Broken(self.url.clone(), error.into())
    }

    fn no_simulator(&self, status: StatusCode) -> ControlError {
        ControlError::NoSimulator {
            url: self.url.clone(),
            status,
        }
    }
}

/// What to do about it, where the simulator's own sentence does not say.
fn cure(code: u64) -> &'static str {
    // Enrolments and registrations of the provisioning service.
    match code {
        404_201 => ": `cow dps list` and `cow dps registrations` show what there is",
        _ => "",
    }
}

/// Documents of an endless answer.
#[derive(Debug)]
pub(crate) struct Documents {
    url: String,
    body: Incoming,
    received: Vec<u8>,
    searched: usize,
}

impl Documents {
    /// The next document, or `None` when the simulator has ended.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>, ControlError> {
        loop {
            let newline = self.received[self.searched..]
                .iter()
                .position(|&byte| byte == b'\n');
            if let Some(at) = newline {
                let line: Vec<_> = self.received.drain(..=self.searched + at).collect();
                self.searched = 0;
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return serde_json::from_slice(&line)
                    .map(Some)
                    .map_err(|error| ControlError::Broken(self.url.clone(), error.into()));
            }
            self.searched = self.received.len();
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.received.extend_from_slice(data);
                    }
                }
                // A simulator that is stopped while we follow it may close the connection either way.
                Some(Err(_)) | None => return Ok(None),
            }
        }
    }
}
