//! Conditions, ready to be evaluated.

use crate::function::Function;
use crate::path::Path;

#[derive(Clone, Debug)]
pub(crate) enum Expression {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    Path(Path),
    Not(Box<Self>),
    Negate(Box<Self>),
    /// AND over all of them. A list, so that no length of a condition makes a deep tree.
    All(Vec<Self>),
    /// OR over all of them.
    Any(Vec<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
    /// IN; NIN is its negation.
    In(Box<Self>, List),
    Call(&'static Function, Vec<Self>),
}

/// What IN looks through.
#[derive(Clone, Debug)]
pub(crate) enum List {
    /// `['north', 'south']`
    Written(Vec<Expression>),
    /// An array of the document.
    Found(Path),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Multiply,
    Divide,
    Modulo,
    Add,
    Subtract,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
}
