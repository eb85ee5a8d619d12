//! Cloud-to-device messages: `GET /devices/{id}/messages/deviceBound`, and what completes, refuses or gives back one.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hub_proto::message::SystemProperty;
use jiff::Timestamp;

use super::Asked;
use crate::hub::{Held, Outcome};
use crate::service::{Fault, lock_lost, lock_token};

/// Where a message's properties are in the answer's headers.
const SYSTEM: [(SystemProperty, &str); 9] = [
    (SystemProperty::MessageId, "iothub-messageid"),
    (SystemProperty::CorrelationId, "iothub-correlationid"),
    (SystemProperty::UserId, "iothub-userid"),
    (SystemProperty::To, "iothub-to"),
    (SystemProperty::ExpiryTime, "iothub-expiry"),
    (SystemProperty::Ack, "iothub-ack"),
    (SystemProperty::CreationTime, "iothub-creationtimeutc"),
    (SystemProperty::ContentType, "iothub-contenttype"),
    (SystemProperty::ContentEncoding, "iothub-contentencoding"),
];

impl Asked<'_> {
    /// The oldest message that waits, with its lock token as entity tag; 204 when there is none.
    pub(super) fn receive(&self) -> Result<Response, Fault> {
        if self.parts.method != Method::GET {
            return Ok(StatusCode::METHOD_NOT_ALLOWED.into_response());
        }
        let held = self.hub.take_message(&self.device, Timestamp::now())?;
        Ok(held.map_or_else(|| StatusCode::NO_CONTENT.into_response(), response))
    }

    /// Completed; or refused, where the query says `reject`.
    pub(super) fn complete(&self, token: &str) -> Result<Response, Fault> {
        if self.parts.method != Method::DELETE {
            return Ok(StatusCode::METHOD_NOT_ALLOWED.into_response());
        }
        let query = self.parts.uri.query().unwrap_or_default();
        let mut parameters = query.split('&').filter_map(|pair| pair.split('=').next());
        let outcome = match parameters.any(|name| name.eq_ignore_ascii_case("reject")) {
            true => Outcome::Rejected,
            false => Outcome::Success,
        };
        let token = lock_token(token)?;
        let now = Timestamp::now();
        match self.hub.settle_held(&self.device, token, outcome, now)? {
            true => Ok(StatusCode::NO_CONTENT.into_response()),
            false => Err(lock_lost()),
        }
    }

    /// To be handed out again.
    pub(super) fn abandon(&self, token: &str) -> Result<Response, Fault> {
        if self.parts.method != Method::POST {
            return Ok(StatusCode::METHOD_NOT_ALLOWED.into_response());
        }
        let token = lock_token(token)?;
        match self
            .hub
            .release_held(&self.device, token, Timestamp::now())?
        {
            true => Ok(StatusCode::NO_CONTENT.into_response()),
            false => Err(lock_lost()),
        }
    }
}

fn response(held: Held) -> Response {
    let mut response = Response::new(Body::from(held.body));
    let headers = response.headers_mut();
    let mut put = |name: &str, value: &str| {
        // What no header can carry is left out, as over HTTPS from the real hub.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    };
    put(header::ETAG.as_str(), &format!("\"{}\"", held.token));
    put("iothub-sequencenumber", &held.sequence.to_string());
    put("iothub-deliverycount", &held.deliveries.to_string());
    for (property, name) in SYSTEM {
        if let Some(value) = held.properties.get(property) {
            put(name, value);
        }
    }
    for (name, value) in held.properties.application.iter() {
        put(&format!("iothub-app-{name}"), value.unwrap_or_default());
    }
    response
}
