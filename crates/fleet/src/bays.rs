//! Bays: where they are, what is known of them, and who may use them.
//!
//! - [`state`] derives what a bay is at a moment from what is kept. It is told the time.
//! - [`bay`] is how they are kept, [`lot`] all of them in memory.
//! - `map` is what is seen of them on a plan or the earth, and the page of it.
//! - [`view`] is what the API shows of one, [`live`] as it changes, [`change`] what people say of it, [`past`] what was.
//! - `commissioning` is the page on which somebody puts one up.
//! - [`adopt`] makes a bay of every device that comes into a project.

pub mod adopt;
pub mod alarms;
pub mod api;
pub mod bay;
pub mod change;
mod commissioning;
pub mod live;
pub mod lot;
mod map;
pub(crate) mod pages;
pub mod past;
pub mod plan;
pub mod state;
#[cfg(test)]
pub(crate) mod testing;
pub mod view;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// The routes of the API.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(api::router())
        .merge(map::router())
        .merge(alarms::router())
}

#[cfg(test)]
mod tests;
