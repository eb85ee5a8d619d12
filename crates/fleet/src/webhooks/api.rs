//! Webhooks over HTTP.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Delivery, NewWebhook, Webhook};
use crate::app::App;
use crate::idempotency::Unrepeatable;
use crate::paging::{Page, Paging};
use crate::people::Caller;
use crate::problem::Problem;
use crate::web::body::{Json, Path, Query};

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, delete))
        .routes(routes!(ping))
        .routes(routes!(deliveries))
}

/// Where reports go.
#[utoipa::path(get, path = "/api/webhooks", tag = "webhooks", params(Paging), responses(
    (status = 200, body = Page<Webhook>),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn list(
    caller: Caller,
    State(app): State<App>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Webhook>>, Problem> {
    super::list(&app, &caller, &paging).await.map(Json)
}

/// Adds a webhook. The answer has its secret, which is not shown again.
#[utoipa::path(post, path = "/api/webhooks", tag = "webhooks", request_body = NewWebhook, responses(
    (status = 201, body = Webhook),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn create(
    caller: Caller,
    State(app): State<App>,
    Json(new): Json<NewWebhook>,
) -> Result<Response, Problem> {
    let hook = super::create(&app, &caller, new).await?;
    let mut response = (StatusCode::CREATED, Json(hook)).into_response();
    response.extensions_mut().insert(Unrepeatable);
    Ok(response)
}

/// One webhook.
#[utoipa::path(get, path = "/api/webhooks/{id}", tag = "webhooks", params(("id" = String, Path)), responses(
    (status = 200, body = Webhook),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn get(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Webhook>, Problem> {
    super::get(&app, &caller, &id).await.map(Json)
}

/// Removes a webhook.
#[utoipa::path(delete, path = "/api/webhooks/{id}", tag = "webhooks", params(("id" = String, Path)), responses(
    (status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn delete(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    super::delete(&app, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a report of nothing, to see whether it comes.
#[utoipa::path(post, path = "/api/webhooks/{id}/ping", tag = "webhooks", params(("id" = String, Path)), responses(
    (status = 202, description = "`{\"deliveryId\": …}`"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn ping(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let delivery = super::ping(&app, &caller, &id).await?;
    let body = Json(json!({"deliveryId": delivery}));
    Ok((StatusCode::ACCEPTED, body).into_response())
}

/// What a webhook was sent, and what is still to be.
#[utoipa::path(get, path = "/api/webhooks/{id}/deliveries", tag = "webhooks", params(("id" = String, Path), Paging),
    responses(
    (status = 200, body = Page<Delivery>),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn deliveries(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Delivery>>, Problem> {
    super::deliveries(&app, &caller, &id, &paging)
        .await
        .map(Json)
}
