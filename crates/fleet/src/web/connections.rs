//! Connections, for as long as whoever is at their other end goes on speaking.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How long the head of a request may take, and how long nobody may ask for anything. Who sends a letter a minute would
/// hold a connection for ever.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// The longest pause within a body, and the longest a body may take.
const PAUSE: Duration = Duration::from_secs(15);
const BODY_WITHIN: Duration = Duration::from_secs(180);
/// Connections cannot be taken while there are too many; some of them end soon.
const FULL: Duration = Duration::from_millis(200);

/// Serves until `stop` is over; then what is under way is finished. Whoever drops this drops every connection.
pub(super) async fn serve(router: Router, listener: TcpListener, stop: impl Future<Output = ()>) {
    let (stopping, mut connections) = (CancellationToken::new(), JoinSet::new());
    let mut stop = pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    sleep(FULL).await;
                    continue;
                }
            },
        };
        connections.spawn(hold(router.clone(), stream, peer, stopping.clone()));
    }
    stopping.cancel();
    while connections.join_next().await.is_some() {}
}

async fn hold(router: Router, stream: TcpStream, peer: SocketAddr, stopping: CancellationToken) {
    // What changes is told in small pieces.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(router.clone(), request, peer));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "a connection broke off");
    }
}

async fn answer(
    router: Router,
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response, Infallible> {
    let mut request = request.map(|body| in_time(Body::new(body)));
    request.extensions_mut().insert(ConnectInfo(peer));
    router.oneshot(request).await
}

/// The same body, which breaks off when it does not come.
fn in_time(body: Body) -> Body {
    let end = Instant::now() + BODY_WITHIN;
    let frames = stream::unfold(Some(body.into_data_stream()), move |frames| async move {
        let mut frames = frames?;
        match timeout_at(end.min(Instant::now() + PAUSE), frames.next()).await {
            Ok(data) => Some((data?, Some(frames))),
            Err(_) => {
                let error = io::Error::new(io::ErrorKind::TimedOut, "the body does not come");
                Some((Err(axum::Error::new(error)), None))
            }
        }
    });
    Body::from_stream(frames)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::testing::Site;

    /// What is answered to `sent` by the time the connection ends.
    async fn answered(address: SocketAddr, sent: &str) -> (String, Duration) {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(sent.as_bytes()).await.expect("it is sent");
        let begun = Instant::now();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("it ends");
        (text, begun.elapsed())
    }

    #[tokio::test]
    async fn who_does_not_go_on_speaking_is_waited_for_no_longer() {
        let site = Site::new().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        let router = super::super::router(site.app.clone());
        let served = tokio::spawn(serve(router, listener, stop.clone().cancelled_owned()));
        let (text, _) = answered(
            address,
            "GET /assets/page.css HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        // Nothing but timers is left to wait for, so they are over at once.
        tokio::time::pause();
        let (_, waited) = answered(address, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
        assert!(waited >= HEAD_WITHIN, "{waited:?}");
        let form = "POST /sign-in HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100\r\n\
                    Content-Type: application/x-www-form-urlencoded\r\n\r\nemail=a";
        let (text, waited) = answered(address, form).await;
        assert!(text.starts_with("HTTP/1.1 4"), "{text}");
        assert!(waited >= PAUSE && waited < BODY_WITHIN, "{waited:?}");
        stop.cancel();
        served.await.expect("it ends");
    }
}
