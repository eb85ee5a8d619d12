//! Projects over HTTP.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{NewProject, Project, ProjectChange};
use crate::app::App;
use crate::entity_tag::{IfMatch, Tagged};
use crate::paging::{Page, Paging};
use crate::people::Caller;
use crate::problem::Problem;
use crate::web::body::{Json, Path, Query};

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, change))
        .routes(routes!(close))
}

/// Which projects.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Of this customer only.
    customer_id: Option<String>,
}

/// The projects you see; closed ones too.
#[utoipa::path(get, path = "/api/projects", tag = "projects", params(Filter, Paging), responses(
    (status = 200, body = Page<Project>),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn list(
    caller: Caller,
    State(app): State<App>,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Project>>, Problem> {
    super::list(&app, &caller, filter.customer_id.as_deref(), &paging)
        .await
        .map(Json)
}

/// Adds a project.
#[utoipa::path(post, path = "/api/projects", tag = "projects", request_body = NewProject, responses(
    (status = 201, body = Project),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn create(
    caller: Caller,
    State(app): State<App>,
    Json(new): Json<NewProject>,
) -> Result<(StatusCode, Tagged<Project>), Problem> {
    let project = super::create(&app, &caller, new).await?;
    Ok((StatusCode::CREATED, Tagged(project.version, project)))
}

/// One project.
#[utoipa::path(get, path = "/api/projects/{id}", tag = "projects", params(("id" = String, Path)), responses(
    (status = 200, body = Project),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn get(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Tagged<Project>, Problem> {
    let project = super::get(&app, &caller, &id).await?;
    Ok(Tagged(project.version, project))
}

/// Changes a project; what is absent stays.
#[utoipa::path(patch, path = "/api/projects/{id}", tag = "projects", params(("id" = String, Path), IfMatch),
    request_body = ProjectChange, responses(
    (status = 200, body = Project),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn change(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    if_match: IfMatch,
    Json(change): Json<ProjectChange>,
) -> Result<Tagged<Project>, Problem> {
    let project = super::change(&app, &caller, &id, if_match, change).await?;
    Ok(Tagged(project.version, project))
}

/// Closes a project that has given back its devices.
#[utoipa::path(post, path = "/api/projects/{id}/close", tag = "projects", params(("id" = String, Path), IfMatch), responses(
    (status = 200, body = Project),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn close(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<Project>, Problem> {
    let project = super::close(&app, &caller, &id, if_match).await?;
    Ok(Tagged(project.version, project))
}
