//! The page where somebody says yes or no to a device.

use std::net::IpAddr;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::code;
use crate::app::App;
use crate::audit::{self, Action};
use crate::people::{Caller, Role, guesses};
use crate::problem::Problem;
use crate::store::Kind;
use crate::web::Sender;
use crate::web::body::{Form, Query};
use crate::web::page::{Frame, show, show_as};
use crate::words::Text;

#[derive(Template)]
#[template(path = "approve.html")]
struct ApprovePage {
    page: Frame,
    /// As it is shown on the device; empty when it has to be typed in.
    code: String,
    /// The device that asks; empty while no code was given.
    device_id: String,
    complaint: Option<Text>,
    done: Option<Text>,
}

impl ApprovePage {
    fn new(caller: &Caller) -> Self {
        Self {
            page: Frame::of(caller, "stock"),
            code: String::new(),
            device_id: String::new(),
            complaint: None,
            done: None,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Typed {
    #[serde(default)]
    code: String,
}

/// Stock is nobody's, so whoever lets a device into it sees every customer.
fn check(caller: &Caller) -> Result<(), Problem> {
    caller.at_least(Role::Installer)?;
    if caller.customer_id.is_some() {
        let detail = "You see one customer only; devices come into the stock of all.";
        return Err(Problem::forbidden(detail));
    }
    Ok(())
}

pub(super) async fn show_code(
    caller: Caller,
    State(app): State<App>,
    Sender(address): Sender,
    Query(typed): Query<Typed>,
) -> Result<Response, Problem> {
    check(&caller)?;
    let mut shown = ApprovePage::new(&caller);
    if typed.code.is_empty() {
        return Ok(show(&shown));
    }
    match guessed(&app, &caller, address, &typed.code).await? {
        Some((code, device_id)) => {
            shown.code = code::shown(&code);
            shown.device_id = device_id;
            Ok(show(&shown))
        }
        None => {
            shown.complaint = Some(shown.page.text("approve.unknown"));
            Ok(show_as(StatusCode::NOT_FOUND, &shown))
        }
    }
}

/// What waits with a code somebody typed in, who may not type in as many as they like.
async fn guessed(
    app: &App,
    caller: &Caller,
    address: IpAddr,
    text: &str,
) -> Result<Option<(String, String)>, Problem> {
    let account = format!("codes of {}", caller.user_id);
    guesses::try_secret(app, address, &account).await?;
    let found = waiting(app, text).await?;
    if found.is_some() {
        guesses::succeeded(app, address, &account).await?;
    }
    Ok(found)
}

async fn waiting(app: &App, text: &str) -> Result<Option<(String, String)>, Problem> {
    let Some(code) = code::typed(text) else {
        return Ok(None);
    };
    let found: Option<(String, String)> = sqlx::query_as(
        "SELECT user_code, device_id FROM device_codes WHERE user_code = $1 AND state = 'waiting' AND expires_at > $2",
    )
    .bind(code)
    .bind(app.now())
    .fetch_optional(app.store.reader())
    .await?;
    Ok(found)
}

#[derive(Debug, Deserialize)]
pub(super) struct Decision {
    code: String,
    decision: String,
}

pub(super) async fn decide(
    caller: Caller,
    State(app): State<App>,
    Sender(address): Sender,
    Form(form): Form<Decision>,
) -> Result<Response, Problem> {
    check(&caller)?;
    let mut shown = ApprovePage::new(&caller);
    let Some((code, device_id)) = guessed(&app, &caller, address, &form.code).await? else {
        shown.complaint = Some(shown.page.text("approve.unknown"));
        return Ok(show_as(StatusCode::NOT_FOUND, &shown));
    };
    let (state, action) = match form.decision.as_str() {
        "approve" => ("approved", "device.approve"),
        "deny" => ("denied", "device.deny"),
        _ => return Err(Problem::field("decision", "It is approve or deny.")),
    };
    let now = app.now();
    let mut tx = app.store.begin().await?;
    if state == "approved" {
        admit(&mut tx, &device_id, now).await?;
    }
    let update = sqlx::query(
        "UPDATE device_codes SET state = $1, decided_by = $2 WHERE user_code = $3 AND state = 'waiting'",
    )
    .bind(state)
    .bind(caller.user_id.clone())
    .bind(code);
    if update.execute(&mut *tx).await?.rows_affected() == 0 {
        let detail = "Somebody else has decided already.";
        return Err(Problem::conflict("decided", detail));
    }
    let action = Action {
        action,
        object_kind: "device",
        object_id: &device_id,
        customer_id: None,
        detail: json!({}),
    };
    audit::record(&mut tx, Some(&caller), now, action).await?;
    tx.tell(Kind::Device, &device_id);
    tx.commit().await?;
    let done = match state {
        "approved" => shown.page.text("approve.approved"),
        _ => shown.page.text("approve.denied"),
    };
    shown.done = Some(done.with("device", &device_id));
    Ok(show(&shown))
}

/// Puts a device on the list of those to come. One that is a project's has an identity, and leaves it only by an order.
async fn admit(
    tx: &mut crate::store::Transaction,
    device_id: &str,
    now: i64,
) -> Result<(), Problem> {
    sqlx::query(
        "INSERT INTO devices (id, first_seen_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
    )
    .bind(device_id.to_owned())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    let (lifecycle,): (String,) = sqlx::query_as("SELECT lifecycle FROM devices WHERE id = $1")
        .bind(device_id.to_owned())
        .fetch_one(&mut **tx)
        .await?;
    if !matches!(lifecycle.as_str(), "unregistered" | "stock") {
        let detail = "This device belongs to a project. Give it back to stock by an order before it is let in anew.";
        return Err(Problem::conflict("device-not-in-stock", detail));
    }
    Ok(())
}
