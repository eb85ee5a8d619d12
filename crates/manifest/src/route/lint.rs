//! What edgeHub accepts, and does not do what it looks like.

use std::ops::Range;

use super::Finding;
use super::function::{FUNCTIONS, TWIN_CHANGE_INCLUDES};
use super::tree::Node;
use super::value::Type;
use crate::suggest::closest;

/// The system properties an edgeHub message can have.
const SYSTEM_PROPERTIES: [&str; 23] = [
    "messageId",
    "to",
    "cid",
    "correlationId",
    "userId",
    "ack",
    "enqueuedTime",
    "absolute-expiry-time",
    "contentType",
    "contentEncoding",
    "messageSchema",
    "creationTime",
    "operation",
    "messageType",
    "connectionDeviceId",
    "connectionModuleId",
    "inputName",
    "outputName",
    "edgeMessageId",
    "edgeHubOriginInterface",
    "dt-subject",
    "iothub-interface-id",
    "modelId",
];

/// A name that holds an operator or a quote, which the lexer does not split.
pub(super) fn odd_name(name: &str, span: &Range<usize>) -> Option<Finding> {
    let odd = name.starts_with('-')
        || name.contains(['\'', '+', '*', '%', '|', '&', '!'])
        || is_difference(name);
    odd.then(|| {
        let message = format!("edgeHub reads `{name}` as the name of one property");
        Finding::new(span.clone(), message).help("put spaces around operators")
    })
}

/// `3-4`: a number with something taken away, as it looks.
fn is_difference(name: &str) -> bool {
    name.starts_with(|char: char| char.is_ascii_digit()) && name.contains('-')
}

pub(super) fn unknown_system_property(name: &str, span: &Range<usize>) -> Option<Finding> {
    let plain = &name[1..];
    if SYSTEM_PROPERTIES
        .iter()
        .any(|known| known.eq_ignore_ascii_case(plain))
    {
        return None;
    }
    let message = format!("no message has a system property `{plain}`");
    let help = match closest(plain, SYSTEM_PROPERTIES) {
        _ if plain.eq_ignore_ascii_case("body") => {
            "name something in the body: `$body.name`".to_owned()
        }
        Some(known) => format!("did you mean `${known}`?"),
        None => format!("an application property is written without the dollar sign: `{plain}`"),
    };
    Some(Finding::new(span.clone(), message).help(help))
}

pub(super) fn inverted_is_null(span: &Range<usize>) -> Finding {
    let message =
        "edgeHub's is_null is upside down for body values: it is true for everything that is there";
    Finding::new(span.clone(), message).help("write `… = null`")
}

pub(super) fn twin_function_refused(span: &Range<usize>) -> Finding {
    let message = "edgeHub refuses `twin_change_includes` in every deployed route";
    Finding::new(span.clone(), message)
        .help("look at the reported property itself: `$body.name != null`")
}

/// A condition that is worth no bool whatever the message.
pub(super) fn never_true(root: &Node) -> Option<Finding> {
    let what = match root.ty {
        Type::Number | Type::String => "is no truth value",
        Type::Null => "is null",
        Type::Undefined => "is undefined",
        Type::Bool | Type::Value => return None,
    };
    let message = format!("the condition {what}: no message will match");
    Some(
        Finding::new(root.span.clone(), message)
            .help("compare it with something, or ask `is_defined(…)`"),
    )
}

/// What to say about a function that does not exist.
pub(super) fn function_help(name: &str) -> String {
    if name.eq_ignore_ascii_case(TWIN_CHANGE_INCLUDES) {
        return "it belongs to routes FROM /twinChangeNotifications".to_owned();
    }
    match closest(name, FUNCTIONS.iter().map(|function| function.name)) {
        Some(known) => format!("did you mean `{known}`?"),
        None => {
            let names: Vec<&str> = FUNCTIONS.iter().map(|function| function.name).collect();
            format!("there are {}", names.join(", "))
        }
    }
}
