//! The list of alarms, and that somebody has seen one.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::audit::{self, Action};
use crate::moment::Moment;
use crate::paging::{Page, Paging};
use crate::people::{Caller, Role};
use crate::problem::Problem;
use crate::store::Kind;
use crate::web::body::{Json, Path, Query};

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(read_all))
        .routes(routes!(acknowledge))
}

/// Something somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlarmView {
    /// Which one.
    pub id: String,
    /// The board's serial number.
    pub device_id: String,
    /// Its bay.
    pub bay_id: Option<String>,
    /// That bay's number.
    pub bay: Option<String>,
    /// Where that is.
    pub project: Option<String>,
    /// `battery`, `silence`, `fault` or `conflict`.
    pub kind: String,
    /// What exactly: for a conflict `wrong-car` or `overstay`.
    pub detail: String,
    /// Since when.
    pub raised_at: Moment,
    /// When somebody said that they have seen it.
    pub acknowledged_at: Option<Moment>,
    /// Until when.
    pub cleared_at: Option<Moment>,
}

impl AlarmView {
    /// The name of its words.
    #[must_use]
    pub fn key(&self) -> String {
        format!("alarm.{}", self.kind)
    }
}

/// Which alarms.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AlarmFilter {
    /// `true` for those that are over as well.
    #[serde(default)]
    pub cleared: bool,
}

/// Alarms, the newest first.
///
/// # Errors
/// 400 for a page that cannot be; 403 for drivers.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &AlarmFilter,
    paging: &Paging,
) -> Result<Page<AlarmView>, Problem> {
    caller.at_least(Role::Installer)?;
    let limit = paging.limit()?;
    let rows = sqlx::query(
        "SELECT a.*, b.number, p.name AS project FROM alarms a
         LEFT JOIN devices d ON d.id = a.device_id
         LEFT JOIN bays b ON b.id = a.bay_id
         LEFT JOIN projects p ON p.id = COALESCE(b.project_id, d.project_id)
         WHERE ($1 = '' OR a.id < $1) AND ($2 = 1 OR a.cleared_at IS NULL) AND ($3 IS NULL OR p.customer_id = $3)
         ORDER BY a.id DESC LIMIT $4",
    )
    .bind(paging.after().to_owned())
    .bind(i64::from(filter.cleared))
    .bind(caller.customer_id.clone())
    .bind(limit + 1)
    .fetch_all(app.store.reader())
    .await?;
    let items = rows
        .iter()
        .map(|row| {
            Ok(AlarmView {
                id: row.try_get("id")?,
                device_id: row.try_get("device_id")?,
                bay_id: row.try_get("bay_id")?,
                bay: row.try_get("number")?,
                project: row.try_get("project")?,
                kind: row.try_get("kind")?,
                detail: row.try_get("detail")?,
                raised_at: Moment(row.try_get("raised_at")?),
                acknowledged_at: Moment::of(row.try_get("acknowledged_at")?),
                cleared_at: Moment::of(row.try_get("cleared_at")?),
            })
        })
        .collect::<Result<_, sqlx::Error>>()?;
    Ok(Page::cut(items, limit, |alarm: &AlarmView| {
        alarm.id.clone()
    }))
}

/// What somebody should look at, the newest first.
#[utoipa::path(get, path = "/api/alarms", tag = "alarms", params(AlarmFilter, Paging), responses(
    (status = 200, body = Page<AlarmView>),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn read_all(
    caller: Caller,
    State(app): State<App>,
    Query(filter): Query<AlarmFilter>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<AlarmView>>, Problem> {
    list(&app, &caller, &filter, &paging).await.map(Json)
}

/// Says that somebody has seen it. It stays until its cause is gone.
#[utoipa::path(post, path = "/api/alarms/{id}/acknowledge", tag = "alarms", params(("id" = String, Path)), responses(
    (status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn acknowledge(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<axum::http::StatusCode, Problem> {
    caller.at_least(Role::Installer)?;
    let mut tx = app.store.begin().await?;
    let row = sqlx::query(
        "SELECT a.bay_id, p.customer_id FROM alarms a LEFT JOIN devices d ON d.id = a.device_id
         LEFT JOIN bays b ON b.id = a.bay_id LEFT JOIN projects p ON p.id = COALESCE(b.project_id, d.project_id)
         WHERE a.id = $1",
    )
    .bind(id.clone())
    .fetch_optional(&mut *tx)
    .await?;
    let row = row.ok_or_else(|| Problem::not_found("alarm"))?;
    let customer_id: Option<String> = row.try_get("customer_id")?;
    let is_seen = match &customer_id {
        Some(customer_id) => caller.sees(customer_id),
        None => caller.customer_id.is_none(),
    };
    if !is_seen {
        return Err(Problem::not_found("alarm"));
    }
    sqlx::query(
        "UPDATE alarms SET acknowledged_by = $1, acknowledged_at = $2 WHERE id = $3 AND acknowledged_at IS NULL",
    )
    .bind(caller.user_id.clone())
    .bind(app.now())
    .bind(id.clone())
    .execute(&mut *tx)
    .await?;
    let action = Action {
        action: "alarm.acknowledge",
        object_kind: "alarm",
        object_id: &id,
        customer_id: customer_id.as_deref(),
        detail: json!({}),
    };
    audit::record(&mut tx, Some(&caller), app.now(), action).await?;
    tx.tell(Kind::Alarm, id);
    tx.commit().await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}
