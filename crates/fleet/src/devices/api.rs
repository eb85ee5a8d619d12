//! Devices as goods, over HTTP.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Device, DeviceFilter, Tested, access};
use crate::app::App;
use crate::entity_tag::{IfMatch, Tagged};
use crate::paging::{Page, Paging};
use crate::people::Caller;
use crate::problem::Problem;
use crate::web::body::{Json, Path, Query};

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(test))
        .routes(routes!(enable))
        .routes(routes!(disable))
}

/// The map of devices: which board is at which hub, in which project, with which keys.
#[utoipa::path(get, path = "/api/devices", tag = "devices", params(DeviceFilter, Paging), responses(
    (status = 200, body = Page<Device>),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn list(
    caller: Caller,
    State(app): State<App>,
    Query(filter): Query<DeviceFilter>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Device>>, Problem> {
    super::list(&app, &caller, &filter, &paging).await.map(Json)
}

/// One board.
#[utoipa::path(get, path = "/api/devices/{id}", tag = "devices", params(("id" = String, Path)), responses(
    (status = 200, body = Device),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn get(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Tagged<Device>, Problem> {
    let device = super::get(&app, &caller, &id).await?;
    Ok(Tagged(device.version, device))
}

/// Has the board test its parts, and waits for the report.
#[utoipa::path(post, path = "/api/devices/{id}/test", tag = "devices", params(("id" = String, Path)), responses(
    (status = 200, body = Tested),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn test(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Tested>, Problem> {
    super::test(&app, &caller, &id).await.map(Json)
}

/// Lets the board register and connect again.
#[utoipa::path(post, path = "/api/devices/{id}/enable", tag = "devices", params(("id" = String, Path), IfMatch), responses(
    (status = 200, body = Device),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn enable(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<Device>, Problem> {
    let device = access::enable(&app, &caller, &id, if_match, true).await?;
    Ok(Tagged(device.version, device))
}

/// Cuts the board off: it is let register and connect no more. Where only one of the two could be done, 502 `half-done`
/// says which, and the board shows it: ask again.
#[utoipa::path(post, path = "/api/devices/{id}/disable", tag = "devices", params(("id" = String, Path), IfMatch), responses(
    (status = 200, body = Device),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn disable(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<Device>, Problem> {
    let device = access::enable(&app, &caller, &id, if_match, false).await?;
    Ok(Tagged(device.version, device))
}
