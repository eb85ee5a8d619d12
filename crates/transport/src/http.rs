//! One HTTP/1.1 exchange over a connection that is used once: registrations, method calls and the workload
//! API are too rare for a pool of connections to be worth its memory.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};

pub use hyper::{Method, Request, Response, StatusCode, header};

use crate::error::Error;
use crate::tls;

/// The largest answer: a method's payload and its envelope, a page of enrolments, or a long trust bundle.
const MAX_BODY_BYTES: usize = 1 << 20;

/// Why an exchange over a connection failed.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The connection broke, or the peer does not speak HTTP.
    #[error("the exchange broke off")]
    Broken(#[source] hyper::Error),
    /// The answer's body broke off or is above 1 MiB.
    #[error("the answer's body broke off or is too large")]
    Body,
}

/// Why an HTTPS request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// There was no connection, or no answer in time.
    #[error(transparent)]
    Connection(#[from] Error),
    /// The exchange failed.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
}

/// Connects to a host name or address, sends a request and reads the whole answer. The request's target is
/// a path, and it has its own `Host` header.
///
/// # Errors
/// When all of it together takes longer than `within`: [`Error::TimedOut`]. When there is no connection or
/// the exchange breaks off. An answer of any status is no error.
pub async fn exchange_over_tls(
    host: &str,
    port: u16,
    config: Arc<ClientConfig>,
    request: Request<Bytes>,
    within: Duration,
) -> Result<Response<Bytes>, RequestError> {
    let exchanged = async {
        let stream = tls::connect(host, port, config).await?;
        exchange(stream, request).await.map_err(|error| {
            let alert = match &error {
                ExchangeError::Broken(broken) => alert(broken),
                ExchangeError::Body => None,
            };
            match alert {
                Some(alert) => RequestError::Connection(tls::meaning(alert, host)),
                None => RequestError::Exchange(error),
            }
        })
    };
    tokio::time::timeout(within, exchanged)
        .await
        .unwrap_or_else(|_| {
            let host = host.to_owned();
            Err(Error::TimedOut { host, port }.into())
        })
}

/// The TLS error that ended an exchange, such as a refused client certificate.
fn alert(error: &hyper::Error) -> Option<&rustls::Error> {
    error
        .source()?
        .downcast_ref::<io::Error>()
        .and_then(tls::inside)
}

/// Sends a request and reads the whole answer.
///
/// # Errors
/// When the exchange breaks off. An answer of any status is no error.
pub async fn exchange<S>(
    stream: S,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, ExchangeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(ExchangeError::Broken)?;
    let answer = async {
        let (head, body) = sender
            .send_request(request.map(Full::new))
            .await
            .map_err(ExchangeError::Broken)?
            .into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES)
            .collect()
            .await
            .map_err(|_| ExchangeError::Body)?;
        Ok(Response::from_parts(head, body.to_bytes()))
    };
    // The connection's own end says nothing that the answer's does not; it only has to be driven.
    let drive = async {
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = answer => answer,
        () = drive => unreachable!("driving a connection has no result"),
    }
}
