//! JSON in which every part knows where it stands.

use std::ops::Range;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::{Map, Value as Json};

/// A JSON value and its place, in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) kind: NodeKind,
}

#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    String(String),
    Array(Vec<Node>),
    Object(Vec<Field>),
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) name_span: Range<usize>,
    pub(crate) value: Node,
}

/// Why a text is no JSON, and where.
#[derive(Debug)]
pub(crate) struct NotJson {
    pub(crate) offset: usize,
    pub(crate) message: String,
}

/// Parses JSON as the Edge tools do: without comments, trailing commas or anything else the standard does not have.
pub(crate) fn parse(text: &str) -> Result<Node, NotJson> {
    let strict = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
    };
    let parsed =
        parse_to_ast(text, &CollectOptions::default(), &strict).map_err(|error| NotJson {
            offset: error.range().start,
            message: error.kind().to_string(),
        })?;
    match parsed.value {
        Some(value) => Ok(Node::from(value)),
        None => Err(NotJson {
            offset: text.len(),
            message: "There is nothing in it".to_owned(),
        }),
    }
}

impl Node {
    pub(crate) fn fields(&self) -> Option<&[Field]> {
        match &self.kind {
            NodeKind::Object(fields) => Some(fields),
            _ => None,
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let field = self.fields()?.iter().find(|field| field.name == name)?;
        Some(&field.value)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::String(text) => Some(text),
            _ => None,
        }
    }

    /// An integer, however it is written.
    pub(crate) fn as_integer(&self) -> Option<i64> {
        match &self.kind {
            NodeKind::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// What to call it in a message.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self.kind {
            NodeKind::Null => "null",
            NodeKind::Bool(_) => "a bool",
            NodeKind::Number(_) => "a number",
            NodeKind::String(_) => "a string",
            NodeKind::Array(_) => "a list",
            NodeKind::Object(_) => "an object",
        }
    }

    /// Sets the value at a path, making the objects on the way.
    pub(crate) fn set(&mut self, path: &[&str], value: Field) {
        let fields = match &mut self.kind {
            NodeKind::Object(fields) => fields,
            other => {
                *other = NodeKind::Object(Vec::new());
                return self.set(path, value);
            }
        };
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        let known = fields.iter().position(|field| field.name == *first);
        if rest.is_empty() {
            let field = Field {
                name: (*first).to_owned(),
                ..value
            };
            match known {
                Some(index) => fields[index] = field,
                None => fields.push(field),
            }
            return;
        }
        let index = known.unwrap_or_else(|| {
            fields.push(Field {
                name: (*first).to_owned(),
                name_span: value.name_span.clone(),
                value: Self {
                    span: value.value.span.clone(),
                    kind: NodeKind::Object(Vec::new()),
                },
            });
            fields.len() - 1
        });
        fields[index].value.set(rest, value);
    }

    pub(crate) fn to_json(&self) -> Json {
        match &self.kind {
            NodeKind::Null => Json::Null,
            NodeKind::Bool(value) => Json::Bool(*value),
            NodeKind::Number(text) => text.parse().map_or(Json::Null, Json::Number),
            NodeKind::String(text) => Json::String(text.clone()),
            NodeKind::Array(items) => items.iter().map(Self::to_json).collect(),
            NodeKind::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|field| (field.name.clone(), field.value.to_json()));
                Json::Object(fields.collect::<Map<_, _>>())
            }
        }
    }
}

impl From<ast::Value<'_>> for Node {
    fn from(value: ast::Value<'_>) -> Self {
        let range = value.range();
        let kind = match value {
            ast::Value::NullKeyword(_) => NodeKind::Null,
            ast::Value::BooleanLit(literal) => NodeKind::Bool(literal.value),
            ast::Value::NumberLit(literal) => NodeKind::Number(literal.value.to_owned()),
            ast::Value::StringLit(literal) => NodeKind::String(literal.value.into_owned()),
            ast::Value::Array(array) => {
                NodeKind::Array(array.elements.into_iter().map(Self::from).collect())
            }
            ast::Value::Object(object) => {
                NodeKind::Object(object.properties.into_iter().map(Field::from).collect())
            }
        };
        Self {
            span: range.start..range.end,
            kind,
        }
    }
}

impl From<ast::ObjectProp<'_>> for Field {
    fn from(property: ast::ObjectProp<'_>) -> Self {
        let range = property.name.range();
        Self {
            name: property.name.into_string(),
            name_span: range.start..range.end,
            value: Node::from(property.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_the_tools_refuse() {
        let cases = [
            ("{\"a\": 1,}", 7),
            ("{\"a\": 1 // no\n}", 8),
            ("{'a': 1}", 1),
            ("{a: 1}", 1),
            ("{\"a\" 1}", 5),
            ("{\"a\": 1 \"b\": 2}", 7),
            ("{\"a\": [1, 2}", 11),
            ("{} {}", 3),
            ("", 0),
        ];
        for (text, offset) in cases {
            let error = parse(text).expect_err(text);
            assert_eq!(error.offset, offset, "{text}: {}", error.message);
        }
    }

    #[test]
    fn a_value_is_set_at_a_path() {
        let mut node = parse(r#"{"a": {"b": 1}}"#).expect("it is JSON");
        let field = |text| Field {
            name: String::new(),
            name_span: 0..0,
            value: parse(text).expect("it is JSON"),
        };
        node.set(&["a", "c", "d"], field("2"));
        node.set(&["a", "b"], field("[3]"));
        node.set(&["e"], field("{\"f\": null}"));
        let expected = serde_json::json!({"a": {"b": [3], "c": {"d": 2}}, "e": {"f": null}});
        assert_eq!(node.to_json(), expected);
    }
}
