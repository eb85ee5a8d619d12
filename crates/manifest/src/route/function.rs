//! The functions of the language.

use super::number;
use super::value::{Type, Value};

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
    math("sign", "sign(number)", |args| of_number(args, sign)),
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

/// Zero for zero, unlike `f64::signum`.
fn sign(number: f64) -> f64 {
    if number == 0.0 { 0.0 } else { number.signum() }
}

fn power(args: &[Value<'_>]) -> Value<'static> {
    match args {
        [Value::Number(base), Value::Number(exponent)] => Value::number(base.powf(*exponent)),
        _ => Value::Undefined,
    }
}

fn as_number(args: &[Value<'_>]) -> Value<'static> {
    match args {
        [Value::String(text)] => number::parse(text).map_or(Value::Undefined, Value::number),
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

/// In UTF-16 code units, as .NET counts.
fn length(args: &[Value<'_>]) -> Value<'static> {
    match args {
        [Value::String(text)] => Value::Number(units(text)),
        _ => Value::Undefined,
    }
}

fn lower(args: &[Value<'_>]) -> Value<'static> {
    map_chars(args, |char| single(char.to_lowercase()))
}

fn upper(args: &[Value<'_>]) -> Value<'static> {
    map_chars(args, |char| single(char.to_uppercase()))
}

fn map_chars(args: &[Value<'_>], map: fn(char) -> Option<char>) -> Value<'static> {
    match args {
        [Value::String(text)] => {
            let mapped: String = text.chars().map(|char| map(char).unwrap_or(char)).collect();
            Value::string(mapped)
        }
        _ => Value::Undefined,
    }
}

/// The invariant culture maps one character to one: `ß` stays what it is.
fn single(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    let first = mapped.next();
    if mapped.next().is_some() { None } else { first }
}

/// Positions count UTF-16 code units from zero, and fractions of them are cut off. A start at the end gives the empty
/// string, but only without a length.
fn substring(args: &[Value<'_>]) -> Value<'static> {
    let (text, start, length) = match args {
        [Value::String(text), Value::Number(start)] => (text, *start, None),
        [
            Value::String(text),
            Value::Number(start),
            Value::Number(length),
        ] => (text, *start, Some(*length)),
        _ => return Value::Undefined,
    };
    let whole = units(text);
    let fits = match length {
        None => (0.0..=whole).contains(&start),
        Some(length) => (0.0..whole).contains(&start) && (0.0..=whole - start).contains(&length),
    };
    if !fits {
        return Value::Undefined;
    }
    let start = truncate(start);
    let length = length.map_or(usize::MAX, truncate);
    let part: Vec<u16> = text.encode_utf16().skip(start).take(length).collect();
    Value::string(String::from_utf16_lossy(&part))
}

/// By code unit, -1 when it is not there.
fn index_of(args: &[Value<'_>]) -> Value<'static> {
    match args {
        [Value::String(text), Value::String(fragment)] => {
            let index = text.find(fragment.as_ref());
            Value::Number(index.map_or(-1.0, |index| units(&text[..index])))
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

#[expect(
    clippy::cast_precision_loss,
    reason = "no text in memory is long enough to lose a unit"
)]
fn units(text: &str) -> f64 {
    text.encode_utf16().count() as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller has checked that it lies within a text"
)]
fn truncate(position: f64) -> usize {
    position as usize
}
