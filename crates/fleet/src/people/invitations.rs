//! Links that make one account, once: how everybody comes in, the first administrator too. There is no default password.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::secret::{self, Secret};
use super::users::{self, NewUser};
use super::{Caller, Role, passwords, sessions};
use crate::app::{App, new_id};
use crate::audit::{self, Action};
use crate::moment::Moment;
use crate::problem::Problem;
use crate::store::{Kind, StoreError, Transaction};
use crate::web::body::{Form, Json, Path};
use crate::web::page::{Frame, show, show_as};

/// How long a link opens, unless it is said otherwise, and at most.
const USUAL_DAYS: u32 = 7;
const LONGEST_DAYS: u32 = 60;

/// A link that was sent and not used yet.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Invitation {
    pub(super) id: String,
    pub(super) role: Role,
    /// Whom it is for; absent when whoever has it gives their own address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer_id: Option<String>,
    pub(super) expires_at: Moment,
}

/// A link that was just made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewInvitation {
    id: String,
    /// The link. It is told this once.
    url: String,
    expires_at: Moment,
}

/// Whom to invite.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = WantedInvitation)]
pub(super) struct Wanted {
    role: Role,
    email: Option<String>,
    /// Whose they will be; without it they see every customer.
    customer_id: Option<String>,
    /// Days for which it opens: 1 to 60, and 7 unless it is said.
    #[schema(minimum = 1, maximum = 60)]
    days: Option<u32>,
}

/// The invitations that are open.
#[utoipa::path(get, path = "/api/invitations", tag = "people", responses(
    (status = 200, body = Vec<Invitation>),
    (status = 403, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    caller: Caller,
    State(app): State<App>,
) -> Result<Json<Vec<Invitation>>, Problem> {
    Ok(Json(open(&app, &caller).await?))
}

