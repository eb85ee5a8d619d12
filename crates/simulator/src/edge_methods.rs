//! Methods that modules call on one another through their edge hub, over HTTPS (`azure-iot-protocols`, section 3.4).
//!
//! The path is the service API's; that a module asks is said by a header of its own.

use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hub_proto::identity::{Identity, IdentityError};
use hub_proto::method::MethodRequest;
use serde_json::json;

use crate::certificates::PeerCertificates;
use crate::hub::{Caller, Hub, InvokeError};
use crate::rest::{header_text, status_of};

const CALLER: &str = "x-ms-edge-moduleid";

type Refused = (StatusCode, String);

/// Answers a module's request; nothing if it is none.
pub(crate) async fn answer(
    hub: &Hub,
    parts: &Parts,
    path: &[&str],
    body: &[u8],
) -> Option<Response> {
    if parts.method != Method::POST || !parts.headers.contains_key(CALLER) {
        return None;
    }
    let is = |segment: &str, name: &str| segment.eq_ignore_ascii_case(name);
    let target = match path {
        [twins, device, methods] if is(twins, "twins") && is(methods, "methods") => {
            Identity::device(*device)
        }
        [twins, device, modules, module, methods]
            if is(twins, "twins") && is(modules, "modules") && is(methods, "methods") =>
        {
            Identity::module(*device, *module)
        }
        _ => return None,
    };
    let outcome = hub.method_for_module(target, parts, body).await;
    Some(outcome.unwrap_or_else(|(status, message)| {
        (status, axum::Json(json!({"message": message}))).into_response()
    }))
}

impl Hub {
    async fn method_for_module(
        &self,
        target: Result<Identity, IdentityError>,
        parts: &Parts,
        body: &[u8],
    ) -> Result<Response, Refused> {
        let bad = |message: String| (StatusCode::BAD_REQUEST, message);
        let target = target.map_err(|error| bad(error.to_string()))?;
        let caller = header_text(parts, CALLER).and_then(|id| id.parse::<Identity>().ok());
        let Some(caller) = caller.filter(|caller| caller.module_id().is_some()) else {
            return Err(bad("Invalid header value for x-ms-edge-moduleId".to_owned()));
        };
        let token = header_text(parts, header::AUTHORIZATION);
        let peer = parts.extensions.get::<PeerCertificates>();
        self.check_module(&caller, token, peer)
            .map_err(|reason| (StatusCode::UNAUTHORIZED, reason))?;
        let request: MethodRequest = serde_json::from_slice(body)
            .map_err(|error| bad(format!("the method request is not valid: {error}")))?;
        match self
            .invoke(&target, &request, Caller::Module(&caller))
            .await
        {
            Ok(response) => Ok(axum::Json(response).into_response()),
            Err(InvokeError::NotFound(_)) => {
                Err((StatusCode::NOT_FOUND, format!("Client {target} not found")))
            }
            Err(InvokeError::NoAnswer(none)) => Err((
                status_of(none.code().status()),
                none.edge_message(&target.to_string(), &request.method_name),
            )),
            Err(InvokeError::Request(error)) => Err(bad(error.to_string())),
            Err(error @ InvokeError::Throttled) => {
                Err((StatusCode::TOO_MANY_REQUESTS, error.to_string()))
            }
            // Only jobs withdraw their calls.
            Err(error @ InvokeError::Withdrawn) => {
                Err((StatusCode::SERVICE_UNAVAILABLE, error.to_string()))
            }
        }
    }
}
