//! What a condition is worth for a document.

use std::cmp::Ordering;

use serde_json::Value as Json;

use crate::document::Document;
use crate::expression::{Expression, List, Operator};
use crate::value::Value;

impl Expression {
    /// Whether a document fulfils it: whether it is true, and neither false nor undefined nor anything else.
    pub(crate) fn holds<D: Document + ?Sized>(&self, document: &D) -> bool {
        self.truth(document) == Some(true)
    }

    fn truth<D: Document + ?Sized>(&self, document: &D) -> Option<bool> {
        self.evaluate(document).as_bool()
    }

    pub(crate) fn evaluate<'d, D: Document + ?Sized>(&'d self, document: &'d D) -> Value<'d> {
        match self {
            Self::Undefined => Value::Undefined,
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(value) => Value::number(*value),
            Self::String(text) => Value::string(text.as_str()),
            Self::Path(path) => Value::of_found(document.find(path)),
            Self::Not(operand) => operand.truth(document).map(|truth| !truth).into(),
            Self::Negate(operand) => operand
                .evaluate(document)
                .as_number()
                .map_or(Value::Undefined, |number| Value::number(-number)),
            Self::All(operands) => decide(operands, document, false).into(),
            Self::Any(operands) => decide(operands, document, true).into(),
            Self::Binary(operator, left, right) => {
                operator.apply(&left.evaluate(document), &right.evaluate(document))
            }
            Self::In(item, list) => list.contains(&item.evaluate(document), document).into(),
            Self::Call(function, arguments) => {
                let values: Vec<Value<'_>> = arguments
                    .iter()
                    .map(|argument| argument.evaluate(document))
                    .collect();
                function.call(&values)
            }
        }
    }
}

/// AND, which a false decides, and OR, which a true decides, whatever the others are. Undecided, an operand that is no
/// bool makes it undefined.
fn decide<D: Document + ?Sized>(
    operands: &[Expression],
    document: &D,
    decisive: bool,
) -> Option<bool> {
    let mut all_known = true;
    for operand in operands {
        match operand.truth(document) {
            Some(truth) if truth == decisive => return Some(decisive),
            Some(_) => {}
            None => all_known = false,
        }
    }
    all_known.then_some(!decisive)
}

impl Operator {
    fn apply(self, left: &Value<'_>, right: &Value<'_>) -> Value<'static> {
        let arithmetic = |operate: fn(f64, f64) -> f64| match (left, right) {
            (Value::Number(left), Value::Number(right)) => Value::number(operate(*left, *right)),
            _ => Value::Undefined,
        };
        let ordered = |holds: fn(Ordering) -> bool| left.order(right).map(holds).into();
        match self {
            Self::Multiply => arithmetic(|a, b| a * b),
            Self::Divide => arithmetic(|a, b| a / b),
            Self::Modulo => arithmetic(|a, b| a % b),
            Self::Add => arithmetic(|a, b| a + b),
            Self::Subtract => arithmetic(|a, b| a - b),
            Self::Less => ordered(Ordering::is_lt),
            Self::LessEqual => ordered(Ordering::is_le),
            Self::Greater => ordered(Ordering::is_gt),
            Self::GreaterEqual => ordered(Ordering::is_ge),
            Self::Equal => left.equals(right).into(),
            Self::NotEqual => left.equals(right).map(|equal| !equal).into(),
        }
    }
}

impl List {
    /// Whether an item is one of the list. What does not compare with it is not it.
    fn contains<D: Document + ?Sized>(&self, item: &Value<'_>, document: &D) -> Option<bool> {
        if !item.is_primitive() {
            return None;
        }
        let is_item = |other: &Value<'_>| item.equals(other) == Some(true);
        match self {
            Self::Written(items) => {
                Some(items.iter().any(|other| is_item(&other.evaluate(document))))
            }
            Self::Found(path) => match document.find(path)?.as_ref() {
                Json::Array(items) => {
                    Some(items.iter().any(|other| is_item(&Value::of_json(other))))
                }
                _ => None,
            },
        }
    }
}
