//! The HTTPS face: MQTT over WebSocket, methods that modules call on one another, and the provisioning service.

use std::io;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRef, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use futures_util::{SinkExt, StreamExt};
use hub_proto::identity::Identity;
use hub_proto::method::MethodRequest;
use serde_json::json;
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

use crate::certificates::PeerCertificates;
use crate::connection::{self, Services};
use crate::dps::{self, Dps};
use crate::hub::{Caller, Hub, InvokeError};

/// The default of 128 KiB would be most of what a connection costs.
const WEBSOCKET_BUFFER: usize = 4 << 10;

pub(crate) fn router(services: Services) -> Router {
    Router::new()
        .route("/$iothub/websocket", get(upgrade))
        .route("/twins/{device}/methods", post(device_method))
        .route(
            "/twins/{device}/modules/{module}/methods",
            post(module_method),
        )
        .fallback(dps::serve_request)
        .with_state(services)
}

impl FromRef<Services> for Arc<Dps> {
    fn from_ref(services: &Services) -> Self {
        services.dps.clone()
    }
}

impl FromRef<Services> for Arc<Hub> {
    fn from_ref(services: &Services) -> Self {
        services.hub.clone()
    }
}

async fn upgrade(
    State(services): State<Services>,
    peer: Option<Extension<PeerCertificates>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let peer = peer.map(|Extension(peer)| peer);
    upgrade
        .protocols(["mqtt"])
        .read_buffer_size(WEBSOCKET_BUFFER)
        .write_buffer_size(WEBSOCKET_BUFFER)
        .on_upgrade(move |socket| connection::serve(services, byte_stream(socket), None, peer))
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
                "MQTT over WebSocket wants binary messages",
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

async fn device_method(
    State(hub): State<Arc<Hub>>,
    Path(device): Path<String>,
    peer: Option<Extension<PeerCertificates>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(
        hub.method_for_module(Identity::device(device), peer.as_deref(), &headers, &body)
            .await,
    )
}

async fn module_method(
    State(hub): State<Arc<Hub>>,
    Path((device, module)): Path<(String, String)>,
    peer: Option<Extension<PeerCertificates>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(
        hub.method_for_module(
            Identity::module(device, module),
            peer.as_deref(),
            &headers,
            &body,
        )
        .await,
    )
}

type Refused = (StatusCode, String);

fn answer(outcome: Result<Response, Refused>) -> Response {
    outcome.unwrap_or_else(|(status, message)| {
        (status, axum::Json(json!({"message": message}))).into_response()
    })
}

impl Hub {
    /// A method called by a module through its edge hub (`azure-iot-protocols`, section 3.4).
    async fn method_for_module(
        &self,
        target: Result<Identity, hub_proto::identity::IdentityError>,
        peer: Option<&PeerCertificates>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Response, Refused> {
        let bad = |message: String| (StatusCode::BAD_REQUEST, message);
        let target = target.map_err(|error| bad(error.to_string()))?;
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let caller = header("x-ms-edge-moduleId").and_then(|id| id.parse::<Identity>().ok());
        let Some(caller) = caller.filter(|caller| caller.module_id().is_some()) else {
            return Err(bad("Invalid header value for x-ms-edge-moduleId".to_owned()));
        };
        self.check_module(&caller, header("authorization"), peer)
            .map_err(|reason| (StatusCode::UNAUTHORIZED, reason))?;
        let request: MethodRequest = serde_json::from_slice(body)
            .map_err(|error| bad(format!("the method request is not valid: {error}")))?;
        match self
            .invoke(&target, &request, Caller::Module(&caller))
            .await
        {
            Ok(response) => Ok(axum::Json(response).into_response()),
            Err(InvokeError::NotFound(_)) => {
                Err((StatusCode::NOT_FOUND, format!("Client {target} not found")))
            }
            Err(InvokeError::NoAnswer(none)) => {
                let status = StatusCode::from_u16(none.code().status())
                    .unwrap_or(StatusCode::GATEWAY_TIMEOUT);
                Err((
                    status,
                    none.edge_message(&target.to_string(), &request.method_name),
                ))
            }
            Err(InvokeError::Request(error)) => Err(bad(error.to_string())),
            Err(error @ InvokeError::Throttled) => {
                Err((StatusCode::TOO_MANY_REQUESTS, error.to_string()))
            }
        }
    }
}
