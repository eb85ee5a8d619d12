//! A message's properties, told apart into those the hub understands and those of the application.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::property_bag::{self, BagError, PropertyBag};

/// The largest device-to-cloud message: body plus properties, in bytes (256 KB).
pub const MAX_MESSAGE_BYTES: usize = 262_144;

/// The largest cloud-to-device message: body plus properties, in bytes (64 KB).
pub const MAX_CLOUD_TO_DEVICE_BYTES: usize = 65_536;

macro_rules! system_properties {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $(, wire $wire:literal)?;)*) => {
        /// A property the hub or edgeHub gives a meaning to.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum SystemProperty {
            $($(#[$doc])* $variant,)*
        }

        impl SystemProperty {
            /// Every system property.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in routes, queries and events.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Its key in a property bag; `None` for those that never travel over MQTT.
            #[must_use]
            pub const fn wire(self) -> Option<&'static str> {
                match self { $(Self::$variant => wire!($($wire)?)),* }
            }

            /// The property with this key in a decoded property bag.
            #[must_use]
            pub fn from_wire(key: &str) -> Option<Self> {
                match key {
                    $($($wire => Some(Self::$variant),)?)*
                    _ => None,
                }
            }

            /// The property with this name in a route or event, in any case.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                $(if name.eq_ignore_ascii_case($name) { return Some(Self::$variant); })*
                // edgeHub keeps the correlation id under this second name.
                name.eq_ignore_ascii_case("cid").then_some(Self::CorrelationId)
            }
        }
    };
}

macro_rules! wire {
    () => {
        None
    };
    ($wire:literal) => {
        Some($wire)
    };
}

// The order is the one in which the Python SDK writes them, so that bags compare with captures of it.
system_properties! {
    /// The module output a message leaves by.
    OutputName = "outputName", wire "$.on";
    /// Set by the sender, at most 128 characters.
    MessageId = "messageId", wire "$.mid";
    /// The message this one belongs to.
    CorrelationId = "correlationId", wire "$.cid";
    /// Who caused the message.
    UserId = "userId", wire "$.uid";
    /// Media type of the body; routing on the body wants `application/json`.
    ContentType = "contentType", wire "$.ct";
    /// Character encoding of the body; routing on the body wants `utf-8`.
    ContentEncoding = "contentEncoding", wire "$.ce";
    /// The interface a message belongs to; marks security messages.
    InterfaceId = "iothub-interface-id", wire "$.ifid";
    /// When the message ceases to be of use.
    ExpiryTime = "absolute-expiry-time", wire "$.exp";
    /// When the sender made the message, ISO 8601 UTC.
    CreationTime = "creationTime", wire "$.ctime";
    /// Where a cloud-to-device message is bound.
    To = "to", wire "$.to";
    /// The Plug and Play component whose telemetry this is.
    Component = "dt-subject", wire "$.sub";
    /// The schema of the body.
    MessageSchema = "messageSchema", wire "$.schema";
    /// The device a message came from, set by hub and edgeHub.
    ConnectionDeviceId = "connectionDeviceId", wire "$.cdid";
    /// The module a message came from, set by hub and edgeHub.
    ConnectionModuleId = "connectionModuleId", wire "$.cmid";
    /// Which feedback the sender of a cloud-to-device message wants.
    Ack = "ack", wire "iothub-ack";
    /// What a notification is about.
    Operation = "operation", wire "iothub-operation";
    /// Telemetry or a kind of notification.
    MessageType = "messageType";
    /// When the hub took the message.
    EnqueuedTime = "enqueuedTime";
    /// The module input a message is handed to.
    InputName = "inputName";
    /// edgeHub's own number for a message.
    EdgeMessageId = "edgeMessageId";
    /// `internal` for modules, `downstream` for leaf devices.
    EdgeHubOriginInterface = "edgeHubOriginInterface";
    /// The sender's model.
    ModelId = "modelId";
}

/// What rides with a message's body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    /// What the hub understands.
    pub system: BTreeMap<SystemProperty, String>,
    /// The application's own, in order, with unknown `$.` keys among them as in every SDK.
    pub application: PropertyBag,
}

impl Properties {
    /// No properties.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Splits a topic's property bag. A system property that is null is left out.
    ///
    /// # Errors
    /// When the bag cannot be read.
    pub fn decode(bag: &str) -> Result<Self, BagError> {
        let mut properties = Self::new();
        for pair in property_bag::pairs(bag) {
            let (name, value) = pair?;
            match (SystemProperty::from_wire(&name), value) {
                (Some(property), Some(value)) => {
                    properties.system.insert(property, value.into_owned());
                }
                (Some(_), None) => {}
                (None, value) => properties.application.set(name, value),
            }
        }
        Ok(properties)
    }

    /// The bag a topic carries: system properties first, then the application's.
    ///
    /// System properties that never travel over MQTT are left out.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bag = String::new();
        for (property, value) in &self.system {
            if let Some(key) = property.wire() {
                property_bag::push_pair(&mut bag, key, Some(value));
            }
        }
        for (name, value) in self.application.iter() {
            property_bag::push_pair(&mut bag, name, value);
        }
        bag
    }

    /// A system property's text.
    #[must_use]
    pub fn get(&self, property: SystemProperty) -> Option<&str> {
        self.system.get(&property).map(String::as_str)
    }

    /// Sets a system property.
    pub fn set(&mut self, property: SystemProperty, value: impl Into<String>) {
        self.system.insert(property, value.into());
    }

    /// Whether the body is text a route or query may look into: JSON in a Unicode encoding.
    #[must_use]
    pub fn has_queryable_body(&self) -> bool {
        let json =
            self.get(SystemProperty::ContentType)
                .is_some_and(|media_type| {
                    media_type.split(';').next().is_some_and(|essence| {
                        essence.trim().eq_ignore_ascii_case("application/json")
                    })
                });
        let unicode = self
            .get(SystemProperty::ContentEncoding)
            .is_some_and(|encoding| {
                ["utf-8", "utf-16", "utf-32"]
                    .iter()
                    .any(|known| encoding.eq_ignore_ascii_case(known))
            });
        json && unicode
    }

    /// Bytes that count towards a message's size limit: names and values, without their encoding.
    #[must_use]
    pub fn size(&self) -> usize {
        let system: usize = self
            .system
            .iter()
            .map(|(property, value)| property.name().len() + value.len())
            .sum();
        let application: usize = self
            .application
            .iter()
            .map(|(name, value)| name.len() + value.map_or(0, str::len))
            .sum();
        system + application
    }
}

impl Serialize for SystemProperty {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for SystemProperty {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| {
            serde::de::Error::custom(format_args!("unknown system property {name:?}"))
        })
    }
}
