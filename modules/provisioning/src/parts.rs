//! The test of the bay's parts: each module is asked by the method that makes it prove itself.
//!
//! It does *not* judge a bay: a part passes when it does what it is asked, whatever it measures.

use std::future::Future;
use std::time::{Duration, Instant};

use bay::message::{PartReport, TestReport};
use hub_client::{Client, InvokeError, error_chain};
use hub_proto::identity::Identity;
use hub_proto::method::{MethodRequest, MethodResponse};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::settings::Settings;

/// How long the gateway may look for a module that is not connected.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// Whoever carries a method call to another module of this device.
pub trait Caller: Send + Sync {
    /// Calls `module`'s method.
    ///
    /// # Errors
    ///
    /// Why there is no answer, as a sentence.
    fn call(
        &self,
        module: &str,
        request: MethodRequest,
    ) -> impl Future<Output = Result<MethodResponse, String>> + Send;
}

impl Caller for Client {
    async fn call(&self, module: &str, request: MethodRequest) -> Result<MethodResponse, String> {
        let own = self
            .identity()
            .ok_or("this module does not know its device yet: it has never been connected")?;
        let target =
            Identity::module(own.device_id(), module).map_err(|error| error.to_string())?;
        self.invoke_method(&target, &request)
            .await
            .map_err(|error| match error {
                InvokeError::NotFound(_) => {
                    "it is not connected: is the module running?".to_owned()
                }
                InvokeError::NoAnswer(_) | InvokeError::TimedOut => "it does not answer".to_owned(),
                error => error_chain(&error),
            })
    }
}

/// Asks every part at the same time, and waits for none of them longer than its deadline.
pub async fn test(caller: &impl Caller, settings: &Settings) -> TestReport {
    let started_at = Timestamp::now();
    let began = Instant::now();
    let identify = json!({"seconds": settings.test_identify.as_secs()});
    let (ranger, lamp, gauge) = tokio::join!(
        ask(caller, settings, "hc-sr04", "measure", json!({})),
        ask(caller, settings, "light", "identify", identify),
        ask(caller, settings, "battery", "getBatteryLevel", json!({})),
    );
    let parts = vec![ranger, lamp, gauge];
    TestReport {
        passed: parts.iter().all(|part| part.passed),
        started_at,
        took_ms: elapsed_ms(began),
        parts,
    }
}

async fn ask(
    caller: &impl Caller,
    settings: &Settings,
    part: &str,
    method: &str,
    argument: Value,
) -> PartReport {
    let deadline = settings.test_deadline;
    let began = Instant::now();
    let request = MethodRequest {
        response_timeout_in_seconds: deadline.as_secs().max(5),
        connect_timeout_in_seconds: CONNECT_WITHIN.as_secs(),
        ..MethodRequest::new(method, argument)
    };
    let answered = tokio::time::timeout(deadline, caller.call(part, request)).await;
    let (value, message) = match answered {
        Err(_) => (
            None,
            Some(format!("no answer within {} s", deadline.as_secs())),
        ),
        Ok(Err(why)) => (None, Some(why)),
        Ok(Ok(response)) if response.status == 200 => (Some(response.payload), None),
        Ok(Ok(response)) => {
            let said = response.payload["message"].as_str().map_or_else(
                || format!("it answered with status {}", response.status),
                str::to_owned,
            );
            (Some(response.payload), Some(said))
        }
    };
    PartReport {
        part: part.to_owned(),
        method: method.to_owned(),
        passed: message.is_none(),
        value,
        message,
        took_ms: elapsed_ms(began),
    }
}

fn elapsed_ms(since: Instant) -> u64 {
    since.elapsed().as_millis() as u64
}

#[cfg(test)]
mod tests;
