//! Orders, and how far they are.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::{everything, name_of};
use crate::app::App;
use crate::orders::line::{LineState, OrderState};
use crate::orders::{self, Order, OrderFilter, OrderLine};
use crate::paging::{Page, Paging};
use crate::people::Caller;
use crate::problem::Problem;
use crate::projects::{self, Project};
use crate::web::body::{Path, Query};
use crate::web::page::{Frame, show};

/// The chips above the list.
const STATES: [OrderState; 5] = [
    OrderState::Open,
    OrderState::Done,
    OrderState::Partly,
    OrderState::Failed,
    OrderState::Cancelled,
];

#[derive(Template)]
#[template(path = "crm/orders.html")]
struct OrdersPage {
    page: Frame,
    orders: Page<Order>,
    projects: Vec<Project>,
    state: Option<OrderState>,
}

impl OrdersPage {
    fn project<'a>(&'a self, order: &'a Order) -> &'a str {
        name_of(&self.projects, &order.project_id)
    }

    fn is_chosen(&self, state: &OrderState) -> bool {
        self.state == Some(*state)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    state: Option<OrderState>,
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
    let filter = OrderFilter {
        state: wanted.state,
        ..OrderFilter::default()
    };
    let orders = orders::list(&app, &caller, &filter, &paging).await?;
    let projects = projects::list(&app, &caller, None, &everything()).await?;
    Ok(show(&OrdersPage {
        orders,
        projects: projects.items,
        state: wanted.state,
        page: Frame::of(&caller, "orders"),
    }))
}

#[derive(Template)]
#[template(path = "crm/order.html")]
struct OrderPage {
    page: Frame,
    order: Order,
    project: Project,
    lines: Vec<OrderLine>,
}

impl OrderPage {
    fn joined(&self) -> usize {
        self.count(|line| line.state == LineState::Joined)
    }

    fn lost(&self) -> usize {
        self.count(|line| matches!(line.state, LineState::Failed | LineState::Cancelled))
    }

    fn count(&self, is_one: impl Fn(&OrderLine) -> bool) -> usize {
        self.lines.iter().filter(|line| is_one(line)).count()
    }

    /// How far a device is, in steps of four.
    fn step(&self, line: &OrderLine) -> u8 {
        match line.state {
            LineState::Picked | LineState::Failed | LineState::Cancelled => 0,
            LineState::Enrolled => 1,
            LineState::Sent => 2,
            LineState::Restarting => 3,
            LineState::Joined => 4,
        }
    }

    fn is_bad(&self, line: &OrderLine) -> bool {
        matches!(line.state, LineState::Failed | LineState::Cancelled)
    }
}

pub(super) async fn one(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let mut order = orders::get(&app, &caller, &id).await?;
    let project = projects::get(&app, &caller, &order.project_id).await?;
    let lines = order.lines.take().unwrap_or_default();
    Ok(show(&OrderPage {
        order,
        project,
        lines,
        page: Frame::of(&caller, "orders"),
    }))
}
