//! Placing an order: its devices are held in the same transaction, or there is no order.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::keep;
use super::line::{Line, OrderKind};
use super::{Order, get};
use crate::app::{App, new_id};
use crate::audit::{self, Action};
use crate::bookings::withdraw::{self, OpenBookings, Taken};
use crate::middleware;
use crate::people::{Caller, Role};
use crate::problem::Problem;
use crate::projects::{self, Project};
use crate::store::{Kind, Transaction};
use crate::webhooks::reports::Place;

/// The most devices of one order.
pub const MOST: u32 = 1000;

/// An order to be.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewOrder {
    /// The project that gets the devices, or has them.
    pub project_id: String,
    /// `assign` (unless it is said), `return`, or `rekey`, which is always for all devices of the project.
    pub kind: Option<OrderKind>,
    /// How many devices to take from stock, 1 to 1000: those that were heard of last are first.
    #[schema(minimum = 1, maximum = 1000)]
    pub quantity: Option<u32>,
    /// Which devices, by their serial numbers, in place of a quantity.
    #[schema(min_items = 1, max_items = 1000)]
    pub device_ids: Option<Vec<String>>,
    /// Of `return`: what becomes of the open bookings of their bays. Without it there is no order while there are any.
    pub bookings: Option<OpenBookings>,
}

/// Which devices.
enum Choice {
    Any(u32),
    These(Vec<String>),
    All,
}

/// Places an order. It is on its way when this returns.
///
/// # Errors
/// 400 for what cannot be; 404 for a project that is not the caller's; 409 `not-enough-stock`, `device-not-available`,
/// `device-not-enrolled`, `project-closed`, `keys-are-changing`, `orders-are-open` or `bookings-are-open`, which names them:
/// then no device is held; 403 below an operator, and below an installer for an assignment that names its devices.
pub async fn place(app: &App, caller: &Caller, new: NewOrder) -> Result<Order, Problem> {
    let kind = new.kind.unwrap_or(OrderKind::Assign);
    // Who holds a board in his hand claims that one; what is taken from the shelf is for others to say.
    let is_claim = kind == OrderKind::Assign && new.device_ids.is_some();
    caller.at_least(if is_claim {
        Role::Installer
    } else {
        Role::Operator
    })?;
    let project = projects::get(app, caller, &new.project_id).await?;
    let bookings = new.bookings;
    if bookings.is_some() && kind != OrderKind::Return {
        let detail = "is for devices that are returned: no other order takes a bay away";
        return Err(Problem::field("bookings", detail));
    }
    let choice = choice(kind, new)?;
    if project.closed_at.is_some() && kind == OrderKind::Assign {
        let detail = "The project is closed: it takes no more devices.";
        return Err(Problem::conflict("project-closed", detail));
    }
    let key_hash = if kind == OrderKind::Rekey {
        caller.at_least(Role::Administrator)?;
        Some(next_key(app, &project).await?)
    } else {
        None
    };
    let id = new_id();
    let mut tx = app.store.begin().await?;
    let placing = Placing {
        order_id: &id,
        kind,
        choice,
        key_hash,
    };
    let devices = hold(app, caller, &mut tx, &project, placing).await?;
    if kind == OrderKind::Return {
        let mut open = Vec::new();
        for device in &devices {
            open.extend(withdraw::open(&mut tx, Taken::WatchedBy(device)).await?);
        }
        let whose = Place {
            bay: "",
            project_id: &project.id,
            customer_id: &project.customer_id,
        };
        withdraw::settle(app, caller, &mut tx, whose, open, bookings).await?;
    }
    tx.commit().await?;
    get(app, caller, &id).await
}

