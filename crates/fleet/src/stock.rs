//! How a device comes into stock: it registers in the stock's enrolment group, and the provisioning service keeps a
//! record of it, which is read here. A board on a shelf that says nothing is known by this alone.
//!
//! The map of which device is at which hub is kept current the same way, for stock and for every project.

use std::time::Duration;

use dps_client::service::ServiceError;
use hub_proto::dps::registration::{RegistrationState, Status};
use serde_json::json;

use crate::app::App;
use crate::moment::Moment;
use crate::orders::groups::{self, GroupError};
use crate::store::{Kind, StoreError, Transaction};
use crate::webhooks;

/// How often the stock is read.
const READ_EVERY: Duration = Duration::from_secs(5);
/// Records in one question.
const PAGE: u32 = 100;

/// Why the records were not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The provisioning service did not answer.
    #[error("the provisioning service's records cannot be read")]
    Service(#[from] ServiceError),
    /// The group could not be made.
    #[error("the stock has no enrolment group")]
    Group(#[from] GroupError),
    /// The database failed.
    #[error("the provisioning service's records cannot be written down")]
    Store(#[from] StoreError),
}

/// Keeps stock and map current until the service ends.
pub async fn run(app: App) {
    let mut last_project = String::new();
    while let Err(error) = open(&app).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the stock cannot be opened"
        );
        tokio::time::sleep(READ_EVERY).await;
    }
    loop {
        let stock = app.settings.stock_group.clone();
        if let Err(error) = read_group(&app, &stock).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the stock cannot be read"
            );
        }
        match read_next_project(&app, &last_project).await {
            Ok(next) => last_project = next,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a project's records cannot be read"
                );
            }
        }
        tokio::time::sleep(READ_EVERY).await;
    }
}

/// Makes the stock's enrolment group where there is none, so that cards can be made for it.
///
/// # Errors
/// [`ReadError`].
pub async fn open(app: &App) -> Result<(), ReadError> {
    groups::ensure(app, &app.settings.stock_group, None).await?;
    Ok(())
}

/// Reads the records of the project behind `last`, in turn; which one that was.
async fn read_next_project(app: &App, last: &str) -> Result<String, ReadError> {
    let next: Option<(String, String)> = sqlx::query_as(
        "SELECT p.id, p.enrollment_group_id FROM projects p
         WHERE p.id > $1 AND EXISTS (
             SELECT 1 FROM devices d WHERE d.project_id = p.id AND d.enrollment_group_id IS NOT NULL) ORDER BY p.id LIMIT 1",
    )
    .bind(last.to_owned())
    .fetch_optional(app.store.reader())
    .await
    .map_err(StoreError::from)?;
    let Some((project, group)) = next else {
        return Ok(String::new());
    };
    read_group(app, &group).await?;
    Ok(project)
}

/// Reads the records of one group; how many devices are not what they were.
///
/// # Errors
/// [`ReadError`]: what was read until then is written down.
pub async fn read_group(app: &App, group: &str) -> Result<usize, ReadError> {
    let registrations = app.provisioning.registrations();
    let mut pages = registrations.of_group(group, Some(PAGE));
    let mut changed = 0;
    while let Some(records) = pages.next().await? {
        for record in records {
            changed += usize::from(note(app, group, &record).await?);
        }
    }
    Ok(changed)
}

/// Writes down where a device is, if that is news; whether it was.
async fn note(app: &App, group: &str, record: &RegistrationState) -> Result<bool, StoreError> {
    let Some(id) = &record.registration_id else {
        return Ok(false);
    };
    if record.status != Status::Assigned {
        return Ok(false);
    }
    let id = id.to_lowercase();
    let known: Option<(String, Option<String>, Option<String>)> =
        sqlx::query_as("SELECT lifecycle, hub, device_id FROM devices WHERE id = $1")
            .bind(id.clone())
            .fetch_optional(app.store.reader())
            .await?;
    let stocks = group == app.settings.stock_group;
    if let Some((lifecycle, hub, device_id)) = &known {
        let placed = *hub == record.assigned_hub && *device_id == record.device_id;
        if placed && !(stocks && lifecycle == "unregistered") {
            return Ok(false);
        }
    }
    let mut tx = app.store.begin().await?;
    let stocked = write(app, &mut tx, &id, group, stocks, record).await?;
    if stocked {
        let data = json!({"deviceId": id, "hub": record.assigned_hub});
        webhooks::announce(&mut tx, "device.stocked", None, data, app.now()).await?;
        tracing::info!(
            device = id,
            hub = record.assigned_hub,
            "a device came into stock"
        );
    }
    tx.tell(Kind::Device, &id);
    tx.commit().await?;
    Ok(true)
}

/// Whether the device came into stock by this.
async fn write(
    app: &App,
    tx: &mut Transaction,
    id: &str,
    group: &str,
    stocks: bool,
    record: &RegistrationState,
) -> Result<bool, StoreError> {
    let now = app.now();
    let first_seen = record.created_date_time_utc.as_deref();
    let first_seen = first_seen.and_then(|text| text.parse::<Moment>().ok());
    // A device of a project's group that nobody ordered belongs to nobody until somebody says so.
    let lifecycle = if stocks { "stock" } else { "unregistered" };
    let inserted = sqlx::query(
        "INSERT INTO devices (id, hub, device_id, lifecycle, enrollment_group_id, keys_version, first_seen_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(id.to_owned())
    .bind(record.assigned_hub.clone())
    .bind(record.device_id.clone())
    .bind(lifecycle)
    .bind(group.to_owned())
    .bind(groups::keys_number(tx, group).await?)
    .bind(first_seen.map_or(now, |moment| moment.0))
    .execute(&mut **tx)
    .await?;
    if inserted.rows_affected() == 1 {
        return Ok(stocks);
    }
    sqlx::query("UPDATE devices SET hub = $1, device_id = $2 WHERE id = $3")
        .bind(record.assigned_hub.clone())
        .bind(record.device_id.clone())
        .bind(id.to_owned())
        .execute(&mut **tx)
        .await?;
    if !stocks {
        return Ok(false);
    }
    // Whoever is in a project, or on the way, is where orders say: a record alone proves nothing of a change.
    let stocked = sqlx::query(
        "UPDATE devices SET lifecycle = 'stock', enrollment_group_id = $1, version = version + 1
         WHERE id = $2 AND lifecycle = 'unregistered'",
    )
    .bind(group.to_owned())
    .bind(id.to_owned())
    .execute(&mut **tx)
    .await?;
    Ok(stocked.rows_affected() == 1)
}

#[cfg(test)]
mod tests;
