//! What is shown of the device to whoever stands at its desk.

use std::cmp::Reverse;

use bay::message::{Mode, Step, TestReport};
use module::Connection;

use super::Shift;
use crate::cloud::Cloud;
use crate::disk::Disk;
use crate::identity::Current;
use crate::report;
use crate::view::{ERRORS_SHOWN, LinkState, Trouble, View, WaitsFor};

impl<C: Cloud, D: Disk + Clone> Shift<C, D> {
    pub(super) fn take_connection(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let since = self.device.clock.now().wall;
        self.link_state = match &*connection.borrow_and_update() {
            Connection::Connecting => LinkState::Connecting,
            Connection::Up => LinkState::Connected { since },
            Connection::Down(why) => LinkState::Down {
                why: why.clone(),
                since,
            },
        };
    }

    /// Shows how things are, if they are not as they are shown.
    pub(super) fn show(&mut self) {
        let view = self.view();
        self.clerk.view.send_if_modified(|shown| {
            let differs = *shown != view;
            if differs {
                *shown = view;
            }
            differs
        });
    }

    pub(super) fn view(&self) -> View {
        let now = self.device.clock.now();
        let identity = &self.device.identity;
        let mut view = View {
            identity: self.device.report(),
            global_endpoint: match identity.current() {
                Current::Dps(current) => Some(current.global_endpoint.to_string()),
                _ => None,
            },
            no_serial: self.no_serial.clone(),
            link: self.link_state.clone(),
            change: identity.progress(now),
            last_change: identity.last().cloned(),
            errors: self.device.troubles.iter().cloned().collect(),
            testing: !self.testers.is_empty(),
            test: self.last_test.clone(),
            waits_for: self.waits_for(),
            sign_in: self.sign_in.as_ref().and_then(|under| under.shown.clone()),
            can_sign_in: self.claim.is_some(),
        };
        if let Some(neighbour) = &self.neighbour {
            complete(&mut view, neighbour);
        }
        view
    }

    pub(super) fn waits_for(&self) -> Option<WaitsFor> {
        let now = self.device.clock.now();
        let identity = &self.device.identity;
        match identity.step() {
            Some(Step::Reboot) => Some(WaitsFor::Restart),
            Some(_) => None,
            None if self.device.others => Some(WaitsFor::Confirmation),
            None => match identity.retry_at() {
                Some(due) => Some(WaitsFor::Retry {
                    at: now.wall + due.saturating_sub(now.elapsed),
                }),
                None if identity.mode() == Mode::None && self.link.is_none() => {
                    Some(WaitsFor::Claim)
                }
                None => None,
            },
        }
    }
}

/// Adds to the host's view what only the module knows.
fn complete(view: &mut View, module: &View) {
    view.link = module.link.clone();
    view.testing |= module.testing;
    if view.change.is_none() {
        view.change = module.change.clone();
    }
    view.last_change = report::latest(view.last_change.take(), module.last_change.as_ref());
    for trouble in &module.errors {
        let same = |own: &Trouble| (own.step, &own.message) == (trouble.step, &trouble.message);
        if !view.errors.iter().any(same) {
            view.errors.push(trouble.clone());
        }
    }
    view.errors.sort_by_key(|trouble| Reverse(trouble.at));
    view.errors.truncate(ERRORS_SHOWN);
    if module.identity.registration_id == view.identity.registration_id {
        view.identity.hub = module.identity.hub.clone().or(view.identity.hub.take());
        view.identity.device_id = module
            .identity
            .device_id
            .clone()
            .or(view.identity.device_id.take());
    }
    let newer = |test: &TestReport| {
        view.test
            .as_ref()
            .is_none_or(|own| own.started_at < test.started_at)
    };
    if let Some(test) = module.test.as_ref().filter(|test| newer(test)) {
        view.test = Some(test.clone());
    }
}

#[cfg(test)]
mod tests {
    use bay::message::{ChangeKind, ChangeOutcome, ChangeReport};
    use jiff::Timestamp;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn report(outcome: ChangeOutcome, second: i64) -> ChangeReport {
        ChangeReport {
            kind: ChangeKind::Setup,
            outcome,
            step: Some(Step::Check),
            message: String::new(),
            started_at: at(second),
            ended_at: (outcome != ChangeOutcome::Running).then(|| at(second + 1)),
            interrupted: false,
        }
    }

    #[test]
    fn the_portal_shows_what_failed_in_the_module() {
        let trouble = |second, message: &str| Trouble {
            at: at(second),
            step: Some(Step::Check),
            message: message.to_owned(),
        };
        let module = View {
            last_change: Some(report(ChangeOutcome::Failed, 10)),
            errors: vec![trouble(11, "no key"), trouble(3, "both know")],
            ..View::default()
        };
        for (own, outcome) in [
            (None, ChangeOutcome::Failed),
            (Some(report(ChangeOutcome::Done, 5)), ChangeOutcome::Failed),
            // What the journal could not be told of.
            (
                Some(report(ChangeOutcome::Running, 10)),
                ChangeOutcome::Failed,
            ),
            (Some(report(ChangeOutcome::Done, 20)), ChangeOutcome::Done),
        ] {
            let mut view = View {
                last_change: own,
                errors: vec![trouble(2, "the host's"), trouble(1, "both know")],
                ..View::default()
            };
            complete(&mut view, &module);
            assert_eq!(view.last_change.map(|last| last.outcome), Some(outcome));
            let messages: Vec<_> = view.errors.iter().map(|error| &error.message).collect();
            assert_eq!(messages, ["no key", "the host's", "both know"]);
        }
    }
}
