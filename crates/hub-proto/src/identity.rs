//! Who is on the other end of a connection: a device, or a module of a device.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest device or module id, in characters.
pub const MAX_ID_LENGTH: usize = 128;

/// A device, or one module of it.
///
/// Its text form, `device` or `device/module`, is the MQTT client id. Ids are case-sensitive and hold
/// only the characters the hub allows, so neither form needs escaping and `/` always separates.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Identity {
    device: String,
    module: Option<String>,
}

/// Why a text is no identity.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// An id is the empty text.
    #[error("{0} id is empty")]
    Empty(&'static str),
    /// An id is longer than [`MAX_ID_LENGTH`].
    #[error("{0} id is longer than {MAX_ID_LENGTH} characters")]
    TooLong(&'static str),
    /// An id holds a character that the hub does not allow.
    #[error(
        "{kind} id contains {character:?}; allowed are letters, digits and - . _ : + % # * ? ! ( ) , = @ $ '"
    )]
    Character {
        /// `device` or `module`.
        kind: &'static str,
        /// The offending character.
        character: char,
    },
}

impl Identity {
    /// A device.
    ///
    /// # Errors
    /// When the id is empty, too long, or holds a character the hub does not allow.
    pub fn device(device: impl Into<String>) -> Result<Self, IdentityError> {
        Self::new(device, None::<String>)
    }

    /// A module of a device.
    ///
    /// # Errors
    /// As for [`Identity::device`], for either id.
    pub fn module(
        device: impl Into<String>,
        module: impl Into<String>,
    ) -> Result<Self, IdentityError> {
        Self::new(device, Some(module))
    }

    /// A device, or with `module` that module of it.
    ///
    /// # Errors
    /// As for [`Identity::device`], for either id.
    pub fn new(
        device: impl Into<String>,
        module: Option<impl Into<String>>,
    ) -> Result<Self, IdentityError> {
        let (device, module) = (device.into(), module.map(Into::into));
        validate("device", &device)?;
        if let Some(module) = &module {
            validate("module", module)?;
        }
        Ok(Self { device, module })
    }

    /// The device's id, for a module that of the device it lives on.
    #[must_use]
    pub fn device_id(&self) -> &str {
        &self.device
    }

    /// The module's id; `None` for a device.
    #[must_use]
    pub fn module_id(&self) -> Option<&str> {
        self.module.as_deref()
    }

    /// The device itself, whether this names it or one of its modules.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self {
            device: self.device.clone(),
            module: None,
        }
    }

    /// Whether the two ids, as they stand in a topic, name this identity.
    #[must_use]
    pub fn is(&self, device: &str, module: Option<&str>) -> bool {
        self.device == device && self.module.as_deref() == module
    }

    /// The resource its tokens open: `hub/devices/d` or `hub/devices/d/modules/m`, not escaped.
    #[must_use]
    pub fn audience(&self, hub: &str) -> String {
        match &self.module {
            None => format!("{hub}/devices/{}", self.device),
            Some(module) => format!("{hub}/devices/{}/modules/{module}", self.device),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.device)?;
        self.module
            .as_ref()
            .map_or(Ok(()), |module| write!(f, "/{module}"))
    }
}

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            None => Self::device(text),
            Some((device, module)) => Self::module(device, module),
        }
    }
}

impl TryFrom<String> for Identity {
    type Error = IdentityError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Identity> for String {
    fn from(identity: Identity) -> Self {
        identity.to_string()
    }
}

fn validate(kind: &'static str, id: &str) -> Result<(), IdentityError> {
    if id.is_empty() {
        return Err(IdentityError::Empty(kind));
    }
    if let Some(character) = id
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !"-._:+%#*?!(),=@$'".contains(*c))
    {
        return Err(IdentityError::Character { kind, character });
    }
    if id.len() > MAX_ID_LENGTH {
        return Err(IdentityError::TooLong(kind));
    }
    Ok(())
}
