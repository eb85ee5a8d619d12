//! What the templates are given.
//!
//! The parts of the page that follow the device ([`Live`]) are rendered by themselves, so that the first view and every
//! later event are the same text.

use std::fmt;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use bay::message::{ChangeOutcome, Mode, Step};
use jiff::Timestamp;

use super::code::CodeError;
use super::draft::{Draft, SYMMETRIC_KEY};
use super::{show, words};
use crate::desk::{FieldProblem, Refusal};
use crate::view::{LinkState, Trouble, View};

/// More than these are folded away.
const ERRORS_AT_ONCE: usize = 2;

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
        shape: shape(view),
        busy: is_busy(view),
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

/// Whether the device does something that must end before the next thing begins.
pub(super) fn is_busy(view: &View) -> bool {
    view.change.is_some() || view.testing
}

pub(super) fn shape(view: &View) -> String {
    let scope = view.identity.id_scope.as_deref().unwrap_or_default();
    format!("{} {scope}", view.mode().as_str())
}

/// The parts of the page that follow the device, rendered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) who: String,
    pub(super) change: String,
    pub(super) claim: String,
    pub(super) test: String,
    pub(super) errors: String,
}

#[derive(Template)]
#[template(path = "who.html")]
struct Who<'a> {
    view: &'a View,
    link: Link,
    waits: Option<String>,
    facts: Vec<(&'static str, &'a str)>,
}

struct Link {
    state: &'static str,
    word: &'static str,
    more: String,
}

#[derive(Template)]
#[template(path = "change.html")]
struct Change<'a> {
    view: &'a View,
    now: Timestamp,
    cure: Option<&'static str>,
    failed_step: Option<&'static str>,
    ended: Timestamp,
}

#[derive(Template)]
#[template(path = "claim.html")]
struct Claim<'a> {
    view: &'a View,
    now: Timestamp,
    token: &'a str,
    /// Where a link may lead: to a page, and to nothing else that a service might name.
    address: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "test.html")]
struct Test<'a> {
    view: &'a View,
    now: Timestamp,
    failed: usize,
}

#[derive(Template)]
#[template(path = "errors.html")]
struct Errors<'a> {
    view: &'a View,
    newest: &'a [Trouble],
    older: &'a [Trouble],
    now: Timestamp,
}

impl Live {
    pub(super) fn of(view: &View, token: &str, now: Timestamp) -> askama::Result<Self> {
        let (newest, older) = view.errors.split_at(view.errors.len().min(ERRORS_AT_ONCE));
        let parts = view.test.iter().flat_map(|test| &test.parts);
        Ok(Self {
            who: who(view, now).render()?,
            change: change(view, now).render()?,
            claim: Claim {
                view,
                now,
                token,
                address: claim_address(view),
            }
            .render()?,
            test: Test {
                view,
                now,
                failed: parts.filter(|part| !part.passed).count(),
            }
            .render()?,
            errors: Errors {
                view,
                newest,
                older,
                now,
            }
            .render()?,
        })
    }

    /// Each part with its name on the page.
    pub(super) fn parts(&self) -> [(&'static str, &str); 5] {
        [
            ("who", &self.who),
            ("change", &self.change),
            ("claim", &self.claim),
            ("test", &self.test),
            ("errors", &self.errors),
        ]
    }
}

fn who(view: &View, now: Timestamp) -> Who<'_> {
    let identity = &view.identity;
    let all = [
        ("Registration id", &identity.registration_id),
        ("ID scope", &identity.id_scope),
        ("Hub", &identity.hub),
        ("Device id", &identity.device_id),
        ("Provisioning service", &view.global_endpoint),
    ];
    let told = all
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)));
    Who {
        view,
        link: link(&view.link, now),
        waits: view
            .waits_for
            .as_ref()
            .map(|waits| words::waits_for(waits, &now)),
        facts: told.collect(),
    }
}

fn link(link: &LinkState, now: Timestamp) -> Link {
    let (state, word, more) = match link {
        LinkState::Unknown => ("unknown", "Link not known", String::new()),
        LinkState::Connecting => ("connecting", "Connecting to the hub", String::new()),
        LinkState::Connected { since } => (
            "connected",
            "Connected to the hub",
            words::lasting(since, &now),
        ),
        LinkState::Down { why, since } => (
            "down",
            "No link to the hub",
            format!(
                "{} {}",
                words::said(words::age(since, &now)),
                words::said(why)
            ),
        ),
    };
    Link { state, word, more }
}

fn change(view: &View, now: Timestamp) -> Change<'_> {
    let last = view.last_change.as_ref();
    let failed = last.filter(|last| {
        matches!(
            last.outcome,
            ChangeOutcome::Failed | ChangeOutcome::RolledBack
        )
    });
    let step: Option<Step> = failed.and_then(|failed| failed.step);
    Change {
        view,
        now,
        cure: step.as_ref().map(words::cure),
        failed_step: step.as_ref().map(words::step),
        ended: last.map_or(now, |last| last.ended_at.unwrap_or(last.started_at)),
    }
}

fn claim_address(view: &View) -> Option<&str> {
    let sign_in = view.sign_in.as_ref()?;
    let whole = sign_in.verification_uri_complete.as_deref();
    let address = whole.unwrap_or(&sign_in.verification_uri);
    let is_page = address.starts_with("https://") || address.starts_with("http://");
    is_page.then_some(address)
}

/// One sentence on how things are, for whoever hears the page.
pub(super) fn say(view: &View) -> String {
    if let Some(change) = &view.change {
        let running = change
            .steps
            .iter()
            .find(|step| step.state.as_str() == "running");
        let doing = words::doing(&change.kind);
        return match running {
            Some(step) => format!("{doing}: {}.", words::step(&step.step)),
            None => format!("{doing}."),
        };
    }
    if view.testing {
        return "Testing the parts.".into();
    }
    if let Some(last) = &view.last_change {
        return format!("{}.", words::outcome(&last.kind, &last.outcome));
    }
    format!("{}.", words::mode(&view.mode()))
}

impl fmt::Debug for HomePage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HomePage")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
