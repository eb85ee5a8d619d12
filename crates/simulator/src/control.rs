//! The control API: what `cow`'s commands, the pages and tests in any language use. JSON over plain HTTP.
//!
//! It shows keys and moves levers. Whoever serves it keeps strangers out: by a loopback address, and by turning away
//! requests that come from another site's pages.

mod asked;
#[cfg(test)]
pub(crate) mod asking;
mod blobs;
mod certificates;
mod dps;
mod history;
mod inventory;
mod levers;
mod routing;
mod state;
mod streams;
mod wait;

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use hub_proto::error::ErrorCode;
use hub_proto::identity::{Identity, IdentityError};
use hub_proto::message::{Properties, SystemProperty};
use hub_proto::method::MethodRequest;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::certificates::X509;
pub(crate) use self::dps::overview_of as dps_overview;
use crate::hub::{IdentityFault, InvokeError, NewDevice, NewModule, SendError, TwinFault};
use crate::rest::status_of;
use crate::simulator::Simulator;
use crate::with_causes;

type Shared = State<Arc<Simulator>>;

pub(crate) fn router(simulator: Arc<Simulator>) -> Router {
    Router::new()
        .route(
            "/control/info",
            get(async |State(simulator): Shared| Json(simulator.info())),
        )
        .route(
            "/control/devices",
            get(async |State(simulator): Shared| Json(simulator.devices())).post(add_device),
        )
        .route(
            "/control/devices/{device}",
            get(credentials).patch(change_device).delete(remove_device),
        )
        .route(
            "/control/devices/{device}/deployment",
            post(apply_deployment),
        )
        .route("/control/twins/{device}", get(twin).patch(patch_twin))
        .route(
            "/control/twins/{device}/modules/{module}",
            get(twin).patch(patch_twin),
        )
        .route("/control/methods/{device}", post(invoke))
        .route("/control/methods/{device}/modules/{module}", post(invoke))
        .route("/control/messages/{device}", post(send))
        .route(
            "/control/certificates",
            get(certificates::list).post(certificates::put),
        )
        .route("/control/certificates/{name}", delete(certificates::remove))
        .merge(blobs::router())
        .merge(dps::router())
        .merge(history::router())
        .route("/control/routing", get(routing::get).put(routing::put))
        .route("/control/routing/test", post(routing::test))
        .merge(inventory::router())
        .merge(state::router())
        .route("/control/wait", get(wait::wait))
        .route("/control/events", get(streams::events))
        .route("/control/trace", get(streams::trace))
        .route(
            "/control/levers",
            get(async |State(simulator): Shared| Json(simulator.levers())).post(levers::pull),
        )
        .with_state(simulator)
}

/// A refusal: the hub's number where it has one, else the HTTP status, and a sentence.
pub(crate) struct Fault {
    status: StatusCode,
    code: u32,
    message: String,
}

impl Fault {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code: status.as_u16().into(),
            message: message.into(),
        }
    }

    fn coded(code: ErrorCode, error: &dyn std::error::Error) -> Self {
        Self {
            status: status_of(code.status()),
            code: code.number(),
            message: with_causes(error),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = json!({"error": {"code": self.code, "message": self.message}});
        (self.status, Json(body)).into_response()
    }
}

