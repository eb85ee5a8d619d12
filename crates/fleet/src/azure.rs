//! The hub as Azure has it, and as the simulator plays it: [`Hub`] by its service API.

use std::time::Duration;

use hub_proto::method::MethodRequest;
use serde_json::Value;
use service_client::{HubService, ServiceError};

use crate::hub::{Asked, Call, Hub, HubError, MethodAnswer};

/// How long a hub that is busy and does not say for how long is left alone.
const BUSY: Duration = Duration::from_secs(5);

/// A hub by its service connection string.
#[derive(Debug)]
pub struct AzureHub(HubService);

impl AzureHub {
    /// Asks this hub.
    #[must_use]
    pub const fn new(service: HubService) -> Self {
        Self(service)
    }
}

impl Hub for AzureHub {
    fn hosts(&self) -> Vec<String> {
        vec![self.0.host().to_owned()]
    }

    fn invoke<'a>(&'a self, call: Call<'a>) -> Asked<'a, MethodAnswer> {
        Box::pin(async move {
            let request = MethodRequest {
                method_name: call.name.to_owned(),
                payload: call.payload,
                response_timeout_in_seconds: call.answer_within.as_secs(),
                connect_timeout_in_seconds: call.connect_within.as_secs(),
            };
            let asked = self
                .0
                .invoke(call.device_id, Some(call.module_id), &request);
            match asked.await {
                Ok(answer) => Ok(MethodAnswer {
                    status: answer.status.into(),
                    payload: answer.payload,
                }),
                // It was sent, and may have reached the device.
                Err(ServiceError::Broken(_)) => Err(HubError::TimedOut),
                Err(error) => Err(error.into()),
            }
        })
    }

    fn twin<'a>(
        &'a self,
        device_id: &'a str,
        module_id: Option<&'a str>,
    ) -> Asked<'a, Option<Value>> {
        Box::pin(async move { found(self.0.twin(device_id, module_id).await) })
    }

    fn patch_twin<'a>(
        &'a self,
        device_id: &'a str,
        module_id: Option<&'a str>,
        patch: Value,
    ) -> Asked<'a, ()> {
        Box::pin(async move {
            self.0.patch_twin(device_id, module_id, &patch).await?;
            Ok(())
        })
    }

    fn device<'a>(&'a self, device_id: &'a str) -> Asked<'a, Option<Value>> {
        Box::pin(async move {
            let mut device = found(self.0.device(device_id).await)?;
            // Its keys are in there, and nobody here has a use for them.
            if let Some(device) = device.as_mut().and_then(Value::as_object_mut) {
                device.remove("authentication");
            }
            Ok(device)
        })
    }

    fn enable<'a>(&'a self, device_id: &'a str, enabled: bool) -> Asked<'a, ()> {
        Box::pin(async move { Ok(self.0.enable(device_id, enabled).await?) })
    }

    fn delete<'a>(&'a self, device_id: &'a str) -> Asked<'a, ()> {
        Box::pin(async move {
            found(self.0.delete(device_id).await)?;
            Ok(())
        })
    }
}

/// What there is, where its absence is an answer.
fn found<T>(answer: Result<T, ServiceError>) -> Result<Option<T>, HubError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(ServiceError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl From<ServiceError> for HubError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::NotFound(_) => Self::Unknown,
            ServiceError::Offline(_) => Self::Offline,
            ServiceError::DeviceSilent(_) => Self::TimedOut,
            ServiceError::Throttled { retry_after, .. } => Self::Throttled {
                retry_after: retry_after.unwrap_or(BUSY),
            },
            ServiceError::Unauthorized(refusal)
            | ServiceError::Exists(refusal)
            | ServiceError::Changed(refusal)
            | ServiceError::Refused(refusal) => Self::Refused {
                status: refusal.status,
                message: refusal.message,
            },
            ServiceError::ConnectionString(_)
            | ServiceError::NotAService
            | ServiceError::Unreachable(_)
            | ServiceError::Broken(_)
            | ServiceError::Malformed(_) => Self::Unreachable(Box::new(error)),
        }
    }
}
