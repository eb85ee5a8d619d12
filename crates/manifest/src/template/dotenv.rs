//! `.env` files.

/// The variables of a `.env` file: `NAME=value` a line, optionally after `export`; values may stand in quotes; `#`
/// starts a comment, at the start of a line or after white space behind an unquoted value. Lines of another shape are
/// passed over, as the Edge tools do.
pub fn parse(text: &str) -> Vec<(String, String)> {
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let is_name = !name.is_empty()
        && name
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || char == '_');
    is_name.then(|| (name.to_owned(), unquoted(value.trim())))
}

fn unquoted(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some((inside, _)) = value
            .strip_prefix(quote)
            .and_then(|rest| rest.split_once(quote))
        {
            return inside.to_owned();
        }
    }
    if value.starts_with('#') {
        return String::new();
    }
    let end = value
        .find(" #")
        .or_else(|| value.find("\t#"))
        .unwrap_or(value.len());
    value[..end].trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_as_the_edge_tools_read_them() {
        let text = "# registry\nCONTAINER_REGISTRY_SERVER=example.azurecr.io\n\nexport A = b # c\nB=\"x # y\" # z\nC='it''s'\nD=\nE=a=b#c\nF=#\nno line\nbad name=1\n=2\n";
        let expected = [
            ("CONTAINER_REGISTRY_SERVER", "example.azurecr.io"),
            ("A", "b"),
            ("B", "x # y"),
            ("C", "it"),
            ("D", ""),
            ("E", "a=b#c"),
            ("F", ""),
        ];
        let given = parse(text);
        let given: Vec<(&str, &str)> = given
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(given, expected);
    }
}
