//! Cancelling an order, and trying again with what was given up.

use serde_json::json;

use super::line::{Line, LineState, OrderKind, OrderState};
use super::{Order, get, keep, place};
use crate::app::App;
use crate::audit::{self, Action};
use crate::entity_tag::IfMatch;
use crate::people::{Caller, Role};
use crate::problem::Problem;
use crate::projects;
use crate::store::Kind;

/// Cancels an open order. A device that was not told anything is where it was, at once; one that may have been told is
/// asked to come back to stock by an order of its own, which the answer names. Those that are there already stay.
///
/// # Errors
/// 404 when it is not the caller's, 409 `order-over`, 412 when it is not the version that was read, 403 below an operator.
pub async fn cancel(
    app: &App,
    caller: &Caller,
    id: &str,
    if_match: IfMatch,
) -> Result<(Order, Option<String>), Problem> {
    caller.at_least(Role::Operator)?;
    let order = get(app, caller, id).await?;
    if_match.check(order.version)?;
    let project = projects::get(app, caller, &order.project_id).await?;
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let cancelled = sqlx::query(
        "UPDATE orders SET state = 'cancelled', ended_at = $1, version = version + 1 WHERE id = $2 AND state = 'open'",
    )
    .bind(now)
    .bind(id)
    .execute(&mut *tx)
    .await?;
    if cancelled.rows_affected() == 0 {
        return Err(over());
    }
    let held: Vec<(String, String)> = sqlx::query_as(
        "UPDATE order_lines SET holds = NULL, next_attempt_at = NULL WHERE order_id = $1 AND holds = 1
         RETURNING device_id, state",
    )
    .bind(id)
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query(
        "UPDATE order_lines SET state = 'cancelled', updated_at = $1
         WHERE order_id = $2 AND state IN ('picked', 'enrolled', 'sent', 'restarting')",
    )
    .bind(now)
    .bind(id)
    .execute(&mut *tx)
    .await?;
    let mut told = Vec::new();
    for (device, state) in held {
        // New keys beside old ones harm nobody, and a device on its way to stock goes there in any case.
        let comes_back =
            order.kind == OrderKind::Assign && LineState::of(&state).may_have_changed();
        if comes_back {
            told.push(device);
        } else {
            keep::put_back(&mut tx, order.kind, &device).await?;
            tx.tell(Kind::Device, &device);
        }
    }
    let action = Action {
        action: "order.cancel",
        object_kind: "order",
        object_id: id,
        customer_id: Some(&project.customer_id),
        detail: json!({"comeBack": told}),
    };
    audit::record(&mut tx, Some(caller), now, action).await?;
    let back = if told.is_empty() {
        None
    } else {
        Some(place::take_back(app, caller, &mut tx, &project, told).await?)
    };
    tx.tell(Kind::Order, id);
    tx.commit().await?;
    Ok((get(app, caller, id).await?, back))
}

/// Begins again with each device of the order that was given up and that nobody else has taken since.
///
/// # Errors
/// 404 when it is not the caller's, 409 when no device of it can be tried again, 403 below an operator, and below an
/// installer for an assignment.
pub async fn retry(app: &App, caller: &Caller, id: &str) -> Result<Order, Problem> {
    let order = get(app, caller, id).await?;
    if order.kind != OrderKind::Assign {
        caller.at_least(Role::Operator)?;
    }
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let (others,): (i64,) = sqlx::query_as(
        "SELECT COUNT(*) FROM orders WHERE project_id = $1 AND id <> $2 AND state = 'open' AND (kind = 'rekey' OR $3 = 'rekey')",
    )
    .bind(&order.project_id)
    .bind(id)
    .bind(order.kind.as_str())
    .fetch_one(&mut *tx)
    .await?;
    if others > 0 {
        return Err(Problem::conflict(
            "keys-are-changing",
            "Keys change while no device is on its way: wait for the project's open order.",
        ));
    }
    let mut again = Vec::new();
    for line in order.lines.iter().flatten() {
        if line.state != LineState::Failed {
            continue;
        }
        let lifecycle = match order.kind {
            OrderKind::Assign => "assigning",
            OrderKind::Rekey => "project",
            OrderKind::Return => "resetting",
        };
        // A device that was put back must still be where this order took it from.
        let held = sqlx::query(
            "UPDATE devices SET lifecycle = $1, project_id = $2, version = version + 1 WHERE id = $3
                 AND (project_id = $2 OR (project_id IS NULL AND lifecycle = 'stock' AND $1 = 'assigning'))
                 AND NOT EXISTS (SELECT 1 FROM order_lines l WHERE l.device_id = $3 AND l.holds = 1)",
        )
        .bind(lifecycle)
        .bind(&order.project_id)
        .bind(&line.device_id)
        .execute(&mut *tx)
        .await?;
        if held.rows_affected() == 0 {
            continue;
        }
        let fresh = Line::picked(now);
        sqlx::query(
            "UPDATE order_lines SET state = $1, attempts = 0, next_attempt_at = $2, problem = NULL, begun_at = $2,
                 updated_at = $2, holds = 1
             WHERE order_id = $3 AND device_id = $4",
        )
        .bind(fresh.state.as_str())
        .bind(now)
        .bind(id)
        .bind(&line.device_id)
        .execute(&mut *tx)
        .await?;
        tx.tell(Kind::Device, &line.device_id);
        again.push(line.device_id.clone());
    }
    if again.is_empty() {
        return Err(Problem::conflict(
            "nothing-to-retry",
            "No device of this order was given up, or others have them now.",
        ));
    }
    sqlx::query(
        "UPDATE orders SET state = $1, ended_at = NULL, version = version + 1 WHERE id = $2",
    )
    .bind(OrderState::Open.as_str())
    .bind(id)
    .execute(&mut *tx)
    .await?;
    let action = Action {
        action: "order.retry",
        object_kind: "order",
        object_id: id,
        customer_id: Some(&order.customer_id),
        detail: json!({"devices": again}),
    };
    audit::record(&mut tx, Some(caller), now, action).await?;
    tx.tell(Kind::Order, id);
    tx.commit().await?;
    get(app, caller, id).await
}

fn over() -> Problem {
    Problem::conflict(
        "order-over",
        "The order is over: return its devices instead.",
    )
}
