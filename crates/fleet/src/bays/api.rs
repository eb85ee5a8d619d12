//! Bays, over HTTP.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::change::{self, BayChange, NewBay, find};
use super::view::BayView;
use super::{live, plan};
use crate::app::App;
use crate::device_api::ask;
use crate::entity_tag::{IfMatch, Tagged};
use crate::paging::{Page, Paging};
use crate::people::{Caller, Role};
use crate::problem::Problem;
use crate::web::body::{Json, Path, Query};

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(live::follow))
        .routes(routes!(get, patch, delete))
        .routes(routes!(measure))
        .routes(routes!(calibrate))
        .routes(routes!(identify))
        .merge(plan::router())
}

/// Which bays.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct BayFilter {
    /// Of this project only.
    pub project_id: Option<String>,
    /// Whose number contains this only.
    pub contains: Option<String>,
}

/// The bays the caller sees, as they are now.
#[utoipa::path(get, path = "/api/bays", tag = "bays", params(BayFilter, Paging), responses(
    (status = 200, body = Page<BayView>),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn list(
    caller: Caller,
    State(app): State<App>,
    Query(filter): Query<BayFilter>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<BayView>>, Problem> {
    let limit = paging.limit()?;
    let fetch = usize::try_from(limit + 1).unwrap_or(usize::MAX);
    let bays = app.lot().find(&app, paging.after(), fetch, |bay| {
        caller.sees(&bay.site.customer_id)
            && filter
                .project_id
                .as_ref()
                .is_none_or(|id| *id == bay.site.id)
            && filter
                .contains
                .as_ref()
                .is_none_or(|part| bay.number.contains(part.as_str()))
    });
    let bays = bays.await?;
    let views = bays.iter().map(|bay| BayView::now(bay, &caller, &app));
    let page = Page::cut(views.collect(), limit, |bay: &BayView| bay.id.clone());
    Ok(Json(page))
}

/// Makes a bay before a device comes.
#[utoipa::path(post, path = "/api/bays", tag = "bays", request_body = NewBay, responses(
    (status = 201, body = BayView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn create(
    caller: Caller,
    State(app): State<App>,
    Json(new): Json<NewBay>,
) -> Result<(StatusCode, Tagged<BayView>), Problem> {
    let id = change::create(&app, &caller, new).await?;
    let bay = find(&app, &caller, &id).await?;
    let view = BayView::now(&bay, &caller, &app);
    Ok((StatusCode::CREATED, Tagged(view.version, view)))
}

/// One bay, as it is now.
#[utoipa::path(get, path = "/api/bays/{id}", tag = "bays", params(("id" = String, Path)), responses(
    (status = 200, body = BayView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn get(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Tagged<BayView>, Problem> {
    let bay = find(&app, &caller, &id).await?;
    let view = BayView::now(&bay, &caller, &app);
    Ok(Tagged(view.version, view))
}

/// Changes a bay: installers number and place it, operators also open and close it.
#[utoipa::path(patch, path = "/api/bays/{id}", tag = "bays", params(("id" = String, Path), IfMatch), request_body = BayChange, responses(
    (status = 200, body = BayView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn patch(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    if_match: IfMatch,
    Json(change): Json<BayChange>,
) -> Result<Tagged<BayView>, Problem> {
    let bay = change::change(&app, &caller, &id, if_match, change).await?;
    let view = BayView::now(&bay, &caller, &app);
    Ok(Tagged(view.version, view))
}

/// Removes a bay nobody ever booked and no device watches.
#[utoipa::path(delete, path = "/api/bays/{id}", tag = "bays", params(("id" = String, Path), IfMatch), responses(
    (status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn delete(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    change::remove(&app, &caller, &id, if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Measures now: distance, echoes, spread. For aiming the sensor.
#[utoipa::path(post, path = "/api/bays/{id}/measure", tag = "bays", params(("id" = String, Path)), responses(
    (status = 200, body = Value),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn measure(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    on_device(
        &app,
        &caller,
        &id,
        "hc-sr04",
        "measure",
        json!({"count": 5}),
    )
    .await
}

/// Learns the distance to the floor of the empty bay.
#[utoipa::path(post, path = "/api/bays/{id}/calibrate", tag = "bays", params(("id" = String, Path)), responses(
    (status = 200, body = Value),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn calibrate(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    on_device(&app, &caller, &id, "hc-sr04", "calibrate", Value::Null).await
}

/// Blinks the lamp, so that whoever stands there finds it.
#[utoipa::path(post, path = "/api/bays/{id}/identify", tag = "bays", params(("id" = String, Path)), responses(
    (status = 200, body = Value),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn identify(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    on_device(
        &app,
        &caller,
        &id,
        "light",
        "identify",
        json!({"seconds": 10}),
    )
    .await
}

async fn on_device(
    app: &App,
    caller: &Caller,
    id: &str,
    module_id: &str,
    method: &str,
    payload: Value,
) -> Result<Json<Value>, Problem> {
    caller.at_least(Role::Installer)?;
    let bay = find(app, caller, id).await?;
    let device_id = bay.device_id.ok_or_else(|| {
        Problem::conflict("no-device", "No device watches the bay: give it one first.")
    })?;
    ask(app, &device_id, module_id, method, payload)
        .await
        .map(Json)
}
