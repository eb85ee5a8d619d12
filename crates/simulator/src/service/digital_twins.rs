//! Twins in the words of a device's Plug and Play model: `/digitaltwins/{device}` and its commands.
//!
//! A property or command of a component lies below it (`azure-iot-protocols`, section 8).

use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hub_proto::method::MethodRequest;
use serde_json::{Map, Value, json};

use super::answer::Fault;
use super::methods::refused;
use super::reading::{self, Part};
use super::{Asked, identity, not_allowed, query_value};
use crate::digital_twin::{MARKER, shown};
use crate::hub::{Caller, Right};
use crate::rest::document;

const COMMAND_STATUS: HeaderName = HeaderName::from_static("x-ms-command-statuscode");

impl Asked<'_> {
    /// `/digitaltwins/{device}`
    pub(super) fn digital_twin(&self, device: &str) -> Result<Response, Fault> {
        if *self.method() != Method::GET && *self.method() != Method::PATCH {
            return not_allowed();
        }
        self.authorize(Right::ServiceConnect)?;
        let target = identity(device, None)?;
        if *self.method() == Method::GET {
            let twin = self.hub.twin(&target)?;
            let mut response = document(&shown(&twin));
            tag(&mut response, &twin);
            return Ok(response);
        }
        let desired = desired(&reading::json(self.body)?)?;
        let patch = json!({"properties": {"desired": desired}});
        let twin = self
            .hub
            .update_twin_when(&target, patch, false, self.if_match())?;
        let mut response = StatusCode::ACCEPTED.into_response();
        tag(&mut response, &twin);
        Ok(response)
    }

    /// `/digitaltwins/{device}[/components/{component}]/commands/{command}`
    pub(super) async fn command(
        &self,
        device: &str,
        component: Option<&str>,
        command: &str,
    ) -> Result<Response, Fault> {
        if *self.method() != Method::POST {
            return not_allowed();
        }
        self.authorize(Right::ServiceConnect)?;
        let target = identity(device, None)?;
        let payload = match self.body.is_empty() {
            true => Value::Null,
            false => reading::json(self.body)?,
        };
        let name = match component {
            Some(component) => format!("{component}*{command}"),
            None => command.to_owned(),
        };
        let mut request = MethodRequest::new(name, payload);
        if let Some(seconds) = self.seconds("connectTimeoutInSeconds")? {
            request.connect_timeout_in_seconds = seconds;
        }
        if let Some(seconds) = self.seconds("responseTimeoutInSeconds")? {
            request.response_timeout_in_seconds = seconds;
        }
        let answer = match self.hub.invoke(&target, &request, Caller::Cloud).await {
            Ok(answer) => answer,
            Err(error) => return Ok(refused(&request, &error)),
        };
        let mut response = document(&answer.payload);
        let status = HeaderValue::from(answer.status);
        response.headers_mut().insert(COMMAND_STATUS, status);
        Ok(response)
    }

    fn seconds(&self, name: &str) -> Result<Option<u64>, Fault> {
        let query = self.parts.uri.query().unwrap_or_default();
        query_value(query, name)
            .map(|text| {
                let wrong = |_| Fault::argument(format!("{name} must be a whole number."));
                text.parse().map_err(wrong)
            })
            .transpose()
    }
}

fn tag(response: &mut Response, twin: &Value) {
    let tag = twin["etag"].as_str().unwrap_or_default();
    if let Ok(tag) = HeaderValue::try_from(format!("\"{tag}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
}

/// The desired properties that a JSON patch of a digital twin asks for.
fn desired(patch: &Value) -> Result<Map<String, Value>, Fault> {
    let steps = patch
        .as_array()
        .ok_or_else(|| Fault::argument("The body must be an array: a JSON patch."))?;
    let mut desired = Map::new();
    for (at, step) in steps.iter().enumerate() {
        let place = format!("[{at}]");
        let part = Part::of(step, &place)?;
        let op = part
            .text("op")?
            .ok_or_else(|| part.wrong("op", "is missing"))?;
        let path = part
            .text("path")?
            .ok_or_else(|| part.wrong("path", "is missing"))?;
        let value = match op {
            "remove" => Value::Null,
            "add" | "replace" => part
                .value("value")
                .ok_or_else(|| part.wrong("value", "is missing"))?
                .clone(),
            _ => return Err(part.wrong("op", "must be add, replace or remove")),
        };
        let path: Vec<String> = match path.strip_prefix('/') {
            Some(path) => path.split('/').map(unescaped).collect(),
            None => Vec::new(),
        };
        match path.as_slice() {
            [name] if !name.is_empty() => {
                desired.insert(name.clone(), as_component(value));
            }
            [component, name] if !component.is_empty() && !name.is_empty() => {
                let component = desired
                    .entry(component.clone())
                    .or_insert_with(|| json!({}));
                if !component.is_object() {
                    *component = json!({});
                }
                component[MARKER] = "c".into();
                component[name] = value;
            }
            _ => return Err(part.wrong("path", "must be /{property} or /{component}/{property}")),
        }
    }
    Ok(desired)
}

/// A component as a whole is an object with metadata, which are the service's.
fn as_component(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut()
        && object.shift_remove("$metadata").is_some()
    {
        object.insert(MARKER.to_owned(), "c".into());
    }
    value
}

/// A segment of a JSON pointer (RFC 6901).
fn unescaped(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}
