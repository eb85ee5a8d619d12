//! Events that the hub makes itself: what happened to identities, twins and connections.
//!
//! Nothing is made unless a route asks for the source. A change and the events about it are one group in the journal: a
//! kill keeps both or neither.
//!
//! Properties and bodies are those of Azure's "non-telemetry event schemas", and of captures in its Plug and Play guides.

mod body;

use hub_proto::identity::Identity;
use hub_proto::message::{Properties, SystemProperty};
use hub_proto::twin::{Object, Twin, TwinError};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Core, Face};
use crate::change::Change;
use crate::events::{Event, Source};
use crate::registry::{ConnectionEvents, Device};

/// 1970 in the count of Windows: tenths of microseconds since 1601.
const UNIX_EPOCH_IN_FILETIME: i64 = 116_444_736_000_000_000;

/// What is to be told of a change once it has been made.
#[derive(Debug)]
enum Notice {
    Created(Identity),
    /// With the twin it had.
    Removed(Identity, Box<Twin>),
    Twin(Identity, TwinPart),
    /// With the digital twin it was.
    DigitalTwin(Identity, Value),
}

/// Which part of a twin a change names.
#[derive(Debug)]
enum TwinPart {
    /// Of a service's PATCH.
    Document(Value),
    /// A service's PUT.
    Whole,
    Reported(Object),
}

/// One event before it has its form.
struct Told<'a> {
    source: Source,
    operation: &'static str,
    schema: &'static str,
    about: &'a Identity,
    body: Value,
    at: Timestamp,
}

impl Core {
    /// Makes a change and tells of it.
    pub(super) fn record_and_tell(&mut self, change: Change) -> Result<Option<Object>, TwinError> {
        let notices = self.foresee(&change);
        if notices.is_empty() {
            return self.apply(change);
        }
        let group = self.journal.begin_group();
        let told = self.apply(change);
        if told.is_ok() {
            let correlation = correlation_id();
            for notice in notices {
                self.tell(notice, &correlation);
            }
        }
        self.journal.end_group(group);
        told
    }

    /// A client came or went, as the hub sees it: behind an edge that cannot reach it, nobody does either.
    pub(super) fn tell_connection(&mut self, who: &Identity, face: Face, connected: bool) {
        if face == Face::Hub || !self.is_offline(who) {
            self.tell_connection_now(who, connected);
        }
    }

    /// The way of an edge to the hub was opened or cut, and with it that of everybody behind it.
    pub(super) fn tell_connections_behind(&mut self, edge: &str, connected: bool) {
        let behind = self
            .live
            .iter()
            .filter(|(identity, live)| live.face == Face::Edge && identity.device_id() == edge);
        let mut behind: Vec<Identity> = behind.map(|(identity, _)| identity.clone()).collect();
        behind.sort_unstable();
        for identity in behind {
            self.tell_connection_now(&identity, connected);
        }
    }

    fn tell_connection_now(&mut self, who: &Identity, connected: bool) {
        if !self.wants(Source::ConnectionState) {
            return;
        }
        let at = Timestamp::now();
        let last = self.registry.connection_events;
        // A number must be above all before it, whatever the clock does.
        let next = ConnectionEvents {
            at_ms: last.at_ms.max(at.as_millisecond()),
            count: last.count + 1,
        };
        let operation = match (who.module_id(), connected) {
            (None, true) => "deviceConnected",
            (None, false) => "deviceDisconnected",
            (Some(_), true) => "moduleConnected",
            (Some(_), false) => "moduleDisconnected",
        };
        let group = self.journal.begin_group();
        self.record(Change::ConnectionCounted { to: next });
        let told = Told {
            source: Source::ConnectionState,
            operation,
            schema: "deviceConnectionStateNotification",
            about: who,
            body: json!({"sequenceNumber": sequence_number(next)}),
            at,
        };
        self.send_out(&told, &correlation_id(), None);
        self.journal.end_group(group);
    }

