//! A message somebody wrote down in order to try a route on it.

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use super::message::{MessageSource, RoutedMessage};

/// A message from a JSON document:
///
/// ```json
/// {
///   "systemProperties": {"connectionModuleId": "hc-sr04", "outputName": "occupancy",
///                        "contentType": "application/json", "contentEncoding": "utf-8"},
///   "properties": {"kind": "occupancy"},
///   "body": {"occupancy": "free"}
/// }
/// ```
///
/// All three may be left out. A property that is `null` is there without a value; numbers and bools become text, as
/// they are on the wire. The body is readable only with the content type and encoding edgeHub wants.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleMessage {
    system: Vec<(String, Option<String>)>,
    properties: Vec<(String, Option<String>)>,
    body: Option<Json>,
    twin: Option<Json>,
}

/// Why a JSON document is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// The document is a list or a scalar.
    #[error("a message is a JSON object with `systemProperties`, `properties` and `body`")]
    NotAnObject,
    /// There is something else in it.
    #[error("a message has `systemProperties`, `properties` and `body`, and no `{0}`")]
    UnknownKey(String),
    /// Properties that are no object.
    #[error("`{0}` is a JSON object of names and texts")]
    NotProperties(&'static str),
    /// A property that is a list or an object.
    #[error("`{0}` is a property, and a property is a text")]
    NotAText(String),
}

impl SampleMessage {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// When the document has another shape.
    pub fn from_json(document: Json) -> Result<Self, SampleError> {
        let Json::Object(mut fields) = document else {
            return Err(SampleError::NotAnObject);
        };
        let message = Self {
            system: properties(&mut fields, "systemProperties")?,
            properties: properties(&mut fields, "properties")?,
            body: fields.remove("body"),
            twin: None,
        };
        match fields.into_iter().next() {
            Some((key, _)) => Err(SampleError::UnknownKey(key)),
            None => Ok(message),
        }
    }

    /// The same with its sender's twin, `{"tags":…,"properties":{"desired":…,"reported":…}}`, for a condition of the hub.
    #[must_use]
    pub fn with_twin(self, twin: Json) -> Self {
        Self {
            twin: Some(twin),
            ..self
        }
    }

    /// Whether it says who sent it. Without a `connectionModuleId`, `connectionDeviceId` or `messageType` it does not.
    pub fn names_its_source(&self) -> bool {
        ["connectionModuleId", "connectionDeviceId", "messageType"]
            .iter()
            .any(|name| find(&self.system, name).is_some())
    }

    /// Why conditions cannot look at the body, when they cannot.
    pub fn body_hidden_because(&self) -> Option<&'static str> {
        let content_type = self.system("contentType");
        let encoding = self.system("contentEncoding");
        let known = ["utf-8", "utf-16", "utf-32"];
        match (content_type, encoding, &self.body) {
            (_, _, None) => Some("the message has no body"),
            (Some(content_type), _, _)
                if !content_type.eq_ignore_ascii_case("application/json") =>
            {
                Some("its contentType is not `application/json`")
            }
            (None, ..) => Some("it has no contentType; edgeHub wants `application/json`"),
            (_, None, _) => Some("it has no contentEncoding; edgeHub wants `utf-8`"),
            (_, Some(encoding), _)
                if !known
                    .iter()
                    .any(|known| encoding.eq_ignore_ascii_case(known)) =>
            {
                Some("its contentEncoding is not `utf-8`, `utf-16` or `utf-32`")
            }
            (_, _, Some(body)) => (!body.is_object()).then_some("the body is no JSON object"),
        }
    }
}

impl RoutedMessage for SampleMessage {
    fn system(&self, name: &str) -> Option<Cow<'_, str>> {
        find(&self.system, name)?.map(Cow::Borrowed)
    }

    fn property(&self, name: &str) -> Option<Cow<'_, str>> {
        find(&self.properties, name)?.map(Cow::Borrowed)
    }

    fn body(&self) -> Option<&Json> {
        match self.body_hidden_because() {
            None => self.body.as_ref(),
            Some(_) => None,
        }
    }

    fn twin(&self) -> Option<&Json> {
        self.twin.as_ref()
    }

    fn source(&self) -> MessageSource<'_> {
        let text = |name| find(&self.system, name).flatten();
        MessageSource::derive(
            text("messageType"),
            text("connectionModuleId"),
            text("outputName"),
        )
    }

    fn is_null_property(&self, name: &str) -> bool {
        find(&self.properties, name) == Some(None)
    }

    fn is_null_system(&self, name: &str) -> bool {
        find(&self.system, name) == Some(None)
    }
}

fn properties(
    fields: &mut Map<String, Json>,
    key: &'static str,
) -> Result<Vec<(String, Option<String>)>, SampleError> {
    let properties = match fields.remove(key) {
        None | Some(Json::Null) => return Ok(Vec::new()),
        Some(Json::Object(properties)) => properties,
        Some(_) => return Err(SampleError::NotProperties(key)),
    };
    properties
        .into_iter()
        .map(|(name, value)| match value {
            Json::Null => Ok((name, None)),
            Json::String(text) => Ok((name, Some(text))),
            Json::Bool(_) | Json::Number(_) => Ok((name, Some(value.to_string()))),
            Json::Array(_) | Json::Object(_) => Err(SampleError::NotAText(name)),
        })
        .collect()
}

fn find<'a>(properties: &'a [(String, Option<String>)], name: &str) -> Option<Option<&'a str>> {
    let (_, value) = properties
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(value.as_deref())
}
