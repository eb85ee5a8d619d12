//! What to ask next, and when: RFC 8628, sections 3.1 to 3.5, told the time.

use std::collections::VecDeque;
use std::time::Duration;

use bay::Moment;
use bay::message::{SecretText, SetupRequest};
use serde::Deserialize;

use super::end_of;
use crate::view::SignIn;

/// Section 3.2: the interval where the service names none.
const INTERVAL: Duration = Duration::from_secs(5);
/// Section 3.5: what `slow_down` adds.
const SLOWER_BY: Duration = Duration::from_secs(5);
/// However patient the service asks the device to be, a person waits at the other end.
const LONGEST_INTERVAL: Duration = Duration::from_secs(60);
/// A code nobody uses within an hour was not meant to be.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);
/// Failures in a row to reach the service before there is a code, or after it was approved.
const ATTEMPTS: u32 = 5;

/// One claim from elsewhere.
#[derive(Debug)]
pub struct Flow {
    state: State,
    interval: Duration,
    silences: u32,
    outputs: VecDeque<Output>,
}

/// What is to be done next.
#[derive(Debug)]
pub enum Output {
    /// Ask the service, then [`Flow::handle_answer`] or [`Flow::handle_silence`].
    Ask(Call),
    /// Show the code to whoever stands before the device.
    Show(SignIn),
    /// It is over: what the device is to become, or why it came to nothing.
    Ended(Result<SetupRequest, String>),
}

/// A request to the service.
#[derive(Clone, Debug)]
pub enum Call {
    /// For a code.
    Authorize,
    /// Whether somebody has approved it.
    Token {
        /// What the service knows the attempt by.
        device_code: SecretText,
    },
    /// For the registration.
    Registration {
        /// What proves the approval.
        token: SecretText,
    },
}

#[derive(Debug)]
enum State {
    /// A request is under way.
    Asking(Call, Option<Code>),
    /// Until the next one.
    Waiting {
        next: Call,
        code: Option<Code>,
        due: Duration,
    },
    Over,
}

#[derive(Clone, Debug)]
struct Code {
    device_code: SecretText,
    expires: Duration,
}

#[derive(Deserialize)]
struct Authorization {
    device_code: SecretText,
    user_code: String,
    verification_uri: String,
    #[serde(default)]
    verification_uri_complete: Option<String>,
    expires_in: u64,
    #[serde(default)]
    interval: Option<u64>,
}

#[derive(Deserialize)]
struct Token {
    access_token: SecretText,
    token_type: String,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
}

/// As [`SetupRequest`], but a newer service may say more.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    id_scope: String,
    registration_id: String,
    symmetric_key: SecretText,
    #[serde(default)]
    global_endpoint: Option<String>,
}

impl Flow {
    /// Begins by asking for a code.
    pub fn new(_now: Moment) -> Self {
        let mut flow = Self {
            state: State::Over,
            interval: INTERVAL,
            silences: 0,
            outputs: VecDeque::new(),
        };
        flow.ask(Call::Authorize, None);
        flow
    }

    /// What the service answered.
    pub fn handle_answer(&mut self, status: u16, body: &[u8], now: Moment) {
        let State::Asking(call, code) = std::mem::replace(&mut self.state, State::Over) else {
            return;
        };
        // Overloaded or in trouble is as good as silent.
        if status == 429 || status >= 500 {
            self.state = State::Asking(call, code);
            return self.handle_silence(&format!("it answered with status {status}"), now);
        }
        self.silences = 0;
        match (&call, status) {
            (Call::Authorize, 200) => self.take_code(body, now),
            (Call::Token { .. }, 200) => match serde_json::from_slice::<Token>(body) {
                Ok(token) if token.token_type.eq_ignore_ascii_case("bearer") => {
                    let token = token.access_token;
                    self.ask(Call::Registration { token }, None);
                }
                Ok(_) | Err(_) => self.end_badly("the service's token cannot be used"),
            },
            (Call::Token { .. }, _) => self.take_refusal(call, code, body, now),
            (Call::Registration { .. }, 200) => match serde_json::from_slice::<Given>(body) {
                Ok(given) => self.end(Ok(SetupRequest {
                    id_scope: given.id_scope,
                    registration_id: given.registration_id,
                    symmetric_key: given.symmetric_key,
                    global_endpoint: given.global_endpoint,
                })),
                Err(_) => self.end_badly("the service's registration cannot be read"),
            },
            (Call::Registration { .. }, _) => self.end(Err(format!(
                "the claim was approved, but the service gives no registration: it answered with status {status}"
            ))),
            (Call::Authorize, _) => self.end(Err(format!(
                "the service gives no code: it answered with status {status}{}",
                word(body)
            ))),
        }
    }