fn choice(kind: OrderKind, new: NewOrder) -> Result<Choice, Problem> {
    match (kind, new.quantity, new.device_ids) {
        (OrderKind::Rekey, None, None) => Ok(Choice::All),
        (OrderKind::Rekey, _, _) => Err(Problem::field(
            "deviceIds",
            "new keys are for every device of the project: name none",
        )),
        (OrderKind::Return, Some(_), _) => Err(Problem::field(
            "quantity",
            "say in deviceIds which devices to return",
        )),
        (_, Some(_), Some(_)) => Err(Problem::field(
            "quantity",
            "must not stand beside deviceIds",
        )),
        (_, None, None) => Err(Problem::field(
            if kind == OrderKind::Assign {
                "quantity"
            } else {
                "deviceIds"
            },
            "is missing",
        )),
        (_, Some(quantity @ 1..=MOST), None) => Ok(Choice::Any(quantity)),
        (_, Some(_), None) => Err(Problem::field("quantity", format!("must be 1 to {MOST}"))),
        (_, None, Some(mut ids)) => {
            for id in &mut ids {
                id.make_ascii_lowercase();
            }
            ids.sort();
            ids.dedup();
            if ids.is_empty() || ids.len() > MOST as usize {
                let detail = format!("must name 1 to {MOST} devices");
                return Err(Problem::field("deviceIds", detail));
            }
            Ok(Choice::These(ids))
        }
    }
}

/// The hash of the key that the project's devices are to change to: the group's second, which no device uses.
async fn next_key(app: &App, project: &Project) -> Result<String, Problem> {
    let keys = app.provisioning.groups();
    let keys = keys.keys(&project.enrollment_group_id).await;
    let keys = keys.map_err(|error| middleware::problem(&error, "enrolment group"))?;
    Ok(keep::hash(&keys.secondary))
}

/// An order that is being placed.
struct Placing<'a> {
    order_id: &'a str,
    kind: OrderKind,
    choice: Choice,
    key_hash: Option<String>,
}

async fn hold(
    app: &App,
    caller: &Caller,
    tx: &mut Transaction,
    project: &Project,
    placing: Placing<'_>,
) -> Result<Vec<String>, Problem> {
    let Placing {
        order_id,
        kind,
        choice,
        key_hash,
    } = placing;
    let now = app.now();
    // Orders of one project are placed one after the other: the row is held until the commit.
    sqlx::query("UPDATE projects SET version = version WHERE id = $1")
        .bind(&project.id)
        .execute(&mut **tx)
        .await?;
    let open: Vec<(String,)> =
        sqlx::query_as("SELECT kind FROM orders WHERE project_id = $1 AND state = 'open'")
            .bind(project.id.clone())
            .fetch_all(&mut **tx)
            .await?;
    if open
        .iter()
        .any(|(kind,)| OrderKind::of(kind) == OrderKind::Rekey)
    {
        return Err(Problem::conflict(
            "keys-are-changing",
            "The project's devices are getting new keys: wait for that order, or cancel it.",
        ));
    }
    if kind == OrderKind::Rekey && !open.is_empty() {
        return Err(Problem::conflict(
            "orders-are-open",
            "Devices of the project are on their way: keys change when they are there.",
        ));
    }
    let devices = match choice {
        Choice::Any(quantity) => pick(tx, &project.id, quantity).await?,
        Choice::These(ids) => take(tx, &project.id, kind, &ids).await?,
        Choice::All => all(tx, &project.id).await?,
    };
    sqlx::query(
        "INSERT INTO orders (id, project_id, kind, quantity, state, created_by, created_at, key_hash)
         VALUES ($1, $2, $3, $4, 'open', $5, $6, $7)",
    )
    .bind(order_id.to_owned())
    .bind(project.id.clone())
    .bind(kind.as_str())
    .bind(devices.len() as i64)
    .bind(caller.user_id.clone())
    .bind(now)
    .bind(key_hash)
    .execute(&mut **tx)
    .await?;
    for device in &devices {
        keep::insert(tx, order_id, device, &Line::picked(now))
            .await
            .map_err(|error| {
                if error.is_taken() {
                    not_available(device)
                } else {
                    error.into()
                }
            })?;
        tx.tell(Kind::Device, device);
    }
    let action = Action {
        action: "order.place",
        object_kind: "order",
        object_id: order_id,
        customer_id: Some(&project.customer_id),
        detail: json!({"kind": kind, "project": project.id, "devices": devices}),
    };
    audit::record(tx, Some(caller), now, action).await?;
    tx.tell(Kind::Order, order_id);
    Ok(devices)
}

