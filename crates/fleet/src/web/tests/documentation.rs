//! What `docs/fleet-api.md` says is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::access::table::{API, PAGES};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What stands between backticks, line by line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The functions of a file or of all below a folder, each with the modules it is in: `orders::tests::a_name`.
fn tests_of(path: &Path, modules: &str, found: &mut Vec<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let inner = match name.trim_end_matches(".rs") {
                "lib" => modules.to_owned(),
                name => format!("{modules}::{name}"),
            };
            tests_of(&entry.path(), &inner, found);
        }
        return;
    }
    let text = fs::read_to_string(path).unwrap_or_default();
    for after in text
        .split("test]\n")
        .skip(1)
        .chain(text.split("#[tokio::test(").skip(1))
    {
        let Some((_, name)) = after.split_once("fn ") else {
            continue;
        };
        let name = name.split('(').next().unwrap_or_default();
        let own = format!("{modules}::{name}");
        // Those beside the code they test are in its `tests`.
        found.push(own.replacen(&format!("::{name}"), &format!("::tests::{name}"), 1));
        found.push(own);
    }
}

#[test]
fn every_test_the_tables_name_is_there() {
    let docs = fs::read_to_string(repository().join("docs/fleet-api.md")).expect("the page");
    let mut tests = Vec::new();
    for source in [
        "crates/fleet/src",
        "crates/dps-client/src",
        "crates/dps-client/tests",
    ] {
        tests_of(&repository().join(source), "", &mut tests);
    }
    let mut named = 0;
    for name in quoted(&docs) {
        if let Some(file) = name.strip_prefix("tests/") {
            assert!(
                repository().join("tests").join(file).exists(),
                "there is no {name}"
            );
        } else if name.contains("::") {
            named += 1;
            let (modules, function) = name.rsplit_once("::").expect("a path");
            let is_there = tests.iter().any(|test| {
                let (of, own) = test.rsplit_once("::").expect("a path");
                own == function && of.contains(modules)
            });
            assert!(is_there, "there is no test {name}");
        }
    }
    assert!(named > 30, "only {named}");
}

#[test]
fn every_counterpart_the_tables_name_is_there() {
    let docs = fs::read_to_string(repository().join("docs/fleet-api.md")).expect("the page");
    let served: BTreeSet<String> = API
        .iter()
        .map(|(method, path, _)| format!("{method} {}", without_names(path)))
        .chain(
            PAGES
                .iter()
                .map(|page| format!("GET {}", without_names(page.route()))),
        )
        .collect();
    let mut named = 0;
    for row in docs.lines().filter(|line| line.starts_with("| ")) {
        // The second column is what is here.
        let Some(here) = row.split(" | ").nth(1) else {
            continue;
        };
        for quote in quoted(here).filter(|quote| !quote.contains("::")) {
            let words: Vec<&str> = quote.split(' ').collect();
            let (method, path) = match words[..] {
                [path, ..] if path.starts_with('/') => ("GET", path),
                [method, path, ..] if path.starts_with('/') => (method, path),
                _ => continue,
            };
            let path = without_names(path.split('?').next().unwrap_or_default());
            named += 1;
            let is_there = |served: &String| match path.strip_suffix('…') {
                Some(start) => served.starts_with(&format!("{method} {start}")),
                None => *served == format!("{method} {path}"),
            };
            assert!(
                served.iter().any(is_there) || served.contains(&format!("POST {path}")),
                "nothing is at {method} {path}: {row}"
            );
        }
    }
    assert!(named > 30, "only {named}");
}

/// What stands in braces is called as whoever writes it likes.
fn without_names(path: &str) -> String {
    let parts = path.split('/');
    let parts = parts.map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}
