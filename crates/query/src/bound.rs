//! What a condition says about one field, for those who keep an index of it.

use std::collections::BTreeSet;

use crate::expression::{Expression, List, Operator};

impl Expression {
    /// The only values of a field with which the condition can be true, when it names them.
    pub(crate) fn values_of<'q>(&'q self, field: &str) -> Option<BTreeSet<&'q str>> {
        match self {
            Self::All(operands) => operands
                .iter()
                .filter_map(|operand| operand.values_of(field))
                .reduce(|left, right| left.intersection(&right).copied().collect()),
            Self::Any(operands) => operands
                .iter()
                .map(|operand| operand.values_of(field))
                .reduce(|left, right| Some(left?.union(&right?).copied().collect()))?,
            Self::Binary(Operator::Equal, left, right) => match (left.as_ref(), right.as_ref()) {
                (Self::Path(path), Self::String(value))
                | (Self::String(value), Self::Path(path)) => {
                    (path.field() == Some(field)).then(|| BTreeSet::from([value.as_str()]))
                }
                _ => None,
            },
            Self::In(item, List::Written(items)) => match item.as_ref() {
                Self::Path(path) if path.field() == Some(field) => items
                    .iter()
                    .map(|item| match item {
                        Self::String(value) => Some(value.as_str()),
                        _ => None,
                    })
                    .collect(),
                _ => None,
            },
            _ => None,
        }
    }
}
