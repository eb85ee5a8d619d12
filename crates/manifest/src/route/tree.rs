//! A condition ready to be evaluated, and its evaluation.

use std::cmp::Ordering;
use std::ops::Range;

use super::body::BodyPath;
use super::function::{Function, Kind};
use super::message::RoutedMessage;
use super::syntax::BinaryOp;
use super::value::{Type, Value, compare_body, compare_typed};

/// An expression whose types fit.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    pub(super) ty: Type,
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug)]
pub(super) enum NodeKind {
    Literal(Value<'static>),
    /// An application property.
    Property(String),
    /// An application property named with a dollar sign, or else what it hides.
    PropertyOr(String, Box<Node>),
    /// A system property, without the dollar sign.
    System(String),
    /// With its dollar sign: a system property, or else an application property of the whole name.
    SystemOr(String),
    Body(BodyPath),
    /// Of the sender's twin.
    Twin(BodyPath),
    TwinChangeIncludes(BodyPath),
    Not(Box<Node>),
    Negate(Box<Node>),
    /// The flag says that a body value takes part, whose rules then hold for both sides.
    Binary(BinaryOp, bool, Box<Node>, Box<Node>),
    Call(&'static Function, Vec<Node>),
}

impl Node {
    pub(super) fn new(kind: NodeKind, ty: Type, span: Range<usize>) -> Self {
        Self { kind, ty, span }
    }

    pub(super) fn literal(value: Value<'static>, ty: Type, span: Range<usize>) -> Self {
        Self::new(NodeKind::Literal(value), ty, span)
    }

    pub(super) fn undefined(span: Range<usize>) -> Self {
        Self::literal(Value::Undefined, Type::Undefined, span)
    }

    /// The expressions it is made of, in the order they are written.
    pub(super) fn children(&self) -> Vec<&Self> {
        match &self.kind {
            NodeKind::PropertyOr(_, inner) | NodeKind::Not(inner) | NodeKind::Negate(inner) => {
                vec![inner]
            }
            NodeKind::Binary(_, _, left, right) => vec![left, right],
            NodeKind::Call(_, arguments) => arguments.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The condition's verdict. Only a bool has one; a literal `null` counts as false.
    pub(super) fn verdict<M: RoutedMessage + ?Sized>(&self, message: &M) -> Option<bool> {
        if self.ty == Type::Null {
            return Some(false);
        }
        self.evaluate(message).as_bool()
    }

    pub(super) fn evaluate<'m, M: RoutedMessage + ?Sized>(&'m self, message: &'m M) -> Value<'m> {
        match &self.kind {
            NodeKind::Literal(Value::String(text)) => Value::string(text.as_ref()),
            NodeKind::Literal(value) => value.clone(),
            NodeKind::Property(name) => property(message, name).unwrap_or(Value::Undefined),
            NodeKind::PropertyOr(name, hidden) => {
                property(message, name).unwrap_or_else(|| hidden.evaluate(message))
            }
            NodeKind::System(name) => system(message, name).unwrap_or(Value::Undefined),
            NodeKind::SystemOr(name) => system(message, &name[1..])
                .or_else(|| property(message, name))
                .unwrap_or(Value::Undefined),
            NodeKind::Body(path) => path.get(message.body()),
            NodeKind::Twin(path) => path.get(message.twin()),
            NodeKind::TwinChangeIncludes(path) => path.is_there(message.body()).into(),
            NodeKind::Not(operand) => match operand.evaluate(message) {
                Value::Bool(value) => Value::Bool(!value),
                Value::Null if operand.ty == Type::Null => Value::Bool(true),
                _ => Value::Undefined,
            },
            NodeKind::Negate(operand) => operand
                .evaluate(message)
                .as_number()
                .map_or(Value::Undefined, |number| Value::number(-number)),
            NodeKind::Binary(op, body, left, right) => {
                binary(*op, *body, self.ty, left, right, message)
            }
            NodeKind::Call(function, arguments) => call(function, arguments, message),
        }
    }
}

fn property<'m, M: RoutedMessage + ?Sized>(message: &'m M, name: &str) -> Option<Value<'m>> {
    match message.property(name) {
        Some(value) => Some(Value::String(value)),
        None if message.is_null_property(name) => Some(Value::NoString),
        None => None,
    }
}

fn system<'m, M: RoutedMessage + ?Sized>(message: &'m M, name: &str) -> Option<Value<'m>> {
    match message.system(name) {
        Some(value) => Some(Value::String(value)),
        None if message.is_null_system(name) => Some(Value::NoString),
        None => None,
    }
}

