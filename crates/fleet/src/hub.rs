//! What the service asks of the hub, as a port: IoT Hub's service API is behind it, and in tests whatever a test needs.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde_json::Value;

use crate::store::StoreError;

/// A question to the hub that is under way.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, HubError>> + Send + 'a>>;

/// A direct method on one module of a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Call<'a> {
    /// The device at the hub.
    pub device_id: &'a str,
    /// Its module, such as `light`.
    pub module_id: &'a str,
    /// The method's name.
    pub name: &'a str,
    /// What it is given.
    pub payload: Value,
    /// How long a device that is not connected is waited for. Less than the answer's time.
    pub connect_within: Duration,
    /// How long its answer may take: 5 to 300 s.
    pub answer_within: Duration,
}

/// What a module answered to a method.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodAnswer {
    /// The module's status: 200 when it did it.
    pub status: i64,
    /// What it says.
    pub payload: Value,
}

/// Why the hub did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// No such device or module.
    #[error("the hub knows no such device or module")]
    Unknown,
    /// It is not connected, so nothing was done.
    #[error("the device is not connected: nothing was done")]
    Offline,
    /// It was asked, and did not answer: whether it was done is not known.
    #[error("the device did not answer in time: whether it was done is not known")]
    TimedOut,
    /// It is on another hub, and none of this service's knows it.
    #[error("the device is on hub {hub}, which this service does not speak to")]
    Elsewhere {
        /// That hub's host name.
        hub: String,
    },
    /// The database did not say which hub it is on, so none was asked.
    #[error("the database did not say which hub the device is on: try again")]
    Unplaced(#[source] StoreError),
    /// Too many questions.
    #[error("the hub is busy: try again in {retry_after:?}")]
    Throttled {
        /// When it is of use to ask again.
        retry_after: Duration,
    },
    /// The hub says no.
    #[error("the hub refuses: {status} {message}")]
    Refused {
        /// Its status.
        status: u16,
        /// What it says.
        message: String,
    },
    /// Nobody there, or nobody who can be trusted.
    #[error("the hub cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The hub.
pub trait Hub: Send + Sync {
    /// The host names that the provisioning service knows it by; none where nobody can tell.
    fn hosts(&self) -> Vec<String> {
        Vec::new()
    }

    /// Invokes a method and waits for the module's answer.
    fn invoke<'a>(&'a self, call: Call<'a>) -> Asked<'a, MethodAnswer>;

    /// A device's twin, or a module's, whole; `None` when there is none.
    fn twin<'a>(
        &'a self,
        device_id: &'a str,
        module_id: Option<&'a str>,
    ) -> Asked<'a, Option<Value>>;

    /// Merges into a twin's tags and desired properties: `{"tags": …, "properties": {"desired": …}}`.
    fn patch_twin<'a>(
        &'a self,
        device_id: &'a str,
        module_id: Option<&'a str>,
        patch: Value,
    ) -> Asked<'a, ()>;

    /// A device's `connectionState`, `status` and `lastActivityTime`, or `None` when it is not there.
    fn device<'a>(&'a self, device_id: &'a str) -> Asked<'a, Option<Value>>;

    /// Lets a device connect, or ends its connections and lets it no more.
    fn enable<'a>(&'a self, device_id: &'a str, enabled: bool) -> Asked<'a, ()>;

    /// Takes a device out of the hub. It is no error when it is not there.
    fn delete<'a>(&'a self, device_id: &'a str) -> Asked<'a, ()>;
}
