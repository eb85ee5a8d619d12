//! Orders over HTTP.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::place::NewOrder;
use super::{Order, OrderFilter, amend, place};
use crate::app::App;
use crate::devices::{self, Tested};
use crate::entity_tag::{IfMatch, Tagged};
use crate::paging::{Page, Paging};
use crate::people::Caller;
use crate::problem::Problem;
use crate::web::body::{Json, Path, Query};

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get))
        .routes(routes!(cancel))
        .routes(routes!(retry))
        .routes(routes!(test))
}

/// A cancelled order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Cancelled {
    /// The order as it is now.
    order: Order,
    /// The order that asks devices back which may have been told already; absent when none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    return_order_id: Option<String>,
}

/// How a test of an order's devices went.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TestedOrder {
    /// Whether every device of it passed.
    passed: bool,
    /// Each device.
    devices: Vec<Tested>,
}

/// The orders you see, the newest first, without their lines.
#[utoipa::path(get, path = "/api/orders", tag = "orders", params(OrderFilter, Paging), responses(
    (status = 200, body = Page<Order>),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn list(
    caller: Caller,
    State(app): State<App>,
    Query(filter): Query<OrderFilter>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Order>>, Problem> {
    super::list(&app, &caller, &filter, &paging).await.map(Json)
}

/// Places an order: devices from stock to a project, back to stock, or new keys for them. 202: they are on their way.
#[utoipa::path(post, path = "/api/orders", tag = "orders", request_body = NewOrder, responses(
    (status = 202, body = Order),
    (status = 409, description = "not-enough-stock, device-not-available, project-closed, keys-are-changing, \
        orders-are-open, bookings-are-open: no device is held", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn create(
    caller: Caller,
    State(app): State<App>,
    Json(new): Json<NewOrder>,
) -> Result<(StatusCode, Tagged<Order>), Problem> {
    let order = place::place(&app, &caller, new).await?;
    Ok((StatusCode::ACCEPTED, Tagged(order.version, order)))
}

/// One order, with how far each device is.
#[utoipa::path(get, path = "/api/orders/{id}", tag = "orders", params(("id" = String, Path)), responses(
    (status = 200, body = Order),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn get(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Tagged<Order>, Problem> {
    let order = super::get(&app, &caller, &id).await?;
    Ok(Tagged(order.version, order))
}

/// Cancels an open order. Devices that were told nothing are back at once, others are asked back by an order of their own.
#[utoipa::path(post, path = "/api/orders/{id}/cancel", tag = "orders", params(("id" = String, Path), IfMatch), responses(
    (status = 200, body = Cancelled),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn cancel(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<Cancelled>, Problem> {
    let (order, return_order_id) = amend::cancel(&app, &caller, &id, if_match).await?;
    let cancelled = Cancelled {
        order,
        return_order_id,
    };
    Ok(Tagged(cancelled.order.version, cancelled))
}

/// Begins again with the devices that were given up.
#[utoipa::path(post, path = "/api/orders/{id}/retry", tag = "orders", params(("id" = String, Path)), responses(
    (status = 200, body = Order),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn retry(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Tagged<Order>, Problem> {
    let order = amend::retry(&app, &caller, &id).await?;
    Ok(Tagged(order.version, order))
}

/// Has each device of the order that is still in its project test its parts, and waits for their reports.
#[utoipa::path(post, path = "/api/orders/{id}/test", tag = "orders", params(("id" = String, Path)), responses(
    (status = 200, body = TestedOrder),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn test(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<TestedOrder>, Problem> {
    let order = super::get(&app, &caller, &id).await?;
    let mut chosen = Vec::new();
    for line in order.lines.iter().flatten() {
        let device = devices::get_any(&app, &line.device_id).await?;
        // One that has gone elsewhere since is not this order's to ask.
        if device.project_id.as_ref() == Some(&order.project_id) {
            chosen.push(device);
        }
    }
    let devices = devices::test_all(&app, chosen).await;
    Ok(Json(TestedOrder {
        passed: devices.iter().all(|tested| tested.passed),
        devices,
    }))
}
