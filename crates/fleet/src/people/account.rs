//! What somebody does with their own account.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Caller, Role};
use crate::app::App;
use crate::entity_tag::Tagged;
use crate::problem::Problem;

/// Somebody's own account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account {
    id: String,
    email: String,
    name: String,
    role: Role,
    /// Whose they are; absent for somebody who sees every customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<String>,
    language: String,
}

/// Who I am.
#[utoipa::path(get, path = "/api/me", tag = "account", responses(
    (status = 200, body = Account),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn read(
    caller: Caller,
    State(app): State<App>,
) -> Result<Tagged<Account>, Problem> {
    let row: (String, i64) = sqlx::query_as("SELECT email, version FROM users WHERE id = $1")
        .bind(caller.user_id.clone())
        .fetch_one(app.store.reader())
        .await?;
    let (email, version) = row;
    let body = Account {
        id: caller.user_id,
        email,
        name: caller.name,
        role: caller.role,
        customer_id: caller.customer_id,
        language: caller.language,
    };
    Ok(Tagged(version, body))
}
