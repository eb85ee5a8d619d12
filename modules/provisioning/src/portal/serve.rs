//! Connections to the portal: as many as the car park has installers, and none that only holds its place.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{PortalOptions, router};
use crate::desk::Desk;

/// A browser opens six to one origin. Beyond this many, the next one waits; the module's own files and links have theirs.
const MOST: usize = 48;
/// How long a connection may be silent before it has asked for something.
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
                    connection(stream, service, stopped).await;
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
    stream: TcpStream,
    service: TowerToHyperService<axum::Router>,
    mut stopped: watch::Receiver<()>,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
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
