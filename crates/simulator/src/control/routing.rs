//! Message routing over HTTP: the document that the hub's resource has as `properties.routing`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hub_proto::error::ErrorCode;
use serde_json::{Value, json};

use super::{Body, Fault, Shared};
use crate::hub::RoutingFault;
use crate::routing::{self, Definition, Problem};

/// Why a document was refused.
pub(super) enum Refusal {
    Fault(Fault),
    /// With a list for programs beside the sentence for people.
    Problems(Vec<Problem>),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let problems = match self {
            Self::Fault(fault) => return fault.into_response(),
            Self::Problems(problems) => problems,
        };
        let body = json!({"error": {
            "code": ErrorCode::ArgumentInvalid.number(),
            "problems": problems,
            "message": RoutingFault::from(problems).to_string(),
        }});
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    }
}

/// `GET /control/routing`
pub(super) async fn get(State(simulator): Shared) -> Json<Definition> {
    Json(simulator.hub().routing())
}

/// `PUT /control/routing`: answers with what is in force from here on.
pub(super) async fn put(
    State(simulator): Shared,
    body: Body<Value>,
) -> Result<Json<Definition>, Refusal> {
    let Json(document) = body.map_err(Fault::from)?;
    let definition = Definition::read(document).map_err(Refusal::Problems)?;
    simulator
        .hub()
        .set_routing(definition)
        .map_err(|error| Fault::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(Json(simulator.hub().routing()))
}

/// `POST /control/routing/test`: `{"message":…,"twin":…}` with `"route"` for one, else for all that are in force.
pub(super) async fn test(
    State(simulator): Shared,
    body: Body<Value>,
) -> Result<Json<Value>, Refusal> {
    let Json(document) = body.map_err(Fault::from)?;
    let found = routing::test(&simulator.hub().routing(), document);
    found.map(Json).map_err(Refusal::Problems)
}

#[cfg(test)]
mod tests;
