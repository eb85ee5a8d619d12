//! Tokens by which programs act for somebody: with their role, until they are taken back.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::Caller;
use super::secret::Secret;
use crate::app::{App, new_id};
use crate::audit::{self, Action};
use crate::moment::Moment;
use crate::problem::Problem;
use crate::store::Kind;
use crate::web::body::{Json, Path};

/// More is a program that forgets its tokens.
const MOST: i64 = 50;
const LONGEST_DAYS: u32 = 3650;
/// What tells a token from other secrets, to people and to those who search for leaked ones.
const PREFIX: &str = "cow_";

/// A token, without what opens anything.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Token {
    pub(super) id: String,
    /// What it is for.
    pub(super) name: String,
    pub(super) created_at: Moment,
    /// When it was last used, to five minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_used_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<Moment>,
}

/// A token that was just made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewToken {
    id: String,
    name: String,
    /// The token itself. It is told this once.
    token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Moment>,
}

/// What token is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = WantedToken)]
pub(super) struct Wanted {
    /// What it is for.
    #[schema(min_length = 1, max_length = 120)]
    name: String,
    /// Days until it is worth nothing, 1 to 3650; without it, it has to be taken back.
    #[schema(minimum = 1, maximum = 3650)]
    days: Option<u32>,
}

/// My tokens.
#[utoipa::path(get, path = "/api/tokens", tag = "account", responses((status = 200, body = Vec<Token>)))]
pub(super) async fn list(
    caller: Caller,
    State(app): State<App>,
) -> Result<Json<Vec<Token>>, Problem> {
    Ok(Json(all(&app, &caller).await?))
}

pub(super) async fn all(app: &App, caller: &Caller) -> Result<Vec<Token>, Problem> {
    type Row = (String, String, i64, Option<i64>, Option<i64>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, name, created_at, last_used_at, expires_at FROM api_tokens WHERE user_id = $1 ORDER BY id",
    )
    .bind(caller.user_id.clone())
    .fetch_all(app.store.reader())
    .await?;
    let read = |(id, name, created_at, last_used_at, expires_at): Row| Token {
        id,
        name,
        created_at: Moment(created_at),
        last_used_at: Moment::of(last_used_at),
        expires_at: Moment::of(expires_at),
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Makes a token. The answer is the only place where it can be read.
#[utoipa::path(post, path = "/api/tokens", tag = "account", request_body = Wanted, responses(
    (status = 201, body = NewToken),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`too-many-tokens`"),
))]
pub(super) async fn create(
    caller: Caller,
    State(app): State<App>,
    Json(wanted): Json<Wanted>,
) -> Result<(StatusCode, Json<NewToken>), Problem> {
    let name = super::users::name(&wanted.name)?;
    if wanted
        .days
        .is_some_and(|days| !(1..=LONGEST_DAYS).contains(&days))
    {
        let detail = format!("A token is worth something for 1 to {LONGEST_DAYS} days.");
        return Err(Problem::field("days", detail));
    }
    let (now, id, secret) = (app.now(), new_id(), Secret::new(PREFIX)?);
    let life = |days: u32| Duration::from_hours(24 * u64::from(days)).as_millis() as i64;
    let expires_at = wanted.days.map(|days| now + life(days));
    let mut tx = app.store.begin().await?;
    let (count,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM api_tokens WHERE user_id = $1")
        .bind(caller.user_id.clone())
        .fetch_one(&mut *tx)
        .await?;
    if count >= MOST {
        let detail = format!("You have {MOST} tokens: take back those nobody uses.");
        return Err(Problem::conflict("too-many-tokens", detail));
    }
    sqlx::query(
        "INSERT INTO api_tokens (id, token_hash, user_id, name, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(id.clone())
    .bind(secret.hash())
    .bind(caller.user_id.clone())
    .bind(name.clone())
    .bind(now)
    .bind(expires_at)
    .execute(&mut *tx)
    .await?;
    let action = Action {
        action: "token.create",
        object_kind: "token",
        object_id: &id,
        customer_id: caller.customer_id.as_deref(),
        detail: json!({"name": name}),
    };
    audit::record(&mut tx, Some(&caller), now, action).await?;
    tx.commit().await?;
    let made = NewToken {
        id,
        name,
        token: secret.reveal().to_owned(),
        expires_at: Moment::of(expires_at),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Takes a token back.
#[utoipa::path(delete, path = "/api/tokens/{id}", tag = "account", params(("id" = String, Path)), responses(
    (status = 204),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn delete(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let mut tx = app.store.begin().await?;
    let delete = sqlx::query("DELETE FROM api_tokens WHERE id = $1 AND user_id = $2")
        .bind(id.clone())
        .bind(caller.user_id.clone());
    if delete.execute(&mut *tx).await?.rows_affected() == 0 {
        return Err(Problem::not_found("token"));
    }
    let action = Action {
        action: "token.delete",
        object_kind: "token",
        object_id: &id,
        customer_id: caller.customer_id.as_deref(),
        detail: json!({}),
    };
    audit::record(&mut tx, Some(&caller), app.now(), action).await?;
    // Streams that were opened with it end.
    tx.tell(Kind::User, &caller.user_id);
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
