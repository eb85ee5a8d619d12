//! Paths into a message's JSON body.
//!
//! edgeHub looks at a path twice, with two grammars. When a route is compiled, its own grammar must accept the
//! beginning of the path: names and single indexes. When a message comes, Newtonsoft's JPath evaluates all of it. So
//! `a[0][1]` and `a.*` work, though no documentation says so, and `a[0]b` compiles and never gives anything.

use serde_json::{Map, Value as Json};

use super::date::reads_as_date;
use super::value::Value;

/// A path that compiles.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BodyPath {
    /// None when the path is one that JPath cannot evaluate: it is undefined for every message.
    steps: Option<Vec<Step>>,
    /// Whether names are found in whatever case, as IoT Hub finds them in twins.
    any_case: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    AnyField,
    Index(usize),
    AnyIndex,
}

/// What a path leads to.
enum Found<'a> {
    Nothing,
    One(&'a Json),
    Several,
}

impl BodyPath {
    /// Parses a path without the `$body.` in front. The error says what does not fit.
    pub(super) fn parse(path: &str) -> Result<Self, &'static str> {
        check(path)?;
        Ok(Self {
            steps: steps(path),
            any_case: false,
        })
    }

    /// The same path, whatever the case of the names it leads through.
    pub(super) fn in_any_case(self) -> Self {
        Self {
            any_case: true,
            ..self
        }
    }

    /// What `$body.path` is worth. A path that leads nowhere is null; an object, a list, a date and a body that is no
    /// JSON object are undefined.
    pub(super) fn get<'a>(&self, body: Option<&'a Json>) -> Value<'a> {
        match self.find(body) {
            None | Some(Found::Several) => Value::Undefined,
            Some(Found::Nothing) => Value::Missing,
            Some(Found::One(json)) => match json {
                Json::Null => Value::Null,
                Json::Bool(value) => Value::Bool(*value),
                Json::Number(value) => value.as_f64().map_or(Value::Undefined, Value::Number),
                Json::String(value) if reads_as_date(value) => Value::Undefined,
                Json::String(value) => Value::string(value.as_str()),
                Json::Array(_) | Json::Object(_) => Value::Undefined,
            },
        }
    }

    /// What `twin_change_includes(path)` is worth.
    pub(super) fn is_there(&self, body: Option<&Json>) -> Option<bool> {
        self.find(body)
            .map(|found| !matches!(found, Found::Nothing))
    }

    fn find<'a>(&self, body: Option<&'a Json>) -> Option<Found<'a>> {
        let steps = self.steps.as_ref()?;
        let body = body.filter(|body| body.is_object())?;
        Some(self.select(body, steps))
    }

    fn select<'a>(&self, json: &'a Json, steps: &[Step]) -> Found<'a> {
        let Some((step, rest)) = steps.split_first() else {
            return Found::One(json);
        };
        match (step, json) {
            (Step::Field(name), Json::Object(fields)) => {
                let field = if self.any_case {
                    in_any_case(fields, name)
                } else {
                    fields.get(name)
                };
                field.map_or(Found::Nothing, |json| self.select(json, rest))
            }
            (Step::Index(index), Json::Array(items)) => items
                .get(*index)
                .map_or(Found::Nothing, |json| self.select(json, rest)),
            (Step::AnyField, Json::Object(fields)) => self.select_all(fields.values(), rest),
            (Step::AnyIndex, Json::Array(items)) => self.select_all(items.iter(), rest),
            _ => Found::Nothing,
        }
    }

    fn select_all<'a>(&self, items: impl Iterator<Item = &'a Json>, rest: &[Step]) -> Found<'a> {
        let mut all = Found::Nothing;
        for item in items {
            all = match (all, self.select(item, rest)) {
                (all, Found::Nothing) => all,
                (Found::Nothing, found) => found,
                _ => return Found::Several,
            };
        }
        all
    }
}

/// A field by its name, else by its name in another case.
fn in_any_case<'a>(fields: &'a Map<String, Json>, name: &str) -> Option<&'a Json> {
    fields.get(name).or_else(|| {
        let mut fields = fields.iter();
        fields
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, json)| json)
    })
}

