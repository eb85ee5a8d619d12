//! What is asked: by the desk, by methods of the hub.

use anyhow::bail;
use bay::message::{ChangeKind, TestReport};
use hub_client::Responder;
use module::{Answer, News};
use serde_json::Value;
use tokio::sync::oneshot;
use tracing::{debug, info};

use super::Shift;
use crate::cloud::Cloud;
use crate::desk::{Refusal, Request};
use crate::device::{Waiter, Wish, refuse};
use crate::disk::Disk;
use crate::registration::from_method;
use crate::{neighbour, parts};

const METHODS: [&str; 4] = ["setup", "reset", "test", "getStatus"];

/// More callers than this at once are told to come back.
const MAX_TESTERS: usize = 16;

/// Whoever waits for a test.
pub(super) enum Tester {
    Desk(oneshot::Sender<Result<TestReport, Refusal>>),
    Method(Responder),
}

impl<C: Cloud, D: Disk + Clone> Shift<C, D> {
    pub(super) fn take_request(&mut self, request: Request) {
        match request {
            Request::Claim {
                registration,
                answer,
            } => self
                .device
                .ask(Wish::Claim(registration), Waiter::Desk(answer)),
            Request::Setup {
                registration,
                answer,
            } => self
                .device
                .ask(Wish::Setup(registration), Waiter::Desk(answer)),
            Request::Reset { answer } => self.device.ask(Wish::Reset, Waiter::Desk(answer)),
            Request::Test { answer } => self.test(Tester::Desk(answer)),
            Request::StartSignIn { answer } => drop(answer.send(self.start_sign_in())),
            Request::CancelSignIn { answer } => {
                self.end_sign_in();
                drop(answer.send(Ok(())));
            }
        }
    }

    pub(super) fn take_news(&mut self, news: News) -> anyhow::Result<()> {
        match news {
            // They count from the next test on.
            News::Settings => {}
            News::Method {
                name,
                payload,
                responder,
            } => self.call(&name, payload, responder),
            News::Input { name, ack, .. } => {
                debug!(input = name, "this module has no inputs");
                ack.complete();
            }
            News::Ended => bail!("the hub client has ended"),
        }
        Ok(())
    }

    /// The second names are those of the first system.
    pub(super) fn call(&mut self, name: &str, payload: Value, responder: Responder) {
        info!(method = name, "called");
        match name {
            "setup" | "SetupDevice" => match from_method(payload) {
                Ok(request) => self
                    .device
                    .ask(Wish::Setup(request), Waiter::Method(responder)),
                Err(refusal) => {
                    self.device.refused_change(ChangeKind::Setup, &refusal);
                    refuse(responder, &refusal);
                }
            },
            "reset" | "ResetDevice" => self.device.ask(Wish::Reset, Waiter::Method(responder)),
            "test" | "TestDevice" => self.test(Tester::Method(responder)),
            "status" | "getStatus" => responder.done(&self.status()),
            _ => responder.unknown(name, &METHODS),
        }
    }

    /// Tests the parts; whoever asks while a test is under way shares it.
    pub(super) fn test(&mut self, tester: Tester) {
        if self.testers.len() >= MAX_TESTERS {
            let refusal = Refusal::new(
                429,
                "busy",
                "a test is under way: ask again when it is over",
            );
            return tester.answer(Err(refusal));
        }
        self.testers.push(tester);
        if !self.tests.is_empty() {
            return;
        }
        match &self.link {
            Some(link) => {
                let (client, settings) = (link.client(), link.settings().clone());
                self.tests
                    .spawn(async move { Ok(parts::test(&client, &settings).await) });
            }
            None => {
                let directory = self.device.files.kept.directory().to_owned();
                self.tests.spawn(neighbour::test(directory));
            }
        }
    }

    pub(super) fn take_test(&mut self, result: Result<TestReport, Refusal>) {
        match &result {
            Ok(report) => {
                let failed: Vec<_> = report
                    .parts
                    .iter()
                    .filter(|part| !part.passed)
                    .map(|part| part.part.as_str())
                    .collect();
                info!(
                    passed = report.passed,
                    ?failed,
                    took_ms = report.took_ms,
                    "the parts were tested"
                );
                self.last_test = Some(report.clone());
            }
            Err(refusal) => self.device.refused(refusal),
        }
        for tester in self.testers.drain(..) {
            tester.answer(result.clone());
        }
    }
}

impl Tester {
    fn answer(self, result: Result<TestReport, Refusal>) {
        match (self, result) {
            // Whoever hung up has no need of it.
            (Self::Desk(waiter), result) => drop(waiter.send(result)),
            (Self::Method(responder), Ok(report)) => responder.done(&report),
            (Self::Method(responder), Err(refusal)) => refuse(responder, &refusal),
        }
    }
}
