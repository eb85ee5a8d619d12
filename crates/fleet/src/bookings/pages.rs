//! The page of bookings.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::list::{BookingFilter, list};
use super::view::BookingView;
use crate::app::App;
use crate::paging::{Page, Paging};
use crate::people::Caller;
use crate::problem::Problem;
use crate::web::body::Query;
use crate::web::page::{Frame, show};

/// The routes.
pub(crate) fn router() -> Router<App> {
    Router::new().route("/bookings", get(bookings))
}

#[derive(Template)]
#[template(path = "bookings.html")]
struct BookingsPage {
    page: Frame,
    bookings: Page<BookingView>,
}

async fn bookings(
    caller: Caller,
    State(app): State<App>,
    Query(paging): Query<Paging>,
) -> Result<Response, Problem> {
    let bookings = list(&app, &caller, &BookingFilter::default(), &paging).await?;
    Ok(show(&BookingsPage {
        page: Frame::of(&caller, "bookings"),
        bookings,
    }))
}
