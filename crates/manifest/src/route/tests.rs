//! The parts of the language that a table of conditions does not show: see `tests/conditions.txt` for the rest.

mod random;

use serde_json::json;

use super::{Condition, Route, SampleMessage, Sink};

fn errors(text: &str) -> Vec<String> {
    let errors = Route::parse(text).expect_err("the route is refused");
    errors.iter().map(ToString::to_string).collect()
}

fn warnings(text: &str) -> Vec<String> {
    let route = Route::parse(text).expect("the route compiles");
    route.warnings().iter().map(ToString::to_string).collect()
}

#[test]
fn a_route_has_three_parts() {
    let route = Route::parse("select * from /messages/modules/a/outputs/* where kind = 'x' into brokeredendpoint('/modules/b/inputs/in')")
        .expect("the route compiles");
    assert_eq!(route.source().module(), Some("a"));
    assert_eq!(
        route.condition().map(Condition::canonical),
        Some("kind = 'x'")
    );
    let expected = Sink::Module {
        module: "b".to_owned(),
        input: "in".to_owned(),
    };
    assert_eq!(route.sink(), &expected);
    assert_eq!(
        route.to_string(),
        "FROM /messages/modules/a/outputs/* WHERE kind = 'x' INTO BrokeredEndpoint(\"/modules/b/inputs/in\")"
    );
    assert!(route.warnings().is_empty());
}

