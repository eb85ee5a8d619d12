//! Customers.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::everything;
use crate::app::App;
use crate::customers::{self, Customer};
use crate::paging::{Page, Paging};
use crate::people::Caller;
use crate::problem::Problem;
use crate::projects::{self, Project};
use crate::web::body::{Path, Query};
use crate::web::page::{Frame, show};

#[derive(Template)]
#[template(path = "crm/customers.html")]
struct CustomersPage {
    page: Frame,
    customers: Page<Customer>,
    /// Whether whoever looks may add one.
    may_add: bool,
}

pub(super) async fn list(
    caller: Caller,
    State(app): State<App>,
    Query(paging): Query<Paging>,
) -> Result<Response, Problem> {
    Ok(show(&CustomersPage {
        customers: customers::list(&app, &caller, &paging).await?,
        may_add: customers::of_the_house(&caller).is_ok(),
        page: Frame::of(&caller, "customers"),
    }))
}

#[derive(Template)]
#[template(path = "crm/customer.html")]
struct CustomerPage {
    page: Frame,
    customer: Customer,
    projects: Vec<Project>,
    may_change: bool,
}

pub(super) async fn one(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let customer = customers::get(&app, &caller, &id).await?;
    let projects = projects::list(&app, &caller, Some(&customer.id), &everything()).await?;
    Ok(show(&CustomerPage {
        customer,
        projects: projects.items,
        may_change: customers::of_the_house(&caller).is_ok(),
        page: Frame::of(&caller, "customers"),
    }))
}
