//! Where in a JSON text something stands.

use crate::node::{self, Node, NodeKind};
use crate::position::Position;

/// The place of the value that a JSON pointer (RFC 6901) leads to, or of the innermost value on the way that there is.
/// The start of a text that is no JSON.
pub fn position_of(text: &str, pointer: &str) -> Position {
    let Ok(root) = node::parse(text) else {
        return Position::START;
    };
    let mut found = &root;
    for name in pointer.split('/').skip(1) {
        let name = name.replace("~1", "/").replace("~0", "~");
        match below(found, &name) {
            Some(next) => found = next,
            None => break,
        }
    }
    Position::of(text, found.span.start)
}

fn below<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    match &node.kind {
        NodeKind::Object(_) => node.get(name),
        NodeKind::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_to_a_line_and_a_column() {
        let text = "{\n  \"a\": [1, {\"b/c\": true}],\n  \"d\": {}\n}";
        for (pointer, line, column) in [
            ("", 1, 1),
            ("/a", 2, 8),
            ("/a/1/b~1c", 2, 20),
            ("/d/missing", 3, 8),
            ("/a/7", 2, 8),
        ] {
            assert_eq!(
                position_of(text, pointer),
                Position { line, column },
                "{pointer}"
            );
        }
        assert_eq!(position_of("{", "/a"), Position::START);
    }
}
