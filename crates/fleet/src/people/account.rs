//! What somebody does with their own account.

use axum::extract::{FromRequest, Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::users::{self, User};
use super::{Caller, guesses, passwords, sessions};
use crate::app::App;
use crate::audit::{self, Action};
use crate::entity_tag::{IfMatch, Tagged};
use crate::problem::Problem;
use crate::store::Kind;
use crate::web::Sender;
use crate::web::body::Json;

/// Who I am.
#[utoipa::path(get, path = "/api/me", tag = "account", responses(
    (status = 200, body = User),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn read(caller: Caller, State(app): State<App>) -> Result<Tagged<User>, Problem> {
    let user = User::find(&app.store, &caller, &caller.user_id).await?;
    Ok(Tagged(user.version, user))
}

/// What somebody may change about themselves.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = AccountChange)]
pub(super) struct Change {
    #[schema(min_length = 1, max_length = 120)]
    name: Option<String>,
    /// `en`, `fr`, `nl` or `de`.
    language: Option<String>,
}

/// Changes what I am called, or the language of my pages.
#[utoipa::path(patch, path = "/api/me", tag = "account", params(IfMatch), request_body = Change, responses(
    (status = 200, body = User),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 412, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn change(
    caller: Caller,
    State(app): State<App>,
    if_match: IfMatch,
    Json(change): Json<Change>,
) -> Result<Tagged<User>, Problem> {
    let user = User::find(&app.store, &caller, &caller.user_id).await?;
    if_match.check(user.version)?;
    let name = change.name.as_deref().map_or(Ok(user.name), users::name)?;
    let language = match &change.language {
        Some(text) => users::language(text)?.to_owned(),
        None => user.language,
    };
    let mut tx = app.store.begin().await?;
    let update = sqlx::query(
        "UPDATE users SET name = $1, language = $2, version = version + 1 WHERE id = $3 AND version = $4",
    )
    .bind(name)
    .bind(language)
    .bind(user.id)
    .bind(user.version);
    if update.execute(&mut *tx).await?.rows_affected() == 0 {
        return Err(Problem::changed());
    }
    tx.tell(Kind::User, &caller.user_id);
    tx.commit().await?;
    let user = User::find(&app.store, &caller, &caller.user_id).await?;
    Ok(Tagged(user.version, user))
}

/// A new password, and the one it is to replace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewPassword {
    current_password: String,
    /// At least 10 characters.
    #[schema(min_length = 10, max_length = 200)]
    password: String,
}

/// Changes my password. Every session ends; a browser that asked goes on with a new one.
#[utoipa::path(put, path = "/api/me/password", tag = "account", request_body = NewPassword, responses(
    (status = 204),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 429, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn change_password(
    caller: Caller,
    State(app): State<App>,
    Sender(address): Sender,
    request: Request,
) -> Result<(StatusCode, [(axum::http::HeaderName, HeaderValue); 1]), Problem> {
    let headers = request.headers().clone();
    let Json(wanted) = Json::<NewPassword>::from_request(request, &app).await?;
    let user = User::find(&app.store, &caller, &caller.user_id).await?;
    guesses::try_secret(&app, address, &user.email).await?;
    let (hash,): (String,) = sqlx::query_as("SELECT password_hash FROM users WHERE id = $1")
        .bind(caller.user_id.clone())
        .fetch_one(app.store.reader())
        .await?;
    if !passwords::is_right(wanted.current_password, Some(hash)).await? {
        let detail = "This is not your password.";
        return Err(Problem::field("currentPassword", detail));
    }
    guesses::succeeded(&app, address, &user.email).await?;
    passwords::check(&wanted.password, &user.email)?;
    let hash = passwords::hash(wanted.password).await?;
    let now = app.now();
    let mut tx = app.store.begin().await?;
    sqlx::query("UPDATE users SET password_hash = $1, version = version + 1 WHERE id = $2")
        .bind(hash)
        .bind(caller.user_id.clone())
        .execute(&mut *tx)
        .await?;
    sessions::end_all(&mut tx, &caller.user_id).await?;
    let secret = match sessions::has_cookie(&headers, &app.settings) {
        true => Some(sessions::begin(&mut tx, &caller.user_id, now).await?),
        false => None,
    };
    let action = Action {
        action: "user.password",
        object_kind: "user",
        object_id: &caller.user_id,
        customer_id: caller.customer_id.as_deref(),
        detail: json!({}),
    };
    audit::record(&mut tx, Some(&caller), now, action).await?;
    tx.commit().await?;
    let cookie = sessions::cookie(&app.settings, secret.as_ref());
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]))
}

/// Ends every session of mine, this one too. Tokens go on.
#[utoipa::path(delete, path = "/api/me/sessions", tag = "account", responses((status = 204)))]
pub(super) async fn end_sessions(
    caller: Caller,
    State(app): State<App>,
) -> Result<StatusCode, Problem> {
    let mut tx = app.store.begin().await?;
    sessions::end_all(&mut tx, &caller.user_id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
