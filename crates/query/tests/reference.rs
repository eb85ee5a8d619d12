//! Whatever is thrown at it, and a deliberately naive evaluator beside it.

use proptest::prelude::*;
use query::{Collection, Query};
use serde_json::{Value, json};

const ALL: &[Collection] = &[Collection::DEVICES];

/// A condition as a tree, written with all parentheses.
#[derive(Clone, Debug)]
enum Tree {
    Literal(Value),
    Path(Vec<&'static str>),
    Unary(&'static str, Box<Self>),
    Binary(&'static str, Box<Self>, Box<Self>),
    In(bool, Box<Self>, Vec<Self>),
}

impl Tree {
    fn text(&self) -> String {
        match self {
            // JSON's strings are the language's, as long as they escape nothing but quotes and backslashes.
            Self::Literal(value) => value.to_string(),
            Self::Path(names) => names.join("."),
            Self::Unary(function, operand) => format!("({function}({}))", operand.text()),
            Self::Binary(operator, left, right) => {
                format!("({} {operator} {})", left.text(), right.text())
            }
            Self::In(negated, item, items) => {
                let items: Vec<String> = items.iter().map(Self::text).collect();
                let word = if *negated { "NIN" } else { "IN" };
                format!("({} {word} [{}])", item.text(), items.join(", "))
            }
        }
    }

    /// None is undefined.
    fn naive(&self, document: &Value) -> Option<Value> {
        match self {
            Self::Literal(value) => Some(value.clone()),
            Self::Path(names) => names
                .iter()
                .try_fold(document, |value, name| value.get(name))
                .cloned(),
            Self::Unary(function, operand) => {
                let operand = operand.naive(document);
                match *function {
                    "NOT" => operand?.as_bool().map(|truth| json!(!truth)),
                    "-" => operand?.as_f64().map(|number| json!(-number)),
                    "IS_DEFINED" => Some(json!(operand.is_some())),
                    _ => Some(json!(operand == Some(Value::Null))),
                }
            }
            Self::Binary(operator, left, right) => {
                naive_binary(operator, left.naive(document), right.naive(document))
            }
            Self::In(negated, item, items) => {
                let item = item.naive(document).filter(is_primitive)?;
                let found = items.iter().any(|other| {
                    let equal = naive_binary("=", Some(item.clone()), other.naive(document));
                    equal == Some(json!(true))
                });
                Some(json!(found != *negated))
            }
        }
    }
}

fn is_primitive(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

fn naive_binary(operator: &str, left: Option<Value>, right: Option<Value>) -> Option<Value> {
    let truth = |value: &Option<Value>| value.as_ref().and_then(Value::as_bool);
    match (operator, truth(&left), truth(&right)) {
        ("AND", Some(false), _) | ("AND", _, Some(false)) => return Some(json!(false)),
        ("OR", Some(true), _) | ("OR", _, Some(true)) => return Some(json!(true)),
        ("AND", Some(true), Some(true)) => return Some(json!(true)),
        ("OR", Some(false), Some(false)) => return Some(json!(false)),
        ("AND" | "OR", ..) => return None,
        _ => {}
    }
    let (left, right) = (left?, right?);
    if let (Some(a), Some(b)) = (left.as_f64(), right.as_f64()) {
        let number = |number: f64| (!number.is_nan()).then(|| json!(number));
        return match operator {
            "+" => number(a + b),
            "-" => number(a - b),
            "*" => number(a * b),
            "%" => number(a % b),
            "=" => Some(json!(a == b)),
            "!=" => Some(json!(a != b)),
            "<" => Some(json!(a < b)),
            _ => Some(json!(a >= b)),
        };
    }
    match operator {
        "=" | "!=" if !is_primitive(&left) || !is_primitive(&right) => None,
        "=" => Some(json!(left == right)),
        "!=" => Some(json!(left != right)),
        "<" | ">=" => {
            let less = match (&left, &right) {
                (Value::String(a), Value::String(b)) => a < b,
                (Value::Bool(a), Value::Bool(b)) => a < b,
                _ => return None,
            };
            Some(json!(less == (operator == "<")))
        }
        _ => None,
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        literal().prop_map(Tree::Literal),
        prop::sample::select(vec![
            vec!["deviceId"],
            vec!["tags"],
            vec!["tags", "a"],
            vec!["tags", "b"],
            vec!["tags", "c", "a"],
            vec!["version"],
        ])
        .prop_map(Tree::Path),
    ];
    leaf.prop_recursive(5, 40, 3, |inner| {
        let unary = prop::sample::select(vec!["NOT", "-", "IS_DEFINED", "IS_NULL"]);
        let arithmetic = prop::sample::select(vec!["+", "-", "*", "%"]);
        let comparison = prop::sample::select(vec!["=", "!=", "<", ">="]);
        let logic = prop::sample::select(vec!["AND", "OR"]);
        let binary = prop_oneof![1 => arithmetic, 3 => comparison, 3 => logic];
        prop_oneof![
            1 => (unary, inner.clone()).prop_map(|(function, tree)| Tree::Unary(function, Box::new(tree))),
            4 => (binary, inner.clone(), inner.clone())
                .prop_map(|(operator, left, right)| Tree::Binary(operator, Box::new(left), Box::new(right))),
            1 => (any::<bool>(), inner.clone(), prop::collection::vec(inner, 0..3))
                .prop_map(|(negated, item, items)| Tree::In(negated, Box::new(item), items)),
        ]
    })
}

/// Few values, so that they meet.
fn literal() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(-2.5),
        json!(""),
        json!("a"),
        json!("b\"\\'"),
    ])
}

fn document() -> impl Strategy<Value = Value> {
    let field = || {
        prop::option::of(
            prop_oneof![4 => literal(), 1 => Just(json!({"a": 1})), 1 => Just(json!([1]))],
        )
    };
    (field(), field(), field(), field()).prop_map(|(a, b, c, version)| {
        let mut document = json!({"deviceId": "a", "tags": {}});
        for (name, value) in [("a", a), ("b", b), ("c", c)] {
            if let Some(value) = value {
                document["tags"][name] = value;
            }
        }
        if let Some(version) = version {
            document["version"] = version;
        }
        document
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn conditions_agree_with_a_naive_evaluator(tree in tree(), documents in prop::collection::vec(document(), 1..6)) {
        let text = format!("SELECT * FROM devices WHERE {}", tree.text());
        let query = Query::parse(&text, ALL).expect("what is written with all parentheses is well formed");
        let ids = query.values_of("deviceId");
        for document in &documents {
            let expected = tree.naive(document) == Some(json!(true));
            prop_assert_eq!(query.matches(document), expected, "{} of {}", &text, document);
            // An index must not lose what matches.
            prop_assert!(!expected || ids.as_ref().is_none_or(|ids| ids.contains("a")), "{}", &text);
        }
    }

    /// Operators of all levels without parentheses, against "find the loosest, the last of its level, and split there".
    #[test]
    fn precedence_agrees_with_a_naive_reading(
        first in 0_u8..4,
        rest in prop::collection::vec(
            (prop::sample::select(vec!["*", "%", "+", "-", "=", "!=", "<", ">=", "AND", "OR"]), 0_u8..4), 0..10),
    ) {
        let mut words = vec![first.to_string()];
        for (operator, number) in rest {
            words.extend([operator.to_owned(), number.to_string()]);
        }
        let text = format!("SELECT * FROM devices WHERE {}", words.join(" "));
        let query = Query::parse(&text, ALL).expect("it is well formed");
        prop_assert_eq!(query.matches(&json!({})), split(&words) == Some(json!(true)), "{}", text);
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = Query::parse(&text, ALL);
        let _ = Query::parse(&format!("SELECT {text} FROM devices"), ALL);
        let _ = Query::parse(&format!("SELECT * FROM devices WHERE {text}"), ALL);
    }

    #[test]
    fn arbitrary_words_never_panic(words in prop::collection::vec(word(), 0..24), glue in "[ ]?", document in document()) {
        let words = words.join(&glue);
        for text in [format!("SELECT {words}"), format!("SELECT * FROM devices WHERE {words}")] {
            if let Ok(query) = Query::parse(&text, ALL) {
                let page = query.page([(0, &document), (1, &document)], None, std::num::NonZeroUsize::MIN);
                prop_assert!(page.items.len() <= 1);
            }
        }
    }
}

fn split(words: &[String]) -> Option<Value> {
    for level in [
        &["OR"][..],
        &["AND"],
        &["=", "!=", "<", ">="],
        &["+", "-"],
        &["*", "%"],
    ] {
        let last = words
            .iter()
            .rposition(|word| level.contains(&word.as_str()));
        if let Some(at) = last {
            return naive_binary(&words[at], split(&words[..at]), split(&words[at + 1..]));
        }
    }
    words[0].parse::<f64>().ok().map(|number| json!(number))
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "tags",
        ".",
        ".",
        "deviceId",
        "[[x y]]",
        "[[",
        "]]",
        "[",
        "]",
        "0",
        "1.5",
        "0x1F",
        "'a'",
        "\"b\"",
        "'c",
        "\\",
        "(",
        "(",
        ")",
        ")",
        ",",
        "=",
        "!=",
        "<>",
        "<",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "%",
        "AND",
        "or",
        "NOT",
        "IN",
        "nin",
        "IS_DEFINED",
        "CONCAT",
        "SUBSTRING",
        "true",
        "null",
        "undefined",
        "COUNT",
        "AVG",
        "AS",
        "TOP",
        "FROM",
        "FROM",
        "devices",
        "WHERE",
        "GROUP",
        "BY",
        "ORDER",
        "DESC",
        "/*",
        "*/",
        "\n",
        "\u{1F697}",
        "$version",
        "==",
    ])
}
