//! Projects.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::{customers_of, everything};
use crate::app::App;
use crate::customers::Customer;
use crate::devices::{self, Device, DeviceFilter, Lifecycle};
use crate::orders::{self, Order, OrderFilter};
use crate::paging::{Page, Paging};
use crate::people::Caller;
use crate::problem::Problem;
use crate::projects::{self, Project};
use crate::web::body::{Path, Query};
use crate::web::page::{Frame, show};

#[derive(Template)]
#[template(path = "crm/projects.html")]
struct ProjectsPage {
    page: Frame,
    projects: Page<Project>,
    customers: Vec<Customer>,
}

impl ProjectsPage {
    fn customer(&self, id: &str) -> &str {
        let found = self.customers.iter().find(|customer| customer.id == id);
        found.map_or("", |customer| &customer.name)
    }
}

pub(super) async fn list(
    caller: Caller,
    State(app): State<App>,
    Query(paging): Query<Paging>,
) -> Result<Response, Problem> {
    Ok(show(&ProjectsPage {
        projects: projects::list(&app, &caller, None, &paging).await?,
        customers: customers_of(&app, &caller).await?,
        page: Frame::of(&caller, "projects"),
    }))
}

#[derive(Template)]
#[template(path = "crm/project.html")]
struct ProjectPage {
    page: Frame,
    project: Project,
    devices: Page<Device>,
    orders: Vec<Order>,
    /// How many devices wait in stock; `None` for whoever does not see stock.
    in_stock: Option<usize>,
}

pub(super) async fn one(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let project = projects::get(&app, &caller, &id).await?;
    let of_project = DeviceFilter {
        project_id: Some(project.id.clone()),
        ..DeviceFilter::default()
    };
    let devices = devices::list(&app, &caller, &of_project, &everything()).await?;
    let of_project = OrderFilter {
        project_id: Some(project.id.clone()),
        ..OrderFilter::default()
    };
    let orders = orders::list(&app, &caller, &of_project, &everything()).await?;
    let in_stock = if caller.customer_id.is_none() {
        let stock = DeviceFilter {
            lifecycle: Some(Lifecycle::Stock),
            ..DeviceFilter::default()
        };
        let stock = devices::list(&app, &caller, &stock, &everything()).await?;
        Some(stock.items.len())
    } else {
        None
    };
    Ok(show(&ProjectPage {
        project,
        devices,
        orders: orders.items,
        in_stock,
        page: Frame::of(&caller, "projects"),
    }))
}
