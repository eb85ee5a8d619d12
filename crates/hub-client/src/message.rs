//! A message: properties and a body.

use bytes::Bytes;
use hub_proto::message::{MAX_MESSAGE_BYTES, Properties, SystemProperty};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::SendError;

/// What modules and devices exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// What rides along; outgoing messages get an id and a creation time if they have none.
    pub properties: Properties,
    /// The content.
    pub body: Bytes,
}

impl Message {
    /// A message of any content.
    #[must_use]
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self {
            properties: Properties::new(),
            body: body.into(),
        }
    }

    /// A JSON message, marked so that routes and queries can look into it.
    ///
    /// # Errors
    /// When the value does not serialise.
    pub fn json(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        let mut message = Self::new(serde_json::to_vec(value)?);
        message
            .properties
            .set(SystemProperty::ContentType, "application/json");
        message
            .properties
            .set(SystemProperty::ContentEncoding, "utf-8");
        Ok(message)
    }

    /// Names the module output it leaves by.
    #[must_use]
    pub fn output(mut self, name: impl Into<String>) -> Self {
        self.properties.set(SystemProperty::OutputName, name);
        self
    }

    /// Sets the message id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.properties.set(SystemProperty::MessageId, id);
        self
    }

    /// Names the message this one belongs to.
    #[must_use]
    pub fn correlation(mut self, id: impl Into<String>) -> Self {
        self.properties.set(SystemProperty::CorrelationId, id);
        self
    }

    /// Sets an application property.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.application.insert(name, value);
        self
    }

    /// An application property's text.
    #[must_use]
    pub fn property_value(&self, name: &str) -> Option<&str> {
        self.properties.application.get(name)
    }

    /// Reads a JSON body, whatever the content type says.
    ///
    /// # Errors
    /// When the body is not the JSON that `T` wants.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// Body plus properties, as the hub counts them.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.len() + self.properties.size()
    }

    /// Refuses what the hub would close the connection upon.
    pub(crate) fn check_size(&self) -> Result<(), SendError> {
        match self.size() {
            bytes if bytes > MAX_MESSAGE_BYTES => Err(SendError::TooLarge { bytes }),
            _ => Ok(()),
        }
    }

    pub(crate) fn default_property(
        &mut self,
        property: SystemProperty,
        value: impl FnOnce() -> String,
    ) {
        self.properties.system.entry(property).or_insert_with(value);
    }
}
