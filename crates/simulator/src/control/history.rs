//! What was: the connection log, and the versions of a twin.

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, response::IntoResponse, response::Response};
use hub_proto::identity::Identity;
use serde::Deserialize;

use super::{Addressed, Fault, Shared};
use crate::simulator::Simulator;

/// Entries told at once.
const MOST: usize = 1000;

pub(super) fn router() -> Router<std::sync::Arc<Simulator>> {
    Router::new()
        .route("/control/connections", get(connections))
        .route("/control/twins/{device}/history", get(twin))
        .route(
            "/control/twins/{device}/modules/{module}/history",
            get(twin),
        )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfDevice {
    device: Option<String>,
}

/// `GET /control/connections[?device=…]`: newest first. A device that nobody registered is asked for like any other: its
/// refusals are what one looks for.
async fn connections(
    State(simulator): Shared,
    of: Result<Query<OfDevice>, QueryRejection>,
) -> Result<Response, Fault> {
    let Query(of) =
        of.map_err(|rejection| Fault::new(rejection.status(), rejection.body_text()))?;
    let device = of.device.map(Identity::device).transpose()?;
    let log = simulator.connections(device.as_ref(), MOST);
    Ok(Json(log).into_response())
}

async fn twin(State(simulator): Shared, Addressed(target): Addressed) -> Result<Response, Fault> {
    Ok(Json(simulator.twin_history(&target)?).into_response())
}
