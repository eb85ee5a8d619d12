//! Lines of orders in the database, and what an answer changes besides the line: its device, its bay, its order.

use dps_client::service::GroupKey;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::answer::Whereabouts;
use super::groups;
use super::line::{Line, LineState, OrderKind, OrderState};
use crate::app::App;
use crate::store::{Kind, Store, StoreError, Transaction};
use crate::webhooks;

/// How long one instance may work on a line before another takes it: longer than every question together.
const LEASE_MS: i64 = 180_000;

/// A line that is due, with what is asked in its name.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) order_id: String,
    /// The board.
    pub(crate) device_id: String,
    /// What the hub calls it.
    pub(crate) hub_device_id: Option<String>,
    pub(crate) kind: OrderKind,
    pub(crate) project_id: String,
    pub(crate) group: String,
    pub(crate) key_hash: Option<String>,
    pub(crate) line: Line,
}

/// What tells a key without showing it.
pub(crate) fn hash(key: &GroupKey) -> String {
    use std::fmt::Write as _;
    let hash = Sha256::digest(key.to_base64());
    hash.iter().fold(String::new(), |mut text, byte| {
        // Writing into a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) async fn insert(
    tx: &mut Transaction,
    order_id: &str,
    device_id: &str,
    line: &Line,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO order_lines (order_id, device_id, state, next_attempt_at, begun_at, updated_at, holds)
         VALUES ($1, $2, $3, $4, $5, $6, 1)",
    )
    .bind(order_id.to_owned())
    .bind(device_id.to_owned())
    .bind(line.state.as_str())
    .bind(line.next_at)
    .bind(line.begun_at)
    .bind(line.since)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// When the next line is due.
pub(crate) async fn next_due(store: &Store) -> Result<Option<i64>, StoreError> {
    let (next,): (Option<i64>,) =
        sqlx::query_as("SELECT MIN(next_attempt_at) FROM order_lines WHERE holds = 1")
            .fetch_one(store.reader())
            .await?;
    Ok(next)
}

/// Makes lines due that wait for a time, because whoever was at work on them is gone.
pub(crate) async fn take_up_again(store: &Store, now: i64) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    sqlx::query(
        "UPDATE order_lines SET next_attempt_at = $1 WHERE holds = 1 AND next_attempt_at > $1",
    )
    .bind(now)
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Lines that are due, longest first. They are nobody's yet: see [`claim`].
pub(crate) async fn due(store: &Store, now: i64, most: i64) -> Result<Vec<Due>, StoreError> {
    let rows = sqlx::query(
        "SELECT l.*, o.kind, o.project_id, o.key_hash, p.enrollment_group_id, d.device_id AS hub_device_id
         FROM order_lines l JOIN orders o ON o.id = l.order_id JOIN projects p ON p.id = o.project_id
         JOIN devices d ON d.id = l.device_id
         WHERE l.holds = 1 AND l.next_attempt_at <= $1 ORDER BY l.next_attempt_at, l.device_id LIMIT $2",
    )
    .bind(now)
    .bind(most)
    .fetch_all(store.reader())
    .await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// Makes a line this instance's for a while; `false` when another was quicker. From now on its device counts as told,
/// where it is the device that is asked next.
pub(crate) async fn claim(store: &Store, due: &Due, now: i64) -> Result<bool, StoreError> {
    let state = match due.line.state {
        LineState::Enrolled => LineState::Sent,
        state => state,
    };
    let mut tx = store.begin().await?;
    let claimed = sqlx::query(
        "UPDATE order_lines SET next_attempt_at = $1, state = $2
         WHERE order_id = $3 AND device_id = $4 AND holds = 1 AND next_attempt_at = $5 AND state = $6",
    )
    .bind(now + LEASE_MS)
    .bind(state.as_str())
    .bind(due.order_id.clone())
    .bind(due.device_id.clone())
    .bind(due.line.next_at)
    .bind(due.line.state.as_str())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(claimed.rows_affected() == 1)
}

/// Writes down what became of a claimed line. A line that was cancelled meanwhile stays so: whoever cancelled it has
/// seen to it that its device is asked to come back.
pub(crate) async fn save(
    app: &App,
    due: &Due,
    line: &Line,
    whereabouts: Option<&Whereabouts>,
) -> Result<(), StoreError> {
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let keys = match due.kind {
        OrderKind::Assign => groups::keys_number(&mut tx, &due.group).await?,
        OrderKind::Rekey => groups::keys_number(&mut tx, &due.group).await? + 1,
        OrderKind::Return => groups::keys_number(&mut tx, &app.settings.stock_group).await?,
    };
    let saved = sqlx::query(
        "UPDATE order_lines SET state = $1, attempts = $2, next_attempt_at = $3, problem = $4, updated_at = $5,
             holds = $6, keys_version = $7
         WHERE order_id = $8 AND device_id = $9 AND holds = 1",
    )
    .bind(line.state.as_str())
    .bind(line.attempts)
    .bind(line.next_at)
    .bind(line.problem.clone())
    .bind(line.since)
    .bind((!line.state.is_over()).then_some(1_i64))
    .bind(if line.state == LineState::Joined { keys } else { 0 })
    .bind(due.order_id.clone())
    .bind(due.device_id.clone())
    .execute(&mut *tx)
    .await?;
    if saved.rows_affected() == 0 {
        return Ok(());
    }
    if let Some(Whereabouts { hub, device_id }) = whereabouts {
        sqlx::query(
            "UPDATE devices SET hub = COALESCE($1, hub), device_id = COALESCE($2, device_id) WHERE id = $3",
        )
        .bind(hub.clone())
        .bind(device_id.clone())
        .bind(due.device_id.clone())
        .execute(&mut *tx)
        .await?;
    }
    match line.state {
        LineState::Joined => joined(app, &mut tx, due, keys).await?,
        LineState::Failed => failed(&mut tx, due).await?,
        _ => {}
    }
    if line.state.is_over() {
        let event = match (line.state, due.kind) {
            (LineState::Failed, _) => "device.failed",
            (_, OrderKind::Assign) => "device.joined",
            (_, OrderKind::Rekey) => "device.rekeyed",
            (_, OrderKind::Return) => "device.returned",
        };
        let body = json!({"orderId": due.order_id, "deviceId": due.device_id, "projectId": due.project_id,
                          "problem": line.problem});
        let customer = customer(&mut tx, due).await?;
        webhooks::announce(&mut tx, event, customer.as_deref(), body, now).await?;
    }
    tx.tell(Kind::Order, &due.order_id);
    tx.tell(Kind::Device, &due.device_id);
    settle(&mut tx, &due.order_id, now).await?;
    tx.commit().await
}

async fn customer(tx: &mut Transaction, due: &Due) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> = sqlx::query_as("SELECT customer_id FROM projects WHERE id = $1")
        .bind(due.project_id.clone())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.map(|(id,)| id))
}

/// The device is what the order wanted.
async fn joined(app: &App, tx: &mut Transaction, due: &Due, keys: i64) -> Result<(), StoreError> {
    let (lifecycle, project, group) = match due.kind {
        OrderKind::Assign | OrderKind::Rekey => ("project", Some(&due.project_id), &due.group),
        OrderKind::Return => ("stock", None, &app.settings.stock_group),
    };
    sqlx::query(
        "UPDATE devices SET lifecycle = $1, project_id = $2, enrollment_group_id = $3, keys_version = $4, last_seen_at = $5,
             version = version + 1
         WHERE id = $6",
    )
    .bind(lifecycle)
    .bind(project.cloned())
    .bind(group.clone())
    .bind(keys)
    .bind(app.now())
    .bind(due.device_id.clone())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The device was given up. One that was certainly told nothing is where it was; the others stay with the order's
/// project until somebody tries again, or returns them.
async fn failed(tx: &mut Transaction, due: &Due) -> Result<(), StoreError> {
    if due.line.state.may_have_changed() {
        return Ok(());
    }
    put_back(tx, due.kind, &due.device_id).await
}

/// Puts a device back where it was before an order held it.
pub(crate) async fn put_back(
    tx: &mut Transaction,
    kind: OrderKind,
    device_id: &str,
) -> Result<(), StoreError> {
    let sql = match kind {
        OrderKind::Assign => {
            "UPDATE devices SET lifecycle = 'stock', project_id = NULL, version = version + 1 WHERE id = $1"
        }
        OrderKind::Rekey | OrderKind::Return => {
            "UPDATE devices SET lifecycle = 'project', version = version + 1 WHERE id = $1"
        }
    };
    sqlx::query(sql)
        .bind(device_id.to_owned())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Ends an order whose lines are all over. New keys are not in force until the group has them: see
/// [`super::worker`].
pub(crate) async fn settle(
    tx: &mut Transaction,
    order_id: &str,
    now: i64,
) -> Result<(), StoreError> {
    // Two last lines at once would each take the other for one that is still under way: the second waits for the first.
    sqlx::query("UPDATE orders SET version = version WHERE id = $1")
        .bind(order_id.to_owned())
        .execute(&mut **tx)
        .await?;
    let rows: Vec<(String, String, String, String)> = sqlx::query_as(
        "SELECT l.state, o.kind, o.project_id, p.customer_id FROM order_lines l JOIN orders o ON o.id = l.order_id
         JOIN projects p ON p.id = o.project_id WHERE l.order_id = $1",
    )
    .bind(order_id.to_owned())
    .fetch_all(&mut **tx)
    .await?;
    let Some((_, kind, project, customer)) = rows.first() else {
        return Ok(());
    };
    let lines: Vec<_> = rows
        .iter()
        .map(|(state, ..)| LineState::of(state))
        .collect();
    let state = OrderState::from_lines(&lines);
    let waits = OrderKind::of(kind) == OrderKind::Rekey && state == OrderState::Done;
    if state == OrderState::Open || waits {
        return Ok(());
    }
    end(tx, order_id, state, project, customer, now).await
}

/// Ends an order.
pub(crate) async fn end(
    tx: &mut Transaction,
    order_id: &str,
    state: OrderState,
    project: &str,
    customer: &str,
    now: i64,
) -> Result<(), StoreError> {
    let ended = sqlx::query(
        "UPDATE orders SET state = $1, ended_at = $2, version = version + 1 WHERE id = $3 AND state = 'open'",
    )
    .bind(state.as_str())
    .bind(now)
    .bind(order_id.to_owned())
    .execute(&mut **tx)
    .await?;
    if ended.rows_affected() == 1 {
        let body = json!({"orderId": order_id, "projectId": project, "state": state});
        webhooks::announce(tx, "order.ended", Some(customer), body, now).await?;
        tx.tell(Kind::Order, order_id);
    }
    Ok(())
}

fn read(row: &AnyRow) -> Result<Due, sqlx::Error> {
    Ok(Due {
        order_id: row.try_get("order_id")?,
        device_id: row.try_get("device_id")?,
        hub_device_id: row.try_get("hub_device_id")?,
        kind: OrderKind::of(row.try_get("kind")?),
        project_id: row.try_get("project_id")?,
        group: row.try_get("enrollment_group_id")?,
        key_hash: row.try_get("key_hash")?,
        line: Line {
            state: LineState::of(row.try_get("state")?),
            attempts: row.try_get("attempts")?,
            since: row.try_get("updated_at")?,
            begun_at: row.try_get("begun_at")?,
            next_at: row.try_get("next_attempt_at")?,
            problem: row.try_get("problem")?,
        },
    })
}
