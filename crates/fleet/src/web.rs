//! The service's face: pages and API, and what every request is put through.
//!
//! A request passes `guard` (is it from one of our own pages, is it too often, can it be read), then its handler, which
//! asks for a [`Caller`] first. What a handler cannot do is a [`Problem`]: a program gets its
//! document, a person who opened a page gets a page, or the way to sign in.

mod assets;
pub mod body;
mod connections;
mod guard;
mod limits;
mod live;
mod openapi;
pub(crate) mod page;

use std::sync::Arc;

use axum::http::{Method, StatusCode, Uri};
use axum::response::Redirect;
use axum::routing::get;
use axum::{Extension, Router, middleware};
use tokio::net::TcpListener;
use utoipa_axum::router::OpenApiRouter;

pub(crate) use self::guard::Sender;
use self::limits::Limits;
pub(crate) use self::limits::network;

use crate::app::App;
use crate::people::{Caller, Role};
use crate::problem::Problem;
use crate::{
    audit, bays, bookings, crm, customers, device_api, devices, idempotency, oauth, open_data,
    orders, people, projects, webhooks,
};

/// What a request may carry. Who takes more, such as a picture, says so at its route.
const BODY_LIMIT: usize = 1024 * 1024;

/// Everything the service serves.
pub fn router(app: App) -> Router {
    let (api, mut document) = api().split_for_parts();
    openapi::complete(&mut document);
    let api = api.layer(middleware::from_fn_with_state(
        app.clone(),
        idempotency::once,
    ));
    let limits = Arc::new(Limits::default());
    let policy = guard::policy(app.settings.tiles.as_ref());
    Router::new()
        .route("/", get(home))
        .route("/live", get(live::follow))
        .route("/assets/{file}", get(assets::read))
        .merge(pages())
        .merge(api)
        .merge(openapi::router(&document))
        .fallback(missing)
        .method_not_allowed_fallback(not_so)
        .layer(axum::extract::DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            page::show_problems,
        ))
        .layer(middleware::from_fn_with_state(app.clone(), guard::check))
        .layer(middleware::map_response_with_state(policy, guard::secure))
        .layer(Extension(limits))
        .with_state(app)
}

/// The routes programs use, each with its description. An area adds its own here.
fn api() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::base())
        .merge(people::router())
        .merge(crate::history::router())
        .merge(customers::router())
        .merge(projects::router())
        .merge(orders::router())
        .merge(devices::router())
        .merge(webhooks::router())
        .merge(oauth::router())
        .merge(crate::middleware::router())
        .merge(audit::router())
        .merge(bays::router())
        .merge(bookings::api::router())
        .merge(device_api::router())
        .merge(open_data::router())
}

/// The routes people use. An area adds its own here.
fn pages() -> Router<App> {
    Router::new()
        .merge(people::pages())
        .merge(crm::pages())
        .merge(oauth::pages())
        .merge(bays::pages::router())
        .merge(bookings::pages::router())
}

/// Serves until `stop` is over; then what is under way is finished.
pub async fn serve(app: App, listener: TcpListener, stop: impl Future<Output = ()> + Send) {
    connections::serve(router(app), listener, stop).await;
}

/// Where somebody begins: whoever runs projects with these, and whoever parks with their own account.
async fn home(caller: Caller) -> Redirect {
    Redirect::to(match caller.role {
        Role::Driver => "/map",
        _ => "/projects",
    })
}

async fn missing(uri: Uri) -> Problem {
    let detail = format!("Nothing is at {}.", uri.path());
    Problem::new(StatusCode::NOT_FOUND, "not-found", detail)
}

async fn not_so(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not take {method}.", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}

#[cfg(test)]
mod tests;