#[test]
fn errors_stand_where_the_route_has_them() {
    let cases: [(&str, &[&str]); 22] = [
        ("", &["1:1: the route is empty"]),
        (
            "FORM /messages/* INTO $upstream",
            &["1:1: Syntax error: unexpected 'FORM'"],
        ),
        (
            "SELECT FROM /* INTO $upstream",
            &["1:8: Syntax error: unexpected 'FROM'"],
        ),
        (
            "FROM INTO $upstream",
            &["1:6: Syntax error: unexpected 'INTO'"],
        ),
        (
            "FROM /messages/ INTO $upstream",
            &["1:17: Syntax error: unexpected 'INTO'"],
        ),
        (
            "FROM /messages/modules/12/* INTO $upstream",
            &["1:24: Syntax error: unexpected '12'"],
        ),
        (
            "FROM /messages/* INTO",
            &["1:22: Syntax error: the text ends too early"],
        ),
        (
            "FROM /messages/* INTO upstream",
            &["1:31: Syntax error: the text ends too early"],
        ),
        (
            "FROM /messages/* INTO $cloud",
            &["1:23: System endpoint type '$cloud' not supported"],
        ),
        (
            "FROM /messages/* INTO Endpoint('/modules/a/inputs/b')",
            &["1:23: Function endpoint type 'Endpoint' not supported"],
        ),
        (
            "FROM /messages/* INTO BrokeredEndpoint('/modules/a')",
            &["1:41: Parameter string /modules/a could not be parsed"],
        ),
        (
            "FROM /messages/* INTO BrokeredEndpoint('/modules//inputs/b')",
            &["1:41: Parameter string /modules//inputs/b could not be parsed"],
        ),
        (
            "FROM /messages/* INTO BrokeredEndpoint(/modules/a/inputs/b)",
            &["1:40: Syntax error: unexpected '/'"],
        ),
        (
            "FROM /messages/* INTO BrokeredEndpoint '/modules/a/inputs/b'",
            &["1:40: Syntax error: unexpected ''/modules/a/inputs/b''"],
        ),
        (
            "FROM /messages/* INTO BrokeredEndpoint('/modules/a/inputs/b",
            &["1:40: Syntax error: unexpected ''/modules/a/inputs/b'"],
        ),
        (
            "FROM /messages/* WHERE INTO $upstream",
            &["1:24: Syntax error: unexpected 'INTO'"],
        ),
        (
            "FROM /messages/* WHERE a == 1 INTO $upstream",
            &["1:27: Syntax error: unexpected '='"],
        ),
        (
            "FROM /messages/* WHERE a = '1' b INTO $upstream",
            &["1:32: Syntax error: unexpected 'b'"],
        ),
        (
            "FROM /messages/* WHERE (a = '1' INTO $upstream",
            &["1:24: Syntax error: missing closing ')'"],
        ),
        (
            "FROM /messages/*\nWHERE\n  level > 3\r\nINTO $up",
            &[
                "3:9: Invalid operands to binary operator '>': have 'string' and 'number', expected 'string' and 'string'",
                "4:6: System endpoint type '$up' not supported",
            ],
        ),
        (
            "FROM /messages/* WHERE '\u{1F697}ö' = 1 INTO $upstream",
            &[
                "1:30: Invalid operands to binary operator '=': have 'string' and 'number', expected 'string' and 'string'",
            ],
        ),
        (
            "FROM /messages/* WHERE twin_change_includes(tags.a) INTO $upstream",
            &["1:24: Invalid built-in function 'twin_change_includes'"],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(errors(text), expected, "{text}");
    }
}

#[test]
fn warnings_stand_where_the_route_surprises() {
    let cases: [(&str, &[&str]); 13] = [
        ("FROM /messages/* INTO $upstream", &[]),
        (
            "FROM /messages/* WHERE a = '1' /* why */ INTO $upstream",
            &["1:15: edgeHub reads `/* WHERE a = '1' /* why */` as a comment"],
        ),
        (
            "FROM /messages/* INTO $upstream and so on",
            &["1:33: edgeHub ignores `and so on`"],
        ),
        (
            "FROM /messages/module/a/* INTO $upstream",
            &["1:6: no message comes from `/messages/module/a/*`"],
        ),
        (
            "FROM /messages/modules/*/outputs/o INTO $upstream",
            &["1:6: no message comes from `/messages/modules/*/outputs/o`"],
        ),
        (
            "FROM /* INTO BrokeredEndpoint('a/b/c/d')",
            &["1:32: edgeHub takes `a/b/c/d` for BrokeredEndpoint(\"/modules/b/inputs/d\")"],
        ),
        (
            "FROM /* WHERE 'a'||'b' = 'ab' INTO $upstream",
            &["1:15: edgeHub reads `'a'||'b'` as the name of one property"],
        ),
        ("FROM /* WHERE sensor-id = 'x' INTO $upstream", &[]),
        (
            "FROM /* WHERE $conectionModuleId = 'x' INTO $upstream",
            &["1:15: no message has a system property `conectionModuleId`"],
        ),
        (
            "FROM /* WHERE is_null($body.x) INTO $upstream",
            &[
                "1:15: edgeHub's is_null is upside down for body values: it is true for everything that is there",
            ],
        ),
        (
            "FROM /* WHERE 3 INTO $upstream",
            &["1:15: the condition is no truth value: no message will match"],
        ),
        ("FROM /* WHERE NOT null INTO $upstream", &[]),
        (
            "FROM /twinChangeNotifications WHERE twin_change_includes(tags.a) INTO $upstream",
            &["1:37: edgeHub refuses `twin_change_includes` in every deployed route"],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(warnings(text), expected, "{text}");
    }
}

#[test]
fn an_explanation_names_every_part() {
    let message = SampleMessage::from_json(json!({
        "systemProperties": {"contentType": "application/json", "contentEncoding": "utf-8"},
        "properties": {"kind": "level"},
        "body": {"alarm": "low"}
    }))
    .expect("the message is well formed");
    let text = "kind = 'level' AND $body.alarm <> $body.limit";
    let condition = Condition::parse(text).expect("the condition compiles");
    let explanation = condition.explain(text, &message);
    assert_eq!(
        (explanation.text.as_str(), explanation.value.as_str()),
        (text, "true")
    );
    let parts: Vec<(&str, &str)> = explanation
        .parts
        .iter()
        .flat_map(|part| std::iter::once(part).chain(&part.parts))
        .map(|part| (part.text.as_str(), part.value.as_str()))
        .collect();
    let expected = [
        ("kind = 'level'", "true"),
        ("kind", "'level'"),
        ("$body.alarm <> $body.limit", "true"),
        ("$body.alarm", "'low'"),
        ("$body.limit", "null (not there)"),
    ];
    assert_eq!(parts, expected);
}

#[test]
fn one_route_covers_another() {
    let route = |text| Route::parse(text).expect("the route compiles");
    let all = route("FROM /messages/* INTO $upstream");
    let some = route("FROM /messages/modules/a/* INTO $upstream");
    let few = route("FROM /messages/modules/a/* WHERE x='1' INTO $upstream");
    let same = route("from /messages/modules/A where (x = \"1\") into $UPSTREAM");
    let other = route("FROM /messages/* INTO BrokeredEndpoint('/modules/a/inputs/b')");
    assert!(some.is_covered_by(&all) && few.is_covered_by(&some) && few.is_covered_by(&same));
    assert!(!all.is_covered_by(&some) && !some.is_covered_by(&few) && !some.is_covered_by(&other));
    assert_eq!(few.to_string().replace("/a/", "/A/"), same.to_string());
}

#[test]
fn nesting_has_a_limit_and_never_exhausts_the_stack() {
    for text in [
        "(".repeat(100_000),
        "NOT ".repeat(100_000),
        "- ".repeat(100_000),
        "@".repeat(100_000),
    ] {
        assert!(Condition::parse(&text).is_err());
    }
    for text in [
        "f(".repeat(100_000),
        "a = b AND ".repeat(100_000),
        "a ?? ".repeat(100_000) + "a",
    ] {
        assert!(Condition::parse(&text).is_err());
    }
    let long = format!("{}true", "x = 'y' OR ".repeat(500));
    let condition = Condition::parse(&long).expect("500 terms are not too many");
    let empty = SampleMessage::from_json(json!({})).expect("an empty message is one");
    assert_eq!(condition.evaluate(&empty), Some(true));
    assert_eq!(condition.explain(&long, &empty).value, "true");
    let deep = format!("{}true{}", "(".repeat(190), ")".repeat(190));
    assert!(Condition::parse(&deep).is_ok());
}
