//! What a visitor has entered so far: the form, without its key being in it.

use bay::message::{ChangeOutcome, SecretText, SetupRequest};
use serde::Deserialize;

use crate::desk::{FieldProblem, Refusal};
use crate::edge_config::Endpoint;
use crate::registration;
use crate::view::View;

pub(super) const SYMMETRIC_KEY: &str = "symmetricKey";

/// The form as a browser sends it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Entered {
    id_scope: String,
    registration_id: String,
    symmetric_key: SecretText,
    global_endpoint: String,
}

/// The form as it is shown again. The key stays here, so that it need be neither typed twice nor sent back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) id_scope: String,
    /// `None` where the device's serial will do.
    pub(super) registration_id: Option<String>,
    pub(super) global_endpoint: String,
    key: Option<SecretText>,
    /// Handed in, and not known to have worked.
    is_sent: bool,
}

impl Draft {
    pub(super) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Takes what was entered: every field as it stands, and the key if it is one; an empty key field means the one that
    /// was kept. Then what to ask the desk for, or everything that is wrong.
    pub(super) fn enter(&mut self, entered: Entered) -> Result<SetupRequest, Refusal> {
        let is_new = !entered.symmetric_key.expose().trim().is_empty();
        let key = if is_new {
            Some(entered.symmetric_key)
        } else {
            self.key.take()
        };
        let endpoint = Some(entered.global_endpoint).filter(|text| !text.trim().is_empty());
        let request = self.take(SetupRequest {
            id_scope: entered.id_scope,
            registration_id: entered.registration_id,
            symmetric_key: key.unwrap_or_default(),
            global_endpoint: endpoint,
        })?;
        self.is_sent = true;
        Ok(request)
    }

    /// What was handed in was refused.
    pub(super) fn keep(&mut self) {
        self.is_sent = false;
    }

    /// Forgets what was handed in once it has worked; else it is there for another try.
    pub(super) fn settle(&mut self, view: &View) {
        let last = view.last_change.as_ref();
        let has_worked = last.is_some_and(|last| last.outcome == ChangeOutcome::Done);
        if self.is_sent && view.change.is_none() && has_worked {
            *self = Self::default();
        }
    }

    /// Takes what a code said. Where it says nothing of the id, `serial` is meant.
    pub(super) fn scan(&mut self, code: SetupRequest, serial: Option<&str>) -> Result<(), Refusal> {
        let is_of_serial = code.registration_id.is_empty();
        let registration_id = match serial {
            Some(serial) if is_of_serial => serial.to_owned(),
            _ => code.registration_id,
        };
        self.take(SetupRequest {
            registration_id,
            ..code
        })
        .map(|_| ())
    }

    fn take(&mut self, request: SetupRequest) -> Result<SetupRequest, Refusal> {
        let checked = registration::check(&request, &Endpoint::default());
        let problems: &[FieldProblem] = checked
            .as_ref()
            .err()
            .map_or(&[], |refusal| &refusal.fields);
        let is_key = !problems
            .iter()
            .any(|problem| problem.field == SYMMETRIC_KEY);
        *self = Self {
            id_scope: request.id_scope.clone(),
            registration_id: Some(request.registration_id.clone()),
            global_endpoint: request.global_endpoint.clone().unwrap_or_default(),
            key: is_key.then(|| request.symmetric_key.clone()),
            is_sent: false,
        };
        checked.map(|_| request)
    }
}

#[cfg(test)]
mod tests {
    use bay::message::{ChangeKind, ChangeReport};
    use jiff::Timestamp;

    use super::*;
    use crate::portal::code;

    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZg==";

    fn entered(id_scope: &str, id: &str, key: &str) -> Entered {
        Entered {
            id_scope: id_scope.into(),
            registration_id: id.into(),
            symmetric_key: key.to_owned().into(),
            global_endpoint: " ".into(),
        }
    }

    #[test]
    fn a_good_key_outlives_a_mistake_elsewhere() {
        let mut draft = Draft::default();
        let refusal = draft
            .enter(entered("0ne/1", "a.", KEY))
            .expect_err("mistakes");
        let named: Vec<_> = refusal.fields.iter().map(|p| p.field.as_str()).collect();
        assert_eq!(named, ["idScope", "registrationId"]);
        assert_eq!(draft.id_scope, "0ne/1", "what was typed is shown again");

        let request = draft.enter(entered("0ne1", "a", "")).expect("a request");
        assert_eq!(request.symmetric_key.expose(), KEY);
        assert_eq!(request.registration_id, "a");
        assert_eq!(request.global_endpoint, None);
    }

    #[test]
    fn another_key_takes_the_place_of_the_one_kept_even_when_it_is_none() {
        let mut draft = Draft::default();
        draft.enter(entered("0ne1", "a", KEY)).expect("a request");
        assert!(draft.has_key());
        for key in ["oops", ""] {
            let refusal = draft.enter(entered("0ne1", "a", key)).expect_err("no key");
            assert_eq!(refusal.fields[0].field, SYMMETRIC_KEY);
            assert!(!draft.has_key());
        }
    }

    #[test]
    fn what_was_handed_in_is_kept_until_it_has_worked() {
        let mut draft = Draft::default();
        let mut view = View::default();
        draft.enter(entered("0ne1", "a", KEY)).expect("a request");
        let report = |outcome| ChangeReport {
            kind: ChangeKind::Setup,
            outcome,
            step: None,
            message: String::new(),
            started_at: Timestamp::UNIX_EPOCH,
            ended_at: None,
            interrupted: false,
        };
        view.last_change = Some(report(ChangeOutcome::Failed));
        draft.settle(&view);
        assert!(draft.has_key());
        view.last_change = Some(report(ChangeOutcome::Done));
        let mut refused = draft.clone();
        refused.keep();
        refused.settle(&view);
        assert!(refused.has_key(), "what worked was an earlier change");
        draft.settle(&view);
        assert_eq!(draft, Draft::default());
    }

    #[test]
    fn a_code_without_an_id_means_the_serial() {
        let text = format!("cow:setup?idScope=0ne1&symmetricKey={KEY}");
        let code = || code::read(&text).expect("a code");
        let mut draft = Draft::default();
        draft
            .scan(code(), Some("10000000abcdef01"))
            .expect("a draft");
        assert_eq!(draft.registration_id.as_deref(), Some("10000000abcdef01"));
        let refusal = draft.scan(code(), None).expect_err("no id");
        assert_eq!(refusal.fields[0].field, "registrationId");
        assert!(draft.has_key(), "the id can still be typed");
    }
}
