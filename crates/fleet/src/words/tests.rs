use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn names(language: &str) -> BTreeSet<&'static str> {
    let words = Words::of(language);
    assert_eq!(words.language(), language);
    words.catalogue.keys().map(String::as_str).collect()
}

/// What is to be filled in, in no order.
fn places(words: &str) -> BTreeSet<&str> {
    let starts = words.split('{').skip(1);
    starts.filter_map(|rest| rest.split('}').next()).collect()
}

#[test]
fn every_language_says_everything_with_the_same_places() {
    for (_, _, text) in FILES {
        text.parse::<toml::Table>().expect("a catalogue");
    }
    let english = names("en");
    assert!(english.contains("nav.sign_out"), "{english:?}");
    for (language, ..) in FILES {
        let other = names(language);
        let differing: Vec<_> = english.symmetric_difference(&other).collect();
        assert!(differing.is_empty(), "{language}: {differing:?}");
        for name in &english {
            let (ours, theirs) = (
                Words::of("en").text(name).0,
                Words::of(language).text(name).0,
            );
            assert!(!theirs.trim().is_empty(), "{language}: {name} is empty");
            assert_eq!(places(&ours), places(&theirs), "{language}: {name}");
        }
    }
}

#[test]
fn every_role_has_a_word() {
    let english = names("en");
    for role in crate::people::Role::ALL {
        let name = format!("role.{}", role.as_str());
        assert!(english.contains(name.as_str()), "{name}");
    }
}

#[test]
fn every_value_a_page_shows_has_a_word() {
    let english = names("en");
    for (table, values) in [
        ("orders.kind", "assign return rekey"),
        ("orders.state", "open done partly failed cancelled"),
        (
            "orders.line",
            "picked enrolled sent restarting joined failed cancelled",
        ),
        (
            "devices.state",
            "unregistered stock assigning project resetting",
        ),
    ] {
        for value in values.split(' ') {
            let name = format!("{table}.{value}");
            assert!(english.contains(name.as_str()), "{name}");
        }
    }
}

/// Templates, scripts and the code that answers with words.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if !path.ends_with("words.rs") && !path.ends_with("words/tests.rs") {
            found.push(path);
        }
    }
}

#[test]
fn whatever_a_page_wants_to_say_there_are_words_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for directory in ["templates", "src", "assets"] {
        sources(&root.join(directory), &mut files);
    }
    let english = names("en");
    let mut seen = 0;
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        for (call, suffix, table) in [
            (".text(\"", "", ""),
            (".count(\"", ".one", ""),
            // Scripts are given the table `script`.
            (" say(\"", "", "script."),
        ] {
            for rest in text.split(call).skip(1) {
                let name = rest.split('"').next().unwrap_or_default();
                // What ends in a point is put together, and its parts are tested where they are.
                if name.ends_with('.') || name.contains('{') {
                    continue;
                }
                seen += 1;
                let name = format!("{table}{name}{suffix}");
                assert!(
                    english.contains(name.as_str()),
                    "{}: no words for {name}",
                    file.display()
                );
            }
        }
    }
    assert!(seen > 5, "only {seen} were found");
}

#[test]
fn a_browser_gets_the_language_it_wants_most() {
    for (accept, language) in [
        ("", "en"),
        ("de-AT,de;q=0.9,en;q=0.5", "de"),
        ("es,fr;q=0.4,nl;q=0.7", "nl"),
        ("pt", "en"),
        ("fr;q=0, de;q=oops", "en"),
        ("*", "en"),
    ] {
        assert_eq!(Words::wanted(accept).language(), language, "{accept}");
    }
}

#[test]
fn places_are_filled_and_numbers_have_their_form() {
    let text = Text("{name} has {count}".into());
    assert_eq!(
        text.with("name", "A").with("count", 2).to_string(),
        "A has 2"
    );
    assert_eq!(
        Words::of("en").text("no.such.words").to_string(),
        "no.such.words"
    );
}
