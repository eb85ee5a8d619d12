//! Devices that should be heard of and are not.

use std::time::Duration;

use sqlx::Row as _;
use tokio_util::sync::CancellationToken;

use super::{AlarmKind, raise};
use crate::app::App;
use crate::store::{Kind, StoreError};

const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Looks for silent devices until it is told to stop.
pub(crate) async fn work(app: App, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = look(&app).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "silent devices cannot be looked for"
            );
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Raises an alarm for each device that watches a bay and has been silent for too long; several instances may.
pub(super) async fn look(app: &App) -> Result<usize, StoreError> {
    let now = app.now();
    let silent_since = now - i64::from(app.settings.silent_after_s) * 1000;
    let find = "SELECT s.device_id, b.id, s.heard_at FROM device_states s JOIN bays b ON b.device_id = s.device_id
                WHERE s.heard_at < $1 AND NOT EXISTS (
                    SELECT 1 FROM alarms a
                    WHERE a.device_id = s.device_id AND a.kind = 'silence' AND a.cleared_at IS NULL)
                ORDER BY s.device_id LIMIT 1000";
    let found = sqlx::query(find).bind(silent_since);
    let found = found.fetch_all(app.store.reader()).await?;
    for row in &found {
        let (device, bay): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let mut tx = app.store.begin().await?;
        // It may have been heard of meanwhile.
        let still =
            sqlx::query("SELECT 1 FROM device_states WHERE device_id = $1 AND heard_at < $2")
                .bind(device.clone())
                .bind(silent_since)
                .fetch_optional(&mut *tx)
                .await?;
        if still.is_some() {
            raise(&mut tx, &device, Some(&bay), AlarmKind::Silence, "", now).await?;
            tx.tell(Kind::Bay, bay);
            tx.commit().await?;
        }
    }
    Ok(found.len())
}
