//! One connection to the service API.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::{Place, ProbeError};

const VERSION: &str = "api-version=2021-04-12";

/// A connection by which one request is asked after the other.
#[derive(Debug)]
pub struct Rest {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    authorization: HeaderValue,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Entity tag, continuation and the like.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Bytes,
}

impl Rest {
    /// Connects, with a token of the owner's policy.
    ///
    /// # Errors
    /// When there is nobody, or nobody who can be trusted.
    pub async fn connect(place: &Place) -> Result<Self, ProbeError> {
        let stream = place.connect(place.https).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the connection, or when the sender is dropped.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        let header = |text: &str| {
            HeaderValue::try_from(text).map_err(|_| ProbeError::Unreadable("the host's name"))
        };
        Ok(Self {
            sender,
            host: header(&place.host)?,
            authorization: header(&place.token())?,
        })
    }

    /// Asks, and waits for the whole answer. The path goes without `api-version`; a null body is none.
    ///
    /// # Errors
    /// When the connection breaks: whether the request was done is then not known.
    pub async fn ask(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Answer, ProbeError> {
        let body = if body.is_null() {
            Bytes::new()
        } else {
            Bytes::from(body.to_string())
        };
        let mark = if path.contains('?') { '&' } else { '?' };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{path}{mark}{VERSION}"))
            .header(HOST, &self.host)
            .header(AUTHORIZATION, &self.authorization)
            .header(CONTENT_TYPE, "application/json; charset=utf-8");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await?;
        let response = self
            .sender
            .send_request(request.body(Full::new(body))?)
            .await?;
        let (head, body) = response.into_parts();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
        })
    }
}

impl Answer {
    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header's text, if it is there.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
