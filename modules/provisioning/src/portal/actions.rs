//! What a visitor who is signed in can look at and ask for.
//!
//! Each form is answered with a redirect to the page, or, when something is wrong with it, with the page as it would
//! be, the form as it was, and what is wrong.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use bay::message::{Mode, SecretText, SetupRequest};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::draft::{Draft, Entered};
use super::pages::{self, Mistakes, Notice};
use super::sign_in::Nothing;
use super::visit::{OwnForm, SignedIn, TOKEN, foreign};
use super::{Portal, code, picture, show, words};
use crate::desk::Refusal;

/// How long a form waits for the desk. What takes longer goes on, and the page follows it.
const PATIENCE: Duration = Duration::from_millis(1500);

#[derive(Deserialize)]
pub(super) struct Look {
    /// There when the page asked for itself again: nobody may be looking, so it does not keep the session open.
    refresh: Option<String>,
}

pub(super) async fn home(
    State(portal): State<Arc<Portal>>,
    visitor: SignedIn,
    Query(look): Query<Look>,
) -> Response {
    if look.refresh.is_none() {
        visitor.touch(&portal);
    }
    page(&portal, visitor, StatusCode::OK, Mistakes::default())
}

fn page(portal: &Portal, visitor: SignedIn, status: StatusCode, mistakes: Mistakes) -> Response {
    let now = Instant::now();
    let view = portal.desk.view();
    let (draft, kept) = {
        let mut sessions = portal.sessions();
        let draft = sessions.draft(visitor.0, now).map(|draft| {
            draft.settle(&view);
            draft.clone()
        });
        (
            draft.unwrap_or_default(),
            sessions.take_notice(visitor.0, now),
        )
    };
    let token = portal.seal.form_token(visitor.0);
    match pages::home(&view, &draft, mistakes, kept, token) {
        Ok(page) => show(status, &page),
        Err(error) => {
            tracing::error!(%error, "A page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

pub(super) async fn setup(
    State(portal): State<Arc<Portal>>,
    OwnForm(visitor, entered): OwnForm<Entered>,
) -> Response {
    let request = {
        let mut sessions = portal.sessions();
        let mut gone = Draft::default();
        let draft = sessions.draft(visitor.0, Instant::now());
        draft.unwrap_or(&mut gone).enter(entered)
    };
    let request = match request {
        Ok(request) => request,
        Err(refusal) => {
            let mistakes =
                Mistakes::of_form("Nothing was sent: look at what is marked below.", refusal);
            return page(&portal, visitor, StatusCode::UNPROCESSABLE_ENTITY, mistakes);
        }
    };
    let is_claim = portal.desk.view().mode() == Mode::None;
    let asked = async {
        if is_claim {
            portal.desk.claim(request).await
        } else {
            portal.desk.setup(request).await
        }
    };
    let answer = timeout(PATIENCE, asked).await;
    match &answer {
        Ok(Ok(_)) => forget_draft(&portal, visitor),
        Ok(Err(_)) => {
            if let Some(draft) = portal.sessions().draft(visitor.0, Instant::now()) {
                draft.keep();
            }
        }
        Err(_) => {}
    }
    reply(
        &portal,
        visitor,
        answer.ok().map(|answer| answer.map(|a| Some(a.message))),
    )
}

pub(super) async fn reset(
    State(portal): State<Arc<Portal>>,
    OwnForm(visitor, confirmation): OwnForm<Confirmation>,
) -> Response {
    if confirmation.confirm.as_deref() != Some("yes") {
        let refusal = Refusal::new(
            400,
            "not-confirmed",
            "Tick the box to say that you mean it.",
        );
        return reply(&portal, visitor, Some(Err(refusal)));
    }
    let answer = timeout(PATIENCE, portal.desk.reset()).await;
    reply(
        &portal,
        visitor,
        answer.ok().map(|answer| answer.map(|a| Some(a.message))),
    )
}

#[derive(Deserialize)]
pub(super) struct Confirmation {
    confirm: Option<String>,
}

pub(super) async fn test(
    State(portal): State<Arc<Portal>>,
    OwnForm(visitor, Nothing {}): OwnForm<Nothing>,
) -> Response {
    let answer = timeout(PATIENCE, portal.desk.test()).await;
    reply(
        &portal,
        visitor,
        answer.ok().map(|answer| answer.map(|_| None)),
    )
}

pub(super) async fn start_claim(
    State(portal): State<Arc<Portal>>,
    OwnForm(visitor, Nothing {}): OwnForm<Nothing>,
) -> Response {
    let answer = timeout(PATIENCE, portal.desk.start_sign_in()).await;
    reply(
        &portal,
        visitor,
        answer.ok().map(|answer| answer.map(|()| None)),
    )
}

pub(super) async fn cancel_claim(
    State(portal): State<Arc<Portal>>,
    OwnForm(visitor, Nothing {}): OwnForm<Nothing>,
) -> Response {
    let answer = timeout(PATIENCE, portal.desk.cancel_sign_in()).await;
    reply(
        &portal,
        visitor,
        answer.ok().map(|answer| answer.map(|()| None)),
    )
}

#[derive(Deserialize)]
pub(super) struct PastedCode {
    #[serde(default)]
    code: SecretText,
}

pub(super) async fn read_code(
    State(portal): State<Arc<Portal>>,
    OwnForm(visitor, pasted): OwnForm<PastedCode>,
) -> Response {
    match code::read(pasted.code.expose()) {
        Ok(code) => {
            take_code(&portal, visitor, code);
            Redirect::to("/").into_response()
        }
        Err(error) => {
            let mistakes = Mistakes::of_code(&error);
            page(&portal, visitor, StatusCode::UNPROCESSABLE_ENTITY, mistakes)
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Picture {
    width: usize,
}

/// What the page's script sends of a picture. The answer says only whether there was a code in it.
pub(super) async fn read_picture(
    State(portal): State<Arc<Portal>>,
    visitor: SignedIn,
    Query(Picture { width }): Query<Picture>,
    headers: HeaderMap,
    grey: Bytes,
) -> Response {
    let token = headers.get(TOKEN).and_then(|token| token.to_str().ok());
    if !token.is_some_and(|token| portal.seal.is_form_token(visitor.0, token)) {
        return foreign();
    }
    visitor.touch(&portal);
    let found = match portal.reader.read(grey, width).await {
        Ok(found) => found,
        Err(picture::Busy) => {
            let problem = "Another picture is still being read. Try again in a moment.";
            return unread(StatusCode::SERVICE_UNAVAILABLE, problem);
        }
    };
    match found.map(|text| code::read(&text)) {
        Some(Ok(code)) => {
            take_code(&portal, visitor, code);
            StatusCode::NO_CONTENT.into_response()
        }
        Some(Err(error)) => unread(
            StatusCode::UNPROCESSABLE_ENTITY,
            &words::said(error.to_string()),
        ),
        None => {
            let problem =
                "No code could be read in that picture. Fill it with the code, in good light.";
            unread(StatusCode::UNPROCESSABLE_ENTITY, problem)
        }
    }
}

fn unread(status: StatusCode, problem: &str) -> Response {
    (status, Json(json!({"problem": problem}))).into_response()
}

/// Into the form, where it is looked at before it is sent.
fn take_code(portal: &Portal, visitor: SignedIn, code: SetupRequest) {
    let now = Instant::now();
    let serial = portal.desk.view().identity.serial;
    let mut sessions = portal.sessions();
    let Some(draft) = sessions.draft(visitor.0, now) else {
        return;
    };
    let notice = match draft.scan(code, serial.as_deref()) {
        Ok(()) => Notice::good("The code was read. Look at the form, then send it."),
        Err(refusal) => Notice::bad(&format!("The code was read, but: {}", refusal.message)),
    };
    sessions.notify(visitor.0, notice, now);
}

pub(super) async fn forget(
    State(portal): State<Arc<Portal>>,
    OwnForm(visitor, Nothing {}): OwnForm<Nothing>,
) -> Redirect {
    forget_draft(&portal, visitor);
    Redirect::to("/")
}

fn forget_draft(portal: &Portal, visitor: SignedIn) {
    if let Some(draft) = portal.sessions().draft(visitor.0, Instant::now()) {
        *draft = Draft::default();
    }
}

/// To the page, with what the desk said so far.
fn reply(
    portal: &Portal,
    visitor: SignedIn,
    answer: Option<Result<Option<String>, Refusal>>,
) -> Response {
    match answer {
        None | Some(Ok(None)) => Redirect::to("/").into_response(),
        Some(Ok(Some(message))) => {
            let notice = Notice::good(&message);
            portal.sessions().notify(visitor.0, notice, Instant::now());
            Redirect::to("/").into_response()
        }
        Some(Err(refusal)) => {
            let status = StatusCode::from_u16(refusal.status);
            let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let message = refusal.message.clone();
            let mistakes = Mistakes::of_form(&message, refusal);
            page(portal, visitor, status, mistakes)
        }
    }
}
