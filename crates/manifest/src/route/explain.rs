//! Why a condition says what it says.

use super::message::RoutedMessage;
use super::tree::{Node, NodeKind};
use crate::position::Position;

/// A part of a condition, what it is worth for a message, and the parts it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The part as it is written.
    pub text: String,
    /// Where it starts.
    pub position: Position,
    /// What it is worth: `true`, `42`, `'free'`, `null`, `undefined`. `null (not there)` is a body path that leads
    /// nowhere.
    pub value: String,
    /// The parts that are not plain literals.
    pub parts: Vec<Self>,
}

impl Explanation {
    pub(super) fn of<M: RoutedMessage + ?Sized>(node: &Node, text: &str, message: &M) -> Self {
        let parts = match &node.kind {
            // What a property hides is of interest only when there is no such property; and then it is this value.
            NodeKind::PropertyOr(..) => Vec::new(),
            _ => node
                .children()
                .into_iter()
                .filter(|child| !matches!(child.kind, NodeKind::Literal(_)))
                .map(|child| Self::of(child, text, message))
                .collect(),
        };
        Self {
            text: text.get(node.span.clone()).unwrap_or_default().to_owned(),
            position: Position::of(text, node.span.start),
            value: node.evaluate(message).to_string(),
            parts,
        }
    }
}
