//! A device that has come into a project becomes a bay; one that has left it leaves its bay without a board.

use serde_json::json;
use sqlx::Row;

use crate::app::{App, new_id};
use crate::audit::{self, Action};
use crate::store::{Kind, StoreError, Transaction};

/// Gives every device of a project its bay, and takes from bays the devices that are not their project's any more.
///
/// # Errors
/// When the database fails.
pub async fn adopt(app: &App) -> Result<(), StoreError> {
    let homeless = sqlx::query(
        "SELECT d.id, d.project_id, p.customer_id FROM devices d JOIN projects p ON p.id = d.project_id
         WHERE d.lifecycle = 'project'
             AND NOT EXISTS (SELECT 1 FROM bays b WHERE b.device_id = d.id AND b.project_id = d.project_id)
         ORDER BY d.id",
    )
    .fetch_all(app.store.reader())
    .await?;
    let left = sqlx::query(
        "SELECT COUNT(*) FROM bays b JOIN devices d ON d.id = b.device_id
         WHERE d.project_id IS NULL OR d.project_id <> b.project_id",
    )
    .fetch_one(app.store.reader())
    .await?;
    if left.try_get::<i64, _>(0)? > 0 {
        let mut tx = app.store.begin().await?;
        let left = sqlx::query(
            "UPDATE bays SET device_id = NULL, version = version + 1 WHERE device_id IN
                 (SELECT d.id FROM devices d WHERE d.project_id IS NULL OR d.project_id <> bays.project_id)
             RETURNING id",
        )
        .fetch_all(&mut *tx)
        .await?;
        for row in left {
            tx.tell(Kind::Bay, row.try_get::<String, _>("id")?);
        }
        tx.commit().await?;
    }
    for row in homeless {
        let device_id: String = row.try_get("id")?;
        let project_id: String = row.try_get("project_id")?;
        let customer_id: String = row.try_get("customer_id")?;
        let mut tx = app.store.begin().await?;
        // Whoever numbers bays of this project waits here for one another.
        sqlx::query("UPDATE projects SET version = version WHERE id = $1")
            .bind(project_id.clone())
            .execute(&mut *tx)
            .await?;
        let id = new_id();
        let number = free_number(&mut tx, &project_id).await?;
        let inserted = sqlx::query(
            "INSERT INTO bays (id, project_id, device_id, number, created_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING",
        )
        .bind(id.clone())
        .bind(project_id)
        .bind(device_id.clone())
        .bind(number.clone())
        .bind(app.now())
        .execute(&mut *tx)
        .await?;
        if inserted.rows_affected() == 0 {
            continue;
        }
        let action = Action {
            action: "bay.create",
            object_kind: "bay",
            object_id: &id,
            customer_id: Some(&customer_id),
            detail: json!({"number": number, "device": device_id}),
        };
        audit::record(&mut tx, None, app.now(), action).await?;
        tx.tell(Kind::Bay, &id);
        tx.commit().await?;
    }
    Ok(())
}

/// The smallest number no bay of the project has.
pub(crate) async fn free_number(
    tx: &mut Transaction,
    project_id: &str,
) -> Result<String, StoreError> {
    let rows = sqlx::query("SELECT number FROM bays WHERE project_id = $1")
        .bind(project_id.to_owned())
        .fetch_all(&mut **tx)
        .await?;
    let taken = rows
        .iter()
        .map(|row| row.try_get::<String, _>("number"))
        .collect::<Result<std::collections::HashSet<_>, _>>()?;
    let free = (1_u64..).map(|number| number.to_string());
    let free = free.into_iter().find(|number| !taken.contains(number));
    Ok(free.unwrap_or_default())
}
