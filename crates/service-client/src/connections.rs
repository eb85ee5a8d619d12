//! Connections to the hub that stay open from one request to the next.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use transport::Trust;

use crate::error::ServiceError;

/// Connections kept while nobody asks. More are made when more is asked at once, and closed afterwards.
const IDLE: usize = 4;
/// The largest answer: a page of twins.
const MAX_BODY_BYTES: usize = 16 << 20;
/// How long TCP and TLS may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);

type Sender = SendRequest<Full<Bytes>>;

/// To one host and port.
pub(crate) struct Connections {
    host: String,
    port: u16,
    trust: Trust,
    idle: Mutex<Vec<Sender>>,
}

impl Connections {
    pub(crate) const fn new(host: String, port: u16, trust: Trust) -> Self {
        Self {
            host,
            port,
            trust,
            idle: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// What stands in a `Host` header.
    pub(crate) fn authority(&self) -> String {
        match (self.host.contains(':'), self.port) {
            (false, 443) => self.host.clone(),
            (false, port) => format!("{}:{port}", self.host),
            (true, port) => format!("[{}]:{port}", self.host),
        }
    }

    /// Sends a request, on a connection that is open or on a new one, and reads the whole answer.
    pub(crate) async fn exchange(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Bytes>, ServiceError> {
        let mut request = request.map(Full::new);
        // One that stood open may have been closed by the other side; what was not sent can be sent again.
        while let Some(mut sender) = self.take() {
            if sender.ready().await.is_err() {
                continue;
            }
            match self.send(sender, request, within).await {
                Err(Unsent(again)) => request = *again,
                Ok(answer) => return answer,
            }
        }
        let connected = tokio::time::timeout(CONNECT_WITHIN, self.connect()).await;
        let sender = connected
            .map_err(|_| self.timed_out())
            .and_then(|connected| connected)
            .map_err(ServiceError::Unreachable)?;
        match self.send(sender, request, within).await {
            Ok(answer) => answer,
            Err(Unsent(_)) => Err(ServiceError::Unreachable(transport::Error::Closed)),
        }
    }

    async fn send(
        &self,
        mut sender: Sender,
        request: Request<Full<Bytes>>,
        within: Duration,
    ) -> Result<Result<Response<Bytes>, ServiceError>, Unsent> {
        let answered = async {
            let response = match sender.try_send_request(request).await {
                Ok(response) => response,
                Err(mut error) => {
                    return match error.take_message() {
                        Some(request) => Err(Unsent(Box::new(request))),
                        None => Ok(Err(ServiceError::Broken(meaning(error.into_error())))),
                    };
                }
            };
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_BODY_BYTES).collect().await;
            Ok(match body {
                Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
                Err(error) => Err(ServiceError::Broken(transport::Error::Broken(
                    io::Error::other(error),
                ))),
            })
        };
        let answered = tokio::time::timeout(within, answered).await;
        let answer =
            answered.unwrap_or_else(|_| Ok(Err(ServiceError::Broken(self.timed_out()))))?;
        if answer.is_ok() {
            self.put(sender);
        }
        Ok(answer)
    }

    async fn connect(&self) -> Result<Sender, transport::Error> {
        let tls = transport::tls::client_config(&self.trust, None).await?;
        let stream = transport::tls::connect(&self.host, self.port, tls).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(meaning)?;
        // It ends with the connection, or when the sender is dropped.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }

    fn take(&self) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(sender) = idle.pop() {
            if !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    fn put(&self, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE && !sender.is_closed() {
            idle.push(sender);
        }
    }

    fn timed_out(&self) -> transport::Error {
        transport::Error::TimedOut {
            host: self.host.clone(),
            port: self.port,
        }
    }
}

/// The other side had closed before anything of the request was sent.
struct Unsent(Box<Request<Full<Bytes>>>);

fn meaning(error: hyper::Error) -> transport::Error {
    let closed = error.is_incomplete_message()
        || error
            .source()
            .and_then(|source| source.downcast_ref::<io::Error>())
            .is_some_and(|error| {
                matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
                )
            });
    match closed {
        true => transport::Error::Closed,
        false => transport::Error::Broken(io::Error::other(error)),
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}
