//! What no twin can hold, so that the hub would refuse the whole deployment.
//!
//! Limits of desired properties: keys without `.`, `$`, space and control characters, strings of up to 4 KiB, ten
//! levels.

use super::read::Section;
use super::reader::Reader;
use crate::create_options;
use crate::node::{Node, NodeKind};

const MAX_STRING_BYTES: usize = 4096;
const MAX_DEPTH: usize = 10;

pub(super) fn check(reader: &mut Reader<'_>, section: &Section) {
    node(reader, &section.desired, 1);
}

fn node(reader: &mut Reader<'_>, at: &Node, depth: usize) {
    match &at.kind {
        NodeKind::String(text) if text.len() > MAX_STRING_BYTES => {
            let message = format!(
                "the string has {} bytes, and a twin holds {MAX_STRING_BYTES}",
                text.len()
            );
            reader.error(&at.span, message, "");
        }
        NodeKind::Object(fields) if depth > MAX_DEPTH && !fields.is_empty() => {
            let message =
                format!("the object is nested deeper than the {MAX_DEPTH} levels a twin holds");
            reader.error(&at.span, message, "");
        }
        NodeKind::Object(fields) => {
            for field in fields {
                // In a template the create options are an object that becomes a string.
                if create_options::is_piece(&field.name) && field.value.fields().is_some() {
                    continue;
                }
                if field.name.contains(['.', '$', ' ']) || field.name.contains(char::is_control) {
                    let message = format!("a twin holds no key like `{}`", field.name);
                    reader.error(
                        &field.name_span,
                        message,
                        "leave out dots, dollar signs and spaces",
                    );
                }
                node(reader, &field.value, depth + 1);
            }
        }
        NodeKind::Array(items) => {
            for item in items {
                node(reader, item, depth + 1);
            }
        }
        _ => {}
    }
}
