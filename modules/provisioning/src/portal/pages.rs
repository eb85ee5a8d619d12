//! What the templates are given: the pages. What follows the device on them is in [`super::panes`].

use std::fmt;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use bay::message::Mode;
use jiff::Timestamp;

use super::code::CodeError;
use super::draft::{Draft, SYMMETRIC_KEY};
use super::panes::{self, Live};
use super::{show, words};
use crate::desk::{FieldProblem, Refusal};
use crate::view::View;

/// What the page says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    kind: &'static str,
    text: String,
}

impl Notice {
    pub(super) fn good(text: &str) -> Self {
        Self::new("good", text)
    }

    pub(super) fn bad(text: &str) -> Self {
        Self::new("bad", text)
    }

    fn new(kind: &'static str, text: &str) -> Self {
        let text = words::said(text);
        Self { kind, text }
    }
}

/// What was wrong with a form.
#[derive(Debug, Default)]
pub(super) struct Mistakes {
    notice: Option<Notice>,
    fields: Vec<FieldProblem>,
    /// What was wrong with a pasted code.
    code: Option<String>,
}

impl Mistakes {
    pub(super) fn of_form(notice: &str, refusal: Refusal) -> Self {
        Self {
            notice: Some(Notice::bad(notice)),
            fields: refusal.fields,
            code: None,
        }
    }

    pub(super) fn of_code(error: &CodeError) -> Self {
        Self {
            code: Some(words::said(error.to_string())),
            ..Self::default()
        }
    }
}

#[derive(Template)]
#[template(path = "sign_in.html")]
pub(super) struct SignInPage {
    pub(super) token: String,
    pub(super) serial: Option<String>,
    pub(super) problem: Option<String>,
}

#[derive(Template)]
#[template(path = "sorry.html")]
struct SorryPage<'a> {
    title: &'a str,
    message: &'a str,
}

/// A page for who has come where there is nothing to be had.
pub(super) fn sorry(status: StatusCode, title: &str, message: &str) -> Response {
    show(status, &SorryPage { title, message })
}

#[derive(Template)]
#[template(path = "home.html")]
pub(super) struct HomePage {
    name: String,
    token: String,
    /// What the forms are made for; when it changes, the page is not the same any more.
    shape: String,
    busy: bool,
    notice: Option<Notice>,
    live: Live,
    form: Form,
    can_reset: bool,
    /// What a reset gives up.
    leaves: String,
}

struct Form {
    title: &'static str,
    lead: &'static str,
    button: &'static str,
    fields: [Field; 3],
    key_is_kept: bool,
    key_problem: Option<String>,
    code_problem: Option<String>,
}

struct Field {
    name: &'static str,
    label: &'static str,
    value: String,
    optional: bool,
    longest: u16,
    /// As the browser checks it; the device does so again.
    pattern: &'static str,
    /// What the pattern asks for.
    rule: &'static str,
    example: &'static str,
    hint: &'static str,
    problem: Option<String>,
}

pub(super) fn home(
    view: &View,
    draft: &Draft,
    mut mistakes: Mistakes,
    notice: Option<Notice>,
    token: String,
) -> askama::Result<HomePage> {
    let identity = &view.identity;
    let serial = identity.serial.as_deref();
    let project = identity.id_scope.as_deref();
    Ok(HomePage {
        name: serial.unwrap_or("A device").to_owned(),
        live: Live::of(view, &token, Timestamp::now())?,
        token,
        shape: panes::shape(view),
        busy: panes::is_busy(view),
        notice: mistakes.notice.take().or(notice),
        form: form(view, draft, &mistakes),
        can_reset: matches!(view.mode(), Mode::Project | Mode::Other),
        leaves: match project {
            Some(scope) => format!("the project of scope {scope}"),
            None => "the identity it has now".into(),
        },
    })
}

fn form(view: &View, draft: &Draft, mistakes: &Mistakes) -> Form {
    // A problem is said of a field, whose name begins the sentence.
    let problem = |name: &str, label: &str| {
        let found = mistakes.fields.iter().find(|problem| problem.field == name);
        found.map(|problem| words::said(format!("{label} {}", problem.message)))
    };
    let (title, lead, button) = match view.mode() {
        Mode::None => (
            "Give it its first identity",
            "It becomes the device's stock identity, to which a reset brings it back.",
            "Claim the device",
        ),
        Mode::Stock => (
            "Join a project",
            "The device registers first. Only when it is let in does it change, and restart; otherwise it stays as it is.",
            "Join",
        ),
        Mode::Project | Mode::Other => (
            "Join another project",
            "The device registers first. Only when it is let in does it change, and restart; otherwise it stays as it is.",
            "Join",
        ),
    };
    let serial = view.identity.serial.clone();
    Form {
        title,
        lead,
        button,
        key_is_kept: draft.has_key(),
        key_problem: problem(SYMMETRIC_KEY, "The key"),
        code_problem: mistakes.code.clone(),
        fields: [
            Field {
                name: "idScope",
                label: "ID scope",
                value: draft.id_scope.clone(),
                optional: false,
                longest: 40,
                pattern: r"\s*[0-9A-Za-z]{1,32}\s*",
                rule: "letters and digits, like 0ne00112233",
                example: "0ne…",
                hint: "",
                problem: problem("idScope", "The ID scope"),
            },
            Field {
                name: "registrationId",
                label: "Registration id",
                value: draft.registration_id.clone().or(serial).unwrap_or_default(),
                optional: false,
                longest: 140,
                pattern: r"\s*[0-9A-Za-z._:\-]{0,127}[0-9A-Za-z\-]\s*",
                rule: "letters, digits and - . _ : with a letter, a digit or - at the end",
                example: "",
                hint: "Usually the serial number.",
                problem: problem("registrationId", "The registration id"),
            },
            Field {
                name: "globalEndpoint",
                label: "Endpoint",
                value: draft.global_endpoint.clone(),
                optional: true,
                longest: 280,
                pattern: r"\s*(https:\/\/)?[0-9A-Za-z][0-9A-Za-z.\-]*(:[0-9]{1,5})?\/?\s*",
                rule: "a host name, or one with :port",
                example: hub_proto::dps::registration::GLOBAL_ENDPOINT,
                hint: "Only where the provisioning service is not the public one.",
                problem: problem("globalEndpoint", "The endpoint"),
            },
        ],
    }
}

impl fmt::Debug for HomePage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HomePage")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
