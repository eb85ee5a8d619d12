//! Everything that is wrong with a document, all at once and where it stands.
//!
//! Each `problems/NAME.json` has its problems in `problems/NAME.txt`.

use std::collections::BTreeMap;
use std::io;

use manifest::template::{self, Platform, Surroundings};
use manifest::{Interface, Manifest, Problem, Severity};
use proptest::prelude::*;

fn lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .fold(String::new(), |all, problem| match &problem.help {
            Some(help) => format!("{all}{problem}\n    {help}\n"),
            None => format!("{all}{problem}\n"),
        })
}

struct Workshop;

impl Surroundings for Workshop {
    fn variable(&self, name: &str) -> Option<String> {
        let value = match name {
            "REGISTRY" => "acme.azurecr.io",
            "USER_NAME" => "pull\"er\\",
            "TTL" => "7200",
            "WHO" => "nobody",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn module_json(&self, directory: &str) -> io::Result<String> {
        match directory {
            "modules/sensor" => Ok(
                r#"{"outputs": ["temperature", "humidity"], "image": {"repository": "${REGISTRY}/sensor",
                    "tag": {"version": "1.2.3", "platforms": {"amd64": "", "riscv": ""}}}}"#
                    .to_owned(),
            ),
            "modules/light" => Ok(
                r#"{"inputs": ["occupancy", "battery"], "image": {"repository": "$SERVER/light",
                    "tag": {"version": "1.2.3", "platforms": {"amd64": ""}}}}"#
                    .to_owned(),
            ),
            "../broken" => Ok("{\n  \"image\": nothing\n}".to_owned()),
            "modules/meter" => Err(io::Error::from(io::ErrorKind::NotFound)),
            _ => Err(io::Error::from(io::ErrorKind::PermissionDenied)),
        }
    }
}

#[test]
fn a_manifest_is_told_all_its_problems() {
    let reading = Manifest::read(include_str!("problems/manifest.json"));
    assert!(reading.manifest.is_none());
    let given = lines(&reading.problems);
    assert_eq!(given, include_str!("problems/manifest.txt"), "\n{given}");
}

#[test]
fn a_template_is_told_where_its_placeholders_stand() {
    let expansion = template::expand(
        include_str!("problems/template.json"),
        Platform::Amd64,
        &Workshop,
    );
    assert!(expansion.document.is_none() && expansion.reading.manifest.is_none());
    let given = lines(&expansion.reading.problems);
    assert_eq!(given, include_str!("problems/template.txt"), "\n{given}");
}

#[test]
fn what_is_no_json_is_one_problem() {
    let reading = Manifest::read("{\n  \"modulesContent\": {},\n}");
    let problems: Vec<String> = reading.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, ["2:23: error: Trailing commas are not allowed"]);
}

#[test]
fn a_layered_manifest_need_not_be_complete() {
    let text = r#"{"content": {"modulesContent": {
        "$edgeAgent": {"properties.desired.modules.extra": {
            "type": "docker", "status": "running", "settings": {"image": "extra:1", "createOptions": "{}"}}},
        "$edgeHub": {"properties.desired.routes.up": "FROM /messages/modules/base/* INTO $upstream"},
        "base": {"properties.desired.interval": 5, "properties.desired.a.b": true}
    }}}"#;
    let reading = Manifest::read(text);
    assert_eq!(reading.problems, []);
    let manifest = reading.manifest.expect("a manifest");
    assert!(manifest.layered);
    assert_eq!(
        manifest.module("extra").map(|module| module.image.as_str()),
        Some("extra:1")
    );
    assert_eq!(manifest.hub.routes.len(), 1);
    assert_eq!(
        manifest.desired["base"],
        serde_json::json!({"interval": 5, "a": {"b": true}})
    );
}

#[test]
fn interfaces_may_come_from_elsewhere() {
    let mut text = include_str!("../../../deployment.template.json").to_owned();
    for module in ["light", "battery", "hc-sr04"] {
        text = text.replace(&format!("${{MODULES.{module}}}"), module);
    }
    let interfaces = BTreeMap::from([(
        "light".to_owned(),
        Interface {
            inputs: Some(vec!["occupancy".to_owned()]),
            outputs: None,
        },
    )]);
    let reading = Manifest::read_knowing(&text, &interfaces);
    let odd: Vec<&str> = reading
        .problems
        .iter()
        .filter(|problem| {
            problem.severity == Severity::Warning && problem.message.contains("input")
        })
        .map(|problem| problem.message.as_str())
        .collect();
    assert_eq!(odd, ["`light` does not listen to the input `battery`"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = Manifest::read(&text);
        let _ = template::expand(&text, Platform::Amd64, &Workshop);
    }

    /// The bay's template with a piece cut out and something else put in.
    #[test]
    fn a_damaged_template_never_panics(
        start in 0_usize..6000,
        length in 0_usize..40,
        graft in prop::sample::select(vec!["", "\"", "{", "}", "[]", "null", ",", "$X", "${", "\\u00e9", "\\", "FROM", "é"]),
    ) {
        let mut text = include_str!("../../../deployment.template.json").to_owned();
        let start = start.min(text.len());
        let end = (start + length).min(text.len());
        text.replace_range(start..end, graft);
        let expansion = template::expand(&text, Platform::Amd64, &Workshop);
        let lines = text.lines().count() + 1;
        for problem in expansion.reading.problems {
            prop_assert!(usize::try_from(problem.position.line).is_ok_and(|line| line <= lines));
        }
        let _ = Manifest::read(&text);
    }
}
