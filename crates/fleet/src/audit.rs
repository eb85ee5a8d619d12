//! The audit trail: who did what, when, with what. Nothing is ever changed in it.

mod api;

use serde_json::Value;

pub use api::router;

use crate::people::Caller;
use crate::store::{StoreError, Transaction};

/// What was done, to be written in the transaction that does it.
#[derive(Debug, Clone)]
pub struct Action<'a> {
    /// A verb and its noun: `project.create`, `booking.cancel`.
    pub action: &'static str,
    /// What kind of thing: `project`.
    pub object_kind: &'static str,
    /// Which one.
    pub object_id: &'a str,
    /// Whose it is, if it is anybody's.
    pub customer_id: Option<&'a str>,
    /// What else is worth knowing. Never a key, a token or a password.
    pub detail: Value,
}

/// Writes it down. `None` is the service itself, which acts when a time comes.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn record(
    tx: &mut Transaction,
    caller: Option<&Caller>,
    now: i64,
    action: Action<'_>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO audit (at, user_id, user_name, customer_id, action, object_kind, object_id, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(now)
    .bind(caller.map(|caller| caller.user_id.clone()))
    .bind(caller.map_or("the service", |caller| &caller.name).to_owned())
    .bind(action.customer_id.map(str::to_owned))
    .bind(action.action)
    .bind(action.object_kind)
    .bind(action.object_id.to_owned())
    .bind(action.detail.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
