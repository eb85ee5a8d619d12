//! The DTDL interfaces the modules announce, and a reader for the part of DTDL they use.
//!
//! Language: <https://azure.github.io/opendigitaltwins-dtdl/DTDL/v2/DTDL.v2.html>. The reader is
//! for showing an interface to people and for holding it against the code; it is *not* a validator
//! of the language.

use serde_json::Value;

/// A DTDL interface: its identifier and its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// The digital twin model identifier announced in CONNECT.
    pub id: &'static str,
    /// The interface as JSON.
    pub text: &'static str,
}

/// What hc-sr04 announces.
pub const HC_SR04: Model = Model {
    id: "dtmi:cowparking:HcSr04;1",
    text: include_str!("../models/hc-sr04.json"),
};
/// What light announces.
pub const LIGHT: Model = Model {
    id: "dtmi:cowparking:Light;1",
    text: include_str!("../models/light.json"),
};
/// What battery announces.
pub const BATTERY: Model = Model {
    id: "dtmi:cowparking:Battery;1",
    text: include_str!("../models/battery.json"),
};

/// What provisioning announces.
pub const PROVISIONING: Model = Model {
    id: "dtmi:cowparking:Provisioning;1",
    text: include_str!("../models/provisioning.json"),
};

/// Every model, for finding one by its identifier.
pub const ALL: [Model; 4] = [HC_SR04, LIGHT, BATTERY, PROVISIONING];

/// An interface, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Interface {
    /// Its identifier.
    pub id: String,
    /// Its name for people.
    pub display_name: String,
    /// The fields of its messages.
    pub telemetry: Vec<Content>,
    /// The properties a service may wish for.
    pub writable: Vec<Content>,
    /// The properties only the device sets.
    pub read_only: Vec<Content>,
    /// Its methods.
    pub commands: Vec<String>,
}

/// A telemetry field or a property.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// The name on the wire.
    pub name: String,
    /// One sentence about it.
    pub description: String,
    /// What its values look like.
    pub schema: Schema,
}

/// The schemas these interfaces use.
#[derive(Clone, Debug, PartialEq)]
pub enum Schema {
    /// `boolean`
    Boolean,
    /// `integer` and `long`
    Integer,
    /// `double`
    Double,
    /// `string`
    Text,
    /// `dateTime`, RFC 3339
    DateTime,
    /// An enumeration of texts.
    Words(Vec<String>),
    /// An object with named fields.
    Object(Vec<(String, Self)>),
}

/// A text that is not an interface this reader understands.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each variant says it")]
pub enum ModelError {
    #[error("the interface is not JSON")]
    Json(#[source] serde_json::Error),
    #[error("the interface has no {0}")]
    Missing(&'static str),
    #[error("the interface uses {0}, which this reader does not know")]
    Unknown(String),
}

impl Model {
    /// Reads the interface.
    ///
    /// # Errors
    ///
    /// What the reader does not understand.
    pub fn interface(&self) -> Result<Interface, ModelError> {
        let json: Value = serde_json::from_str(self.text).map_err(ModelError::Json)?;
        let mut interface = Interface {
            id: text(&json, "@id")?,
            display_name: text(&json, "displayName")?,
            telemetry: Vec::new(),
            writable: Vec::new(),
            read_only: Vec::new(),
            commands: Vec::new(),
        };
        for content in json["contents"]
            .as_array()
            .ok_or(ModelError::Missing("contents"))?
        {
            let kind = content["@type"]
                .as_str()
                .or_else(|| content["@type"][0].as_str())
                .ok_or(ModelError::Missing("@type"))?;
            let list = match kind {
                "Telemetry" => &mut interface.telemetry,
                "Property" if content["writable"] == true => &mut interface.writable,
                "Property" => &mut interface.read_only,
                "Command" => {
                    interface.commands.push(text(content, "name")?);
                    continue;
                }
                other => return Err(ModelError::Unknown(other.to_owned())),
            };
            list.push(read_content(content)?);
        }
        Ok(interface)
    }
}

impl Schema {
    /// Whether a value is one of this schema. `null` never is: DTDL has no such value, and a field
    /// without one is simply absent from the twin.
    #[must_use]
    pub fn accepts(&self, value: &Value) -> bool {
        match self {
            Self::Boolean => value.is_boolean(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Double => value.is_number(),
            Self::Text => value.is_string(),
            Self::DateTime => value
                .as_str()
                .is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
            Self::Words(words) => value
                .as_str()
                .is_some_and(|text| words.iter().any(|word| word == text)),
            Self::Object(fields) => value.as_object().is_some_and(|object| {
                object.iter().all(|(name, value)| {
                    value.is_null()
                        || fields
                            .iter()
                            .any(|(field, schema)| field == name && schema.accepts(value))
                })
            }),
        }
    }
}

fn read_content(content: &Value) -> Result<Content, ModelError> {
    Ok(Content {
        name: text(content, "name")?,
        description: text(content, "description")?,
        schema: read_schema(&content["schema"])?,
    })
}

fn read_schema(schema: &Value) -> Result<Schema, ModelError> {
    match (schema.as_str(), schema["@type"].as_str()) {
        (Some("boolean"), _) => Ok(Schema::Boolean),
        (Some("integer" | "long"), _) => Ok(Schema::Integer),
        (Some("double"), _) => Ok(Schema::Double),
        (Some("string"), _) => Ok(Schema::Text),
        (Some("dateTime"), _) => Ok(Schema::DateTime),
        (None, Some("Enum")) => {
            let values = schema["enumValues"]
                .as_array()
                .ok_or(ModelError::Missing("enumValues"))?;
            values
                .iter()
                .map(|value| text(value, "enumValue"))
                .collect::<Result<_, _>>()
                .map(Schema::Words)
        }
        (None, Some("Object")) => {
            let fields = schema["fields"]
                .as_array()
                .ok_or(ModelError::Missing("fields"))?;
            fields
                .iter()
                .map(|field| Ok((text(field, "name")?, read_schema(&field["schema"])?)))
                .collect::<Result<_, _>>()
                .map(Schema::Object)
        }
        _ => Err(ModelError::Unknown(schema.to_string())),
    }
}

fn text(json: &Value, key: &'static str) -> Result<String, ModelError> {
    json[key]
        .as_str()
        .map(str::to_owned)
        .ok_or(ModelError::Missing(key))
}
