//! What is kept for how long: changes become the hours' sums, and of the charge one measurement a day is left.

use std::time::Duration;

use sqlx::Row as _;
use tokio_util::sync::CancellationToken;

use super::hours::{Change, HOUR, sums};
use crate::app::App;
use crate::store::StoreError;

const LOOK_EVERY: Duration = Duration::from_secs(3600);
const DAY: i64 = 24 * HOUR;

/// Thins the history out until it is told to stop.
pub(crate) async fn work(app: App, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = thin_out(&app).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the history cannot be thinned out"
            );
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Device by device, each whole or not at all. Two instances at once come to the same.
pub(super) async fn thin_out(app: &App) -> Result<(), StoreError> {
    let oldest = app.now() - i64::from(app.settings.history_days) * DAY;
    let oldest = oldest - oldest.rem_euclid(HOUR);
    let devices = sqlx::query("SELECT DISTINCT device_id FROM occupancy_history WHERE at < $1")
        .bind(oldest)
        .fetch_all(app.store.reader())
        .await?;
    for row in devices {
        thin_out_device(app, &row.try_get::<String, _>(0)?, oldest).await?;
    }
    let mut tx = app.store.begin().await?;
    sqlx::query(
        "DELETE FROM battery_history WHERE at < $1 AND EXISTS (
             SELECT 1 FROM battery_history b
             WHERE b.device_id = battery_history.device_id AND b.at < battery_history.at
               AND b.at / $2 = battery_history.at / $2)",
    )
    .bind(oldest)
    .bind(DAY)
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

async fn thin_out_device(app: &App, device: &str, oldest: i64) -> Result<(), StoreError> {
    let mut tx = app.store.begin().await?;
    let rows = sqlx::query(
        "SELECT at, occupancy, sequence FROM occupancy_history WHERE device_id = $1 AND at < $2 ORDER BY at, sequence",
    )
    .bind(device.to_owned())
    .bind(oldest)
    .fetch_all(&mut *tx)
    .await?;
    let mut changes = Vec::with_capacity(rows.len());
    for row in &rows {
        changes.push(Change {
            at: row.try_get(0)?,
            occupancy: row.try_get(1)?,
        });
    }
    let Some((first, last)) = changes.first().zip(rows.last()) else {
        return Ok(());
    };
    let done: Option<i64> =
        sqlx::query("SELECT MAX(hour) FROM occupancy_hours WHERE device_id = $1")
            .bind(device.to_owned())
            .fetch_one(&mut *tx)
            .await?
            .try_get(0)?;
    let begin = done.map_or(first.at - first.at.rem_euclid(HOUR), |hour| hour + HOUR);
    for sum in sums(&changes, begin, oldest) {
        sqlx::query(
            "INSERT INTO occupancy_hours (device_id, hour, occupied_ms, unknown_ms, arrivals) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING",
        )
        .bind(device.to_owned())
        .bind(sum.hour)
        .bind(sum.occupied_ms)
        .bind(sum.unknown_ms)
        .bind(sum.arrivals)
        .execute(&mut *tx)
        .await?;
    }
    // The last one stays: it still held when what is kept begins.
    let (at, sequence): (i64, i64) = (last.try_get(0)?, last.try_get(2)?);
    sqlx::query(
        "DELETE FROM occupancy_history WHERE device_id = $1 AND (at < $2 OR (at = $2 AND sequence < $3))",
    )
    .bind(device.to_owned())
    .bind(at)
    .bind(sequence)
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history;
    use crate::testing::{BEGIN_MS, Site};

    #[tokio::test]
    async fn what_is_old_is_summed_up_once() {
        let site = Site::new().await;
        let begin = BEGIN_MS - BEGIN_MS % HOUR;
        let mut tx = site.app.store.begin().await.expect("a transaction");
        for (minute, word) in [
            (0, "free"),
            (30, "occupied"),
            (90, "free"),
            (200, "occupied"),
        ] {
            sqlx::query("INSERT INTO occupancy_history (device_id, at, occupancy, sequence) VALUES ('d', $1, $2, $1)")
                .bind(begin + minute * 60_000)
                .bind(word)
                .execute(&mut *tx)
                .await
                .expect("written");
        }
        for minute in [0, 60, 26 * 60] {
            sqlx::query(
                "INSERT INTO battery_history (device_id, at, charge_percent) VALUES ('d', $1, 50)",
            )
            .bind(begin + minute * 60_000)
            .execute(&mut *tx)
            .await
            .expect("written");
        }
        tx.commit().await.expect("committed");
        let kept = || async {
            let store = site.app.store.reader();
            let changes = history::changes(store, "d", 0, i64::MAX)
                .await
                .expect("changes");
            let hours = history::hours(store, "d", 0, i64::MAX)
                .await
                .expect("hours");
            let charges = history::charges(store, "d", 0, i64::MAX)
                .await
                .expect("charges");
            (changes.len(), hours, charges.len())
        };
        thin_out(&site.app).await.expect("nothing is old");
        assert_eq!(kept().await, (4, Vec::new(), 3));

        // In two steps: the second goes on where the first ended.
        for hours in [2, 24 * 3] {
            let days = u64::from(site.app.settings.history_days) * 24;
            let passed = if hours == 2 { days + 2 } else { hours };
            site.pass(Duration::from_secs(passed * 3600));
            thin_out(&site.app).await.expect("thinned out");
        }
        let (changes, hours, charges) = kept().await;
        assert_eq!((changes, charges), (1, 2));
        let minutes: Vec<_> = hours
            .iter()
            .take(4)
            .map(|hour| (hour.occupied_ms / 60_000, hour.arrivals))
            .collect();
        assert_eq!(minutes, [(30, 1), (30, 0), (0, 0), (40, 1)]);
        let total: i64 = hours.iter().map(|hour| hour.unknown_ms).sum();
        assert_eq!(total, 0);
    }
}