pub(super) async fn open(app: &App, caller: &Caller) -> Result<Vec<Invitation>, Problem> {
    caller.at_least(Role::Administrator)?;
    type Row = (String, String, Option<String>, Option<String>, i64);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, role, email, customer_id, expires_at FROM invitations
         WHERE used_at IS NULL AND first IS NULL AND expires_at > $1 AND ($2 = '' OR customer_id = $2) ORDER BY id",
    )
    .bind(app.now())
    .bind(caller.customer_id.clone().unwrap_or_default())
    .fetch_all(app.store.reader())
    .await?;
    let read = |(id, role, email, customer_id, expires_at): Row| Invitation {
        id,
        role: Role::read(&role).unwrap_or(Role::Driver),
        email,
        customer_id,
        expires_at: Moment(expires_at),
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Makes a link that makes one account. The answer is the only place where it can be read.
#[utoipa::path(post, path = "/api/invitations", tag = "people", request_body = Wanted, responses(
    (status = 201, body = NewInvitation),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "no such customer"),
))]
pub(super) async fn create(
    caller: Caller,
    State(app): State<App>,
    Json(wanted): Json<Wanted>,
) -> Result<(StatusCode, Json<NewInvitation>), Problem> {
    caller.at_least(Role::Administrator)?;
    let email = wanted.email.as_deref().map(users::email).transpose()?;
    let days = wanted.days.unwrap_or(USUAL_DAYS);
    if !(1..=LONGEST_DAYS).contains(&days) {
        let detail = format!("An invitation opens for 1 to {LONGEST_DAYS} days.");
        return Err(Problem::field("days", detail));
    }
    // Nobody lets others see more than they see themselves.
    let customer_id = wanted.customer_id.or_else(|| caller.customer_id.clone());
    if customer_id.as_deref().is_some_and(|id| !caller.sees(id)) {
        return Err(Problem::not_found("customer"));
    }
    let (now, id, secret) = (app.now(), new_id(), Secret::new("")?);
    let expires_at = now + Duration::from_hours(24 * u64::from(days)).as_millis() as i64;
    let mut tx = app.store.begin().await?;
    let insert = sqlx::query(
        "INSERT INTO invitations (id, token_hash, role, email, customer_id, created_by, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(id.clone())
    .bind(secret.hash())
    .bind(wanted.role.as_str())
    .bind(email.clone())
    .bind(customer_id.clone())
    .bind(caller.user_id.clone())
    .bind(now)
    .bind(expires_at);
    insert.execute(&mut *tx).await.map_err(|error| {
        let error = StoreError::from(error);
        if error.is_missing_reference() {
            return Problem::not_found("customer");
        }
        error.into()
    })?;
    let action = Action {
        action: "invitation.create",
        object_kind: "invitation",
        object_id: &id,
        customer_id: customer_id.as_deref(),
        detail: json!({"role": wanted.role, "email": email}),
    };
    audit::record(&mut tx, Some(&caller), now, action).await?;
    tx.tell(Kind::User, &caller.user_id);
    tx.commit().await?;
    let url = format!("{}/invitation/{}", app.settings.public_url, secret.reveal());
    let expires_at = Moment(expires_at);
    let made = NewInvitation {
        id,
        url,
        expires_at,
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Takes an invitation back.
#[utoipa::path(delete, path = "/api/invitations/{id}", tag = "people", params(("id" = String, Path)), responses(
    (status = 204),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn delete(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.at_least(Role::Administrator)?;
    let mut tx = app.store.begin().await?;
    let delete = sqlx::query(
        "DELETE FROM invitations WHERE id = $1 AND used_at IS NULL AND first IS NULL AND ($2 = '' OR customer_id = $2)",
    )
    .bind(id.clone())
    .bind(caller.customer_id.clone().unwrap_or_default());
    if delete.execute(&mut *tx).await?.rows_affected() == 0 {
        return Err(Problem::not_found("invitation"));
    }
    let action = Action {
        action: "invitation.delete",
        object_kind: "invitation",
        object_id: &id,
        customer_id: caller.customer_id.as_deref(),
        detail: json!({}),
    };
    audit::record(&mut tx, Some(&caller), app.now(), action).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// While there is nobody, a new link that makes the first administrator; `None` once there is somebody. What the
/// service prints when it starts.
///
/// # Errors
/// When the database fails.
pub async fn first_link(app: &App) -> Result<Option<String>, FirstLinkError> {
    let secret = Secret::new("").map_err(FirstLinkError::Random)?;
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let insert = sqlx::query(
        "INSERT INTO invitations (id, token_hash, role, first, created_at, expires_at)
         SELECT $1, $2, 'administrator', 1, $3, $4 WHERE NOT EXISTS (SELECT 1 FROM users)",
    )
    .bind(new_id())
    .bind(secret.hash())
    .bind(now)
    .bind(now + Duration::from_hours(24 * u64::from(USUAL_DAYS)).as_millis() as i64);
    let made = insert
        .execute(&mut *tx)
        .await
        .map_err(StoreError::from)?
        .rows_affected();
    tx.commit().await?;
    Ok((made > 0).then(|| format!("{}/setup/{}", app.settings.public_url, secret.reveal())))
}

/// Why there is no link for the first administrator.
#[derive(Debug, thiserror::Error)]
pub enum FirstLinkError {
    /// The database failed.
    #[error("the link for the first administrator could not be kept")]
    Store(#[from] StoreError),
    /// The system has no random numbers.
    #[error("the system has no random numbers")]
    Random(#[source] getrandom::Error),
}

/// What a link promises.
struct Offer {
    id: String,
    role: Role,
    email: Option<String>,
    customer_id: Option<String>,
    is_first: bool,
}

async fn offer(app: &App, token: &str) -> Result<Offer, Problem> {
    type Row = (String, String, Option<String>, Option<String>, Option<i64>);
    let row: Option<Row> = sqlx::query_as(
        "SELECT id, role, email, customer_id, first FROM invitations
         WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2
         AND (first IS NULL OR NOT EXISTS (SELECT 1 FROM users))",
    )
    .bind(secret::hash(token))
    .bind(app.now())
    .fetch_optional(app.store.reader())
    .await?;
    let (id, role, email, customer_id, first) = row.ok_or_else(over)?;
    Ok(Offer {
        id,
        role: Role::read(&role).unwrap_or(Role::Driver),
        email,
        customer_id,
        is_first: first.is_some(),
    })
}

fn over() -> Problem {
    let detail = "This link was used already, or it is too old. Ask for a new one.";
    Problem::new(StatusCode::GONE, "link-is-over", detail)
}

#[derive(Template)]
#[template(path = "invitation.html")]
struct InvitationPage {
    page: Frame,
    is_first: bool,
    role: Role,
    /// Where the address is fixed.
    fixed: Option<String>,
    email: String,
    name: String,
    problem: Option<Problem>,
}

pub(super) async fn page(
    State(app): State<App>,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let offer = offer(&app, &token).await?;
    Ok(show(&InvitationPage {
        page: Frame::outside(&headers),
        is_first: offer.is_first,
        role: offer.role,
        fixed: offer.email,
        email: String::new(),
        name: String::new(),
        problem: None,
    }))
}

#[derive(Deserialize)]
pub(super) struct Acceptance {
    #[serde(default)]
    email: String,
    name: String,
    password: String,
}

pub(super) async fn accept(
    State(app): State<App>,
    headers: HeaderMap,
    Path(token): Path<String>,
    Form(form): Form<Acceptance>,
) -> Result<Response, Problem> {
    let offer = offer(&app, &token).await?;
    match make(&app, &headers, &offer, &form).await {
        Ok(response) => Ok(response),
        // What can be mended in the form is said there.
        Err(problem) if problem.field.is_some() => {
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_REQUEST);
            let page = InvitationPage {
                page: Frame::outside(&headers),
                is_first: offer.is_first,
                role: offer.role,
                fixed: offer.email,
                email: form.email,
                name: form.name,
                problem: Some(problem),
            };
            Ok(show_as(status, &page))
        }
        Err(problem) => Err(problem),
    }
}

async fn make(
    app: &App,
    headers: &HeaderMap,
    offer: &Offer,
    form: &Acceptance,
) -> Result<Response, Problem> {
    let email = match &offer.email {
        Some(fixed) => fixed.clone(),
        None => users::email(&form.email)?,
    };
    let name = users::name(&form.name)?;
    passwords::check(&form.password, &email)?;
    let user = NewUser {
        id: new_id(),
        email,
        name: name.clone(),
        role: offer.role,
        customer_id: offer.customer_id.clone(),
        password_hash: passwords::hash(form.password.clone()).await?,
        language: Frame::outside(headers).language(),
    };
    let now = app.now();
    let mut tx = app.store.begin().await?;
    claim(&mut tx, offer, now).await?;
    user.write(&mut tx, now).await?;
    let secret = sessions::begin(&mut tx, &user.id, now).await?;
    let caller = Caller {
        user_id: user.id.clone(),
        name,
        role: user.role,
        customer_id: user.customer_id.clone(),
        language: user.language.to_owned(),
    };
    let action = Action {
        action: "user.create",
        object_kind: "user",
        object_id: &user.id,
        customer_id: user.customer_id.as_deref(),
        detail: json!({"role": user.role, "invitation": offer.id}),
    };
    audit::record(&mut tx, Some(&caller), now, action).await?;
    tx.commit().await?;
    let cookie = sessions::cookie(&app.settings, Some(&secret));
    Ok(([(SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

/// Uses a link up. Of two who use one link at once, or two first links, the second finds it used.
async fn claim(tx: &mut Transaction, offer: &Offer, now: i64) -> Result<(), Problem> {
    let update = if offer.is_first {
        // All of them, so that whoever holds another waits here, and then finds nothing left.
        "UPDATE invitations SET used_at = $1 WHERE first = 1 AND used_at IS NULL AND $2 <> ''
         AND NOT EXISTS (SELECT 1 FROM users)"
    } else {
        "UPDATE invitations SET used_at = $1 WHERE id = $2 AND used_at IS NULL"
    };
    let update = sqlx::query(update).bind(now).bind(offer.id.clone());
    if update.execute(&mut **tx).await?.rows_affected() == 0 {
        return Err(over());
    }
    Ok(())
}