    fn wants(&self, source: Source) -> bool {
        self.routing
            .as_ref()
            .is_some_and(|table| table.wants(source))
    }

    /// What there will be to tell of a change, if it is made.
    fn foresee(&self, change: &Change) -> Vec<Notice> {
        let mut notices = Vec::new();
        match change {
            Change::DevicePut { id, device } if self.wants(Source::Lifecycle) => {
                let known = self.registry.devices.get(id);
                // One made anew under the same id is another device.
                let same =
                    known.filter(|known| known.client.generation == device.client.generation);
                if let (Some(known), None) = (known, same) {
                    removed(&mut notices, id, known);
                }
                if same.is_none() {
                    notices.extend(Identity::device(id).map(Notice::Created));
                }
                let is_known =
                    |module: &String| same.is_some_and(|known| known.modules.contains_key(module));
                for module in device.modules.keys().filter(|module| !is_known(module)) {
                    notices.extend(Identity::module(id, module).map(Notice::Created));
                }
            }
            Change::ModulePut { device, id, .. } if self.wants(Source::Lifecycle) => {
                let module = Identity::module(device, id).ok();
                let is_new = |module: &Identity| {
                    self.registry.devices.contains_key(device) && self.client(module).is_none()
                };
                notices.extend(module.filter(is_new).map(Notice::Created));
            }
            Change::DeviceRemoved { id } if self.wants(Source::Lifecycle) => {
                if let Some(known) = self.registry.devices.get(id) {
                    removed(&mut notices, id, known);
                }
            }
            Change::ModuleRemoved { device, id } if self.wants(Source::Lifecycle) => {
                let module = Identity::module(device, id).ok();
                let gone = module.and_then(|module| {
                    let twin = Box::new(self.client(&module)?.twin.clone());
                    Some(Notice::Removed(module, twin))
                });
                notices.extend(gone);
            }
            Change::TwinUpdated {
                target,
                document,
                replace,
                ..
            } => self.foresee_twin(&mut notices, target, || match replace {
                true => TwinPart::Whole,
                false => TwinPart::Document(document.clone()),
            }),
            Change::Reported { target, patch, .. } => {
                self.foresee_twin(&mut notices, target, || {
                    TwinPart::Reported(patch.as_object().cloned().unwrap_or_default())
                });
            }
            _ => {}
        }
        notices
    }

    fn foresee_twin(
        &self,
        notices: &mut Vec<Notice>,
        target: &Identity,
        part: impl FnOnce() -> TwinPart,
    ) {
        let Some(client) = self.client(target) else {
            return;
        };
        if self.wants(Source::TwinChange) {
            notices.push(Notice::Twin(target.clone(), part()));
        }
        if self.wants(Source::DigitalTwinChange) && !client.model_id.is_empty() {
            let before = body::digital_twin(target, client);
            notices.push(Notice::DigitalTwin(target.clone(), before));
        }
    }

