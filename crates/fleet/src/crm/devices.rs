//! Devices, in stock and in projects.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::{everything, name_of};
use crate::app::App;
use crate::devices::{self, Device, DeviceFilter, Lifecycle};
use crate::orders::{self, Order, OrderFilter};
use crate::paging::{Page, Paging};
use crate::people::Caller;
use crate::problem::Problem;
use crate::projects::{self, Project};
use crate::web::body::{Path, Query};
use crate::web::page::{Frame, show};

const LIFECYCLES: [Lifecycle; 5] = [
    Lifecycle::Unregistered,
    Lifecycle::Stock,
    Lifecycle::Assigning,
    Lifecycle::Project,
    Lifecycle::Resetting,
];

#[derive(Template)]
#[template(path = "crm/devices.html")]
struct DevicesPage {
    page: Frame,
    devices: Page<Device>,
    lifecycle: Option<Lifecycle>,
    contains: String,
    /// Whether whoever looks may let new devices in.
    may_admit: bool,
}

impl DevicesPage {
    fn is_chosen(&self, lifecycle: &Lifecycle) -> bool {
        self.lifecycle == Some(*lifecycle)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    lifecycle: Option<Lifecycle>,
    #[serde(default)]
    contains: String,
    limit: Option<u32>,
    after: Option<String>,
}

pub(super) async fn list(
    caller: Caller,
    State(app): State<App>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let paging = Paging {
        limit: wanted.limit,
        after: wanted.after,
    };
    let contains = wanted.contains.trim();
    let filter = DeviceFilter {
        lifecycle: wanted.lifecycle,
        contains: Some(contains.to_owned()).filter(|text| !text.is_empty()),
        ..DeviceFilter::default()
    };
    Ok(show(&DevicesPage {
        devices: devices::list(&app, &caller, &filter, &paging).await?,
        lifecycle: wanted.lifecycle,
        contains: contains.to_owned(),
        may_admit: caller.customer_id.is_none(),
        page: Frame::of(&caller, "stock"),
    }))
}

#[derive(Template)]
#[template(path = "crm/device.html")]
struct DevicePage {
    page: Frame,
    device: Device,
    /// Every order it was ever in: who was sold it, and when.
    orders: Vec<Order>,
    projects: Vec<Project>,
}

impl DevicePage {
    fn project<'a>(&'a self, order: &'a Order) -> &'a str {
        name_of(&self.projects, &order.project_id)
    }
}

pub(super) async fn one(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let device = devices::get(&app, &caller, &id).await?;
    let filter = OrderFilter {
        device_id: Some(device.id.clone()),
        ..OrderFilter::default()
    };
    let orders = orders::list(&app, &caller, &filter, &everything()).await?;
    let projects = projects::list(&app, &caller, None, &everything()).await?;
    Ok(show(&DevicePage {
        device,
        orders: orders.items,
        projects: projects.items,
        page: Frame::of(&caller, "stock"),
    }))
}
