//! Open data: what everybody may know of bays, in the words of two standards.
//!
//! - [`ngsi`]: NGSI-LD entities of the Smart Data Models `ParkingSpot` and `OnStreetParking`;
//! - [`datex`]: DATEX II v3 parking publications, a table of what there is and its status.
//!
//! Tests hold every state of a bay against the rules of the published schemas.
//!
//! A project's bays are open to everybody once it is published; whoever signs in reads all they see. Nobody's booking,
//! device or name is in them, and a bay that is reserved is not offered as free.

pub mod datex;
pub mod ngsi;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::audit::{self, Action};
use crate::bays::bay::{Bay, Site};
use crate::bays::state::{Rules, State as BayState};
use crate::people::{Caller, Role, sessions};
use crate::problem::Problem;
use crate::store::Kind;
use crate::web::body::{Json, Path, Query};

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(spots))
        .routes(routes!(streets))
        .routes(routes!(table))
        .routes(routes!(status))
        .routes(routes!(publish))
}

/// A project with its bays, as they are now.
#[derive(Debug)]
pub struct Place {
    /// The project.
    pub site: Arc<Site>,
    /// Its bays, by their numbers' order of coming.
    pub bays: Vec<(Arc<Bay>, BayState)>,
}

/// Which projects.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct PlaceFilter {
    /// This one only.
    pub project_id: Option<String>,
}

/// How entities are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Representation {
    /// With what each member is, and when it was observed.
    Normalized,
    /// Members as plain values, which the models' JSON schemas describe.
    KeyValues,
}

/// Which entities, and how.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct EntityFilter {
    /// Of this project only.
    pub project_id: Option<String>,
    /// `keyValues` for plain values (ETSI GS CIM 009, 6.3.7); `normalized` unless it is said.
    #[param(inline)]
    pub options: Option<Representation>,
}

const NGSI: &str = "application/ld+json";
const XML: &str = "application/xml; charset=utf-8";

/// Each bay as an NGSI-LD entity `ParkingSpot`.
#[utoipa::path(get, path = "/open-data/ngsi-ld/parking-spots", tag = "open data", params(EntityFilter), security(()), responses(
    (status = 200, body = serde_json::Value, content_type = "application/ld+json"),
))]
async fn spots(
    State(app): State<App>,
    headers: HeaderMap,
    Query(filter): Query<EntityFilter>,
) -> Result<Response, Problem> {
    let places = places(&app, &headers, filter.project_id.as_ref()).await?;
    let entities = places.iter().flat_map(ngsi::spots);
    Ok(answer(entities, filter.options))
}

/// Each project as an NGSI-LD entity `OnStreetParking`, with how many bays are free.
#[utoipa::path(get, path = "/open-data/ngsi-ld/on-street-parkings", tag = "open data", params(EntityFilter), security(()), responses(
    (status = 200, body = serde_json::Value, content_type = "application/ld+json"),
))]
async fn streets(
    State(app): State<App>,
    headers: HeaderMap,
    Query(filter): Query<EntityFilter>,
) -> Result<Response, Problem> {
    let places = places(&app, &headers, filter.project_id.as_ref()).await?;
    let now = app.now();
    let entities = places.iter().filter_map(|place| ngsi::street(place, now));
    Ok(answer(entities, filter.options))
}

fn answer(entities: impl Iterator<Item = Value>, options: Option<Representation>) -> Response {
    let entities: Vec<Value> = match options {
        Some(Representation::KeyValues) => entities.map(ngsi::key_values).collect(),
        Some(Representation::Normalized) | None => entities.collect(),
    };
    ([(header::CONTENT_TYPE, NGSI)], json!(entities).to_string()).into_response()
}

/// What there is, as a DATEX II `ParkingTablePublication`. 404 when there is nothing: one without a place is none.
#[utoipa::path(get, path = "/open-data/datex2/table.xml", tag = "open data", params(PlaceFilter), security(()), responses(
    (status = 200, content_type = "application/xml"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn table(
    State(app): State<App>,
    headers: HeaderMap,
    Query(filter): Query<PlaceFilter>,
) -> Result<Response, Problem> {
    let places = places(&app, &headers, filter.project_id.as_ref()).await?;
    publication(datex::table(&places, creator(&app), app.now()))
}

/// How it is, as a DATEX II `ParkingStatusPublication`. 404 when there is nothing.
#[utoipa::path(get, path = "/open-data/datex2/status.xml", tag = "open data", params(PlaceFilter), security(()), responses(
    (status = 200, content_type = "application/xml"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn status(
    State(app): State<App>,
    headers: HeaderMap,
    Query(filter): Query<PlaceFilter>,
) -> Result<Response, Problem> {
    let places = places(&app, &headers, filter.project_id.as_ref()).await?;
    publication(datex::status(&places, creator(&app), app.now()))
}

fn creator(app: &App) -> datex::Creator<'_> {
    datex::Creator {
        country: &app.settings.country,
        identifier: "cow-parking",
    }
}

fn publication(xml: Option<String>) -> Result<Response, Problem> {
    let xml = xml.ok_or_else(|| {
        let detail = "No bay is published, or none of that project.";
        Problem::new(StatusCode::NOT_FOUND, "nothing-published", detail)
    })?;
    Ok(([(header::CONTENT_TYPE, XML)], xml).into_response())
}

/// Whether everybody may read a project's bays.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Publishing {
    /// Whether they may.
    published: bool,
}

/// Opens a project's bays to everybody, or closes them again.
#[utoipa::path(put, path = "/api/projects/{id}/open-data", tag = "open data", params(("id" = String, Path)),
    request_body = Publishing, responses(
    (status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn publish(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    Json(wish): Json<Publishing>,
) -> Result<StatusCode, Problem> {
    caller.at_least(Role::Operator)?;
    let mut tx = app.store.begin().await?;
    let row: Option<(String,)> = sqlx::query_as(
        "UPDATE projects SET published = $1, version = version + 1 WHERE id = $2 RETURNING customer_id",
    )
    .bind(wish.published.then_some(1_i64))
    .bind(id.clone())
    .fetch_optional(&mut *tx)
    .await?;
    let customer_id = row.map(|row| row.0).filter(|id| caller.sees(id));
    let customer_id = customer_id.ok_or_else(|| Problem::not_found("project"))?;
    let action = Action {
        action: "project.publish",
        object_kind: "project",
        object_id: &id,
        customer_id: Some(&customer_id),
        detail: json!({"published": wish.published}),
    };
    audit::record(&mut tx, Some(&caller), app.now(), action).await?;
    tx.tell(Kind::Project, id);
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn places(
    app: &App,
    headers: &HeaderMap,
    project_id: Option<&String>,
) -> Result<Vec<Place>, Problem> {
    let caller = sessions::caller(headers, app).await?;
    let bays = app.lot().find(app, "", usize::MAX, |bay| {
        let is_open = bay.site.is_published
            || caller
                .as_ref()
                .is_some_and(|caller| caller.sees(&bay.site.customer_id));
        is_open && project_id.is_none_or(|id| *id == bay.site.id)
    });
    let rules = Rules::from(&app.settings);
    let now = app.now();
    let mut places: BTreeMap<String, Place> = BTreeMap::new();
    for bay in bays.await? {
        let state = bay.state(&rules, now);
        let place = places.entry(bay.site.id.clone()).or_insert_with(|| Place {
            site: Arc::clone(&bay.site),
            bays: Vec::new(),
        });
        place.bays.push((bay, state));
    }
    Ok(places.into_values().collect())
}

#[cfg(test)]
mod tests;
