//! The pages about who has what: customers, projects, orders, devices and stock, and the audit trail.
//!
//! They only read. What a form does goes through the API, with its checks, its versions and its audit.

mod audit;
mod customers;
mod devices;
mod orders;
mod projects;

use axum::Router;
use axum::routing::get;

use crate::app::App;
use crate::customers::Customer;
use crate::paging::Paging;
use crate::people::{Caller, Role};
use crate::problem::Problem;
use crate::projects::Project;

pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/customers", get(customers::list))
        .route("/customers/{id}", get(customers::one))
        .route("/projects", get(projects::list))
        .route("/projects/{id}", get(projects::one))
        .route("/orders", get(orders::list))
        .route("/orders/{id}", get(orders::one))
        .route("/stock", get(devices::list))
        .route("/stock/{id}", get(devices::one))
        .route("/audit", get(audit::list))
}

/// As many as a list to choose from holds.
fn everything() -> Paging {
    Paging {
        limit: Some(500),
        after: None,
    }
}

/// The customers somebody can choose from; nobody below an operator chooses one.
async fn customers_of(app: &App, caller: &Caller) -> Result<Vec<Customer>, Problem> {
    if caller.role < Role::Operator {
        return Ok(Vec::new());
    }
    Ok(crate::customers::list(app, caller, &everything())
        .await?
        .items)
}

/// What is called how, to show names in place of ids.
fn name_of<'a>(projects: &'a [Project], id: &'a str) -> &'a str {
    let found = projects.iter().find(|project| project.id == id);
    found.map_or(id, |project| &project.name)
}

#[cfg(test)]
mod tests;
