//! The audit trail over HTTP: to be read, and nothing else.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Row;
use sqlx::any::AnyRow;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::moment::Moment;
use crate::paging::{Page, Paging};
use crate::people::{Caller, Role};
use crate::problem::Problem;
use crate::web::body::{Json, Query};

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// What somebody did.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// Counts what was done.
    pub number: i64,
    /// When.
    pub at: Moment,
    /// Who; absent when it was the service itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// How they were called then.
    pub user_name: String,
    /// Whose thing it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    /// What: `order.place`.
    pub action: String,
    /// With what kind of thing: `order`.
    pub object_kind: String,
    /// With which one.
    pub object_id: String,
    /// What else is worth knowing.
    pub detail: Value,
}

/// Which entries.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// With this kind of thing only.
    object_kind: Option<String>,
    /// With this thing only.
    object_id: Option<String>,
    /// By this user only.
    user_id: Option<String>,
    /// This action only.
    action: Option<String>,
    /// Not before: RFC 3339.
    from: Option<String>,
    /// Before: RFC 3339.
    to: Option<String>,
}

/// Who did what, the latest first.
#[utoipa::path(get, path = "/api/audit", tag = "audit", params(Filter, Paging), responses(
    (status = 200, body = Page<Entry>),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn list(
    caller: Caller,
    State(app): State<App>,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Entry>>, Problem> {
    entries(&app, &caller, &filter, &paging).await.map(Json)
}

/// Entries, the latest first; an administrator of one customer sees what is that customer's.
///
/// # Errors
/// 400 for times and places that cannot be, 403 below an administrator.
pub(crate) async fn entries(
    app: &App,
    caller: &Caller,
    filter: &Filter,
    paging: &Paging,
) -> Result<Page<Entry>, Problem> {
    caller.at_least(Role::Administrator)?;
    let limit = paging.limit()?;
    let before = match &paging.after {
        None => i64::MAX,
        Some(text) => text
            .parse()
            .map_err(|_| Problem::field("after", "must be what the page before gave as next"))?,
    };
    let time = |field: &'static str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => text
            .parse::<Moment>()
            .map(|moment| Some(moment.0))
            .map_err(|_| Problem::field(field, "must be a time such as 2026-03-01T08:30:00Z")),
    };
    let rows = sqlx::query(
        "SELECT * FROM audit WHERE number < $1 AND ($2 IS NULL OR customer_id = $2) AND ($3 IS NULL OR object_kind = $3)
             AND ($4 IS NULL OR object_id = $4) AND ($5 IS NULL OR user_id = $5) AND ($6 IS NULL OR action = $6)
             AND at >= $7 AND at < $8
         ORDER BY number DESC LIMIT $9",
    )
    .bind(before)
    .bind(caller.customer_id.clone())
    .bind(filter.object_kind.clone())
    .bind(filter.object_id.clone())
    .bind(filter.user_id.clone())
    .bind(filter.action.clone())
    .bind(time("from", &filter.from)?.unwrap_or(i64::MIN))
    .bind(time("to", &filter.to)?.unwrap_or(i64::MAX))
    .bind(limit + 1)
    .fetch_all(app.store.reader())
    .await?;
    let items = rows.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Page::cut(items, limit, |entry: &Entry| {
        entry.number.to_string()
    }))
}

fn read(row: &AnyRow) -> Result<Entry, sqlx::Error> {
    let detail: String = row.try_get("detail")?;
    Ok(Entry {
        number: row.try_get("number")?,
        at: Moment(row.try_get("at")?),
        user_id: row.try_get("user_id")?,
        user_name: row.try_get("user_name")?,
        customer_id: row.try_get("customer_id")?,
        action: row.try_get("action")?,
        object_kind: row.try_get("object_kind")?,
        object_id: row.try_get("object_id")?,
        detail: serde_json::from_str(&detail).unwrap_or_default(),
    })
}
