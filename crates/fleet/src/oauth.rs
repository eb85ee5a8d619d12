//! The OAuth 2.0 device authorization grant (RFC 8628), from the server's side: a new device shows a code, somebody
//! approves it, and the device fetches its identity in stock.
//!
//! | Request | By | Answer |
//! |---|---|---|
//! | `POST /oauth/device_authorization` | the device | a code to show, and one to ask with (section 3.2) |
//! | `POST /oauth/token` | the device | not yet; no; or a token for its identity (sections 3.4 and 3.5) |
//! | `GET /oauth/identity` | the device, with that token | id scope, registration id and the key derived for it |
//! | `/approve` | somebody who puts devices up | what asks, and yes or no |
//!
//! A device says its board's serial number in `device_id`, a parameter of our own: what is approved is this one device.
//!
//! **Invariant:** one approval makes one token, for one device; the group's key is told to nobody.

mod code;
mod identity;
mod page;
mod poll;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hub_proto::dps::registration::RegistrationId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::people::secret::Secret;
use crate::problem::Problem;
use crate::web::body::{Form, Json};

/// Codes live for so long: time enough to find somebody who may approve them.
const CODE_LIFE_S: i64 = 900;
/// How long a device waits between two questions, and by how much longer each time it does not (RFC 8628, 3.5).
const INTERVAL_S: i64 = 5;
const SLOWER_S: i64 = 5;
/// How long a token opens the identity: if its answer is lost, the device asks once more.
const TOKEN_LIFE_S: i64 = 600;
/// Anybody can ask for codes: more than this do not wait at the same time.
const MOST_WAITING: i64 = 500;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(begin))
        .routes(routes!(poll::token))
        .routes(routes!(identity::read))
}

pub(crate) fn pages() -> Router<App> {
    Router::new().route("/approve", get(page::show_code).post(page::decide))
}

/// Why a device does not get what it asks for (RFC 6749, section 5.2).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Refusal {
    /// The word of the RFC.
    error: &'static str,
    /// The same for people.
    error_description: &'static str,
}

impl Refusal {
    const fn new(error: &'static str, error_description: &'static str) -> Self {
        Self {
            error,
            error_description,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(self)).into_response()
    }
}

/// What went wrong: the device's side in the words of the RFC, this side's as a problem.
#[derive(Debug)]
pub(crate) enum Failure {
    Refused(Refusal),
    Failed(Problem),
}

impl Failure {
    /// Of a form that cannot be read. One that is too long is a problem as everywhere else.
    fn of_form(problem: Problem) -> Self {
        if problem.status == StatusCode::PAYLOAD_TOO_LARGE.as_u16() {
            return Self::Failed(problem);
        }
        Self::Refused(Refusal::new("invalid_request", "the body is no form"))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(refusal) => refusal.into_response(),
            Self::Failed(problem) => problem.into_response(),
        }
    }
}

impl<E: Into<Problem>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// A device that wants to be let in.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Beginning {
    /// What kind of program asks; it is shown nowhere and opens nothing.
    #[serde(default)]
    client_id: String,
    /// The board's serial number, which is its registration id.
    #[serde(default)]
    device_id: String,
}

/// What the device shows, and what it asks with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Codes {
    /// What the device asks with. It shows this to nobody.
    device_code: String,
    /// What the device shows: `BCDF-GHJK`.
    user_code: String,
    /// Where somebody types it in.
    verification_uri: String,
    /// The same with the code in it, for a picture to be scanned.
    verification_uri_complete: String,
    /// Seconds for which both codes live.
    expires_in: i64,
    /// Seconds between two questions.
    interval: i64,
}

/// Begins: gives a device a code to show.
#[utoipa::path(post, path = "/oauth/device_authorization", tag = "oauth", security(()),
    request_body(content = Beginning, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, body = Codes),
    (status = 400, body = Refusal),
    (status = 429, body = Problem, content_type = "application/problem+json", description = "too many devices wait"),
))]
async fn begin(
    State(app): State<App>,
    form: Result<Form<Beginning>, Problem>,
) -> Result<Json<Codes>, Failure> {
    let Form(form) = form.map_err(Failure::of_form)?;
    let refuse = |text| Err(Failure::Refused(Refusal::new("invalid_request", text)));
    if form.client_id.is_empty() || form.client_id.len() > 200 {
        return refuse("client_id is missing, or longer than 200 characters");
    }
    let Ok(device) = form.device_id.parse::<RegistrationId>() else {
        return refuse("device_id has to be the device's registration id");
    };
    let now = app.now();
    let (secret, user_code) = (Secret::new("")?, code::new()?);
    let mut tx = app.store.begin().await?;
    sqlx::query("DELETE FROM device_codes WHERE expires_at <= $1 AND (access_until IS NULL OR access_until <= $1)")
        .bind(now)
        .execute(&mut *tx)
        .await?;
    let waiting = "SELECT COUNT(*) FROM device_codes WHERE state = 'waiting'";
    let (waiting,): (i64,) = sqlx::query_as(waiting).fetch_one(&mut *tx).await?;
    if waiting >= MOST_WAITING {
        let detail = "Too many devices wait to be let in. Try again in a minute.";
        return Err(Failure::Failed(Problem {
            retry_after: Some(std::time::Duration::from_secs(60)),
            ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-often", detail)
        }));
    }
    sqlx::query(
        "INSERT INTO device_codes (device_code_hash, user_code, device_id, created_at, expires_at, interval_s, state)
         VALUES ($1, $2, $3, $4, $5, $6, 'waiting')",
    )
    .bind(secret.hash())
    .bind(user_code.clone())
    .bind(device.as_str().to_owned())
    .bind(now)
    .bind(now + CODE_LIFE_S * 1000)
    .bind(INTERVAL_S)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    let shown = code::shown(&user_code);
    let verification_uri = format!("{}/approve", app.settings.public_url);
    Ok(Json(Codes {
        device_code: secret.reveal().to_owned(),
        verification_uri_complete: format!("{verification_uri}?code={shown}"),
        user_code: shown,
        verification_uri,
        expires_in: CODE_LIFE_S,
        interval: INTERVAL_S,
    }))
}

#[cfg(test)]
mod tests;
