//! The accounts there are.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Caller, Role, sessions};
use crate::app::App;
use crate::audit::{self, Action};
use crate::entity_tag::{IfMatch, Tagged};
use crate::moment::Moment;
use crate::paging::{Page, Paging};
use crate::problem::Problem;
use crate::store::{Kind, Store, Transaction};
use crate::web::body::{Json, Path, Query};
use crate::words::Words;

/// An account.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) role: Role,
    /// Whose they are; absent for somebody who sees every customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) customer_id: Option<String>,
    /// The language of their pages: `en`, `fr`, `nl` or `de`.
    pub(crate) language: String,
    pub(crate) created_at: Moment,
    /// Since when they may not sign in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) disabled_at: Option<Moment>,
    #[serde(skip)]
    pub(crate) version: i64,
}

type Row = (
    String,
    String,
    String,
    String,
    Option<String>,
    String,
    i64,
    Option<i64>,
    i64,
);

const SELECT: &str = "SELECT id, email, name, role, customer_id, language, created_at, disabled_at, version FROM users";

impl User {
    fn read(row: Row) -> Self {
        let (id, email, name, role, customer_id, language, created_at, disabled_at, version) = row;
        Self {
            id,
            email,
            name,
            role: Role::read(&role).unwrap_or(Role::Driver),
            customer_id,
            language,
            created_at: Moment(created_at),
            disabled_at: Moment::of(disabled_at),
            version,
        }
    }

    /// One, if this caller may see it.
    pub(super) async fn find(store: &Store, caller: &Caller, id: &str) -> Result<Self, Problem> {
        let select = format!("{SELECT} WHERE id = $1");
        let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(select))
            .bind(id.to_owned())
            .fetch_optional(store.reader())
            .await?;
        let user = row.map(Self::read).filter(|user| {
            let of = user.customer_id.as_deref();
            user.id == caller.user_id
                || of.map_or(caller.customer_id.is_none(), |customer| {
                    caller.sees(customer)
                })
        });
        user.ok_or_else(|| Problem::not_found("user"))
    }
}

/// A new account, checked.
#[derive(Debug)]
pub(super) struct NewUser {
    pub(super) id: String,
    pub(super) email: String,
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) customer_id: Option<String>,
    pub(super) password_hash: String,
    pub(super) language: &'static str,
}

impl NewUser {
    pub(super) async fn write(&self, tx: &mut Transaction, now: i64) -> Result<(), Problem> {
        let insert = sqlx::query(
            "INSERT INTO users (id, email, name, role, customer_id, password_hash, language, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(self.id.clone())
        .bind(self.email.clone())
        .bind(self.name.clone())
        .bind(self.role.as_str())
        .bind(self.customer_id.clone())
        .bind(self.password_hash.clone())
        .bind(self.language)
        .bind(now);
        insert.execute(&mut **tx).await.map_err(|error| {
            let error = crate::store::StoreError::from(error);
            if error.is_taken() {
                return Problem {
                    field: Some("email".into()),
                    ..Problem::conflict("email-taken", "There is an account with this address.")
                };
            }
            error.into()
        })?;
        tx.tell(Kind::User, &self.id);
        Ok(())
    }
}

/// An address as it is kept: there is one account for it, however it is written.
pub(super) fn email(text: &str) -> Result<String, Problem> {
    let text = text.trim().to_lowercase();
    let parts = text.split_once('@');
    let is_one = parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
        && text.len() <= 254
        && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    if !is_one {
        let detail = "This is no e-mail address.";
        return Err(Problem::field("email", detail));
    }
    Ok(text)
}

/// What somebody is called.
pub(super) fn name(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    let length = text.chars().count();
    if !(1..=120).contains(&length) || text.chars().any(char::is_control) {
        return Err(Problem::field("name", "A name has 1 to 120 characters."));
    }
    Ok(text.to_owned())
}

/// A language there is.
pub(super) fn language(text: &str) -> Result<&'static str, Problem> {
    let mut all = Words::languages();
    let found = all.find(|(code, _)| *code == text);
    found
        .map(|(code, _)| code)
        .ok_or_else(|| Problem::field("language", "The languages are en, fr, nl and de."))
}

/// The accounts, by their ids.
#[utoipa::path(get, path = "/api/users", tag = "people", params(Paging), responses(
    (status = 200, body = Page<User>),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    caller: Caller,
    State(app): State<App>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<User>>, Problem> {
    Ok(Json(all(&app, &caller, &paging).await?))
}

