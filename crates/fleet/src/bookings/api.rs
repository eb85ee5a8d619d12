//! Bookings, over HTTP.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::desk::{self, Step, Wish};
use super::list::{self, BookingFilter};
use super::view::BookingView;
use crate::app::App;
use crate::entity_tag::{IfMatch, Tagged};
use crate::moment::Moment;
use crate::paging::{Page, Paging};
use crate::people::Caller;
use crate::problem::Problem;
use crate::web::body::{Json, Path, Query};

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(read_all, book))
        .routes(routes!(get, move_end))
        .routes(routes!(cancel))
        .routes(routes!(release))
        .routes(routes!(check_in))
}

/// Bookings, the newest first: one's own; for operators those of every bay they see.
#[utoipa::path(get, path = "/api/bookings", tag = "bookings", params(BookingFilter, Paging), responses(
    (status = 200, body = Page<BookingView>),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn read_all(
    caller: Caller,
    State(app): State<App>,
    Query(filter): Query<BookingFilter>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<BookingView>>, Problem> {
    list::list(&app, &caller, &filter, &paging).await.map(Json)
}

/// Books a bay. Of several at once one is first; the others get 409 `bay-is-booked`.
#[utoipa::path(post, path = "/api/bookings", tag = "bookings", request_body = Wish, responses(
    (status = 201, body = BookingView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn book(
    caller: Caller,
    State(app): State<App>,
    Json(wish): Json<Wish>,
) -> Result<(StatusCode, Tagged<BookingView>), Problem> {
    let booking = desk::book(&app, &caller, wish).await?;
    let view = list::get(&app, &caller, &booking.id).await?;
    Ok((StatusCode::CREATED, Tagged(view.version, view)))
}

/// One booking.
#[utoipa::path(get, path = "/api/bookings/{id}", tag = "bookings", params(("id" = String, Path)), responses(
    (status = 200, body = BookingView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn get(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Tagged<BookingView>, Problem> {
    let view = list::get(&app, &caller, &id).await?;
    Ok(Tagged(view.version, view))
}

/// When it is to end.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewEnd {
    /// 5 minutes to 24 hours after its begin, and in the future.
    ends_at: Moment,
}

/// Moves a booking's end. 409 where the bay is booked by another then.
#[utoipa::path(patch, path = "/api/bookings/{id}", tag = "bookings", params(("id" = String, Path), IfMatch), request_body = NewEnd,
    responses(
    (status = 200, body = BookingView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn move_end(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    if_match: IfMatch,
    Json(end): Json<NewEnd>,
) -> Result<Tagged<BookingView>, Problem> {
    step(&app, &caller, &id, if_match, Step::MoveEnd(end.ends_at.0)).await
}

/// Gives a booking up before anybody came for it.
#[utoipa::path(post, path = "/api/bookings/{id}/cancel", tag = "bookings", params(("id" = String, Path), IfMatch), responses(
    (status = 200, body = BookingView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn cancel(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<BookingView>, Problem> {
    step(&app, &caller, &id, if_match, Step::Cancel).await
}

/// Gives the bay back before the booking's end.
#[utoipa::path(post, path = "/api/bookings/{id}/release", tag = "bookings", params(("id" = String, Path), IfMatch), responses(
    (status = 200, body = BookingView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn release(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<BookingView>, Problem> {
    step(&app, &caller, &id, if_match, Step::Release).await
}

/// Says that one is here, where the bay has not seen it by itself.
#[utoipa::path(post, path = "/api/bookings/{id}/check-in", tag = "bookings", params(("id" = String, Path), IfMatch), responses(
    (status = 200, body = BookingView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn check_in(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<BookingView>, Problem> {
    step(&app, &caller, &id, if_match, Step::CheckIn).await
}

async fn step(
    app: &App,
    caller: &Caller,
    id: &str,
    if_match: IfMatch,
    step: Step,
) -> Result<Tagged<BookingView>, Problem> {
    desk::change(app, caller, id, if_match, step).await?;
    let view = list::get(app, caller, id).await?;
    Ok(Tagged(view.version, view))
}
