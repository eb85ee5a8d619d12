//! One HTTP/1.1 exchange over a stream that is used once: the workload API and method calls are too rare
//! for a pool of connections to be worth its memory.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// The largest answer: a method's payload and its envelope, or a long trust bundle.
const MAX_BODY_BYTES: usize = 1 << 20;

/// Why an exchange failed.
#[derive(Debug)]
pub(crate) enum ExchangeError {
    /// The connection broke, or the peer does not speak HTTP.
    Broken(hyper::Error),
    /// The answer's body broke off or is too large.
    Body,
}

/// Sends a request and reads the whole answer.
pub(crate) async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), ExchangeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(ExchangeError::Broken)?;
    let answer = async {
        let (head, body) = sender
            .send_request(request)
            .await
            .map_err(ExchangeError::Broken)?
            .into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES)
            .collect()
            .await
            .map_err(|_| ExchangeError::Body)?;
        Ok((head.status, body.to_bytes()))
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
