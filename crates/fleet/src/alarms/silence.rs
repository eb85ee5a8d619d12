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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Site;

    async fn open_alarms(site: &Site) -> i64 {
        let count = "SELECT COUNT(*) FROM alarms WHERE kind = 'silence' AND cleared_at IS NULL";
        let row: (i64,) = sqlx::query_as(count)
            .fetch_one(site.app.store.reader())
            .await
            .expect("a row");
        row.0
    }

    #[tokio::test]
    async fn silence_is_told_once_and_only_of_bays() {
        let site = Site::new().await;
        let customer = site.customer("Town").await;
        let mut tx = site.app.store.begin().await.expect("a transaction");
        let project = "INSERT INTO projects (id, customer_id, name, enrollment_group_id, created_at) VALUES ('p', $1, 'P', 'g', 1)";
        let statements = [
            "INSERT INTO devices (id, first_seen_at) VALUES ('watching', 1), ('in-stock', 1)",
            "INSERT INTO bays (id, project_id, device_id, number, created_at) VALUES ('b', 'p', 'watching', '1', 1)",
        ];
        sqlx::query(project)
            .bind(customer)
            .execute(&mut *tx)
            .await
            .expect("written");
        for statement in statements {
            sqlx::query(statement)
                .execute(&mut *tx)
                .await
                .expect("written");
        }
        for device in ["watching", "in-stock"] {
            sqlx::query("INSERT INTO device_states (device_id, heard_at) VALUES ($1, $2)")
                .bind(device)
                .bind(site.app.now())
                .execute(&mut *tx)
                .await
                .expect("written");
        }
        tx.commit().await.expect("committed");
        let silence = Duration::from_secs(site.app.settings.silent_after_s.into());
        site.pass(silence);
        look(&site.app).await.expect("it looks");
        assert_eq!(open_alarms(&site).await, 0, "not yet");
        site.pass(Duration::from_millis(1));
        for _ in 0..2 {
            look(&site.app).await.expect("it looks");
            assert_eq!(open_alarms(&site).await, 1);
        }
    }
}
