//! The HTTPS face: MQTT and AMQP over WebSocket; what else is asked for is the REST faces' to answer.

use std::io;
use std::pin::Pin;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use futures_util::{SinkExt, StreamExt};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

use crate::amqp;
use crate::certificates::PeerCertificates;
use crate::connection::{self, Services};
use crate::service;

/// The default of 128 KiB would be most of what a connection costs.
const WEBSOCKET_BUFFER: usize = 4 << 10;
/// The sub-protocol of AMQP over WebSocket.
const AMQP: &str = "AMQPWSB10";

pub(crate) fn router(services: Services) -> Router {
    Router::new()
        .route("/$iothub/websocket", get(upgrade))
        .route("/$servicebus/websocket", get(upgrade))
        .fallback(service::serve_request)
        .with_state(services)
}

async fn upgrade(
    State(services): State<Services>,
    peer: Option<Extension<PeerCertificates>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let peer = peer.map(|Extension(peer)| peer);
    upgrade
        .protocols(["mqtt", AMQP])
        .read_buffer_size(WEBSOCKET_BUFFER)
        .write_buffer_size(WEBSOCKET_BUFFER)
        .on_upgrade(move |socket| -> Pin<Box<dyn Future<Output = ()> + Send>> {
            let is_amqp = socket.protocol().is_some_and(|name| name == AMQP);
            let stream = byte_stream(socket);
            if is_amqp {
                Box::pin(amqp::serve(services.hub, stream, None, peer))
            } else {
                Box::pin(connection::serve(services, stream, None, peer))
            }
        })
}

/// The bytes of the binary messages in both directions, as if it were a TCP connection.
fn byte_stream(socket: WebSocket) -> impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin {
    let (sink, stream) = socket.split();
    let reader = stream.filter_map(|message| async {
        match message {
            Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
            Ok(Message::Ping(_) | Message::Pong(_)) => None,
            Ok(Message::Close(_)) => Some(Err(io::ErrorKind::UnexpectedEof.into())),
            Ok(Message::Text(_)) => Some(Err(io::Error::other(
                "what is spoken over WebSocket wants binary messages",
            ))),
            Err(error) => Some(Err(io::Error::other(error))),
        }
    });
    let writer = sink
        .sink_map_err(io::Error::other)
        .with(|bytes: Bytes| async { Ok::<_, io::Error>(Message::Binary(bytes)) });
    tokio::io::join(
        StreamReader::new(Box::pin(reader)),
        SinkWriter::new(CopyToBytes::new(Box::pin(writer))),
    )
}
