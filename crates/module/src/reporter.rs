//! Reported properties on their way to the hub, without anybody waiting for them.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use hub_client::{Client, TwinError};
use serde_json::{Map, Value};

/// The wait before a report is repeated that the hub could not take just now.
const AFTER_REFUSAL: Duration = Duration::from_secs(5);

/// Sends one patch at a time; what is reported meanwhile is merged into the next one, so that
/// however long a link is down, no more than the newest value of each property waits.
pub(crate) struct Reporter {
    client: Client,
    waiting: Map<String, Value>,
    sent: Map<String, Value>,
    in_flight: Option<Pin<Box<InFlight>>>,
}

/// A report on its way; gives the section's new version where the other side tells it.
type InFlight = dyn Future<Output = Result<Option<u64>, TwinError>> + Send;

impl Reporter {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            waiting: Map::new(),
            sent: Map::new(),
            in_flight: None,
        }
    }

    pub(crate) fn report(&mut self, patch: Map<String, Value>) {
        self.waiting.extend(patch);
    }

    /// Carries reports on their way, for ever. Nothing is lost when the future is dropped.
    pub(crate) async fn carry(&mut self) {
        let mut delay = Duration::ZERO;
        loop {
            if self.in_flight.is_none() {
                if self.waiting.is_empty() {
                    return std::future::pending().await;
                }
                self.sent = std::mem::take(&mut self.waiting);
                let (client, patch) = (self.client.clone(), Value::Object(self.sent.clone()));
                self.in_flight = Some(Box::pin(async move {
                    tokio::time::sleep(delay).await;
                    client.report(patch).await
                }));
            }
            let Some(in_flight) = &mut self.in_flight else {
                continue;
            };
            let result = in_flight.await;
            self.in_flight = None;
            delay = self.settle(result);
        }
    }

    /// Everything not known to be at the hub, for a last report.
    pub(crate) fn into_rest(mut self) -> Map<String, Value> {
        if self.in_flight.is_some() {
            self.put_back();
        }
        self.waiting
    }

    fn settle(&mut self, result: Result<Option<u64>, TwinError>) -> Duration {
        match result {
            Ok(_) => {
                tracing::debug!(properties = ?self.sent.keys().collect::<Vec<_>>(), "reported");
                Duration::ZERO
            }
            Err(error) if is_passing(&error) => {
                tracing::debug!(%error, "a report has to be repeated");
                self.put_back();
                AFTER_REFUSAL
            }
            Err(error) => {
                tracing::warn!(%error, properties = ?self.sent.keys().collect::<Vec<_>>(), "a report was refused");
                Duration::ZERO
            }
        }
    }

    /// What was sent waits again, except where something newer waits already.
    fn put_back(&mut self) {
        let newer = std::mem::replace(&mut self.waiting, std::mem::take(&mut self.sent));
        self.waiting.extend(newer);
    }
}

/// Whether the same report may be taken later.
fn is_passing(error: &TwinError) -> bool {
    match error {
        TwinError::TimedOut | TwinError::TooMany => true,
        TwinError::Refused { status, .. } => *status == 429 || *status >= 500,
        _ => false,
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter")
            .field("waiting", &self.waiting)
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}