impl From<JsonRejection> for Fault {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<IdentityError> for Fault {
    fn from(error: IdentityError) -> Self {
        Self::coded(ErrorCode::ArgumentInvalid, &error)
    }
}

impl From<IdentityFault> for Fault {
    fn from(fault: IdentityFault) -> Self {
        Self::coded(fault.code(), &fault)
    }
}

impl From<TwinFault> for Fault {
    fn from(fault: TwinFault) -> Self {
        Self::coded(fault.code(), &fault)
    }
}

impl From<InvokeError> for Fault {
    fn from(error: InvokeError) -> Self {
        Self::coded(error.code(), &error)
    }
}

impl From<SendError> for Fault {
    fn from(error: SendError) -> Self {
        Self::coded(error.code(), &error)
    }
}

/// The device, or with a second segment the module, a path is about.
struct Addressed(Identity);

impl<S: Send + Sync> FromRequestParts<S> for Addressed {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let Path(segments) = Path::<Vec<String>>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Fault::new(StatusCode::BAD_REQUEST, rejection.body_text()))?;
        let mut segments = segments.into_iter();
        let device = segments.next().unwrap_or_default();
        Ok(Self(Identity::new(device, segments.next())?))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeviceToAdd {
    device_id: String,
    #[serde(default)]
    edge: bool,
    #[serde(default)]
    modules: Vec<ModuleToAdd>,
    x509: Option<X509>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum ModuleToAdd {
    Named(String),
    #[serde(rename_all = "camelCase")]
    Described {
        module_id: String,
        x509: Option<X509>,
    },
}

type Body<T> = Result<Json<T>, JsonRejection>;

async fn add_device(State(simulator): Shared, body: Body<DeviceToAdd>) -> Result<Response, Fault> {
    let Json(device) = body?;
    let modules = device.modules.into_iter().map(|module| {
        let (id, x509) = match module {
            ModuleToAdd::Named(id) => (id, None),
            ModuleToAdd::Described { module_id, x509 } => (module_id, x509),
        };
        let authentication = X509::authentication(x509)?;
        Ok(NewModule { id, authentication })
    });
    let credentials = simulator.hub().register(&NewDevice {
        id: device.device_id,
        edge: device.edge,
        authentication: X509::authentication(device.x509)?,
        modules: modules.collect::<Result<_, Fault>>()?,
    })?;
    Ok((StatusCode::CREATED, Json(credentials)).into_response())
}

async fn credentials(
    State(simulator): Shared,
    Addressed(device): Addressed,
) -> Result<Response, Fault> {
    let found = simulator.credentials(device.device_id());
    let credentials = found.ok_or_else(|| Fault::from(IdentityFault::NotFound(device)))?;
    Ok(Json(credentials).into_response())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeviceChange {
    enabled: bool,
}

async fn change_device(
    State(simulator): Shared,
    Addressed(device): Addressed,
    body: Body<DeviceChange>,
) -> Result<StatusCode, Fault> {
    simulator.enable_device(device.device_id(), body?.enabled)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove_device(
    State(simulator): Shared,
    Addressed(device): Addressed,
) -> Result<StatusCode, Fault> {
    simulator.remove_device(device.device_id())?;
    Ok(StatusCode::NO_CONTENT)
}

async fn apply_deployment(
    State(simulator): Shared,
    Addressed(device): Addressed,
    body: Body<Value>,
) -> Result<StatusCode, Fault> {
    let Json(content) = body?;
    simulator.apply_deployment(device.device_id(), &content)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn twin(
    State(simulator): Shared,
    Addressed(target): Addressed,
) -> Result<Json<Value>, Fault> {
    Ok(Json(simulator.twin(&target)?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TwinPatch {
    desired: Option<Map<String, Value>>,
    tags: Option<Map<String, Value>>,
}

/// With an `If-Match` header, only if the twin's entity tag still is that one.
async fn patch_twin(
    State(simulator): Shared,
    Addressed(target): Addressed,
    headers: HeaderMap,
    body: Body<TwinPatch>,
) -> Result<Json<Value>, Fault> {
    let Json(patch) = body?;
    let mut document = json!({});
    if let Some(desired) = patch.desired {
        document["properties"] = json!({"desired": desired});
    }
    if let Some(tags) = patch.tags {
        document["tags"] = tags.into();
    }
    let etag = headers.get(IF_MATCH).and_then(|tag| tag.to_str().ok());
    Ok(Json(simulator.patch_twin_when(&target, document, etag)?))
}

async fn invoke(
    State(simulator): Shared,
    Addressed(target): Addressed,
    body: Body<MethodRequest>,
) -> Result<Response, Fault> {
    let Json(request) = body?;
    Ok(Json(simulator.invoke(&target, &request).await?).into_response())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewMessage {
    body: Value,
    #[serde(default)]
    properties: Map<String, Value>,
    /// Which feedback is wanted: `none`, `positive`, `negative` or `full`.
    ack: Option<String>,
    /// When the message is of no use any more; an hour from now, if it is not said.
    expiry_time_utc: Option<String>,
}

async fn send(
    State(simulator): Shared,
    Addressed(device): Addressed,
    body: Body<NewMessage>,
) -> Result<Response, Fault> {
    let Json(message) = body?;
    let mut properties = Properties::new();
    for (name, value) in message.properties {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        properties.application.insert(name, text);
    }
    for (property, value) in [
        (SystemProperty::Ack, message.ack),
        (SystemProperty::ExpiryTime, message.expiry_time_utc),
    ] {
        if let Some(value) = value {
            properties.set(property, value);
        }
    }
    // A text goes as it is; anything else as the JSON it is.
    let body = match message.body {
        Value::String(text) => text.into_bytes(),
        value => value.to_string().into_bytes(),
    };
    let id = simulator.send(&device, properties, body)?;
    Ok((StatusCode::ACCEPTED, Json(json!({"messageId": id}))).into_response())
}
