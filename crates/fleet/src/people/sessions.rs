//! Who is signed in, and by what a request is known: a session's cookie, or a token of the API.

use std::time::Duration;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};

use super::secret::{self, Secret};
use super::{Caller, Role};
use crate::app::App;
use crate::problem::Problem;
use crate::settings::Settings;
use crate::store::{Kind, Transaction};

/// A session that is not used for so long is over.
const IDLE: Duration = Duration::from_hours(12);
/// And however much it is used, after this.
const LIFE: Duration = Duration::from_hours(30 * 24);
/// That something was used is written down no more often than this: reading must not become writing.
const NOTED_EVERY_MS: i64 = 5 * 60 * 1000;

const COLUMNS: &str = "users.id, users.name, users.role, users.customer_id, users.language";
type Row = (String, String, String, Option<String>, String, i64);

/// Begins a session. The caller of this hands the secret to the browser by [`cookie`].
pub(super) async fn begin(
    tx: &mut Transaction,
    user_id: &str,
    now: i64,
) -> Result<Secret, Problem> {
    let secret = Secret::new("")?;
    sqlx::query("DELETE FROM sessions WHERE expires_at <= $1")
        .bind(now)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "INSERT INTO sessions (token_hash, user_id, created_at, last_used_at, expires_at) VALUES ($1, $2, $3, $3, $4)",
    )
    .bind(secret.hash())
    .bind(user_id.to_owned())
    .bind(now)
    .bind(now + LIFE.as_millis() as i64)
    .execute(&mut **tx)
    .await?;
    Ok(secret)
}

/// Ends the session a request came with, if it came with one.
pub(super) async fn end(
    tx: &mut Transaction,
    headers: &HeaderMap,
    settings: &Settings,
) -> Result<(), Problem> {
    if let Some(secret) = presented(headers, settings) {
        sqlx::query("DELETE FROM sessions WHERE token_hash = $1")
            .bind(secret::hash(secret))
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// Ends every session of a user.
pub(super) async fn end_all(tx: &mut Transaction, user_id: &str) -> Result<(), Problem> {
    sqlx::query("DELETE FROM sessions WHERE user_id = $1")
        .bind(user_id.to_owned())
        .execute(&mut **tx)
        .await?;
    // Their streams end with them.
    tx.tell(Kind::User, user_id);
    Ok(())
}

/// The header that gives a browser its session, or takes it away.
pub(super) fn cookie(settings: &Settings, secret: Option<&Secret>) -> HeaderValue {
    let name = cookie_name(settings);
    let secure = if is_secure(settings) { "; Secure" } else { "" };
    let (value, age) = match secret {
        Some(secret) => (secret.reveal(), LIFE.as_secs()),
        None => ("", 0),
    };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}");
    // Name and secret are letters, digits, hyphens and underscores.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// Whether a request carries a session's cookie, whatever it is worth.
pub(crate) fn has_cookie(headers: &HeaderMap, settings: &Settings) -> bool {
    presented(headers, settings).is_some()
}

fn is_secure(settings: &Settings) -> bool {
    settings.public_url.starts_with("https:")
}

/// With `__Host-` a browser takes it from this very host and over TLS only.
fn cookie_name(settings: &Settings) -> &'static str {
    if is_secure(settings) {
        "__Host-cow-fleet"
    } else {
        "cow-fleet"
    }
}

fn presented<'a>(headers: &'a HeaderMap, settings: &Settings) -> Option<&'a str> {
    let name = cookie_name(settings);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value))
}

/// Who sent this. A request with a token is judged by its token alone, so that a browser's cookie adds nothing to it.
pub(crate) async fn caller(headers: &HeaderMap, app: &App) -> Result<Option<Caller>, Problem> {
    match headers.get(header::AUTHORIZATION) {
        Some(value) => {
            let token = value.to_str().ok().and_then(bearer);
            match token {
                Some(token) => by_token(token, app).await,
                None => Ok(None),
            }
        }
        None => match presented(headers, &app.settings) {
            Some(secret) => by_session(secret, app).await,
            None => Ok(None),
        },
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn by_session(secret: &str, app: &App) -> Result<Option<Caller>, Problem> {
    let (now, hash) = (app.now(), secret::hash(secret));
    let select = format!(
        "SELECT {COLUMNS}, sessions.last_used_at FROM sessions JOIN users ON users.id = sessions.user_id
         WHERE token_hash = $1 AND expires_at > $2 AND last_used_at > $3 AND disabled_at IS NULL"
    );
    let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(select))
        .bind(hash.clone())
        .bind(now)
        .bind(now - IDLE.as_millis() as i64)
        .fetch_optional(app.store.reader())
        .await?;
    let Some(row) = row else { return Ok(None) };
    if now - row.5 >= NOTED_EVERY_MS {
        let update = "UPDATE sessions SET last_used_at = $1 WHERE token_hash = $2";
        note(app, update, now, hash).await?;
    }
    Ok(Some(known(row)))
}

async fn by_token(token: &str, app: &App) -> Result<Option<Caller>, Problem> {
    let (now, hash) = (app.now(), secret::hash(token));
    let select = format!(
        "SELECT {COLUMNS}, COALESCE(api_tokens.last_used_at, 0) FROM api_tokens JOIN users ON users.id = api_tokens.user_id
         WHERE token_hash = $1 AND (expires_at IS NULL OR expires_at > $2) AND disabled_at IS NULL"
    );
    let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(select))
        .bind(hash.clone())
        .bind(now)
        .fetch_optional(app.store.reader())
        .await?;
    let Some(row) = row else { return Ok(None) };
    if now - row.5 >= NOTED_EVERY_MS {
        let update = "UPDATE api_tokens SET last_used_at = $1 WHERE token_hash = $2";
        note(app, update, now, hash).await?;
    }
    Ok(Some(known(row)))
}

async fn note(app: &App, update: &'static str, now: i64, hash: String) -> Result<(), Problem> {
    let mut tx = app.store.begin().await?;
    let update = sqlx::query(update).bind(now).bind(hash);
    update.execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

fn known((user_id, name, role, customer_id, language, _): Row) -> Caller {
    Caller {
        user_id,
        name,
        // The table holds no other words; whoever wrote one in by hand gets the least.
        role: Role::read(&role).unwrap_or(Role::Driver),
        customer_id,
        language,
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = caller(&parts.headers, app).await?;
        caller.ok_or_else(Problem::unauthenticated)
    }
}

impl OptionalFromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, Problem> {
        caller(&parts.headers, app).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::settings;

    #[test]
    fn over_tls_a_cookie_is_this_hosts_and_goes_over_nothing_else() {
        let mut settings = settings(String::new());
        settings.public_url = "https://parking.example".into();
        let secret = Secret::new("").expect("random numbers");
        let cookie = cookie(&settings, Some(&secret));
        let given = cookie.to_str().expect("a text").to_owned();
        let (pair, attributes) = given.split_once("; ").expect("attributes");
        assert_eq!(pair, format!("__Host-cow-fleet={}", secret.reveal()));
        // What `__Host-` demands of browsers, and that no script and no foreign form has it.
        let wanted = "Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000; Secure";
        assert_eq!(attributes, wanted);
        let mut headers = HeaderMap::new();
        // What another host below the same domain could have set counts for nothing.
        let planted = HeaderValue::from_static("cow-fleet=planted");
        headers.insert(header::COOKIE, planted);
        assert!(!has_cookie(&headers, &settings));
        let own = HeaderValue::try_from(pair).expect("a header");
        headers.insert(header::COOKIE, own);
        assert!(has_cookie(&headers, &settings));
    }
}
