//! The simulator's state as a whole: taken, put back, set back to what it began with.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Fault, Shared};
use crate::seed::SeedError;
use crate::simulator::{Simulator, Snapshot, SnapshotError};
use crate::with_causes;

/// The largest snapshot that is taken: a registry of a hundred thousand devices, and the events.
const LARGEST: usize = 512 << 20;

pub(super) fn router() -> Router<Arc<Simulator>> {
    Router::new()
        .route("/control/reset", post(reset))
        .route(
            "/control/snapshot",
            get(take).put(restore).layer(DefaultBodyLimit::max(LARGEST)),
        )
        .route(
            "/control/seed",
            put(seed).layer(DefaultBodyLimit::max(LARGEST)),
        )
        .route("/control/moment", get(moment))
        .route("/control/ca.pem", get(authority))
}

impl From<SnapshotError> for Fault {
    fn from(error: SnapshotError) -> Self {
        let status = match &error {
            SnapshotError::Document(_)
            | SnapshotError::Form(_)
            | SnapshotError::Number(_)
            | SnapshotError::Events(_) => StatusCode::BAD_REQUEST,
            SnapshotError::LinkedHubs { .. } => StatusCode::CONFLICT,
            SnapshotError::Beginning(_) | SnapshotError::Journal(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self::new(status, with_causes(&error))
    }
}

async fn reset(State(simulator): Shared) -> Result<Json<Value>, Fault> {
    simulator.reset()?;
    Ok(now(&simulator))
}

async fn take(State(simulator): Shared) -> Result<Json<Snapshot>, Fault> {
    Ok(Json(simulator.snapshot().map_err(SnapshotError::Journal)?))
}

async fn restore(State(simulator): Shared, body: Bytes) -> Result<Json<Value>, Fault> {
    simulator.restore(Snapshot::read(&body)?)?;
    Ok(now(&simulator))
}

/// The same document as `--seed`.
async fn seed(State(simulator): Shared, body: String) -> Result<Response, Fault> {
    match simulator.seed(&body) {
        Ok(seeded) => Ok(Json(seeded).into_response()),
        Err(SeedError::Problems(problems)) => {
            let status = match problems.iter().all(|problem| problem.contradiction) {
                true => StatusCode::CONFLICT,
                false => StatusCode::BAD_REQUEST,
            };
            let message = SeedError::Problems(problems.clone()).to_string();
            let error = json!({"code": status.as_u16(), "message": message});
            let body = json!({"error": error, "problems": problems});
            Ok((status, Json(body)).into_response())
        }
        Err(error @ SeedError::Journal(_)) => Err(Fault::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            with_causes(&error),
        )),
    }
}

async fn moment(State(simulator): Shared) -> Json<Value> {
    now(&simulator)
}

/// From where on what happens is after this.
pub(super) fn now(simulator: &Simulator) -> Json<Value> {
    let moment = simulator.hub().moment();
    Json(json!({"moment": moment.to_string(), "sequence": moment.event}))
}

/// For those who cannot read the file that connects them: containers, and other machines.
async fn authority(State(simulator): Shared) -> Response {
    let pem = simulator.certificate_pem().to_owned();
    ([(header::CONTENT_TYPE, "application/x-pem-file")], pem).into_response()
}