/// edgeHub's grammar: `name` or `name[7]`, joined by dots. It does not look past the first token that cannot go on.
fn check(path: &str) -> Result<(), &'static str> {
    let mut tokens = PathTokens { rest: path }.peekable();
    loop {
        match tokens.next() {
            Some(PathToken::Name) => {}
            Some(PathToken::Index) => {
                return Err("a name cannot be all digits; an index stands in brackets: `list[0]`");
            }
            Some(_) => return Err("a name is missing"),
            None => return Err("the path ends too early"),
        }
        if tokens.next_if_eq(&PathToken::Open).is_some()
            && (tokens.next() != Some(PathToken::Index) || tokens.next() != Some(PathToken::Close))
        {
            return Err("brackets hold one index, counted from zero: `list[0]`");
        }
        if tokens.next_if_eq(&PathToken::Dot).is_none() {
            return Ok(());
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PathToken {
    Name,
    Index,
    Open,
    Close,
    Dot,
}

struct PathTokens<'a> {
    rest: &'a str,
}

impl Iterator for PathTokens<'_> {
    type Item = PathToken;

    fn next(&mut self) -> Option<PathToken> {
        loop {
            let first = self.rest.chars().next()?;
            let token = match first {
                '.' => Some(PathToken::Dot),
                '[' => Some(PathToken::Open),
                ']' => Some(PathToken::Close),
                _ => None,
            };
            let word = self
                .rest
                .find(|char| !is_name_char(char))
                .unwrap_or(self.rest.len());
            if token.is_some() || word == 0 {
                // A character that fits nowhere is passed over, as the generated lexer does.
                self.rest = &self.rest[first.len_utf8()..];
                if token.is_some() {
                    return token;
                }
                continue;
            }
            let (name, rest) = self.rest.split_at(word);
            self.rest = rest;
            let is_index = name.bytes().all(|byte| byte.is_ascii_digit());
            return Some(if is_index {
                PathToken::Index
            } else {
                PathToken::Name
            });
        }
    }
}

fn is_name_char(char: char) -> bool {
    !matches!(
        char,
        '(' | ')'
            | '<'
            | '>'
            | '@'
            | ','
            | ';'
            | ':'
            | '\\'
            | '"'
            | '/'
            | '['
            | ']'
            | '?'
            | '='
            | '{'
            | '}'
            | '.'
    ) && !matches!(char, '\t' | '\r' | '\n')
}

/// JPath's reading of the whole path. Recursive descent (`..`), which edgeHub's own grammar lets through only behind
/// two indexes, is not evaluated.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = match path.strip_prefix('$') {
        Some("") => return Some(steps),
        Some(after) if after.starts_with(['.', '[']) => after,
        _ => path,
    };
    let mut after_index = false;
    while let Some(first) = rest.chars().next() {
        match first {
            '[' => {
                let close = rest.find(']')?;
                steps.push(index(&rest[1..close])?);
                rest = &rest[close + 1..];
                after_index = true;
            }
            '.' => {
                rest = &rest[1..];
                if rest.is_empty() || rest.starts_with('.') {
                    return None;
                }
                after_index = false;
            }
            ']' => return None,
            _ if after_index => return None,
            _ => {
                let end = rest.find(['.', '[', ']']).unwrap_or(rest.len());
                let name = &rest[..end];
                steps.push(if name == "*" {
                    Step::AnyField
                } else {
                    Step::Field(name.to_owned())
                });
                rest = &rest[end..];
            }
        }
    }
    Some(steps)
}

fn index(inside: &str) -> Option<Step> {
    if inside == "*" {
        return Some(Step::AnyIndex);
    }
    if let Some(quoted) = inside.strip_prefix('\'') {
        let name = quoted.strip_suffix('\'')?;
        return Some(Step::Field(name.to_owned()));
    }
    // JPath's index is a 32-bit number.
    inside
        .parse::<i32>()
        .ok()
        .and_then(|index| usize::try_from(index).ok())
        .map(Step::Index)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_grammar_takes_names_and_single_indexes() {
        for path in [
            "a",
            "a.b",
            "a[0].b[12].c",
            "123abc",
            "a-b.c_d",
            "a[0][1]",
            "a[0]b",
            "a.*",
            "größe",
            "$.a",
        ] {
            assert!(BodyPath::parse(path).is_ok(), "{path}");
        }
        for path in [
            "", "a.", "a..b", ".a", "a[", "a[]", "a['x']", "a[*]", "a[1:2]", "123", "a.0", "[0]",
            "a[-1]",
        ] {
            assert!(BodyPath::parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_path_leads_to_a_scalar_or_to_nothing() {
        let body = json!({
            "a": {"b": 1.5, "list": [10, {"c": "x"}, [true]], "one": {"only": 7}},
            "null": null, "since": "2026-03-01T10:00:00Z", "$": {"d": 1}
        });
        let cases = [
            ("a.b", Value::Number(1.5)),
            ("a.list[0]", Value::Number(10.0)),
            ("a.list[1].c", Value::string("x")),
            ("a.list[2][0]", Value::Bool(true)),
            ("a.one.*", Value::Number(7.0)),
            ("a.*", Value::Undefined),
            ("a.list[9]", Value::Missing),
            ("a.B", Value::Missing),
            ("a.b.c", Value::Missing),
            ("a.list.c", Value::Missing),
            ("b.*", Value::Missing),
            ("null", Value::Null),
            ("a", Value::Undefined),
            ("a.list", Value::Undefined),
            ("a.list[0]b", Value::Undefined),
            ("since", Value::Undefined),
            ("$.a.b", Value::Number(1.5)),
            ("$", Value::Undefined),
            ("a.list[99999999999]", Value::Undefined),
        ];
        for (path, expected) in cases {
            let path = BodyPath::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(path.get(Some(&body)), expected, "{path:?}");
            assert_eq!(path.get(None), Value::Undefined);
            assert_eq!(path.get(Some(&json!([1]))), Value::Undefined);
        }
    }
}
