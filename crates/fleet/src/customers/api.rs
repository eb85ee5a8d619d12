//! Customers over HTTP.

use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Customer, CustomerChange, NewCustomer};
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
        .routes(routes!(get, change, delete))
}

/// The customers you see.
#[utoipa::path(get, path = "/api/customers", tag = "customers", params(Paging), responses(
    (status = 200, body = Page<Customer>),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn list(
    caller: Caller,
    State(app): State<App>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Customer>>, Problem> {
    super::list(&app, &caller, &paging).await.map(Json)
}

/// Adds a customer.
#[utoipa::path(post, path = "/api/customers", tag = "customers", request_body = NewCustomer, responses(
    (status = 201, body = Customer),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn create(
    caller: Caller,
    State(app): State<App>,
    Json(new): Json<NewCustomer>,
) -> Result<(StatusCode, Tagged<Customer>), Problem> {
    let customer = super::create(&app, &caller, new).await?;
    Ok((StatusCode::CREATED, Tagged(customer.version, customer)))
}

/// One customer.
#[utoipa::path(get, path = "/api/customers/{id}", tag = "customers", params(("id" = String, Path)), responses(
    (status = 200, body = Customer),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn get(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Tagged<Customer>, Problem> {
    let customer = super::get(&app, &caller, &id).await?;
    Ok(Tagged(customer.version, customer))
}

/// Changes a customer; what is absent stays.
#[utoipa::path(patch, path = "/api/customers/{id}", tag = "customers", params(("id" = String, Path), IfMatch),
    request_body = CustomerChange, responses(
    (status = 200, body = Customer),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn change(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    if_match: IfMatch,
    Json(change): Json<CustomerChange>,
) -> Result<Tagged<Customer>, Problem> {
    let customer = super::change(&app, &caller, &id, if_match, change).await?;
    Ok(Tagged(customer.version, customer))
}

/// Removes a customer who has no project and nobody who signs in.
#[utoipa::path(delete, path = "/api/customers/{id}", tag = "customers", params(("id" = String, Path), IfMatch), responses(
    (status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn delete(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    super::delete(&app, &caller, &id, if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}