fn binary<'m, M: RoutedMessage + ?Sized>(
    op: BinaryOp,
    body: bool,
    ty: Type,
    left: &'m Node,
    right: &'m Node,
    message: &'m M,
) -> Value<'m> {
    match op {
        BinaryOp::Multiply => arithmetic(ty, left, right, message, |a, b| a * b),
        BinaryOp::Divide => arithmetic(ty, left, right, message, |a, b| a / b),
        BinaryOp::Modulo => arithmetic(ty, left, right, message, |a, b| a % b),
        BinaryOp::Add => arithmetic(ty, left, right, message, |a, b| a + b),
        BinaryOp::Subtract => arithmetic(ty, left, right, message, |a, b| a - b),
        BinaryOp::Concat => concat(&left.evaluate(message), &right.evaluate(message)),
        BinaryOp::Less => compare(body, left, right, message, Ordering::is_lt),
        BinaryOp::LessEqual => compare(body, left, right, message, Ordering::is_le),
        BinaryOp::Greater => compare(body, left, right, message, Ordering::is_gt),
        BinaryOp::GreaterEqual => compare(body, left, right, message, Ordering::is_ge),
        BinaryOp::Equal => compare(body, left, right, message, Ordering::is_eq),
        BinaryOp::NotEqual => compare(body, left, right, message, Ordering::is_ne),
        BinaryOp::And | BinaryOp::Or if ty == Type::Null => Value::Null,
        BinaryOp::And if body => both(left, right, message, |a, b| a && b),
        BinaryOp::Or if body => both(left, right, message, |a, b| a || b),
        BinaryOp::And => either(left, right, message, false),
        BinaryOp::Or => either(left, right, message, true),
        BinaryOp::Coalesce => match left.evaluate(message) {
            Value::Undefined => right.evaluate(message),
            defined => defined,
        },
    }
}

/// For two numbers "not a number" is undefined; for body values edgeHub keeps it.
fn arithmetic<'m, M: RoutedMessage + ?Sized>(
    ty: Type,
    left: &'m Node,
    right: &'m Node,
    message: &'m M,
    operate: fn(f64, f64) -> f64,
) -> Value<'m> {
    match (left.evaluate(message), right.evaluate(message)) {
        (Value::Number(left), Value::Number(right)) if ty == Type::Value => {
            Value::Number(operate(left, right))
        }
        (Value::Number(left), Value::Number(right)) => Value::number(operate(left, right)),
        _ => Value::Undefined,
    }
}

fn concat(left: &Value<'_>, right: &Value<'_>) -> Value<'static> {
    let text = |value: &Value<'_>| match value {
        Value::String(text) => Some(text.clone().into_owned()),
        Value::NoString => Some(String::new()),
        _ => None,
    };
    match (text(left), text(right)) {
        (Some(left), Some(right)) => Value::string(left + &right),
        _ => Value::Undefined,
    }
}

fn compare<'m, M: RoutedMessage + ?Sized>(
    body: bool,
    left: &'m Node,
    right: &'m Node,
    message: &'m M,
    holds: fn(Ordering) -> bool,
) -> Value<'m> {
    let left = left.evaluate(message);
    let right = right.evaluate(message);
    let order = if body {
        compare_body(&left, &right)
    } else {
        compare_typed(&left, &right)
    };
    order.map(holds).into()
}

/// AND and OR of which the left side is a body value: both sides must be bools, or nothing comes of it.
fn both<'m, M: RoutedMessage + ?Sized>(
    left: &'m Node,
    right: &'m Node,
    message: &'m M,
    operate: fn(bool, bool) -> bool,
) -> Value<'m> {
    let left = left.evaluate(message).as_bool();
    let right = right.evaluate(message).as_bool();
    left.zip(right)
        .map(|(left, right)| operate(left, right))
        .into()
}

/// AND (decided by a false) and OR (decided by a true) in three values. A literal `null` beside a bool gives the bool.
fn either<'m, M: RoutedMessage + ?Sized>(
    left: &'m Node,
    right: &'m Node,
    message: &'m M,
    decisive: bool,
) -> Value<'m> {
    if left.ty == Type::Null {
        return right.evaluate(message);
    }
    let left = left.evaluate(message).as_bool();
    if left == Some(decisive) || right.ty == Type::Null {
        return left.into();
    }
    match (left, right.evaluate(message).as_bool()) {
        (_, Some(right)) if right == decisive => Value::Bool(decisive),
        (Some(_), Some(_)) => Value::Bool(!decisive),
        _ => Value::Undefined,
    }
}

fn call<'m, M: RoutedMessage + ?Sized>(
    function: &Function,
    arguments: &'m [Node],
    message: &'m M,
) -> Value<'m> {
    match (&function.kind, arguments) {
        (Kind::Test(run), [argument]) => run(argument.ty, &argument.evaluate(message)).into(),
        (Kind::Test(_), _) => Value::Undefined,
        (Kind::Overloads(_, _, run) | Kind::Strings(run), [argument]) => {
            run(&[argument.evaluate(message)])
        }
        (Kind::Overloads(_, _, run) | Kind::Strings(run), [first, second]) => {
            run(&[first.evaluate(message), second.evaluate(message)])
        }
        (Kind::Overloads(_, _, run) | Kind::Strings(run), _) => {
            let values: Vec<Value<'_>> = arguments
                .iter()
                .map(|argument| argument.evaluate(message))
                .collect();
            run(&values)
        }
    }
}
