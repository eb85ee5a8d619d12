//! Where requests are handed in: by the portal, by methods of the hub, by a test.
//!
//! [`Desk`] is the front: it hands a request in, waits for its answer, and shows the [`View`].
//! [`Clerk`] is the back, held by the one loop that decides. The desk itself decides nothing.

use bay::message::{ChangeAnswer, SetupRequest, Step, TestReport};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

use crate::view::View;

/// Requests that wait to be looked at; whoever brings one more waits with it in hand.
const QUEUE: usize = 8;

/// Something asked of the device.
#[derive(Debug)]
pub enum Request {
    /// To take its first identity, which becomes its stock identity. Answered before the restart.
    Claim {
        /// Which one.
        registration: SetupRequest,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<ChangeAnswer, Refusal>>,
    },
    /// To change to a project's identity. Answered before the restart.
    Setup {
        /// Which one.
        registration: SetupRequest,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<ChangeAnswer, Refusal>>,
    },
    /// To go back to its stock identity. Answered before the restart.
    Reset {
        /// Where the answer goes.
        answer: oneshot::Sender<Result<ChangeAnswer, Refusal>>,
    },
    /// To test the bay's parts. Answered when each has answered or been given up.
    Test {
        /// Where the answer goes.
        answer: oneshot::Sender<Result<TestReport, Refusal>>,
    },
    /// To ask for a code by which a person claims the device from elsewhere. Answered at once; the
    /// code is in the view when the service has given one.
    StartSignIn {
        /// Where the answer goes.
        answer: oneshot::Sender<Result<(), Refusal>>,
    },
    /// To forget that code.
    CancelSignIn {
        /// Where the answer goes.
        answer: oneshot::Sender<Result<(), Refusal>>,
    },
}

/// Why something was not done. The device is as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{message}")]
pub struct Refusal {
    /// As in HTTP: 400 asked wrongly, 409 not now, 5xx it failed.
    #[serde(skip)]
    pub status: u16,
    /// Why, as a word: `bad-request`, `busy`, `no-stock`, `unauthorised`, `disk-full`.
    pub reason: String,
    /// Why, as a sentence that says what to do.
    pub message: String,
    /// The step that failed.
    pub step: Option<Step>,
    /// What is wrong with which field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldProblem>,
}

/// What is wrong with one field of a request. It never repeats a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldProblem {
    /// The field's name on the wire: `idScope`, `registrationId`, `symmetricKey`, `globalEndpoint`.
    pub field: String,
    /// What is wrong, and the cure.
    pub message: String,
}

/// The front of the desk; cheap to clone.
#[derive(Clone, Debug)]
pub struct Desk {
    requests: mpsc::Sender<Request>,
    view: watch::Receiver<View>,
}

/// The back of the desk: takes requests, and says how things are.
#[derive(Debug)]
pub struct Clerk {
    /// What was handed in.
    pub requests: mpsc::Receiver<Request>,
    /// What the front shows.
    pub view: watch::Sender<View>,
}

impl Desk {
    /// A desk that shows `view` to begin with.
    pub fn open(view: View) -> (Self, Clerk) {
        let (sender, requests) = mpsc::channel(QUEUE);
        let (shown, view) = watch::channel(view);
        let front = Self {
            requests: sender,
            view,
        };
        let back = Clerk {
            requests,
            view: shown,
        };
        (front, back)
    }

    /// How things are now.
    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }

    /// How things are, for whoever waits for a change.
    pub fn watch(&self) -> watch::Receiver<View> {
        self.view.clone()
    }

    /// Asks for the first identity.
    ///
    /// # Errors
    ///
    /// Why it was not taken.
    pub async fn claim(&self, registration: SetupRequest) -> Result<ChangeAnswer, Refusal> {
        self.ask(|answer| Request::Claim {
            registration,
            answer,
        })
        .await
    }

    /// Asks for a project's identity.
    ///
    /// # Errors
    ///
    /// Why it was not taken.
    pub async fn setup(&self, registration: SetupRequest) -> Result<ChangeAnswer, Refusal> {
        self.ask(|answer| Request::Setup {
            registration,
            answer,
        })
        .await
    }

    /// Asks for the stock identity.
    ///
    /// # Errors
    ///
    /// Why it was not taken.
    pub async fn reset(&self) -> Result<ChangeAnswer, Refusal> {
        self.ask(|answer| Request::Reset { answer }).await
    }

    /// Asks for a test of the parts.
    ///
    /// # Errors
    ///
    /// Why they could not be asked.
    pub async fn test(&self) -> Result<TestReport, Refusal> {
        self.ask(|answer| Request::Test { answer }).await
    }

    /// Asks for a code by which a person claims the device from elsewhere.
    ///
    /// # Errors
    ///
    /// Why there can be none.
    pub async fn start_sign_in(&self) -> Result<(), Refusal> {
        self.ask(|answer| Request::StartSignIn { answer }).await
    }

    /// Forgets that code.
    ///
    /// # Errors
    ///
    /// Why it could not be.
    pub async fn cancel_sign_in(&self) -> Result<(), Refusal> {
        self.ask(|answer| Request::CancelSignIn { answer }).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, Refusal>>) -> Request,
    ) -> Result<T, Refusal> {
        let (answer, answered) = oneshot::channel();
        let gone = || Refusal::new(503, "stopping", "the device is stopping: ask again later");
        self.requests
            .send(request(answer))
            .await
            .map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Refusal {
    /// A refusal that no step and no field is to blame for.
    pub fn new(status: u16, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
            message: message.into(),
            step: None,
            fields: Vec::new(),
        }
    }

    /// The step that failed.
    #[must_use]
    pub fn at(self, step: Step) -> Self {
        Self {
            step: Some(step),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_is_answered_through_the_desk() {
        let (desk, mut clerk) = Desk::open(View::default());
        let asked = tokio::spawn({
            let desk = desk.clone();
            async move { desk.reset().await }
        });
        let Some(Request::Reset { answer }) = clerk.requests.recv().await else {
            panic!("a reset was asked for");
        };
        let refusal = Refusal::new(409, "no-stock", "there is nothing to go back to");
        answer.send(Err(refusal.clone())).expect("somebody waits");

        assert_eq!(asked.await.expect("no panic"), Err(refusal));
    }

    #[tokio::test]
    async fn a_desk_nobody_sits_behind_says_so() {
        let (desk, clerk) = Desk::open(View::default());
        drop(clerk);

        assert_eq!(desk.reset().await.expect_err("nobody is there").status, 503);
    }
}
