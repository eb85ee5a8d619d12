//! Orders: devices from stock to a project, new keys for them, and back to stock.
//!
//! - [`mod@line`] decides, one device at a time, and knows nothing of this service;
//! - [`place`] makes an order and holds its devices, so that no two orders have the same one;
//! - [`worker`] asks the provisioning service and the devices, and writes down what they say;
//! - [`amend`] cancels and begins again.
//!
//! **Invariant:** a device is held by one order at most, and an order is over only when each of its devices has said
//! itself what it is, was given up, or was never told anything.

pub mod amend;
pub(crate) mod answer;
mod api;
pub(crate) mod groups;
pub(crate) mod keep;
pub mod line;
pub mod place;
pub mod worker;

use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::moment::Moment;
use crate::paging::{Page, Paging};
use crate::people::{Caller, Role};
use crate::problem::Problem;
use line::{LineState, OrderKind, OrderState};

pub use api::router;

/// An order.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Its id.
    pub id: String,
    /// The project it is for.
    pub project_id: String,
    /// What it does with its devices.
    pub kind: OrderKind,
    /// How many devices it has.
    pub quantity: i64,
    /// How far it is.
    pub state: OrderState,
    /// Who placed it: a user's id.
    pub created_by: String,
    /// When.
    pub created_at: Moment,
    /// When it was over.
    pub ended_at: Option<Moment>,
    /// Counts its changes; it is the entity tag.
    pub version: i64,
    /// Whose project it is.
    pub customer_id: String,
    /// How far each device is. Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<Vec<OrderLine>>,
}

/// One device of an order.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderLine {
    /// The board's serial number.
    pub device_id: String,
    /// How far it is.
    pub state: LineState,
    /// How often it said no, or came back as it was.
    pub attempts: i64,
    /// When it is asked next.
    pub next_attempt_at: Option<Moment>,
    /// What was in the way last.
    pub problem: Option<String>,
    /// Which of the group's keys it was given, counted from 1; 0 before that.
    pub keys_version: i64,
    /// Since when it is in this state.
    pub updated_at: Moment,
}

/// Which orders.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct OrderFilter {
    /// Of this project only.
    pub project_id: Option<String>,
    /// In this state only.
    pub state: Option<OrderState>,
    /// With a line of this device only: who was sold it, and when.
    pub device_id: Option<String>,
}

/// The orders that the caller sees, the newest first, without their lines.
///
/// # Errors
/// 403 for drivers.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &OrderFilter,
    paging: &Paging,
) -> Result<Page<Order>, Problem> {
    caller.at_least(Role::Installer)?;
    let limit = paging.limit()?;
    let rows = sqlx::query(
        "SELECT o.*, p.customer_id FROM orders o JOIN projects p ON p.id = o.project_id
         WHERE ($1 = '' OR o.id < $1) AND ($2 IS NULL OR p.customer_id = $2) AND ($3 IS NULL OR o.project_id = $3)
             AND ($4 IS NULL OR o.state = $4)
             AND ($5 IS NULL OR EXISTS (SELECT 1 FROM order_lines l WHERE l.order_id = o.id AND l.device_id = $5))
         ORDER BY o.id DESC LIMIT $6",
    )
    .bind(paging.after())
    .bind(caller.customer_id.clone())
    .bind(filter.project_id.clone())
    .bind(filter.state.map(OrderState::as_str))
    .bind(filter.device_id.clone())
    .bind(limit + 1)
    .fetch_all(app.store.reader())
    .await?;
    let items = rows.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Page::cut(items, limit, |order: &Order| order.id.clone()))
}

/// One order with its lines.
///
/// # Errors
/// 404 when it is not there or not the caller's; 403 for drivers.
pub async fn get(app: &App, caller: &Caller, id: &str) -> Result<Order, Problem> {
    caller.at_least(Role::Installer)?;
    let row = sqlx::query(
        "SELECT o.*, p.customer_id FROM orders o JOIN projects p ON p.id = o.project_id WHERE o.id = $1",
    )
    .bind(id)
    .fetch_optional(app.store.reader())
    .await?;
    let order = row.as_ref().map(read).transpose()?;
    let mut order = order
        .filter(|order| caller.sees(&order.customer_id))
        .ok_or_else(|| Problem::not_found("order"))?;
    let rows = sqlx::query("SELECT * FROM order_lines WHERE order_id = $1 ORDER BY device_id")
        .bind(id)
        .fetch_all(app.store.reader())
        .await?;
    order.lines = Some(rows.iter().map(read_line).collect::<Result<_, _>>()?);
    Ok(order)
}

fn read(row: &AnyRow) -> Result<Order, sqlx::Error> {
    Ok(Order {
        id: row.try_get("id")?,
        project_id: row.try_get("project_id")?,
        kind: OrderKind::of(row.try_get("kind")?),
        quantity: row.try_get("quantity")?,
        state: OrderState::of(row.try_get("state")?),
        created_by: row.try_get("created_by")?,
        created_at: Moment(row.try_get("created_at")?),
        ended_at: Moment::of(row.try_get("ended_at")?),
        version: row.try_get("version")?,
        customer_id: row.try_get("customer_id")?,
        lines: None,
    })
}

fn read_line(row: &AnyRow) -> Result<OrderLine, sqlx::Error> {
    Ok(OrderLine {
        device_id: row.try_get("device_id")?,
        state: LineState::of(row.try_get("state")?),
        attempts: row.try_get("attempts")?,
        next_attempt_at: Moment::of(row.try_get("next_attempt_at")?),
        problem: row.try_get("problem")?,
        keys_version: row.try_get("keys_version")?,
        updated_at: Moment(row.try_get("updated_at")?),
    })
}

#[cfg(test)]
mod tests;
