//! A request that is sent again because its answer was lost does not happen again: with an `Idempotency-Key`, the second
//! gets the first one's answer (draft-ietf-httpapi-idempotency-key-header).
//!
//! Only a success is kept, for a day: a request that did nothing may be mended and sent again with the same key.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use crate::app::App;
use crate::people::Caller;
use crate::problem::Problem;
use crate::store::StoreError;

/// An extension of an answer that is not to be kept, because something in it is shown once.
#[derive(Debug, Clone, Copy)]
pub struct Unrepeatable;

/// The largest request and answer.
const BODY_LIMIT: usize = 1 << 20;
const KEPT_MS: i64 = 24 * 3_600_000;
/// A request that has no answer for so long was cut off with its instance: whoever asks again may try.
const CUT_OFF_MS: i64 = 300_000;
/// The status of a request that is under way.
const UNDER_WAY: i64 = 0;
/// The status of one that was done, and whose answer is not kept.
const NOT_KEPT: i64 = 1;

/// What a key says.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// The request is this one's to do.
    Fresh,
    /// It was done, and answered like this.
    Done(StatusCode, String),
    /// It was done, and its answer is not kept.
    Forgotten,
    /// It is under way.
    UnderWay,
    /// The key was another request's.
    Another,
}

/// Does requests that carry an `Idempotency-Key` once.
///
/// # Errors
/// 400 for a key that cannot be; 409 `under-way` while the first is, and `answer-not-kept` when it showed a secret; 422
/// `key-used` for a key of another request.
pub async fn once(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let key = request.headers().get("idempotency-key").cloned();
    let (Some(key), &Method::POST) = (key, request.method()) else {
        return Ok(next.run(request).await);
    };
    let (mut parts, body) = request.into_parts();
    // Who is nobody is told so by the handler; a key is a user's own.
    let Ok(caller) = Caller::from_request_parts(&mut parts, &app).await else {
        return Ok(next.run(Request::from_parts(parts, body)).await);
    };
    let key = key.to_str().map(str::trim).unwrap_or_default();
    if key.is_empty() || key.len() > 200 {
        let detail = "must be 1 to 200 characters of ASCII";
        return Err(Problem::field("Idempotency-Key", detail));
    }
    let body = to_bytes(body, BODY_LIMIT).await.map_err(|_| {
        let detail = "The body broke off or is above 1 MiB.";
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body", detail)
    })?;
    let mut hash = Sha256::new();
    hash.update(parts.uri.to_string());
    hash.update([0]);
    hash.update(&body);
    let hash: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    match begin(&app, &caller.user_id, key, &hash).await? {
        Found::Fresh => {}
        Found::Done(status, text) => return Ok(repeated(status, text)),
        Found::Forgotten => {
            let detail = "It was done. Its answer held a secret, so it was not kept.";
            return Err(Problem::conflict("answer-not-kept", detail));
        }
        Found::UnderWay => {
            let detail = "The first request with this key is under way: wait for its answer.";
            return Err(Problem::conflict("under-way", detail));
        }
        Found::Another => {
            let detail = "This Idempotency-Key was another request's: take a new one.";
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "key-used",
                detail,
            ));
        }
    }
    let key = key.to_owned();
    // In a task of its own: the request is finished, and its answer kept, even if whoever sent it hangs up.
    let request = Request::from_parts(parts, Body::from(body));
    let finished = tokio::spawn(async move {
        let response = next.run(request).await;
        finish(&app, &caller.user_id, &key, response).await
    });
    finished.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request broke off");
        let detail = "The request broke off: what came of it is not known.";
        Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "broken",
            detail,
        ))
    })
}

async fn begin(app: &App, user: &str, key: &str, hash: &str) -> Result<Found, StoreError> {
    let now = app.now();
    let mut tx = app.store.begin().await?;
    sqlx::query(
        "DELETE FROM idempotency WHERE created_at < $1 OR (status = $2 AND created_at < $3)",
    )
    .bind(now - KEPT_MS)
    .bind(UNDER_WAY)
    .bind(now - CUT_OFF_MS)
    .execute(&mut *tx)
    .await?;
    let inserted = sqlx::query(
        "INSERT INTO idempotency (user_id, key, request_hash, status, body, created_at) VALUES ($1, $2, $3, $4, '', $5)
         ON CONFLICT DO NOTHING",
    )
    .bind(user.to_owned())
    .bind(key.to_owned())
    .bind(hash.to_owned())
    .bind(UNDER_WAY)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    if inserted.rows_affected() == 1 {
        tx.commit().await?;
        return Ok(Found::Fresh);
    }
    let (known, status, body): (String, i64, String) = sqlx::query_as(
        "SELECT request_hash, status, body FROM idempotency WHERE user_id = $1 AND key = $2",
    )
    .bind(user.to_owned())
    .bind(key.to_owned())
    .fetch_one(&mut *tx)
    .await?;
    Ok(match status {
        _ if known != hash => Found::Another,
        UNDER_WAY => Found::UnderWay,
        NOT_KEPT => Found::Forgotten,
        status => {
            let status = u16::try_from(status).ok();
            let status = status.and_then(|status| StatusCode::from_u16(status).ok());
            Found::Done(status.unwrap_or(StatusCode::OK), body)
        }
    })
}

async fn finish(app: &App, user: &str, key: &str, response: Response) -> Result<Response, Problem> {
    if !response.status().is_success() {
        write(
            app,
            "DELETE FROM idempotency WHERE user_id = $1 AND key = $2",
            user,
            key,
            None,
        )
        .await?;
        return Ok(response);
    }
    let update = "UPDATE idempotency SET status = $3, body = $4 WHERE user_id = $1 AND key = $2";
    if response.extensions().get::<Unrepeatable>().is_some() {
        let none = Some((NOT_KEPT, String::new()));
        write(app, update, user, key, none).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, BODY_LIMIT).await.map_err(|_| {
        let detail = "It was done. Its answer is too long to be kept.";
        Problem::conflict("answer-not-kept", detail)
    })?;
    let text = String::from_utf8_lossy(&body).into_owned();
    let answer = Some((i64::from(parts.status.as_u16()), text));
    write(app, update, user, key, answer).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

async fn write(
    app: &App,
    sql: &'static str,
    user: &str,
    key: &str,
    answer: Option<(i64, String)>,
) -> Result<(), StoreError> {
    let mut tx = app.store.begin().await?;
    let mut query = sqlx::query(sql).bind(user.to_owned()).bind(key.to_owned());
    if let Some((status, body)) = answer {
        query = query.bind(status).bind(body);
    }
    query.execute(&mut *tx).await?;
    tx.commit().await
}

fn repeated(status: StatusCode, body: String) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
mod tests;
