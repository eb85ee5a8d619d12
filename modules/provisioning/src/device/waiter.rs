//! Whoever waits for an answer.

use bay::message::ChangeAnswer;
use hub_client::Responder;
use module::Answer;
use serde_json::json;
use tokio::sync::oneshot;

use crate::desk::Refusal;

/// Whoever asked.
#[derive(Debug)]
pub(crate) enum Waiter {
    Desk(oneshot::Sender<Result<ChangeAnswer, Refusal>>),
    Method(Responder),
    /// A claim from elsewhere: it is told by the view.
    Nobody,
}

impl Waiter {
    pub(super) fn answer(self, answer: Result<ChangeAnswer, Refusal>) {
        match (self, answer) {
            // Whoever hung up has no need of it.
            (Self::Desk(waiter), answer) => drop(waiter.send(answer)),
            (Self::Method(responder), Ok(answer)) => responder.done(&answer),
            (Self::Method(responder), Err(refusal)) => refuse(responder, &refusal),
            (Self::Nobody, _) => {}
        }
    }
}

/// Answers a method as every module does, with the step and the fields besides.
pub(crate) fn refuse(responder: Responder, refusal: &Refusal) {
    responder.respond(refusal.status.into(), json!(refusal));
}
