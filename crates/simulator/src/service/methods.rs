//! Methods: `POST /twins/{device}[/modules/{module}]/methods`.

use std::time::Duration;

use axum::http::Method;
use axum::response::Response;
use hub_proto::identity::Identity;
use hub_proto::method::{MethodRequest, MethodResponse, NoAnswer};
use serde_json::Value;

use super::answer::{Fault, refusal};
use super::reading::{self, Part};
use super::{Asked, not_allowed};
use crate::hub::{Caller, InvokeError, Right};
use crate::rest::document;
use crate::with_causes;

impl Asked<'_> {
    pub(super) async fn invoke(&self, target: Result<Identity, Fault>) -> Result<Response, Fault> {
        if *self.method() != Method::POST {
            return not_allowed();
        }
        self.authorize(Right::ServiceConnect)?;
        let target = target?;
        let body = reading::json(self.body)?;
        let request = request(&Part::of(&body, "")?)?;
        Ok(self
            .hub
            .invoke(&target, &request, Caller::Cloud)
            .await
            .map_or_else(
                |error| refused(&request, &error),
                |answer: MethodResponse| document(&answer),
            ))
    }
}

/// What is called, and how long for.
pub(super) fn request(part: &Part<'_>) -> Result<MethodRequest, Fault> {
    let name = part
        .text("methodName")?
        .ok_or_else(|| part.wrong("methodName", "is missing"))?;
    let payload = part.value("payload").cloned().unwrap_or(Value::Null);
    let mut request = MethodRequest::new(name, payload);
    if let Some(seconds) = part.number("responseTimeoutInSeconds")? {
        request.response_timeout_in_seconds = seconds;
    }
    if let Some(seconds) = part.number("connectTimeoutInSeconds")? {
        request.connect_timeout_in_seconds = seconds;
    }
    Ok(request)
}

/// Nobody's answer has a body of its own, which says how long was waited.
pub(super) fn refused(request: &MethodRequest, error: &InvokeError) -> Response {
    let fault = Fault::new(error.code(), with_causes(error));
    let waited: Duration = match error {
        InvokeError::NoAnswer(NoAnswer::NotOnline) => request.connect_timeout(),
        InvokeError::NoAnswer(NoAnswer::TimedOut) => request.response_timeout(),
        _ => return axum::response::IntoResponse::into_response(fault),
    };
    refusal(fault.code, &fault.failure().to_method_json(waited))
}
