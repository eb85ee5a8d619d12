//! Connections to the portal: as many as the car park has installers, and none that only holds its place.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{PortalOptions, router};
use crate::desk::Desk;

/// A browser opens six to one origin. Beyond this many, the next one waits; the module's own files and links have theirs.
const MOST: usize = 48;
/// How long a connection may be silent before it has asked for something, and an answer untaken.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long an answer that is on its way may take when the device stops. A page's stream never ends by itself.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Serves the portal at `listener` until `stop` resolves.
pub async fn serve(
    listener: TcpListener,
    desk: Desk,
    options: &PortalOptions,
    stop: impl Future<Output = ()>,
) {
    serve_with(PATIENCE, listener, desk, options, stop).await;
}

async fn serve_with(
    patience: Duration,
    listener: TcpListener,
    desk: Desk,
    options: &PortalOptions,
    stop: impl Future<Output = ()>,
) {
    let service = TowerToHyperService::new(router(desk, options));
    let places = Arc::new(Semaphore::new(MOST));
    let (stopping, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (accept(&listener).await, place)
        };
        tokio::select! {
            () = &mut stop => break,
            (stream, place) = next => {
                let (service, stopped) = (service.clone(), stopped.clone());
                connections.spawn(async move {
                    connection(patience, stream, service, stopped).await;
                    drop(place);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let _ = stopping.send(());
    while connections.join_next().await.is_some() {}
}

/// The next connection. That one could not be had, for want of files or because it was gone already, is of no
/// consequence to the next.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "The portal cannot take a connection");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

async fn connection(
    patience: Duration,
    stream: TcpStream,
    service: TowerToHyperService<axum::Router>,
    mut stopped: watch::Receiver<()>,
) {
    // Who asks and does not read, or has gone out of reach, would keep the place for as long as they like.
    let millis = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = set_tcp_user_timeout(&stream, millis) {
        tracing::debug!(%error, "A connection to the portal is gone already");
        return;
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            timeout(LAST_WORDS, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "A connection to the portal broke");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;

    use super::*;
    use crate::view::View;

    const BOUND: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn who_asks_and_does_not_read_makes_room() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (desk, _clerk) = Desk::open(View::default());
        let options = PortalOptions::new("314159".parse().expect("a PIN")).expect("options");
        let patience = Duration::from_secs(3);
        let serving = tokio::spawn(async move {
            serve_with(patience, listener, desk, &options, std::future::pending()).await;
        });

        let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        let much = ask("/assets/portal.css").repeat(500);
        let mut takers = JoinSet::new();
        for _ in 0..MOST {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.set_recv_buffer_size(4096).expect("a small buffer");
            let mut stream = socket.connect(address).await.expect("a connection");
            let much = much.clone();
            takers.spawn(async move {
                let _ = stream.write_all(much.as_bytes()).await;
                // Held, never read.
                std::future::pending::<()>().await;
            });
        }

        let visit = async {
            let mut stream = TcpStream::connect(address).await.expect("a connection");
            let question = ask("/sign-in");
            stream.write_all(question.as_bytes()).await.expect("asked");
            let mut status = [0; 12];
            stream.read_exact(&mut status).await.expect("an answer");
            status
        };
        let status = timeout(BOUND, visit).await.expect("a place in time");
        assert_eq!(&status, b"HTTP/1.1 200");
        takers.abort_all();
        serving.abort();
    }
}
