//! The sockets: where the simulator listens, and what runs on each.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::amqp;
use crate::certificates::PeerCertificates;
use crate::connection::{self, Services};
use crate::hub::{Face, Hub};

/// A peer that has not finished its TLS handshake by then is no client.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Pause after a failed accept: the usual cause, too many open files, does not go away at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What clients get to take their leave when the simulator stops.
const GOODBYE_WITHIN: Duration = Duration::from_millis(100);
const BACKLOG: u32 = 4096;

/// TCP ports; 0 lets the system choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// MQTT over TLS; official SDKs only know 8883.
    pub mqtt: u16,
    /// HTTPS; official SDKs only know 443.
    pub https: u16,
    /// AMQP over TLS; official SDKs know 5671, and some can be told another.
    pub amqp: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            mqtt: 8883,
            https: 443,
            amqp: 5671,
        }
    }
}

/// A listener and the address it really has.
pub(crate) struct Bound {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
}

pub(crate) fn bind(address: IpAddr, port: u16) -> io::Result<Bound> {
    let socket = match address {
        IpAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        IpAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    // A simulator that was just stopped leaves connections in TIME_WAIT; they must not keep the next one from starting.
    socket.set_reuseaddr(true)?;
    socket.bind((address, port).into())?;
    let listener = socket.listen(BACKLOG)?;
    Ok(Bound {
        address: listener.local_addr()?,
        listener,
    })
}

/// Serves MQTT over TLS until `stop`.
pub(crate) async fn serve_mqtt(
    bound: Bound,
    tls: TlsAcceptor,
    services: Services,
    stop: CancellationToken,
) {
    let hub = services.hub.clone();
    accept(bound, tls, stop, Some(hub), move |stream| {
        let face = named_face(&services.hub, &stream);
        let peer = PeerCertificates::of(stream.get_ref().1);
        // Boxed, so that the connection does not carry the size of the handshake it has behind it.
        Box::pin(connection::serve(services.clone(), stream, face, peer))
    })
    .await;
}

/// Serves AMQP over TLS until `stop`.
pub(crate) async fn serve_amqp(
    bound: Bound,
    tls: TlsAcceptor,
    hub: Arc<Hub>,
    stop: CancellationToken,
) {
    let log = Some(hub.clone());
    accept(bound, tls, stop, log, move |stream| {
        let face = named_face(&hub, &stream);
        let peer = PeerCertificates::of(stream.get_ref().1);
        Box::pin(amqp::serve(hub.clone(), stream, face, peer))
    })
    .await;
}

/// Serves HTTPS until `stop`. Requests of a client that presented certificates carry them as the extension
/// [`PeerCertificates`].
pub(crate) async fn serve_https(
    bound: Bound,
    tls: TlsAcceptor,
    router: axum::Router,
    stop: CancellationToken,
) {
    // Browsers and scanners knock here too; a failed handshake of theirs says nothing about a device.
    accept(bound, tls, stop, None, move |stream| {
        let peer = PeerCertificates::of(stream.get_ref().1);
        let router = TowerToHyperService::new(router.clone());
        let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            if let Some(peer) = &peer {
                request.extensions_mut().insert(peer.clone());
            }
            router.call(request)
        });
        Box::pin(async move {
            let builder = hyper::server::conn::http1::Builder::new();
            let served = builder
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "an HTTPS connection ended badly");
            }
        })
    })
    .await;
}

/// `log` is told of handshakes that fail.
async fn accept<F>(
    bound: Bound,
    tls: TlsAcceptor,
    stop: CancellationToken,
    log: Option<Arc<Hub>>,
    serve: impl Fn(TlsStream<TcpStream>) -> F + Clone + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = bound.listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (tls, stop, log) = (tls.clone(), stop.clone(), log.clone());
        let serve = serve.clone();
        // The handshake gives what is served after it, so that the task need not keep room for a stream too.
        let handshake = Box::pin(async move {
            // Answers are small and waited for.
            let _ = stream.set_nodelay(true);
            match timeout(HANDSHAKE_WITHIN, tls.accept(stream)).await {
                Ok(Ok(stream)) => return Some(serve(stream)),
                Ok(Err(error)) => match log {
                    Some(hub) => hub.note_failed_handshake(&error),
                    None => tracing::debug!(%error, "TLS handshake failed"),
                },
                Err(_) => tracing::debug!("TLS handshake took too long"),
            }
            None
        });
        connections.spawn(async move {
            let served = tokio::select! {
                () = stop.cancelled() => None,
                served = handshake => served,
            };
            if let Some(served) = served {
                tokio::select! {
                    () = served => {}
                    () = over(stop) => {}
                }
            }
        });
    }
    connections.close();
    connections.wait().await;
}

/// Resolves a moment after `stop`: whoever is served then has had the time to be told.
pub(crate) async fn over(stop: CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GOODBYE_WITHIN).await;
}

/// Which face the client asked for by name, where hub and gateway have different names.
fn named_face(hub: &Hub, stream: &TlsStream<TcpStream>) -> Option<Face> {
    let names = &hub.names;
    let asked = stream
        .get_ref()
        .1
        .server_name()
        .filter(|_| names.hub != names.gateway)?;
    if asked.eq_ignore_ascii_case(&names.gateway) {
        Some(Face::Edge)
    } else if asked.eq_ignore_ascii_case(&names.hub) {
        Some(Face::Hub)
    } else {
        None
    }
}
