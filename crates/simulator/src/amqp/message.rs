//! Messages: the sections of part 3 of the specification.

use bytes::{Bytes, BytesMut};

use super::encoding;
use super::value::{DecodeError, Value};

pub(crate) const HEADER: u8 = 0x70;
pub(crate) const DELIVERY_ANNOTATIONS: u8 = 0x71;
pub(crate) const MESSAGE_ANNOTATIONS: u8 = 0x72;
pub(crate) const PROPERTIES: u8 = 0x73;
pub(crate) const APPLICATION_PROPERTIES: u8 = 0x74;
pub(crate) const DATA: u8 = 0x75;
const SEQUENCE: u8 = 0x76;
pub(crate) const VALUE: u8 = 0x77;
const FOOTER: u8 = 0x78;
/// The format of a delivery that holds several messages (Service Bus and Event Hubs' own).
const BATCH: u32 = 0x8001_3700;

/// A message from a client.
#[derive(Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) annotations: Value,
    properties: Vec<Value>,
    pub(crate) application_properties: Value,
    pub(crate) body: Body,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Body {
    Data(Bytes),
    Value(Value),
}

/// A field of a message's properties, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Property {
    MessageId = 0,
    UserId = 1,
    To = 2,
    ReplyTo = 4,
    CorrelationId = 5,
    ContentType = 6,
    ContentEncoding = 7,
    AbsoluteExpiryTime = 8,
    CreationTime = 9,
}

/// How many fields properties have up to the last one named here.
const PROPERTY_FIELDS: usize = Property::CreationTime as usize + 1;

impl Message {
    /// Reads one message.
    ///
    /// # Errors
    /// When the bytes are not sections of a message.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (mut message, mut data) = Self::decode_sections(bytes)?;
        match data.len() {
            0 => {}
            1 => message.body = Body::Data(data.remove(0)),
            _ => message.body = Body::Data(data.concat().into()),
        }
        Ok(message)
    }

    /// Reads what came in one delivery: of a batch, each of its data is a message.
    ///
    /// # Errors
    /// When one of them is none, or there is none.
    pub(crate) fn decode_all(bytes: &[u8], format: u32) -> Result<Vec<Self>, DecodeError> {
        if format != BATCH {
            return Ok(vec![Self::decode(bytes)?]);
        }
        let (_, data) = Self::decode_sections(bytes)?;
        if data.is_empty() {
            return Err(DecodeError::Field("data"));
        }
        data.iter().map(|bytes| Self::decode(bytes)).collect()
    }

    fn decode_sections(bytes: &[u8]) -> Result<(Self, Vec<Bytes>), DecodeError> {
        let mut message = Self {
            annotations: Value::Null,
            properties: Vec::new(),
            application_properties: Value::Null,
            body: Body::Data(Bytes::new()),
        };
        let mut input = bytes;
        let mut data = Vec::new();
        while !input.is_empty() {
            let Value::Described(descriptor, value) = Value::decode(&mut input)? else {
                return Err(DecodeError::Field("section"));
            };
            let code = descriptor
                .as_unsigned()
                .and_then(|code| code.try_into().ok());
            match (code, *value) {
                (Some(MESSAGE_ANNOTATIONS), map @ Value::Map(_)) => message.annotations = map,
                (Some(PROPERTIES), Value::List(fields)) => message.properties = fields,
                (Some(APPLICATION_PROPERTIES), map @ Value::Map(_)) => {
                    message.application_properties = map;
                }
                (Some(DATA), Value::Binary(bytes)) => data.push(bytes),
                (Some(VALUE), value) => message.body = Body::Value(value),
                (Some(HEADER | DELIVERY_ANNOTATIONS | MESSAGE_ANNOTATIONS | FOOTER), _)
                | (Some(SEQUENCE), Value::List(_)) => {}
                _ => return Err(DecodeError::Field("section")),
            }
        }
        Ok((message, data))
    }

    pub(crate) fn property(&self, property: Property) -> &Value {
        self.properties
            .get(property as usize)
            .unwrap_or(&Value::Null)
    }

    /// An annotation that is a text.
    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name)?.as_text()
    }

    /// An application property that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.application_properties.get(name)?.as_text()
    }
}

/// Writes a section of properties.
pub(crate) fn properties(out: &mut BytesMut, given: impl IntoIterator<Item = (Property, Value)>) {
    let mut fields = vec![Value::Null; PROPERTY_FIELDS];
    for (property, value) in given {
        fields[property as usize] = value;
    }
    encoding::composite(out, PROPERTIES, &fields);
}

/// Writes a section that is a map.
pub(crate) fn map_section(
    out: &mut BytesMut,
    code: u8,
    pairs: impl FnOnce(&mut BytesMut) -> usize,
) {
    encoding::descriptor(out, code);
    encoding::map(out, pairs);
}

/// Writes a body of bytes.
pub(crate) fn data(out: &mut BytesMut, body: &[u8]) {
    encoding::descriptor(out, DATA);
    encoding::binary(out, body);
}

/// An answer to a request: a status as application properties under the names that `dialect` has for them, and a body.
pub(crate) fn answer(
    request: &Message,
    status: &Status,
    [code, text]: [&str; 2],
    body: &Value,
) -> Bytes {
    let mut out = BytesMut::new();
    let id = request.property(Property::MessageId).clone();
    properties(&mut out, [(Property::CorrelationId, id)]);
    map_section(&mut out, APPLICATION_PROPERTIES, |out| {
        encoding::string(out, code);
        encoding::value(out, &Value::Int(status.code));
        encoding::string(out, text);
        encoding::string(out, &status.description);
        2
    });
    encoding::descriptor(&mut out, VALUE);
    encoding::value(&mut out, body);
    out.freeze()
}

/// How a request ended, in HTTP's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) code: i32,
    pub(crate) description: String,
}

impl Status {
    pub(crate) fn new(code: i32, description: impl Into<String>) -> Self {
        Self {
            code,
            description: description.into(),
        }
    }
}
