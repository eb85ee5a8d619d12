//! Whatever is thrown at it.

use proptest::prelude::*;
use serde_json::json;

use super::super::check::{Rules, check};
use super::super::parse;
use super::super::syntax::{BinaryOp, Call, Expr, ExprKind, UnaryOp};
use super::super::value::Value;
use super::super::{Condition, Route, SampleMessage};

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = Route::parse(&text);
        let _ = Condition::parse(&text);
        let _ = Route::parse(&format!("FROM /messages/* WHERE {text} INTO $upstream"));
    }

    #[test]
    fn arbitrary_tokens_never_panic(words in prop::collection::vec(word(), 0..20), glue in "[ ]?") {
        let text = words.join(&glue);
        if let Ok(condition) = Condition::parse(&text) {
            let message = SampleMessage::from_json(json!({"properties": {"a": "1"}})).expect("it is well formed");
            let verdict = condition.evaluate(&message);
            prop_assert_eq!(condition.explain(&text, &message).value == "true", verdict == Some(true));
        }
        let _ = Route::parse(&text);
    }

    #[test]
    fn what_is_printed_is_read_back(tree in expression()) {
        let printed = tree.to_string();
        let read = parse::condition(&printed);
        prop_assert!(read.as_ref().is_ok_and(|read| *read == tree), "{} gave {:?}", printed, read);
    }

    /// Operators of all levels between numbers, against an evaluator that knows nothing but "find the loosest operator,
    /// the last of its level, and split there".
    #[test]
    fn precedence_agrees_with_a_naive_evaluator(
        first in -9_i32..10,
        rest in prop::collection::vec((prop::sample::select(vec!["*", "/", "%", "+", "-"]), -9_i32..10), 0..12),
    ) {
        let mut words = vec![first.to_string()];
        for (op, number) in rest {
            words.extend([op.to_owned(), number.to_string()]);
        }
        let text = words.join(" ");
        let syntax = parse::condition(&text).expect("it is well formed");
        let checked = check(&text, &syntax, Rules::of_edge(false)).map_err(|_| "types").expect("numbers only");
        let empty = SampleMessage::from_json(json!({})).expect("an empty message is one");
        let naive = naive(&words);
        prop_assert_eq!(checked.root.evaluate(&empty), Value::number(naive), "{}", text);
    }
}

fn naive(words: &[String]) -> f64 {
    for level in [["+", "-", ""], ["*", "/", "%"]] {
        let split = words
            .iter()
            .skip(1)
            .step_by(2)
            .rposition(|word| level.contains(&word.as_str()));
        if let Some(index) = split {
            let at = index * 2 + 1;
            let (left, right) = (naive(&words[..at]), naive(&words[at + 1..]));
            return match words[at].as_str() {
                "+" => left + right,
                "-" => left - right,
                "*" => left * right,
                "/" => left / right,
                _ => left % right,
            };
        }
    }
    words[0]
        .parse()
        .expect("a word that is no operator is a number")
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a",
        "kind",
        "'x'",
        "\"y\"",
        "'z",
        "1",
        "-2",
        "0x1F",
        "1.5",
        "e5",
        "true",
        "null",
        "undefined",
        "$body.a[0]",
        "$body.",
        "$contentType",
        "{",
        "$x",
        "}",
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
        "||",
        "??",
        "AND",
        "or",
        "NOT",
        "is_null",
        "as_number",
        "concat",
        "@",
        "?",
        "[0]",
        "\\",
        "FROM",
        "INTO",
        "$upstream",
        "/messages",
        "WHERE",
        "/*",
        "*/",
        "\n",
        "\u{1F697}",
    ])
}

fn expression() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(ExprKind::Bool),
        any::<f64>()
            .prop_filter("a literal is a number", |number| !number.is_nan())
            .prop_map(ExprKind::Number),
        any::<String>().prop_map(ExprKind::String),
        Just(ExprKind::Null),
        Just(ExprKind::Undefined),
        "[a-d][a-z_.]{0,6}".prop_map(|name| ExprKind::Property(name + "x")),
        "\\$[a-zA-Z.]{1,8}(\\[[0-9]\\])?".prop_map(ExprKind::System),
        "\\$[a-zA-Z.]{1,8}".prop_map(ExprKind::Escaped),
    ]
    .prop_map(expr);
    leaf.prop_recursive(6, 60, 3, |inner| {
        let op = prop::sample::select(vec![
            BinaryOp::Multiply,
            BinaryOp::Divide,
            BinaryOp::Modulo,
            BinaryOp::Add,
            BinaryOp::Subtract,
            BinaryOp::Concat,
            BinaryOp::Less,
            BinaryOp::LessEqual,
            BinaryOp::Greater,
            BinaryOp::GreaterEqual,
            BinaryOp::Equal,
            BinaryOp::NotEqual,
            BinaryOp::And,
            BinaryOp::Or,
            BinaryOp::Coalesce,
        ]);
        let unary = prop::sample::select(vec![UnaryOp::Negate, UnaryOp::Not]);
        prop_oneof![
            4 => (op, inner.clone(), inner.clone())
                .prop_map(|(op, left, right)| ExprKind::Binary(op, 0..0, Box::new(left), Box::new(right))),
            1 => (unary, inner.clone()).prop_map(|(op, operand)| ExprKind::Unary(op, 0..0, Box::new(operand))),
            1 => ("[f-h][a-z]{0,4}x", prop::collection::vec(inner, 0..3)).prop_map(|(name, arguments)| {
                ExprKind::Call(Call { name, name_span: 0..0, arguments, text: String::new() })
            }),
        ]
        .prop_map(expr)
    })
}

fn expr(kind: ExprKind) -> Expr {
    Expr {
        kind,
        span: 0..0,
        height: 0,
    }
}