pub(super) async fn all(
    app: &App,
    caller: &Caller,
    paging: &Paging,
) -> Result<Page<User>, Problem> {
    caller.at_least(Role::Administrator)?;
    let limit = paging.limit()?;
    let select =
        format!("{SELECT} WHERE id > $1 AND ($2 = '' OR customer_id = $2) ORDER BY id LIMIT $3");
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(select))
        .bind(paging.after().to_owned())
        .bind(caller.customer_id.clone().unwrap_or_default())
        .bind(limit + 1)
        .fetch_all(app.store.reader())
        .await?;
    let users = rows.into_iter().map(User::read).collect();
    Ok(Page::cut(users, limit, |user| user.id.clone()))
}

/// One account.
#[utoipa::path(get, path = "/api/users/{id}", tag = "people", params(("id" = String, Path)), responses(
    (status = 200, body = User),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn read(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Tagged<User>, Problem> {
    caller.at_least(Role::Administrator)?;
    let user = User::find(&app.store, &caller, &id).await?;
    Ok(Tagged(user.version, user))
}

/// What is to be different about an account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = UserChange)]
pub(super) struct Change {
    #[schema(min_length = 1, max_length = 120)]
    name: Option<String>,
    role: Option<Role>,
    language: Option<String>,
    /// Whether they may not sign in.
    disabled: Option<bool>,
}

/// Changes an account. Another role, or no right to sign in, ends its sessions.
#[utoipa::path(patch, path = "/api/users/{id}", tag = "people", params(("id" = String, Path), IfMatch), request_body = Change, responses(
    (status = 200, body = User),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`last-administrator`"),
    (status = 412, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn change(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    if_match: IfMatch,
    Json(change): Json<Change>,
) -> Result<Tagged<User>, Problem> {
    caller.at_least(Role::Administrator)?;
    let user = User::find(&app.store, &caller, &id).await?;
    if_match.check(user.version)?;
    let now = app.now();
    let new_name = change.name.as_deref().map_or(Ok(user.name.clone()), name)?;
    let new_language = match &change.language {
        Some(text) => language(text)?.to_owned(),
        None => user.language.clone(),
    };
    let role = change.role.unwrap_or(user.role);
    let disabled_at = match change.disabled {
        Some(true) => user.disabled_at.map(|at| at.0).or(Some(now)),
        Some(false) => None,
        None => user.disabled_at.map(|at| at.0),
    };
    let mut tx = app.store.begin().await?;
    // Administrators who take each other's place at the same moment wait for one another here.
    sqlx::query("UPDATE users SET version = version WHERE role = 'administrator'")
        .execute(&mut *tx)
        .await?;
    let update = sqlx::query(
        "UPDATE users SET name = $1, role = $2, language = $3, disabled_at = $4, version = version + 1
         WHERE id = $5 AND version = $6",
    )
    .bind(new_name)
    .bind(role.as_str())
    .bind(new_language)
    .bind(disabled_at)
    .bind(id.clone())
    .bind(user.version);
    if update.execute(&mut *tx).await?.rows_affected() == 0 {
        return Err(Problem::changed());
    }
    let left = "SELECT COUNT(*) FROM users WHERE role = 'administrator' AND customer_id IS NULL AND disabled_at IS NULL";
    let (left,): (i64,) = sqlx::query_as(left).fetch_one(&mut *tx).await?;
    if left == 0 {
        let detail =
            "Nobody would be left to let people in: make somebody else administrator first.";
        return Err(Problem::conflict("last-administrator", detail));
    }
    let was_disabled = user.disabled_at.is_some();
    if role != user.role || disabled_at.is_some() != was_disabled {
        sessions::end_all(&mut tx, &id).await?;
    }
    let action = Action {
        action: "user.change",
        object_kind: "user",
        object_id: &id,
        customer_id: user.customer_id.as_deref(),
        detail: json!({"name": change.name, "role": change.role, "language": change.language, "disabled": change.disabled}),
    };
    audit::record(&mut tx, Some(&caller), now, action).await?;
    tx.tell(Kind::User, &id);
    tx.commit().await?;
    let user = User::find(&app.store, &caller, &id).await?;
    Ok(Tagged(user.version, user))
}
