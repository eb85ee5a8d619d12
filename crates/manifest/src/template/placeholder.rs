//! Finding placeholders in a text.

use std::ops::Range;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Placeholder<'a> {
    /// `$NAME` or `${NAME}`.
    Variable { name: &'a str, in_braces: bool },
    /// `${MODULES.NAME.key}` or `${MODULEDIR<path>.key}`.
    Image {
        directory: String,
        key: Option<&'a str>,
    },
}

/// All placeholders of a text in the order they stand in.
pub(super) fn placeholders(text: &str) -> Vec<(Range<usize>, Placeholder<'_>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(dollar) = text[at..].find('$') {
        let start = at + dollar;
        let rest = &text[start + 1..];
        let (length, placeholder) = match rest.strip_prefix('{') {
            Some(inside) => in_braces(inside).map_or((0, None), |(length, placeholder)| {
                (length + 1, Some(placeholder))
            }),
            None => {
                let length = rest
                    .find(|char: char| !is_name_char(char))
                    .unwrap_or(rest.len());
                let name = &rest[..length];
                let variable = Placeholder::Variable {
                    name,
                    in_braces: false,
                };
                (length, (length > 0).then_some(variable))
            }
        };
        let end = start + 1 + length;
        if let Some(placeholder) = placeholder {
            found.push((start..end, placeholder));
        }
        at = end;
    }
    found
}

/// What stands between braces, and how long it is with the closing one.
fn in_braces(inside: &str) -> Option<(usize, Placeholder<'_>)> {
    let close = inside.find('}')?;
    let content = &inside[..close];
    // A brace that something else opened: no name has these.
    if content.contains(['"', '\n', '{']) {
        return None;
    }
    let placeholder = if let Some(module) = content.strip_prefix("MODULES.") {
        let (name, key) = split_key(module);
        Placeholder::Image {
            directory: format!("modules/{name}"),
            key,
        }
    } else if let Some((path, key)) = module_dir(content) {
        Placeholder::Image {
            directory: path.to_owned(),
            key,
        }
    } else {
        Placeholder::Variable {
            name: content,
            in_braces: true,
        }
    };
    Some((close + 1, placeholder))
}

fn module_dir(content: &str) -> Option<(&str, Option<&str>)> {
    let (path, rest) = content.strip_prefix("MODULEDIR<")?.split_once('>')?;
    Some((
        path.trim_end_matches('/'),
        rest.strip_prefix('.').filter(|key| !key.is_empty()),
    ))
}

fn split_key(module: &str) -> (&str, Option<&str>) {
    match module.split_once('.') {
        Some((name, key)) => (name, Some(key)),
        None => (module, None),
    }
}

fn is_name_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_where_they_stand() {
        let variable = |name, in_braces| Placeholder::Variable { name, in_braces };
        let image = |directory: &str, key| Placeholder::Image {
            directory: directory.to_owned(),
            key,
        };
        let cases = [
            ("a $NAME.b", vec![(2..7, variable("NAME", false))]),
            (
                "${NAME}$x",
                vec![(0..7, variable("NAME", true)), (7..9, variable("x", false))],
            ),
            ("ü${A.B}", vec![(2..8, variable("A.B", true))]),
            (
                "${MODULES.light}",
                vec![(0..16, image("modules/light", None))],
            ),
            (
                "${MODULES.light.debug}",
                vec![(0..22, image("modules/light", Some("debug")))],
            ),
            (
                "${MODULES.a.amd64.debug}",
                vec![(0..24, image("modules/a", Some("amd64.debug")))],
            ),
            (
                "${MODULEDIR<../a/b>.arm64v8}",
                vec![(0..28, image("../a/b", Some("arm64v8")))],
            ),
            ("${MODULEDIR<../a/>}", vec![(0..19, image("../a", None))]),
            ("$ $$ {$a} ${", vec![(6..8, variable("a", false))]),
            ("\"${\" : \"}\"", vec![]),
        ];
        for (text, expected) in cases {
            assert_eq!(placeholders(text), expected, "{text}");
        }
    }
}
