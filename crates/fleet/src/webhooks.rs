//! Status reports to somebody else's address: signed, with the time they were sent at, and tried again until they are
//! taken.
//!
//! They follow the Standard Webhooks specification 1.0 (<https://www.standardwebhooks.com>), so that receivers find a
//! library for them: `webhook-id`, `webhook-timestamp`, and `webhook-signature: v1,BASE64`, the HMAC-SHA256 of
//! `ID.TIMESTAMP.BODY`.
//!
//! **Invariant:** a report is in the database with what it reports, so that neither is without the other; a receiver may
//! hear it twice, with the same `webhook-id`.

mod api;
pub mod delivery;
pub mod reports;
mod send;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::app::{App, new_id};
use crate::audit::{self, Action};
use crate::customers;
use crate::moment::Moment;
use crate::paging::{Page, Paging};
use crate::people::Caller;
use crate::problem::Problem;
use crate::store::{StoreError, Transaction};

pub use api::router;

/// What is reported, by whom it is told.
pub const EVENTS: &[&str] = &[
    "device.stocked",
    "device.joined",
    "device.rekeyed",
    "device.returned",
    "device.failed",
    "order.ended",
    "alarm.raised",
    "alarm.changed",
    "alarm.ended",
    "booking.made",
    "booking.changed",
    "booking.checked-in",
    "booking.conflict",
    "booking.overstay",
    "booking.no-show",
    "booking.ended",
    "webhook.ping",
];

/// Where to send reports.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Its id.
    pub id: String,
    /// Whose devices, orders, alarms and bookings it hears of; of everybody's when it is nobody's.
    pub customer_id: Option<String>,
    /// Where to.
    pub url: String,
    /// Which reports; every one when there is none.
    pub events: Vec<String>,
    /// Since when.
    pub created_at: Moment,
    /// Since when it is sent nothing any more: the receiver said 410 Gone.
    pub disabled_at: Option<Moment>,
    /// What reports are signed with, `whsec_…`. Shown when it is made, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// A webhook to be.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewWebhook {
    /// Where to: https, or http on this machine.
    pub url: String,
    /// Of which customer; of all when it is absent.
    pub customer_id: Option<String>,
    /// Which reports; every one when there is none.
    #[serde(default)]
    pub events: Vec<String>,
}

/// One report to one receiver.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Its id, sent as `webhook-id`.
    pub id: String,
    /// What it reports.
    pub event: String,
    /// When it happened.
    pub created_at: Moment,
    /// How often it was sent.
    pub attempts: i64,
    /// When it is sent next; absent when it was taken or given up.
    pub next_attempt_at: Option<Moment>,
    /// When it was taken.
    pub delivered_at: Option<Moment>,
    /// What was in the way last.
    pub problem: Option<String>,
}

/// Reports to whoever wants to hear it, with what it reports: call it in the same transaction.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn announce(
    tx: &mut Transaction,
    event: &'static str,
    customer_id: Option<&str>,
    data: Value,
    now: i64,
) -> Result<(), StoreError> {
    let hooks: Vec<(String, String)> = sqlx::query_as(
        "SELECT id, events FROM webhooks WHERE disabled_at IS NULL AND (customer_id IS NULL OR customer_id = $1)",
    )
    .bind(customer_id.map(str::to_owned))
    .fetch_all(&mut **tx)
    .await?;
    for (hook, events) in hooks {
        let events: Vec<String> = serde_json::from_str(&events).unwrap_or_default();
        if events.is_empty() || events.iter().any(|wanted| wanted == event) {
            enqueue(tx, &hook, event, &data, now).await?;
        }
    }
    Ok(())
}

async fn enqueue(
    tx: &mut Transaction,
    hook: &str,
    event: &str,
    data: &Value,
    now: i64,
) -> Result<String, StoreError> {
    let id = new_id();
    let body = json!({"type": event, "timestamp": Moment(now), "data": data});
    sqlx::query(
        "INSERT INTO webhook_deliveries (id, webhook_id, event, body, created_at, next_attempt_at)
         VALUES ($1, $2, $3, $4, $5, $5)",
    )
    .bind(id.clone())
    .bind(hook.to_owned())
    .bind(event.to_owned())
    .bind(body.to_string())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(id)
}