    fn tell(&mut self, notice: Notice, correlation: &str) {
        let at = Timestamp::now();
        let about = match &notice {
            Notice::Created(about)
            | Notice::Removed(about, _)
            | Notice::Twin(about, _)
            | Notice::DigitalTwin(about, _) => about.clone(),
        };
        let lifecycle = match about.module_id() {
            None => "deviceLifecycleNotification",
            Some(_) => "moduleLifecycleNotification",
        };
        let told = |source, operation, schema, body| Told {
            source,
            operation,
            schema,
            about: &about,
            body,
            at,
        };
        let mut gone = None;
        let told = match notice {
            Notice::Removed(_, twin) => {
                let operation = match about.module_id() {
                    None => "deleteDeviceIdentity",
                    Some(_) => "deleteModuleIdentity",
                };
                let body = body::whole(&about, &twin);
                gone = Some(twin);
                told(Source::Lifecycle, operation, lifecycle, body)
            }
            Notice::Created(_) => {
                let Some(client) = self.client(&about) else {
                    return;
                };
                let operation = match about.module_id() {
                    None => "createDeviceIdentity",
                    Some(_) => "createModuleIdentity",
                };
                let body = body::whole(&about, &client.twin);
                told(Source::Lifecycle, operation, lifecycle, body)
            }
            Notice::Twin(_, part) => {
                let Some(client) = self.client(&about) else {
                    return;
                };
                let (operation, body) = match part {
                    TwinPart::Whole => ("replaceTwin", body::whole(&about, &client.twin)),
                    TwinPart::Document(document) => {
                        ("updateTwin", body::updated(&client.twin, &document))
                    }
                    TwinPart::Reported(patch) => {
                        ("updateTwin", body::reported(&client.twin, &patch))
                    }
                };
                told(
                    Source::TwinChange,
                    operation,
                    "twinChangeNotification",
                    body,
                )
            }
            Notice::DigitalTwin(_, before) => {
                let Some(client) = self.client(&about) else {
                    return;
                };
                let patch = body::patch(&before, &body::digital_twin(&about, client));
                // A change of tags is none of the digital twin.
                if patch.is_empty() {
                    return;
                }
                let (source, schema) = (Source::DigitalTwinChange, "digitalTwinChangeNotification");
                told(source, "updateTwin", schema, Value::Array(patch))
            }
        };
        self.send_out(&told, correlation, gone.as_deref());
    }

    /// Gives an event its form and lets it go.
    fn send_out(&mut self, told: &Told<'_>, correlation: &str, twin: Option<&Twin>) {
        let Some(table) = self.routing.take() else {
            return;
        };
        let (device, module) = (told.about.device_id(), told.about.module_id());
        let mut properties = Properties::new();
        let kind = match told.source {
            Source::DigitalTwinChange => "application/json-patch+json",
            _ => "application/json",
        };
        properties.set(SystemProperty::ContentType, kind);
        properties.set(SystemProperty::ContentEncoding, "utf-8");
        properties.set(SystemProperty::CorrelationId, correlation);
        properties.set(SystemProperty::UserId, table.hub_name());
        let own = &mut properties.application;
        own.insert("hubName", table.hub_name());
        own.insert("deviceId", device);
        own.insert("operationTimestamp", hub_proto::time::format(told.at));
        if let Some(module) = module {
            own.insert("moduleId", module);
        }
        own.insert("iothub-message-schema", told.schema);
        own.insert("opType", told.operation);
        let (bag, body) = (properties.encode(), told.body.to_string());
        let event = Event {
            enqueued_ms: told.at.as_millisecond(),
            edge_sequence: 0,
            edge: "",
            source: told.source,
            device,
            module: module.unwrap_or_default(),
            bag: &bag,
            body: body.as_bytes(),
        };
        self.route(&table, &event, twin);
        self.routing = Some(table);
    }
}

/// A device's modules go before it.
fn removed(notices: &mut Vec<Notice>, id: &str, device: &Device) {
    for (module, known) in &device.modules {
        let twin = || Box::new(known.client.twin.clone());
        notices.extend(Identity::module(id, module).map(|module| Notice::Removed(module, twin())));
    }
    let twin = || Box::new(device.client.twin.clone());
    notices.extend(Identity::device(id).map(|device| Notice::Removed(device, twin())));
}

/// 256 bits in hexadecimal digits, laid out as the hub does: the time in tenths of microseconds since 1601, then the
/// count. Of two texts the later event's is the greater.
fn sequence_number(event: ConnectionEvents) -> String {
    let filetime = event.at_ms * 10_000 + UNIX_EPOCH_IN_FILETIME;
    format!("{:016X}{filetime:016X}{:08X}{:024X}", 0, 1, event.count)
}

/// Twelve hexadecimal digits; a twin change and the digital twin change it is have the same.
fn correlation_id() -> String {
    let mut id = uuid::Uuid::new_v4().simple().to_string();
    id.truncate(12);
    id
}
