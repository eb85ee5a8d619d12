//! What surrounds a twin's sections in the service's answer.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Twin;
use crate::identity::Identity;
use crate::time;

/// The identity's state, which a service gets together with the twin.
#[derive(Debug, Clone)]
pub struct Envelope<'a> {
    /// Whose twin.
    pub identity: &'a Identity,
    /// The entity tag of the identity (not the twin's own).
    pub device_etag: &'a str,
    /// Whether the identity may connect.
    pub enabled: bool,
    /// When that was last changed.
    pub status_updated: Option<Timestamp>,
    /// Whether it is connected.
    pub connected: bool,
    /// When it last did anything.
    pub last_activity: Option<Timestamp>,
    /// Cloud-to-device messages that wait.
    pub waiting_messages: usize,
    /// `sas`, `selfSigned`, `certificateAuthority` or `none`.
    pub authentication_type: &'a str,
    /// The announced model, else the empty text.
    pub model_id: &'a str,
    /// Whether the device runs the Edge runtime.
    pub edge: bool,
}

impl Envelope<'_> {
    pub(super) fn render(&self, twin: &Twin) -> Value {
        let moment =
            |at: Option<Timestamp>| at.map_or_else(|| time::NEVER.to_owned(), time::format);
        let mut twin_json = json!({ "deviceId": self.identity.device_id() });
        if let Some(module) = self.identity.module_id() {
            twin_json["moduleId"] = module.into();
        }
        let rest = json!({
            "etag": twin.etag(),
            "deviceEtag": self.device_etag,
            "status": if self.enabled { "enabled" } else { "disabled" },
            "statusUpdateTime": moment(self.status_updated),
            "connectionState": if self.connected { "Connected" } else { "Disconnected" },
            "lastActivityTime": moment(self.last_activity),
            "cloudToDeviceMessageCount": self.waiting_messages,
            "authenticationType": self.authentication_type,
            "x509Thumbprint": { "primaryThumbprint": null, "secondaryThumbprint": null },
            "modelId": self.model_id,
            "version": twin.version(),
            "tags": twin.tags(),
            "properties": {
                "desired": twin.desired().to_service_json(),
                "reported": twin.reported().to_service_json(),
            },
            "capabilities": { "iotEdge": self.edge },
        });
        if let (Value::Object(twin_json), Value::Object(rest)) = (&mut twin_json, rest) {
            twin_json.extend(rest);
        }
        twin_json
    }
}
