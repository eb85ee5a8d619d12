//! What a route looks at in a message.

use std::borrow::Cow;

use serde_json::Value as Json;

/// A message as routes see it. Names are looked up without regard to case.
pub trait RoutedMessage {
    /// A system property by edgeHub's name for it (`contentType`, `connectionModuleId`), without the dollar sign.
    fn system(&self, name: &str) -> Option<Cow<'_, str>>;

    /// An application property.
    fn property(&self, name: &str) -> Option<Cow<'_, str>>;

    /// The body, when the content type is `application/json`, the content encoding `utf-8`, `utf-16` or `utf-32`, and
    /// the text JSON. Asked for only by conditions that look at the body, so it may be parsed then; every condition
    /// asks again, so it should be parsed once.
    fn body(&self) -> Option<&Json>;

    /// The sender's twin as `{"tags":…,"properties":{"desired":…,"reported":…}}`, where it is known: only the hub's own
    /// routes ask for it.
    fn twin(&self) -> Option<&Json> {
        None
    }

    /// Who sent it.
    fn source(&self) -> MessageSource<'_>;

    /// Whether an application property is there and has no value, not even an empty one. Asked when
    /// [`RoutedMessage::property`] gave none.
    fn is_null_property(&self, _name: &str) -> bool {
        false
    }

    /// The same for a system property.
    fn is_null_system(&self, _name: &str) -> bool {
        false
    }
}

/// Who sent a message, as edgeHub derives it from the message's system properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageSource<'a> {
    /// A leaf device: `/messages/`.
    Device,
    /// A module: `/messages/modules/NAME/`, or `/messages/modules/NAME/outputs/OUTPUT/`.
    Module {
        /// The module's id, from `connectionModuleId`.
        module: &'a str,
        /// The output it was sent to, from `outputName`.
        output: Option<&'a str>,
    },
    /// Not a message but the notice that a module or leaf device reported properties: `/twinChangeNotifications/`.
    TwinChange,
}

/// Reads a body the way edgeHub's conditions do: the content type must be `application/json` and nothing more (not even a
/// charset), the encoding `utf-8`, `utf-16` or `utf-32` (little-endian), and the text JSON. Bytes that are no text in
/// that encoding become U+FFFD.
pub fn read_body(
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    bytes: &[u8],
) -> Option<Json> {
    if !content_type?.eq_ignore_ascii_case("application/json") {
        return None;
    }
    match content_encoding?.to_ascii_lowercase().as_str() {
        "utf-8" => match serde_json::from_slice(bytes) {
            Ok(json) => Some(json),
            Err(_) => serde_json::from_str(&String::from_utf8_lossy(bytes)).ok(),
        },
        "utf-16" => {
            let units = bytes
                .chunks_exact(2)
                .map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
            let text: String = char::decode_utf16(units)
                .map(|char| char.unwrap_or('\u{FFFD}'))
                .collect();
            serde_json::from_str(&text).ok()
        }
        "utf-32" => {
            let points = bytes
                .chunks_exact(4)
                .map(|point| u32::from_le_bytes([point[0], point[1], point[2], point[3]]));
            let text: String = points
                .map(|point| char::from_u32(point).unwrap_or('\u{FFFD}'))
                .collect();
            serde_json::from_str(&text).ok()
        }
        _ => None,
    }
}

impl<'a> MessageSource<'a> {
    /// Derives the source the way edgeHub does: by `messageType`, then `connectionModuleId`, then `outputName`.
    pub fn derive(
        message_type: Option<&str>,
        module: Option<&'a str>,
        output: Option<&'a str>,
    ) -> Self {
        let is_twin_change =
            message_type.is_some_and(|name| name.eq_ignore_ascii_case("twinChangeNotification"));
        match module {
            _ if is_twin_change => Self::TwinChange,
            Some(module) => Self::Module { module, output },
            None => Self::Device,
        }
    }

    /// The pieces of its path, which always ends with a slash.
    pub(super) fn pieces(self) -> [&'a str; 5] {
        match self {
            Self::Device => ["/messages/", "", "", "", ""],
            Self::Module {
                module,
                output: None,
            } => ["/messages/modules/", module, "/", "", ""],
            Self::Module {
                module,
                output: Some(output),
            } => ["/messages/modules/", module, "/outputs/", output, "/"],
            Self::TwinChange => ["/twinChangeNotifications/", "", "", "", ""],
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_is_read_by_its_type_and_encoding() {
        let text = "{\"a\":\"\u{FC}\"}";
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let utf32: Vec<u8> = text
            .chars()
            .flat_map(|char| u32::from(char).to_le_bytes())
            .collect();
        let json = Some(json!({"a": "\u{FC}"}));
        assert_eq!(
            read_body(Some("Application/JSON"), Some("UTF-8"), text.as_bytes()),
            json
        );
        assert_eq!(
            read_body(Some("application/json"), Some("utf-16"), &utf16),
            json
        );
        assert_eq!(
            read_body(Some("application/json"), Some("utf-32"), &utf32),
            json
        );
        assert_eq!(
            read_body(
                Some("application/json; charset=utf-8"),
                Some("utf-8"),
                text.as_bytes()
            ),
            None
        );
        assert_eq!(
            read_body(Some("application/json"), Some("utf-7"), text.as_bytes()),
            None
        );
        assert_eq!(
            read_body(Some("application/json"), None, text.as_bytes()),
            None
        );
        assert_eq!(read_body(None, Some("utf-8"), text.as_bytes()), None);
        assert_eq!(
            read_body(Some("application/json"), Some("utf-8"), &utf16),
            None
        );
        let broken = [br#"{"a":""#.as_slice(), &[0xFF], br#""}"#.as_slice()].concat();
        let replaced = Some(json!({"a": "\u{FFFD}"}));
        assert_eq!(
            read_body(Some("application/json"), Some("utf-8"), &broken),
            replaced
        );
    }

    #[test]
    fn the_source_follows_from_system_properties() {
        let module = Some("light");
        let output = Some("lamp");
        assert_eq!(
            MessageSource::derive(None, None, None),
            MessageSource::Device
        );
        assert_eq!(
            MessageSource::derive(None, None, output),
            MessageSource::Device
        );
        let named = MessageSource::Module {
            module: "light",
            output,
        };
        assert_eq!(
            MessageSource::derive(Some("Telemetry"), module, output),
            named
        );
        let notice = MessageSource::derive(Some("TwinChangeNotification"), module, output);
        assert_eq!(notice, MessageSource::TwinChange);
    }
}
