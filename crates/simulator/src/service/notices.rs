//! Notices: `GET /messages/serviceBound/{feedback,filenotifications}`, and what settles or gives back one.

use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use hub_proto::error::ErrorCode;
use jiff::Timestamp;
use uuid::Uuid;

use super::answer::{Fault, nothing};
use super::{Asked, not_allowed};
use crate::hub::Right;
use crate::notices::{Channel, Handed};
use crate::rest::json;

const ENQUEUED: HeaderName = HeaderName::from_static("iothub-enqueuedtime");
const DELIVERIES: HeaderName = HeaderName::from_static("iothub-deliverycount");

impl Asked<'_> {
    /// `/messages/serviceBound/{channel}`: the oldest that nobody holds, with its lock token as entity tag.
    pub(super) fn receive_notice(&self, channel: &str) -> Result<Response, Fault> {
        let Some(channel) = Channel::named(channel) else {
            return super::not_found();
        };
        if *self.method() != Method::GET {
            return not_allowed();
        }
        self.authorize(Right::ServiceConnect)?;
        let handed = self.hub.next_notice(channel, Timestamp::now())?;
        Ok(handed.map_or_else(nothing, |handed| response(&handed)))
    }

    /// `/messages/serviceBound/{channel}/{lockToken}`: completed.
    pub(super) fn complete_notice(&self, channel: &str, token: &str) -> Result<Response, Fault> {
        let Some(channel) = Channel::named(channel) else {
            return super::not_found();
        };
        if *self.method() != Method::DELETE {
            return not_allowed();
        }
        self.authorize(Right::ServiceConnect)?;
        let token = lock_token(token)?;
        let settled = self.hub.settle_notice(channel, token, Timestamp::now())?;
        settled.then(nothing).ok_or_else(lock_lost)
    }

    /// `/messages/serviceBound/{channel}/{lockToken}/abandon`: to be handed out again.
    pub(super) fn abandon_notice(&self, channel: &str, token: &str) -> Result<Response, Fault> {
        let Some(channel) = Channel::named(channel) else {
            return super::not_found();
        };
        if *self.method() != Method::POST {
            return not_allowed();
        }
        self.authorize(Right::ServiceConnect)?;
        let token = lock_token(token)?;
        let released = self.hub.release_notice(channel, token, Timestamp::now());
        released.then(nothing).ok_or_else(lock_lost)
    }
}

fn response(handed: &Handed) -> Response {
    let mut response = json(StatusCode::OK, handed.body.to_string());
    let headers = response.headers_mut();
    let enqueued = hub_proto::time::format(handed.enqueued);
    for (name, value) in [
        (header::ETAG, format!("\"{}\"", handed.token)),
        (ENQUEUED, enqueued),
        (DELIVERIES, handed.deliveries.to_string()),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    response
}

/// Reads a lock token, which clients give back with the quotes of the entity tag or without.
///
/// # Errors
/// When it is none.
pub(crate) fn lock_token(text: &str) -> Result<Uuid, Fault> {
    text.trim_matches('"')
        .parse()
        .map_err(|_| Fault::argument(format!("lockToken {text:?} is no lock token.")))
}

/// Nobody holds the message by that token, or not any more.
pub(crate) fn lock_lost() -> Fault {
    let message = "The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue.";
    Fault::new(ErrorCode::DeviceMessageLockLost, message)
}