    /// The service could not be reached, for the reason `why`.
    pub fn handle_silence(&mut self, why: &str, now: Moment) {
        let State::Asking(next, code) = std::mem::replace(&mut self.state, State::Over) else {
            return;
        };
        self.silences += 1;
        // While a code is good, somebody may still approve it.
        if code.is_none() && self.silences >= ATTEMPTS {
            return self.end(Err(format!("the claim service cannot be reached: {why}")));
        }
        // Section 3.5: exponential back-off when a connection times out.
        self.interval = (self.interval * 2).min(LONGEST_INTERVAL);
        self.wait(next, code, now);
    }

    /// When [`Flow::handle_timeout`] has to be called, by the monotonic clock; nothing when it is over.
    pub fn poll_timeout(&self) -> Option<Duration> {
        match &self.state {
            State::Waiting { due, .. } => Some(*due),
            State::Asking(..) | State::Over => None,
        }
    }

    /// The time has come.
    pub fn handle_timeout(&mut self, now: Moment) {
        if self.poll_timeout().is_none_or(|due| due > now.elapsed) {
            return;
        }
        if let State::Waiting { next, code, .. } = std::mem::replace(&mut self.state, State::Over) {
            match code {
                Some(code) if code.expires <= now.elapsed => {
                    self.end_badly("nobody approved the code in time: ask for another one");
                }
                code => self.ask(next, code),
            }
        }
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn take_code(&mut self, body: &[u8], now: Moment) {
        let Ok(given) = serde_json::from_slice::<Authorization>(body) else {
            return self.end_badly("the service's code cannot be read");
        };
        let life = Duration::from_secs(given.expires_in).min(LONGEST_LIFE);
        if let Some(interval) = given.interval {
            self.interval =
                Duration::from_secs(interval).clamp(Duration::from_secs(1), LONGEST_INTERVAL);
        }
        self.outputs.push_back(Output::Show(SignIn {
            user_code: given.user_code,
            verification_uri: given.verification_uri,
            verification_uri_complete: given.verification_uri_complete,
            expires_at: end_of(life, now.wall),
        }));
        let code = Code {
            device_code: given.device_code,
            expires: now.elapsed + life,
        };
        let device_code = code.device_code.clone();
        self.wait(Call::Token { device_code }, Some(code), now);
    }

    fn take_refusal(&mut self, call: Call, code: Option<Code>, body: &[u8], now: Moment) {
        let refused = serde_json::from_slice::<Refused>(body).ok();
        match refused.as_ref().map(|refused| refused.error.as_str()) {
            Some("authorization_pending") => self.wait(call, code, now),
            Some("slow_down") => {
                self.interval = (self.interval + SLOWER_BY).min(LONGEST_INTERVAL);
                self.wait(call, code, now);
            }
            Some("access_denied") => self.end_badly("the claim was turned down"),
            Some("expired_token") => {
                self.end_badly("nobody approved the code in time: ask for another one");
            }
            _ => self.end(Err(format!("the service refused the claim{}", word(body)))),
        }
    }

    fn ask(&mut self, call: Call, code: Option<Code>) {
        self.outputs.push_back(Output::Ask(call.clone()));
        self.state = State::Asking(call, code);
    }

    fn wait(&mut self, next: Call, code: Option<Code>, now: Moment) {
        let due = now.elapsed + self.interval;
        // The end of the code is looked at when it comes, not an interval later.
        let due = code.as_ref().map_or(due, |code| due.min(code.expires));
        self.state = State::Waiting { next, code, due };
    }

    fn end_badly(&mut self, why: &str) {
        self.end(Err(why.to_owned()));
    }

    fn end(&mut self, result: Result<SetupRequest, String>) {
        self.state = State::Over;
        self.outputs.push_back(Output::Ended(result));
    }
}

/// The service's own word for what went wrong, where it is one.
fn word(body: &[u8]) -> String {
    let word = serde_json::from_slice::<Refused>(body)
        .map(|refused| refused.error)
        .unwrap_or_default();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if word.is_empty() || word.len() > 64 || !word.chars().all(is_word) {
        return String::new();
    }
    format!(" ({word})")
}

#[cfg(test)]
mod tests;
