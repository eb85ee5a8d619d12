//! `GET /api/devices/{id}/history`.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Change, Charge, Hour, changes, charges, hours};
use crate::app::App;
use crate::moment::Moment;
use crate::people::{Caller, Role};
use crate::problem::Problem;
use crate::web::body::{Path, Query};

const DAY_MS: i64 = 24 * 3_600_000;
/// The longest time that is asked for at once.
const LONGEST_MS: i64 = 366 * DAY_MS;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read))
}

/// Which time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Span {
    /// Its begin: a day before its end unless it is said.
    from: Option<Moment>,
    /// Its end, which is no part of it: now unless it is said.
    to: Option<Moment>,
}

/// What is known of that time.
#[derive(Debug, Serialize, ToSchema)]
struct History {
    from: Moment,
    to: Moment,
    /// Changes of occupancy, oldest first; the first is what held at the begin, if that is known. At most 5,000.
    changes: Vec<Change>,
    /// Sums of the hours whose changes are kept no more. At most 5,000.
    hours: Vec<Hour>,
    /// Charges of the battery. At most 5,000.
    charges: Vec<Charge>,
}

/// What a device's bay and battery were.
#[utoipa::path(get, path = "/api/devices/{id}/history", tag = "devices", params(("id" = String, Path), Span), responses(
    (status = 200, body = History),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
async fn read(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    Query(span): Query<Span>,
) -> Result<axum::Json<History>, Problem> {
    caller.at_least(Role::Installer)?;
    let owner: Option<(Option<String>,)> = sqlx::query_as(
        "SELECT p.customer_id FROM devices d LEFT JOIN projects p ON p.id = d.project_id WHERE d.id = $1",
    )
    .bind(id.clone())
    .fetch_optional(app.store.reader())
    .await?;
    // What is in stock is no customer's.
    let is_seen = owner.is_some_and(|(customer,)| match customer {
        Some(customer) => caller.sees(&customer),
        None => caller.customer_id.is_none(),
    });
    if !is_seen {
        return Err(Problem::not_found("device"));
    }
    let to = span.to.map_or_else(|| app.now(), |to| to.0);
    let from = span
        .from
        .map_or_else(|| to.saturating_sub(DAY_MS), |from| from.0);
    if from >= to {
        return Err(Problem::field("from", "must be before the end"));
    }
    if to.saturating_sub(from) > LONGEST_MS {
        return Err(Problem::field(
            "from",
            "must be 366 days before the end at most",
        ));
    }
    let store = app.store.reader();
    Ok(axum::Json(History {
        from: Moment(from),
        to: Moment(to),
        changes: changes(store, &id, from, to).await?,
        hours: hours(store, &id, from, to).await?,
        charges: charges(store, &id, from, to).await?,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::people::Role;
    use crate::testing::{BEGIN_MS, Site};

    #[tokio::test]
    async fn a_history_begins_with_what_held_then_and_is_for_those_who_see_the_device() {
        let site = Site::new().await;
        let operator = site.somebody(Role::Operator, None).await;
        let mut tx = site.app.store.begin().await.expect("a transaction");
        sqlx::query("INSERT INTO devices (id, first_seen_at) VALUES ('d', 1)")
            .execute(&mut *tx)
            .await
            .expect("written");
        for (minute, word) in [(-600, "free"), (-90, "occupied"), (-30, "free")] {
            sqlx::query("INSERT INTO occupancy_history (device_id, at, occupancy, sequence) VALUES ('d', $1, $2, $3)")
                .bind(BEGIN_MS + minute * 60_000)
                .bind(word)
                .bind(minute)
                .execute(&mut *tx)
                .await
                .expect("written");
        }
        tx.commit().await.expect("committed");
        let path = "/api/devices/d/history?from=2026-11-21T11:00:00Z";
        let found = site.get(&operator, path).await.json();
        assert_eq!(
            found["changes"],
            json!([
                {"at": "2026-11-21T10:30:00Z", "occupancy": "occupied"},
                {"at": "2026-11-21T11:30:00Z", "occupancy": "free"},
            ])
        );
        for (path, status, field) in [
            (
                "/api/devices/d/history?from=2027-01-01T00:00:00Z",
                400,
                json!("from"),
            ),
            (
                "/api/devices/d/history?from=2020-01-01T00:00:00Z",
                400,
                json!("from"),
            ),
            ("/api/devices/nobody/history", 404, json!(null)),
        ] {
            let answer = site.get(&operator, path).await;
            assert_eq!(answer.status.as_u16(), status, "{path}");
            assert_eq!(answer.json()["field"], field, "{path}");
        }
        let customer = site.customer("Town").await;
        let theirs = site.somebody(Role::Operator, Some(&customer)).await;
        let driver = site.somebody(Role::Driver, None).await;
        assert_eq!(site.get(&theirs, path).await.status.as_u16(), 404);
        assert_eq!(site.get(&driver, path).await.status.as_u16(), 403);
    }
}
