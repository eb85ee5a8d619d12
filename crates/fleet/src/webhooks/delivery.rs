//! Brings reports to their receivers. Any number of instances may: each claims a report before it sends it.

use std::time::Duration;

use sqlx::Row;
use tokio::task::JoinSet;

use super::send::{Outcome, Secret, send};
use crate::app::App;
use crate::store::StoreError;

/// Pauses between attempts, in seconds; after the last of them it is given up: a day and a half in all.
const PAUSES_S: [i64; 8] = [5, 30, 120, 600, 3_600, 7_200, 21_600, 86_400];
/// How long one instance may take over a report before another sends it.
const LEASE_MS: i64 = 60_000;
const AT_ONCE: i64 = 16;
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long what was taken is kept to be looked at.
const KEPT_MS: i64 = 30 * 24 * 3_600_000;
const TIDY_EVERY_MS: i64 = 3_600_000;

/// When to send a report again that was not taken the `attempts`th time; `None`: it is given up.
fn next_attempt(attempts: i64, now: i64) -> Option<i64> {
    let pause = PAUSES_S.get(usize::try_from(attempts - 1).ok()?)?;
    Some(now + pause * 1000)
}

/// Brings reports until the service ends.
pub async fn run(app: App) {
    let mut tidied_at = 0;
    loop {
        match deliver(&app).await {
            Ok(0) => tokio::time::sleep(LOOK_EVERY).await,
            Ok(_) => {}
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "reports cannot be brought"
                );
                tokio::time::sleep(LOOK_EVERY * 5).await;
            }
        }
        if app.now() - tidied_at > TIDY_EVERY_MS {
            tidied_at = app.now();
            if let Err(error) = tidy(&app).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "old reports stay");
            }
        }
    }
}

/// Sends what is due now; how many reports that were.
///
/// # Errors
/// [`StoreError::Database`]: what was claimed is due again later.
pub async fn deliver(app: &App) -> Result<usize, StoreError> {
    let now = app.now();
    let rows = sqlx::query(
        "SELECT d.*, w.url, w.secret FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id
         WHERE d.next_attempt_at <= $1 AND w.disabled_at IS NULL ORDER BY d.next_attempt_at, d.id LIMIT $2",
    )
    .bind(now)
    .bind(AT_ONCE)
    .fetch_all(app.store.reader())
    .await?;
    let mut tasks = JoinSet::new();
    for row in rows {
        let due = Due {
            id: row.try_get("id")?,
            webhook_id: row.try_get("webhook_id")?,
            url: row.try_get("url")?,
            secret: row.try_get("secret")?,
            body: row.try_get("body")?,
            attempts: row.try_get("attempts")?,
        };
        let seen: i64 = row.try_get("next_attempt_at")?;
        let mut tx = app.store.begin().await?;
        let claimed = sqlx::query(
            "UPDATE webhook_deliveries SET next_attempt_at = $1 WHERE id = $2 AND next_attempt_at = $3",
        )
        .bind(now + LEASE_MS)
        .bind(&due.id)
        .bind(seen)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        if claimed.rows_affected() == 1 {
            let app = app.clone();
            tasks.spawn(async move { bring(&app, due).await });
        }
    }
    let sent = tasks.len();
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(done) => done?,
            Err(error) => tracing::error!(%error, "a report broke off"),
        }
    }
    Ok(sent)
}

struct Due {
    id: String,
    webhook_id: String,
    url: String,
    secret: String,
    body: String,
    attempts: i64,
}

async fn bring(app: &App, due: Due) -> Result<(), StoreError> {
    let second = app.clock.now().as_second();
    let outcome = match (due.url.parse(), Secret::read(&due.secret)) {
        (Ok(address), Some(secret)) => send(&address, &secret, &due.id, second, &due.body).await,
        _ => Outcome::Not("Its address or its secret cannot be read.".to_owned()),
    };
    let now = app.now();
    let attempts = due.attempts + 1;
    let (next, delivered, problem) = match &outcome {
        Outcome::Taken => (None, Some(now), None),
        Outcome::Gone => (None, None, Some("The receiver wants no more.".to_owned())),
        Outcome::Not(why) => (next_attempt(attempts, now), None, Some(why.clone())),
    };
    if let Some(why) = &problem {
        tracing::warn!(
            webhook = due.webhook_id,
            attempts,
            why,
            "a report was not taken"
        );
    }
    let mut tx = app.store.begin().await?;
    sqlx::query(
        "UPDATE webhook_deliveries SET attempts = $1, next_attempt_at = $2, delivered_at = $3, problem = $4 WHERE id = $5",
    )
    .bind(attempts)
    .bind(next)
    .bind(delivered)
    .bind(problem)
    .bind(&due.id)
    .execute(&mut *tx)
    .await?;
    if outcome == Outcome::Gone {
        sqlx::query("UPDATE webhooks SET disabled_at = $1 WHERE id = $2")
            .bind(now)
            .bind(&due.webhook_id)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

async fn tidy(app: &App) -> Result<(), StoreError> {
    let mut tx = app.store.begin().await?;
    sqlx::query("DELETE FROM webhook_deliveries WHERE next_attempt_at IS NULL AND created_at < $1")
        .bind(app.now() - KEPT_MS)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let mut now = 0;
        let mut attempts = 1;
        while let Some(next) = next_attempt(attempts, now) {
            assert!(next > now);
            (now, attempts) = (next, attempts + 1);
        }
        assert_eq!(attempts, 9);
        assert!(now > 24 * 3_600_000);
        assert_eq!(next_attempt(0, 0), None);
    }
}
