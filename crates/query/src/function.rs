//! The functions of the language.
//!
//! The documentation promises only `IS_DEFINED` for twins and jobs and lists the others for message routes; the hub
//! takes them in queries all the same, and back ends use them. An argument of another type than a function is made for
//! gives undefined, except to the `IS_…` functions, which are made for every type.

use manifest::scalar;

use crate::value::Value;

/// A function: what it takes and how it computes.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// For the reader who got it wrong.
    pub(crate) usage: &'static str,
    run: Run,
}

#[derive(Debug)]
enum Run {
    Test(fn(&Value<'_>) -> bool),
    Number(fn(f64) -> f64),
    Text(fn(&str) -> Value<'static>),
    Texts(fn(&str, &str) -> Value<'static>),
    /// Between so many arguments and so many.
    Many(usize, usize, fn(&[Value<'_>]) -> Value<'static>),
}

static FUNCTIONS: [Function; 28] = [
    test("IS_DEFINED", "IS_DEFINED(property)", |value| {
        !matches!(value, Value::Undefined)
    }),
    test("IS_NULL", "IS_NULL(value)", |value| {
        matches!(value, Value::Null)
    }),
    test("IS_BOOL", "IS_BOOL(value)", |value| {
        matches!(value, Value::Bool(_))
    }),
    test("IS_NUMBER", "IS_NUMBER(value)", |value| {
        matches!(value, Value::Number(_))
    }),
    test("IS_STRING", "IS_STRING(value)", |value| {
        matches!(value, Value::String(_))
    }),
    test("IS_PRIMITIVE", "IS_PRIMITIVE(value)", |value| {
        value.is_primitive()
    }),
    test(
        "IS_OBJECT",
        "IS_OBJECT(value)",
        |value| matches!(value, Value::Compound(json) if json.is_object()),
    ),
    test(
        "IS_ARRAY",
        "IS_ARRAY(value)",
        |value| matches!(value, Value::Compound(json) if json.is_array()),
    ),
    math("ABS", "ABS(number)", f64::abs),
    math("EXP", "EXP(number)", f64::exp),
    math("SQUARE", "SQUARE(number)", |number| number * number),
    math("CEILING", "CEILING(number)", f64::ceil),
    math("FLOOR", "FLOOR(number)", f64::floor),
    math("SIGN", "SIGN(number)", scalar::sign),
    math("SQRT", "SQRT(number)", f64::sqrt),
    many("POWER", "POWER(base, exponent)", 2, 2, power),
    many("AS_NUMBER", "AS_NUMBER(text)", 1, 1, as_number),
    many("CONCAT", "CONCAT(text, text, …)", 2, usize::MAX, concat),
    many(
        "SUBSTRING",
        "SUBSTRING(text, start) or SUBSTRING(text, start, length)",
        2,
        3,
        substring,
    ),
    text("LENGTH", "LENGTH(text)", |text| {
        Value::Number(scalar::length(text))
    }),
    text("LOWER", "LOWER(text)", |text| {
        Value::string(scalar::lower(text))
    }),
    text("UPPER", "UPPER(text)", |text| {
        Value::string(scalar::upper(text))
    }),
    texts("INDEX_OF", "INDEX_OF(text, fragment)", |text, fragment| {
        Value::Number(scalar::index_of(text, fragment))
    }),
    texts("STARTS_WITH", "STARTS_WITH(text, start)", starts_with),
    texts("STARTSWITH", "STARTSWITH(text, start)", starts_with),
    texts("ENDS_WITH", "ENDS_WITH(text, end)", ends_with),
    texts("ENDSWITH", "ENDSWITH(text, end)", ends_with),
    texts("CONTAINS", "CONTAINS(text, fragment)", |text, fragment| {
        Value::Bool(text.contains(fragment))
    }),
];

/// By its name, in any case.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS
        .iter()
        .find(|function| function.name.eq_ignore_ascii_case(name))
}

/// The names of all.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|function| function.name)
}

impl Function {
    pub(crate) fn takes(&self, arguments: usize) -> bool {
        match self.run {
            Run::Test(_) | Run::Number(_) | Run::Text(_) => arguments == 1,
            Run::Texts(_) => arguments == 2,
            Run::Many(least, most, _) => (least..=most).contains(&arguments),
        }
    }

    pub(crate) fn call(&self, arguments: &[Value<'_>]) -> Value<'static> {
        match (&self.run, arguments) {
            (Run::Test(run), [value]) => Value::Bool(run(value)),
            (Run::Number(run), [Value::Number(number)]) => Value::number(run(*number)),
            (Run::Text(run), [Value::String(text)]) => run(text),
            (Run::Texts(run), [Value::String(text), Value::String(other)]) => run(text, other),
            (Run::Many(_, _, run), arguments) => run(arguments),
            _ => Value::Undefined,
        }
    }
}

const fn test(name: &'static str, usage: &'static str, run: fn(&Value<'_>) -> bool) -> Function {
    let run = Run::Test(run);
    Function { name, usage, run }
}

const fn math(name: &'static str, usage: &'static str, run: fn(f64) -> f64) -> Function {
    let run = Run::Number(run);
    Function { name, usage, run }
}

const fn text(
    name: &'static str,
    usage: &'static str,
    run: fn(&str) -> Value<'static>,
) -> Function {
    let run = Run::Text(run);
    Function { name, usage, run }
}

const fn texts(
    name: &'static str,
    usage: &'static str,
    run: fn(&str, &str) -> Value<'static>,
) -> Function {
    let run = Run::Texts(run);
    Function { name, usage, run }
}

const fn many(
    name: &'static str,
    usage: &'static str,
    least: usize,
    most: usize,
    run: fn(&[Value<'_>]) -> Value<'static>,
) -> Function {
    let run = Run::Many(least, most, run);
    Function { name, usage, run }
}

fn starts_with(text: &str, start: &str) -> Value<'static> {
    Value::Bool(text.starts_with(start))
}

fn ends_with(text: &str, end: &str) -> Value<'static> {
    Value::Bool(text.ends_with(end))
}

fn power(arguments: &[Value<'_>]) -> Value<'static> {
    match arguments {
        [Value::Number(base), Value::Number(exponent)] => Value::number(base.powf(*exponent)),
        _ => Value::Undefined,
    }
}

fn as_number(arguments: &[Value<'_>]) -> Value<'static> {
    match arguments {
        [Value::String(text)] => scalar::as_number(text).map_or(Value::Undefined, Value::number),
        [Value::Number(number)] => Value::Number(*number),
        _ => Value::Undefined,
    }
}

fn concat(arguments: &[Value<'_>]) -> Value<'static> {
    let mut all = String::new();
    for argument in arguments {
        match argument {
            Value::String(text) => all.push_str(text),
            _ => return Value::Undefined,
        }
    }
    Value::string(all)
}

fn substring(arguments: &[Value<'_>]) -> Value<'static> {
    let part = match arguments {
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
