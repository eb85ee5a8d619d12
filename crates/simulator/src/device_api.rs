//! What devices ask of the hub over HTTPS: their messages, one by one, and where to put files.
//!
//! The paths lie among the service API's; who asks is the device itself, with its own token or certificate, or with the
//! token of a policy that lets devices connect.

mod files;
mod messages;

use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use hub_proto::error::ErrorCode;
use hub_proto::identity::Identity;

use crate::certificates::PeerCertificates;
use crate::hub::Hub;
use crate::rest::header_text;
use crate::service::Fault;

/// One request of a device that has shown who it is.
struct Asked<'a> {
    hub: &'a Hub,
    parts: &'a Parts,
    device: Identity,
}

/// Answers a device's request; nothing if the path is none of its.
pub(crate) fn answer(hub: &Hub, parts: &Parts, path: &[&str], body: &[u8]) -> Option<Response> {
    let words: Vec<String> = path.iter().map(|word| word.to_ascii_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ["devices", _, rest @ ..] = words.as_slice() else {
        return None;
    };
    let asked = || Asked::new(hub, parts, path[1]);
    let answered = match (rest, path) {
        (["files"], _) => asked().and_then(|asked| asked.begin_upload(body)),
        (["files", "notifications"], _) => asked().and_then(|asked| asked.end_upload(None, body)),
        (["files", "notifications", _], [.., correlation]) => {
            asked().and_then(|asked| asked.end_upload(Some(correlation), body))
        }
        (["messages", "devicebound"], _) => asked().and_then(|asked| asked.receive()),
        (["messages", "devicebound", _], [.., token]) => {
            asked().and_then(|asked| asked.complete(token))
        }
        (["messages", "devicebound", _, "abandon"], [.., token, _]) => {
            asked().and_then(|asked| asked.abandon(token))
        }
        _ => return None,
    };
    Some(answered.unwrap_or_else(IntoResponse::into_response))
}

impl<'a> Asked<'a> {
    /// Checks who asks.
    ///
    /// # Errors
    /// 400 for an id that is none, 401 for a proof that does not open the device.
    fn new(hub: &'a Hub, parts: &'a Parts, device: &str) -> Result<Self, Fault> {
        let device =
            Identity::device(device).map_err(|error| Fault::argument(error.to_string()))?;
        let token = header_text(parts, header::AUTHORIZATION);
        let peer = parts.extensions.get::<PeerCertificates>();
        if let Err(reason) = hub.check_device(&device, token, peer) {
            tracing::debug!(%device, reason, "a device was refused");
            return Err(Fault::new(
                ErrorCode::IotHubUnauthorizedAccess,
                "Unauthorized",
            ));
        }
        Ok(Self { hub, parts, device })
    }
}