/// Adds a webhook, with a secret of its own.
///
/// # Errors
/// 400 for an address that cannot be or a report there is not, 403 unless the caller is an administrator of all.
pub async fn create(app: &App, caller: &Caller, new: NewWebhook) -> Result<Webhook, Problem> {
    customers::of_the_house(caller)?;
    let address = new.url.parse::<send::Address>();
    address.map_err(|why| Problem::field("url", why.to_string()))?;
    if let Some(event) = new
        .events
        .iter()
        .find(|event| !EVENTS.contains(&event.as_str()))
    {
        let known = EVENTS.join(", ");
        let detail = format!("there is no {event:?}; there are {known}");
        return Err(Problem::field("events", detail));
    }
    let secret = send::Secret::random()?;
    let hook = Webhook {
        id: new_id(),
        customer_id: new.customer_id,
        url: new.url,
        events: new.events,
        created_at: Moment(app.now()),
        disabled_at: None,
        secret: Some(secret.to_text()),
    };
    let mut tx = app.store.begin().await?;
    let inserted = sqlx::query(
        "INSERT INTO webhooks (id, customer_id, url, secret, events, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&hook.id)
    .bind(hook.customer_id.clone())
    .bind(&hook.url)
    .bind(secret.to_text())
    .bind(json!(hook.events).to_string())
    .bind(hook.created_at.0)
    .execute(&mut *tx)
    .await
    .map_err(StoreError::from);
    match inserted {
        Err(error) if error.is_missing_reference() => {
            return Err(Problem::field("customerId", "there is no such customer"));
        }
        Err(error) => return Err(error.into()),
        Ok(_) => {}
    }
    done(app, caller, &mut tx, "webhook.create", &hook).await?;
    tx.commit().await?;
    Ok(hook)
}

/// The webhooks, in the order they came, without their secrets.
///
/// # Errors
/// 403 unless the caller is an administrator of all.
pub async fn list(app: &App, caller: &Caller, paging: &Paging) -> Result<Page<Webhook>, Problem> {
    customers::of_the_house(caller)?;
    let limit = paging.limit()?;
    let rows = sqlx::query("SELECT * FROM webhooks WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(paging.after())
        .bind(limit + 1)
        .fetch_all(app.store.reader())
        .await?;
    let items = rows.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Page::cut(items, limit, |hook: &Webhook| hook.id.clone()))
}

/// One webhook, without its secret.
///
/// # Errors
/// 404 when it is not there, 403 unless the caller is an administrator of all.
pub async fn get(app: &App, caller: &Caller, id: &str) -> Result<Webhook, Problem> {
    customers::of_the_house(caller)?;
    let row = sqlx::query("SELECT * FROM webhooks WHERE id = $1")
        .bind(id)
        .fetch_optional(app.store.reader())
        .await?;
    let hook = row.as_ref().map(read).transpose()?;
    hook.ok_or_else(|| Problem::not_found("webhook"))
}

/// Removes a webhook with what it was not sent yet.
///
/// # Errors
/// As [`get`].
pub async fn delete(app: &App, caller: &Caller, id: &str) -> Result<(), Problem> {
    let hook = get(app, caller, id).await?;
    let mut tx = app.store.begin().await?;
    sqlx::query("DELETE FROM webhooks WHERE id = $1")
        .bind(id)
        .execute(&mut *tx)
        .await?;
    done(app, caller, &mut tx, "webhook.delete", &hook).await?;
    tx.commit().await?;
    Ok(())
}

/// Sends a report of nothing, to see whether it comes; its delivery's id.
///
/// # Errors
/// As [`get`].
pub async fn ping(app: &App, caller: &Caller, id: &str) -> Result<String, Problem> {
    let hook = get(app, caller, id).await?;
    let mut tx = app.store.begin().await?;
    let data = json!({"webhookId": hook.id});
    let delivery = enqueue(&mut tx, id, "webhook.ping", &data, app.now()).await?;
    done(app, caller, &mut tx, "webhook.ping", &hook).await?;
    tx.commit().await?;
    Ok(delivery)
}

/// What a webhook was sent, and what is still to be, in the order it happened.
///
/// # Errors
/// As [`get`].
pub async fn deliveries(
    app: &App,
    caller: &Caller,
    id: &str,
    paging: &Paging,
) -> Result<Page<Delivery>, Problem> {
    get(app, caller, id).await?;
    let limit = paging.limit()?;
    let rows = sqlx::query(
        "SELECT * FROM webhook_deliveries WHERE webhook_id = $1 AND id > $2 ORDER BY id LIMIT $3",
    )
    .bind(id)
    .bind(paging.after())
    .bind(limit + 1)
    .fetch_all(app.store.reader())
    .await?;
    let items = rows.iter().map(read_delivery).collect::<Result<_, _>>()?;
    Ok(Page::cut(items, limit, |delivery: &Delivery| {
        delivery.id.clone()
    }))
}

async fn done(
    app: &App,
    caller: &Caller,
    tx: &mut Transaction,
    action: &'static str,
    hook: &Webhook,
) -> Result<(), Problem> {
    let action = Action {
        action,
        object_kind: "webhook",
        object_id: &hook.id,
        customer_id: hook.customer_id.as_deref(),
        detail: json!({"url": hook.url, "events": hook.events}),
    };
    audit::record(tx, Some(caller), app.now(), action).await?;
    Ok(())
}

fn read(row: &AnyRow) -> Result<Webhook, sqlx::Error> {
    let events: String = row.try_get("events")?;
    Ok(Webhook {
        id: row.try_get("id")?,
        customer_id: row.try_get("customer_id")?,
        url: row.try_get("url")?,
        events: serde_json::from_str(&events).unwrap_or_default(),
        created_at: Moment(row.try_get("created_at")?),
        disabled_at: Moment::of(row.try_get("disabled_at")?),
        secret: None,
    })
}

fn read_delivery(row: &AnyRow) -> Result<Delivery, sqlx::Error> {
    Ok(Delivery {
        id: row.try_get("id")?,
        event: row.try_get("event")?,
        created_at: Moment(row.try_get("created_at")?),
        attempts: row.try_get("attempts")?,
        next_attempt_at: Moment::of(row.try_get("next_attempt_at")?),
        delivered_at: Moment::of(row.try_get("delivered_at")?),
        problem: row.try_get("problem")?,
    })
}

#[cfg(test)]
mod tests;
