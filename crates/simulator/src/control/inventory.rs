//! The registry a page at a time, and the queues of devices.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Addressed, Fault, Shared};
use crate::hub::{DevicePage, DeviceSearch, IdentityFault, PageFrom, WaitingMessage};
use crate::simulator::Simulator;

const USUAL_PAGE: usize = 50;
const LONGEST_PAGE: usize = 1000;

pub(super) fn router() -> Router<std::sync::Arc<Simulator>> {
    Router::new()
        .route("/control/registry", get(registry))
        .route("/control/queues/{device}", get(queue).delete(purge))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    search: String,
    after: Option<String>,
    before: Option<String>,
    top: Option<usize>,
}

/// `GET /control/registry[?search=…][&after=…|&before=…][&top=…]`: devices by id, without keys.
async fn registry(
    State(simulator): Shared,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<DevicePage>, Fault> {
    let Query(wanted) =
        wanted.map_err(|rejection| Fault::new(rejection.status(), rejection.body_text()))?;
    let bad = |message: String| Fault::new(StatusCode::BAD_REQUEST, message);
    let search = DeviceSearch::parse(&wanted.search)
        .map_err(|fault| bad(format!("search is no condition: {fault}")))?;
    let from = match (&wanted.after, &wanted.before) {
        (Some(_), Some(_)) => return Err(bad("after and before exclude each other".to_owned())),
        (Some(id), None) => PageFrom::After(id),
        (None, Some(id)) => PageFrom::Before(id),
        (None, None) => PageFrom::Start,
    };
    let most = wanted.top.unwrap_or(USUAL_PAGE);
    if !(1..=LONGEST_PAGE).contains(&most) {
        return Err(bad(format!("top can be 1 to {LONGEST_PAGE}")));
    }
    Ok(Json(simulator.device_page(&search, from, most).await))
}

async fn queue(
    State(simulator): Shared,
    Addressed(device): Addressed,
) -> Result<Json<Vec<WaitingMessage>>, Fault> {
    let found = simulator.queue(device.device_id());
    let queue = found.ok_or_else(|| Fault::from(IdentityFault::NotFound(device)))?;
    Ok(Json(queue))
}

async fn purge(
    State(simulator): Shared,
    Addressed(device): Addressed,
) -> Result<Json<Value>, Fault> {
    Ok(Json(json!({"purged": simulator.purge(&device)?})))
}
