//! The way in, and out.

use askama::Template;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::json;

use super::{Caller, Role, guesses, passwords, sessions, users};
use crate::app::App;
use crate::audit::{self, Action};
use crate::problem::Problem;
use crate::store::Kind;
use crate::web::Sender;
use crate::web::body::{Form, Query};
use crate::web::page::{Frame, own_address, show, show_as};
use crate::words::Text;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    page: Frame,
    email: String,
    next: String,
    complaint: Option<Text>,
}

#[derive(Debug, Deserialize)]
pub(super) struct To {
    #[serde(default)]
    next: String,
}

pub(super) async fn page(
    caller: Option<Caller>,
    headers: HeaderMap,
    Query(to): Query<To>,
) -> Response {
    if caller.is_some() {
        return Redirect::to(own_address(&to.next)).into_response();
    }
    show(&SignInPage {
        page: Frame::outside(&headers),
        email: String::new(),
        next: to.next,
        complaint: None,
    })
}

#[derive(Deserialize)]
pub(super) struct Credentials {
    email: String,
    password: String,
    #[serde(default)]
    next: String,
}

pub(super) async fn sign_in(
    State(app): State<App>,
    Sender(address): Sender,
    headers: HeaderMap,
    Form(form): Form<Credentials>,
) -> Result<Response, Problem> {
    let now = app.now();
    let refuse = |status: StatusCode, complaint: &dyn Fn(&Frame) -> Text| {
        let page = Frame::outside(&headers);
        let complaint = Some(complaint(&page));
        let page = SignInPage {
            page,
            email: form.email.clone(),
            next: form.next.clone(),
            complaint,
        };
        show_as(status, &page)
    };
    if let Err(problem) = guesses::try_secret(&app, address, &form.email).await {
        let Some(wait) = problem.retry_after else {
            return Err(problem);
        };
        let wait = wait.as_secs() + 1;
        let mut response = refuse(StatusCode::TOO_MANY_REQUESTS, &|page| {
            page.count("sign_in.wait", wait)
        });
        let headers = response.headers_mut();
        headers.insert(axum::http::header::RETRY_AFTER, wait.into());
        return Ok(response);
    }
    let found = account(&app, &form.email).await?;
    let (hash, caller) = found.unzip();
    if !passwords::is_right(form.password.clone(), hash).await? {
        tracing::info!(%address, "somebody was not let in");
        return Ok(refuse(StatusCode::UNAUTHORIZED, &|page| {
            page.text("sign_in.wrong")
        }));
    }
    guesses::succeeded(&app, address, &form.email).await?;
    guesses::forget(&app).await?;
    let Some(caller) = caller else {
        return Err(Problem::unauthenticated());
    };
    let mut tx = app.store.begin().await?;
    // What the browser had before is over: nobody goes on with a session somebody else may have given it.
    sessions::end(&mut tx, &headers, &app.settings).await?;
    let secret = sessions::begin(&mut tx, &caller.user_id, now).await?;
    record(&mut tx, &caller, now, "user.sign-in").await?;
    tx.commit().await?;
    let cookie = sessions::cookie(&app.settings, Some(&secret));
    let to = Redirect::to(own_address(&form.next));
    Ok(([(SET_COOKIE, cookie)], to).into_response())
}

/// The hash and the owner of an account that may be used.
async fn account(app: &App, email: &str) -> Result<Option<(String, Caller)>, Problem> {
    // What is no address is nobody's.
    let Ok(email) = users::email(email) else {
        return Ok(None);
    };
    type Row = (String, String, String, String, Option<String>, String);
    let row: Option<Row> = sqlx::query_as(
        "SELECT password_hash, id, name, role, customer_id, language FROM users WHERE email = $1 AND disabled_at IS NULL",
    )
    .bind(email)
    .fetch_optional(app.store.reader())
    .await?;
    Ok(
        row.map(|(hash, user_id, name, role, customer_id, language)| {
            let role = Role::read(&role).unwrap_or(Role::Driver);
            let caller = Caller {
                user_id,
                name,
                role,
                customer_id,
                language,
            };
            (hash, caller)
        }),
    )
}

pub(super) async fn sign_out(
    caller: Option<Caller>,
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut tx = app.store.begin().await?;
    sessions::end(&mut tx, &headers, &app.settings).await?;
    if let Some(caller) = caller {
        record(&mut tx, &caller, app.now(), "user.sign-out").await?;
        // Streams that were opened with it end.
        tx.tell(Kind::User, &caller.user_id);
    }
    tx.commit().await?;
    let cookie = sessions::cookie(&app.settings, None);
    Ok(([(SET_COOKIE, cookie)], Redirect::to("/sign-in")).into_response())
}

async fn record(
    tx: &mut crate::store::Transaction,
    caller: &Caller,
    now: i64,
    action: &'static str,
) -> Result<(), Problem> {
    let action = Action {
        action,
        object_kind: "user",
        object_id: &caller.user_id,
        customer_id: caller.customer_id.as_deref(),
        detail: json!({}),
    };
    Ok(audit::record(tx, Some(caller), now, action).await?)
}
