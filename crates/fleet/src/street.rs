//! The devices of the street that `cow up` runs beside the service: bays from the beginning, in a project of their own,
//! so that the map of a new service shows the street that is there.
//!
//! They came to the hub by hand and not by an enrolment group, so no order gives them new keys or takes them to stock.

use hub_proto::connection_string::ConnectionString;
use serde_json::json;

use crate::app::App;
use crate::audit::{self, Action};
use crate::store::{Kind, StoreError, Transaction};

/// The id of the project, and of its customer: there is one street beside a service.
const ID: &str = "street";
const CUSTOMER: &str = "cow up";
const PROJECT: &str = "Street";

/// Makes these devices a project's, unless they are somewhere already; the bays follow by themselves. The project is made
/// while the service has no customer yet, and left alone once it was closed.
///
/// # Errors
/// When the database fails.
pub async fn settle(app: &App, devices: &[String]) -> Result<(), StoreError> {
    if devices.is_empty() {
        return Ok(());
    }
    let mut tx = app.store.begin().await?;
    if !is_open(&mut tx, app.now()).await? {
        return Ok(());
    }
    let hub = hub_name(app);
    for device in devices {
        sqlx::query(
            "INSERT INTO devices (id, hub, device_id, lifecycle, project_id, first_seen_at)
             VALUES ($1, $2, $1, 'project', $3, $4)
             ON CONFLICT (id) DO UPDATE SET hub = $2, device_id = $1, lifecycle = 'project', project_id = $3,
                 version = devices.version + 1
             WHERE devices.lifecycle = 'unregistered'",
        )
        .bind(device.clone())
        .bind(hub.clone())
        .bind(ID.to_owned())
        .bind(app.now())
        .execute(&mut *tx)
        .await?;
        tx.tell(Kind::Device, device);
    }
    tx.commit().await
}

/// What the hub is called, as registrations say it: without a port.
fn hub_name(app: &App) -> Option<String> {
    let hub: ConnectionString = app.settings.hubs.first()?.service.parse().ok()?;
    let name = hub.host_name.split(':').next()?;
    Some(name.to_owned())
}

/// Whether there is a project for them, which is made with the first start.
async fn is_open(tx: &mut Transaction, now: i64) -> Result<bool, StoreError> {
    let found: Option<(Option<i64>,)> =
        sqlx::query_as("SELECT closed_at FROM projects WHERE id = $1")
            .bind(ID.to_owned())
            .fetch_optional(&mut **tx)
            .await?;
    if let Some((closed_at,)) = found {
        return Ok(closed_at.is_none());
    }
    let (customers,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM customers")
        .fetch_one(&mut **tx)
        .await?;
    if customers > 0 {
        return Ok(false);
    }
    sqlx::query("INSERT INTO customers (id, name, created_at) VALUES ($1, $2, $3)")
        .bind(ID.to_owned())
        .bind(CUSTOMER.to_owned())
        .bind(now)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "INSERT INTO projects (id, customer_id, name, enrollment_group_id, created_at) VALUES ($1, $1, $2, $3, $4)",
    )
    .bind(ID.to_owned())
    .bind(PROJECT.to_owned())
    .bind(format!("project-{ID}"))
    .bind(now)
    .execute(&mut **tx)
    .await?;
    let action = Action {
        action: "project.create",
        object_kind: "project",
        object_id: ID,
        customer_id: Some(ID),
        detail: json!({"name": PROJECT}),
    };
    audit::record(tx, None, now, action).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode};
    use serde_json::{Value, json};

    use super::*;
    use crate::bays::adopt::adopt;
    use crate::people::Role;
    use crate::testing::{Site, Somebody};

    async fn start(site: &Site, devices: &[&str]) {
        let devices: Vec<_> = devices.iter().map(|&device| device.to_owned()).collect();
        settle(&site.app, &devices).await.expect("they are settled");
        adopt(&site.app).await.expect("they are bays");
    }

    /// Which device is in which bay.
    async fn bays(site: &Site, who: &Somebody) -> Vec<String> {
        let bays = site.get(who, "/api/bays").await.json();
        let bays = bays["items"].as_array().expect("a list").iter();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        bays.map(|bay| format!("{} {}", text(&bay["number"]), text(&bay["deviceId"])))
            .collect()
    }

    #[tokio::test]
    async fn a_new_service_finds_the_street_and_what_is_added_to_it() {
        let site = Site::new().await;
        let operator = site.somebody(Role::Operator, None).await;
        // It may have been heard of before.
        let mut tx = site.app.store.begin().await.expect("a transaction");
        sqlx::query("INSERT INTO devices (id, first_seen_at) VALUES ('bay-01', 1)")
            .execute(&mut *tx)
            .await
            .expect("written");
        tx.commit().await.expect("committed");
        start(&site, &["bay-01"]).await;
        start(&site, &["bay-01", "bay-02"]).await;
        assert_eq!(bays(&site, &operator).await, ["1 bay-01", "2 bay-02"]);
        let back = json!({"projectId": ID, "kind": "return", "deviceIds": ["bay-01"]});
        let refused = site.ask(&operator, Method::POST, "/api/orders", back).await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        assert_eq!(refused.json()["code"], "device-not-enrolled");
    }

    #[tokio::test]
    async fn a_service_that_has_customers_gets_no_street() {
        let site = Site::new().await;
        let operator = site.somebody(Role::Operator, None).await;
        site.customer("Town").await;
        start(&site, &["bay-01"]).await;
        assert_eq!(bays(&site, &operator).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_closed_street_stays_closed() {
        let site = Site::new().await;
        let operator = site.somebody(Role::Operator, None).await;
        start(&site, &["bay-01"]).await;
        let mut tx = site.app.store.begin().await.expect("a transaction");
        for statement in [
            "UPDATE projects SET closed_at = 1",
            "DELETE FROM bays",
            "UPDATE devices SET lifecycle = 'unregistered', project_id = NULL",
        ] {
            sqlx::query(statement)
                .execute(&mut *tx)
                .await
                .expect("written");
        }
        tx.commit().await.expect("committed");
        start(&site, &["bay-01"]).await;
        assert_eq!(bays(&site, &operator).await, Vec::<String>::new());
    }
}