/// Devices from stock, those heard of last first. Two orders at once wait for each other here and find others.
async fn pick(tx: &mut Transaction, project: &str, quantity: u32) -> Result<Vec<String>, Problem> {
    let mut picked: Vec<String> = Vec::new();
    while picked.len() < quantity as usize {
        let rows: Vec<(String,)> = sqlx::query_as(
            "UPDATE devices SET lifecycle = 'assigning', project_id = $1, version = version + 1
             WHERE lifecycle = 'stock' AND id IN (
                 SELECT d.id FROM devices d WHERE d.lifecycle = 'stock' AND d.disabled_at IS NULL AND d.blocked_at IS NULL
                     AND d.device_id IS NOT NULL
                 ORDER BY COALESCE((SELECT s.heard_at FROM device_states s WHERE s.device_id = d.id), 0) DESC,
                     d.first_seen_at, d.id
                 LIMIT $2)
             RETURNING id",
        )
        .bind(project.to_owned())
        .bind(i64::from(quantity) - picked.len() as i64)
        .fetch_all(&mut **tx)
        .await?;
        if rows.is_empty() {
            return Err(Problem::conflict(
                "not-enough-stock",
                format!(
                    "The stock has {} devices, not {quantity}: order fewer, or add some.",
                    picked.len()
                ),
            ));
        }
        picked.extend(rows.into_iter().map(|(id,)| id));
    }
    Ok(picked)
}

/// These devices and no others: from stock, or from the project.
async fn take(
    tx: &mut Transaction,
    project: &str,
    kind: OrderKind,
    ids: &[String],
) -> Result<Vec<String>, Problem> {
    for id in ids {
        if kind != OrderKind::Assign && !is_enrolled(tx, id).await? {
            let detail = format!(
                "The device {id} came here by no enrolment group, so there is none it could go back to."
            );
            return Err(Problem::conflict("device-not-enrolled", detail));
        }
        let sql = match kind {
            OrderKind::Assign => {
                "UPDATE devices SET lifecycle = 'assigning', project_id = $1, version = version + 1
                 WHERE id = $2 AND lifecycle = 'stock' AND disabled_at IS NULL AND blocked_at IS NULL"
            }
            OrderKind::Rekey | OrderKind::Return => {
                "UPDATE devices SET lifecycle = 'resetting', version = version + 1
                 WHERE id = $2 AND project_id = $1 AND lifecycle IN ('assigning', 'project', 'resetting')"
            }
        };
        let taken = sqlx::query(sql)
            .bind(project.to_owned())
            .bind(id.clone())
            .execute(&mut **tx)
            .await?;
        if taken.rows_affected() == 0 {
            return Err(not_available(id));
        }
    }
    Ok(ids.to_vec())
}

/// Whether the device has its identity from an enrolment group; one that is not known does not matter here.
async fn is_enrolled(tx: &mut Transaction, id: &str) -> Result<bool, Problem> {
    let row: Option<(Option<String>,)> =
        sqlx::query_as("SELECT enrollment_group_id FROM devices WHERE id = $1")
            .bind(id.to_owned())
            .fetch_optional(&mut **tx)
            .await?;
    Ok(row.is_none_or(|(group,)| group.is_some()))
}

async fn all(tx: &mut Transaction, project: &str) -> Result<Vec<String>, Problem> {
    let rows: Vec<(String,)> =
        sqlx::query_as("SELECT id FROM devices WHERE project_id = $1 AND enrollment_group_id IS NOT NULL ORDER BY id")
            .bind(project.to_owned())
            .fetch_all(&mut **tx)
            .await?;
    if rows.is_empty() {
        let detail = "The project has no devices whose keys could change.";
        return Err(Problem::conflict("no-devices", detail));
    }
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

fn not_available(id: &str) -> Problem {
    Problem::conflict(
        "device-not-available",
        format!("The device {id} is not there, or another order has it."),
    )
}

/// Places the order that gives back what a cancelled one may have sent.
pub(super) async fn take_back(
    app: &App,
    caller: &Caller,
    tx: &mut Transaction,
    project: &Project,
    devices: Vec<String>,
) -> Result<String, Problem> {
    let id = new_id();
    let placing = Placing {
        order_id: &id,
        kind: OrderKind::Return,
        choice: Choice::These(devices),
        key_hash: None,
    };
    hold(app, caller, tx, project, placing).await?;
    Ok(id)
}
