//! The parts of the page that follow the device.
//!
//! Each is rendered by itself, so that the first view and every later event are the same text.

use askama::Template;
use bay::message::{ChangeOutcome, Step};
use jiff::Timestamp;

use super::words;
use crate::view::{LinkState, Trouble, View};

/// More than these are folded away.
const ERRORS_AT_ONCE: usize = 2;

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
    newest: &'a [&'a Trouble],
    older: &'a [&'a Trouble],
    now: Timestamp,
}

impl Live {
    pub(super) fn of(view: &View, token: &str, now: Timestamp) -> askama::Result<Self> {
        let errors = errors_elsewhere(view);
        let (newest, older) = errors.split_at(errors.len().min(ERRORS_AT_ONCE));
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
            errors: Errors { newest, older, now }.render()?,
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
    // Where a restart cut it off, the step is not to blame.
    let to_blame =
        step.filter(|_| failed.is_some_and(|last| last.outcome == ChangeOutcome::Failed));
    Change {
        view,
        now,
        cure: to_blame.as_ref().map(words::cure),
        failed_step: step.as_ref().map(words::step),
        ended: last.map_or(now, |last| last.ended_at.unwrap_or(last.started_at)),
    }
}

/// What the pane of the last change does not say already.
fn errors_elsewhere(view: &View) -> Vec<&Trouble> {
    let failed = view.last_change.as_ref().filter(|_| view.change.is_none());
    let is_told = |trouble: &Trouble| failed.is_some_and(|last| last.message == trouble.message);
    view.errors
        .iter()
        .filter(|trouble| !is_told(trouble))
        .collect()
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
