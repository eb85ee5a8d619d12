//! Forms from a module's DTDL interface: its settings and its methods.

use bay::model::Model;
use serde_json::Value;

/// A writable property, as a row of a form.
#[derive(Debug, PartialEq)]
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) description: String,
    pub(super) kind: Kind,
}

/// A command, as a form of its own.
#[derive(Debug, PartialEq)]
pub(super) struct Method {
    pub(super) name: String,
    pub(super) description: String,
    /// Of the request; a field left empty is left out.
    pub(super) fields: Vec<Field>,
}

/// A field of a command's request.
#[derive(Debug, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// How a value is typed in.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Boolean,
    Integer,
    Double,
    Text,
    DateTime,
    Words(Vec<String>),
    /// Objects, and whatever this page has no better field for.
    Json,
}

impl Kind {
    fn of(schema: &Value) -> Self {
        match (schema.as_str(), schema["@type"].as_str()) {
            (Some("boolean"), _) => Self::Boolean,
            (Some("integer" | "long"), _) => Self::Integer,
            (Some("double" | "float"), _) => Self::Double,
            (Some("string"), _) => Self::Text,
            (Some("dateTime"), _) => Self::DateTime,
            (None, Some("Enum")) => {
                let values = schema["enumValues"].as_array().into_iter().flatten();
                let words: Vec<_> = values
                    .filter_map(|value| value["enumValue"].as_str())
                    .collect();
                Self::Words(words.into_iter().map(str::to_owned).collect())
            }
            _ => Self::Json,
        }
    }

    /// What the page's scripts turn the typed text by.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer | Self::Double => "number",
            Self::Text | Self::DateTime | Self::Words(_) => "text",
            Self::Json => "json",
        }
    }

    /// What an empty field shows.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Boolean => "true or false",
            Self::Integer => "whole number",
            Self::Double => "number",
            Self::Text | Self::Words(_) => "",
            Self::DateTime => "2030-01-31T12:00:00Z",
            Self::Json => "JSON",
        }
    }
}

/// The writable properties and the commands of an interface. What it lacks of DTDL shows as less to click on, not as
/// an error: any twin can be patched and any method invoked without a form.
pub(super) fn of(model: &Model) -> (Vec<Setting>, Vec<Method>) {
    let interface: Value = serde_json::from_str(model.text).unwrap_or_default();
    let contents = || interface["contents"].as_array().into_iter().flatten();
    let settings =
        contents().filter(|content| is(content, "Property") && content["writable"] == true);
    let methods = contents().filter(|content| is(content, "Command"));
    (
        settings.map(setting).collect(),
        methods.map(method).collect(),
    )
}

/// A semantic type makes `@type` a list.
fn is(content: &Value, wanted: &str) -> bool {
    let kind = &content["@type"];
    kind == wanted
        || kind
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(|kind| kind == wanted))
}

fn setting(content: &Value) -> Setting {
    let name = text(content, "name");
    let label = text(content, "displayName");
    Setting {
        label: if label.is_empty() {
            name.clone()
        } else {
            label
        },
        name,
        description: text(content, "description"),
        kind: Kind::of(&content["schema"]),
    }
}

fn method(content: &Value) -> Method {
    let fields = content["request"]["schema"]["fields"]
        .as_array()
        .into_iter()
        .flatten();
    let field = |field: &Value| Field {
        name: text(field, "name"),
        kind: Kind::of(&field["schema"]),
    };
    Method {
        name: text(content, "name"),
        description: text(content, "description"),
        fields: fields.map(field).collect(),
    }
}

fn text(content: &Value, key: &str) -> String {
    content[key].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use bay::model::{BATTERY, HC_SR04, LIGHT};

    use super::*;

    #[test]
    fn every_writable_property_and_command_gets_its_form() {
        for model in [HC_SR04, LIGHT, BATTERY] {
            let interface = model.interface().expect("our own interface");
            let (settings, methods) = of(&model);
            let names = |contents: &[bay::model::Content]| -> Vec<String> {
                contents
                    .iter()
                    .map(|content| content.name.clone())
                    .collect()
            };
            let settings: Vec<String> = settings.into_iter().map(|setting| setting.name).collect();
            assert_eq!(settings, names(&interface.writable), "{}", model.id);
            let methods: Vec<String> = methods.into_iter().map(|method| method.name).collect();
            assert_eq!(methods, interface.commands, "{}", model.id);
        }
    }

    #[test]
    fn fields_are_typed() {
        let (settings, methods) = of(&LIGHT);
        let pattern = settings
            .iter()
            .find(|setting| setting.name == "freePattern")
            .expect("it is writable");
        assert!(
            matches!(&pattern.kind, Kind::Words(words) if words.iter().any(|word| word == "steady"))
        );
        let book = methods
            .iter()
            .find(|method| method.name == "book")
            .expect("a method");
        let kinds: Vec<(&str, &Kind)> = book
            .fields
            .iter()
            .map(|field| (field.name.as_str(), &field.kind))
            .collect();
        assert_eq!(
            kinds,
            [("bookingId", &Kind::Text), ("until", &Kind::DateTime)]
        );
    }

    #[test]
    fn a_foreign_interface_gives_what_it_can() {
        let model = Model {
            id: "dtmi:x;1",
            text: r#"{"contents":[{"@type":"Property","name":"p","writable":true,"schema":{"@type":"Map"}},
                      {"@type":["Property","X"],"name":"q","writable":true,"schema":"float"},{"@type":"Relationship"}]}"#,
        };
        let (settings, methods) = of(&model);
        assert_eq!(
            (settings[0].label.as_str(), &settings[0].kind),
            ("p", &Kind::Json)
        );
        assert_eq!(settings[1].kind, Kind::Double);
        assert!(methods.is_empty());
        assert_eq!(
            of(&Model {
                id: "",
                text: "no JSON"
            }),
            (vec![], vec![])
        );
    }
}
