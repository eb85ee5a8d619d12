//! The blob store, for people: what is in it, and a container to read and write.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hub_proto::error::ErrorCode;
use jiff::Timestamp;
use serde_json::json;

use super::{Fault, Shared};
use crate::blob::{is_container_name, sas};
use crate::simulator::Simulator;

/// How long a container's URI holds.
const URI_LIFE: Duration = Duration::from_secs(24 * 3600);
/// What it allows: to read, add, create, write, delete and list, as import and export want it.
const PERMISSIONS: &str = "racwdl";

pub(super) fn router() -> Router<std::sync::Arc<Simulator>> {
    Router::new()
        .route(
            "/control/blobs",
            get(async |State(simulator): Shared| Json(simulator.hub().blobs())),
        )
        .route("/control/blobs/containers/{name}", post(make))
}

/// Makes a container if it is not there; answers with a URI that opens it.
async fn make(State(simulator): Shared, Path(name): Path<String>) -> Result<Response, Fault> {
    if !is_container_name(&name) {
        let message = format!(
            "the container's name {name:?} is none: 3 to 63 of a-z, 0-9 and single hyphens"
        );
        return Err(Fault::new(StatusCode::BAD_REQUEST, message));
    }
    let now = Timestamp::now();
    let key = simulator
        .hub()
        .ensure_container(&name, now)
        .map_err(|error| Fault::coded(ErrorCode::ServerError, &error))?;
    let expires = now + URI_LIFE;
    let resource = sas::Resource {
        container: &name,
        blob: None,
    };
    let query = sas::sign(&key, resource, PERMISSIONS, expires);
    let body = json!({
        "name": name,
        "sasUri": format!("https://{}/{name}{query}", simulator.blob_endpoint()),
        "expires": hub_proto::time::format(expires),
    });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}
