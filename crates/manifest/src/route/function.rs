//! The functions of the language.

use super::value::{Type, Value};
use crate::scalar;

/// A function: what it takes, what it gives, and how.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    /// For the reader who got it wrong.
    pub(super) usage: &'static str,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// Takes one of these lists of types. A body value fits any of them.
    Overloads(
        &'static [&'static [Type]],
        Type,
        fn(&[Value<'_>]) -> Value<'static>,
    ),
    /// Takes two strings or more.
    Strings(fn(&[Value<'_>]) -> Value<'static>),
    /// Takes one argument of any type, and asks for the type as well as for the value. Gives a bool.
    Test(fn(Type, &Value<'_>) -> Option<bool>),
}

const NUMBER: &[&[Type]] = &[&[Type::Number]];
const STRING: &[&[Type]] = &[&[Type::String]];
const TWO_STRINGS: &[&[Type]] = &[&[Type::String, Type::String]];

/// Every function but `twin_change_includes`, whose argument is no expression.
pub(super) static FUNCTIONS: [Function; 23] = [
    math("abs", "abs(number)", |args| of_number(args, f64::abs)),
    math("exp", "exp(number)", |args| of_number(args, f64::exp)),
    math("square", "square(number)", |args| {
        of_number(args, |x| x * x)
    }),
    math("ceiling", "ceiling(number)", |args| {
        of_number(args, f64::ceil)
    }),
    math("floor", "floor(number)", |args| of_number(args, f64::floor)),
    math("sign", "sign(number)", |args| of_number(args, scalar::sign)),
    math("sqrt", "sqrt(number)", |args| of_number(args, f64::sqrt)),
    Function {
        name: "power",
        usage: "power(number, number)",
        kind: Kind::Overloads(&[&[Type::Number, Type::Number]], Type::Number, power),
    },
    Function {
        name: "as_number",
        usage: "as_number(string)",
        kind: Kind::Overloads(&[&[Type::String], &[Type::Number]], Type::Number, as_number),
    },
    Function {
        name: "concat",
        usage: "concat(string, string, …)",
        kind: Kind::Strings(concat),
    },
    Function {
        name: "length",
        usage: "length(string)",
        kind: Kind::Overloads(STRING, Type::Number, length),
    },
    Function {
        name: "lower",
        usage: "lower(string)",
        kind: Kind::Overloads(STRING, Type::String, lower),
    },
    Function {
        name: "upper",
        usage: "upper(string)",
        kind: Kind::Overloads(STRING, Type::String, upper),
    },
    Function {
        name: "substring",
        usage: "substring(string, start) or substring(string, start, length)",
        kind: Kind::Overloads(
            &[
                &[Type::String, Type::Number],
                &[Type::String, Type::Number, Type::Number],
            ],
            Type::String,
            substring,
        ),
    },
    Function {
        name: "index_of",
        usage: "index_of(string, fragment)",
        kind: Kind::Overloads(TWO_STRINGS, Type::Number, index_of),
    },
    search("starts_with", "starts_with(string, fragment)", |args| {
        of_strings(args, |text, start| text.starts_with(start))
    }),
    search("ends_with", "ends_with(string, fragment)", |args| {
        of_strings(args, |text, end| text.ends_with(end))
    }),
    search("contains", "contains(string, fragment)", |args| {
        of_strings(args, |text, part| text.contains(part))
    }),
    test("is_bool", "is_bool(value)", is_bool),
    test("is_defined", "is_defined(value)", |_, value| {
        Some(value.is_defined())
    }),
    test("is_null", "is_null(value)", is_null),
    test("is_number", "is_number(value)", is_number),
    test("is_string", "is_string(value)", is_string),
];

/// The name of the one function that is not in [`FUNCTIONS`].
pub(super) const TWIN_CHANGE_INCLUDES: &str = "twin_change_includes";

/// A function by its name, in any case.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS
        .iter()
        .find(|function| function.name.eq_ignore_ascii_case(name))
}

const fn math(
    name: &'static str,
    usage: &'static str,
    run: fn(&[Value<'_>]) -> Value<'static>,
) -> Function {
    let kind = Kind::Overloads(NUMBER, Type::Number, run);
    Function { name, usage, kind }
}

const fn search(
    name: &'static str,
    usage: &'static str,
    run: fn(&[Value<'_>]) -> Value<'static>,
) -> Function {
    let kind = Kind::Overloads(TWO_STRINGS, Type::Bool, run);
    Function { name, usage, kind }
}

const fn test(
    name: &'static str,
    usage: &'static str,
    run: fn(Type, &Value<'_>) -> Option<bool>,
) -> Function {
    let kind = Kind::Test(run);
    Function { name, usage, kind }
}

fn of_number(args: &[Value<'_>], function: fn(f64) -> f64) -> Value<'static> {
    match args {
        [Value::Number(number)] => Value::number(function(*number)),
        _ => Value::Undefined,
    }
}

fn of_strings(args: &[Value<'_>], function: fn(&str, &str) -> bool) -> Value<'static> {
    match args {
        [Value::String(left), Value::String(right)] => Value::Bool(function(left, right)),
        _ => Value::Undefined,
    }
}

fn power(args: &[Value<'_>]) -> Value<'static> {
    match args {
        [Value::Number(base), Value::Number(exponent)] => Value::number(base.powf(*exponent)),
        _ => Value::Undefined,
    }
}

fn as_number(args: &[Value<'_>]) -> Value<'static> {
    match args {
        [Value::String(text)] => scalar::as_number(text).map_or(Value::Undefined, Value::number),
        [Value::Number(number)] => Value::number(*number),
        _ => Value::Undefined,
    }
}

/// A property without a value joins as the empty string.
fn concat(args: &[Value<'_>]) -> Value<'static> {
    let mut all = String::new();
    for arg in args {
        match arg {
            Value::String(text) => all.push_str(text),
            Value::NoString => {}
            _ => return Value::Undefined,
        }
    }
    Value::string(all)
}

fn length(args: &[Value<'_>]) -> Value<'static> {
    match args {
        [Value::String(text)] => Value::Number(scalar::length(text)),
        _ => Value::Undefined,
    }
}

fn lower(args: &[Value<'_>]) -> Value<'static> {
    match args {
        [Value::String(text)] => Value::string(scalar::lower(text)),
        _ => Value::Undefined,
    }
}

fn upper(args: &[Value<'_>]) -> Value<'static> {
    match args {
        [Value::String(text)] => Value::string(scalar::upper(text)),
        _ => Value::Undefined,
    }
}

fn substring(args: &[Value<'_>]) -> Value<'static> {
    let part = match args {
        [Value::String(text), Value::Number(start)] => scalar::substring(text, *start, None),
        [
            Value::String(text),
            Value::Number(start),
            Value::Number(length),
        ] => scalar::substring(text, *start, Some(*length)),
        _ => None,
    };
    part.map_or(Value::Undefined, Value::string)
}

fn index_of(args: &[Value<'_>]) -> Value<'static> {
    match args {
        [Value::String(text), Value::String(fragment)] => {
            Value::Number(scalar::index_of(text, fragment))
        }
        _ => Value::Undefined,
    }
}

fn is_bool(ty: Type, value: &Value<'_>) -> Option<bool> {
    match ty {
        Type::Bool | Type::Value => value
            .is_defined()
            .then_some(matches!(value, Value::Bool(_))),
        _ => Some(false),
    }
}

/// For a body value this is upside down in edgeHub: it compares two references where it means two values, so that
/// everything that is there "is null", a null included, and only what is not there is not.
fn is_null(ty: Type, value: &Value<'_>) -> Option<bool> {
    match ty {
        Type::Null => Some(true),
        Type::String => Some(matches!(value, Value::NoString)),
        Type::Value => value
            .is_defined()
            .then_some(!matches!(value, Value::Missing)),
        _ => Some(false),
    }
}

fn is_number(_: Type, value: &Value<'_>) -> Option<bool> {
    Some(value.as_number().is_some_and(f64::is_finite))
}

fn is_string(_: Type, value: &Value<'_>) -> Option<bool> {
    Some(value.as_str().is_some())
}
