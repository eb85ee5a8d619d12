//! A twin on its page: what it is, how it became so, and what lies between two of its versions.

use askama::Template;
use serde::Deserialize;
use serde_json::Value;
use simulator::{PropertyChange, RevisionSection, TwinRevisions};

use super::{moment, pretty};

/// Changes told in one line.
const BRIEFLY: usize = 3;
/// Longest value told in a line, in characters.
const LONGEST: usize = 48;

#[derive(Template)]
#[template(path = "hub/twin_now.html")]
pub(super) struct TwinNow {
    sections: Vec<Section>,
}

struct Section {
    word: &'static str,
    name: &'static str,
    version: u64,
    version_of: &'static str,
    json: String,
    is_empty: bool,
    can_edit: bool,
}

#[derive(Template)]
#[template(path = "hub/twin_history.html")]
pub(super) struct TwinHistory {
    revisions: Vec<Entry>,
    /// Versions to compare by section, newest first.
    versions: Vec<(&'static str, Vec<u64>)>,
}

struct Entry {
    key: String,
    section: &'static str,
    version: u64,
    at: String,
    brief: String,
    lines: Vec<Line>,
}

/// One property of a difference.
struct Line {
    path: String,
    kind: &'static str,
    /// For those who do not see the sign.
    word: &'static str,
    before: String,
    after: String,
}

/// Which versions to compare.
#[derive(Debug, Deserialize)]
pub(super) struct Compare {
    section: RevisionSection,
    from: u64,
    to: u64,
}

#[derive(Template)]
#[template(path = "hub/comparison.html")]
pub(super) struct Comparison {
    title: String,
    /// Nothing when one of the versions is not remembered.
    lines: Option<Vec<Line>>,
}

impl TwinNow {
    pub(super) fn of(twin: &TwinRevisions) -> Self {
        let section = |name, word, version_of, version, value: &_, can_edit| Section {
            word,
            name,
            version,
            version_of,
            json: pretty(value),
            is_empty: serde_json::Map::is_empty(value),
            can_edit,
        };
        let (desired, reported) = (twin.desired_version, twin.reported_version);
        Self {
            sections: vec![
                section(
                    "desired",
                    "Desired",
                    "version",
                    desired,
                    &twin.desired,
                    true,
                ),
                section(
                    "reported",
                    "Reported",
                    "version",
                    reported,
                    &twin.reported,
                    false,
                ),
                section(
                    "tags",
                    "Tags",
                    "twin version",
                    twin.tags_version,
                    &twin.tags,
                    true,
                ),
            ],
        }
    }
}

impl TwinHistory {
    pub(super) fn of(twin: &TwinRevisions) -> Self {
        let versions = |section| {
            let own = twin.revisions.iter().filter(|one| one.section == section);
            let mut versions: Vec<u64> = own.map(|revision| revision.version).collect();
            // What the oldest of them changed, it changed from the one before.
            let before = versions.last().map(|oldest| oldest - 1);
            versions.extend(before);
            (name(section), versions)
        };
        let sections = [
            RevisionSection::Desired,
            RevisionSection::Reported,
            RevisionSection::Tags,
        ];
        let versions = sections.map(versions).into_iter();
        Self {
            versions: versions.filter(|(_, known)| known.len() > 1).collect(),
            revisions: twin
                .revisions
                .iter()
                .map(|revision| Entry {
                    key: format!("{}-{}", name(revision.section), revision.version),
                    section: name(revision.section),
                    version: revision.version,
                    at: moment(revision.time),
                    brief: brief(&revision.changes),
                    lines: revision.changes.iter().map(line).collect(),
                })
                .collect(),
        }
    }
}

impl Comparison {
    pub(super) fn of(twin: &TwinRevisions, wanted: &Compare) -> Self {
        let Compare { section, from, to } = *wanted;
        let changes = twin.between(section, from, to);
        Self {
            title: format!("{} from version {from} to {to}", name(section)),
            lines: changes.map(|changes| changes.iter().map(line).collect()),
        }
    }
}

fn name(section: RevisionSection) -> &'static str {
    match section {
        RevisionSection::Tags => "tags",
        RevisionSection::Desired => "desired",
        RevisionSection::Reported => "reported",
    }
}

fn brief(changes: &[PropertyChange]) -> String {
    if changes.is_empty() {
        return "nothing changed by it".to_owned();
    }
    let told = changes.iter().take(BRIEFLY).map(|change| {
        let path = change.path.join(".");
        match (&change.before, &change.after) {
            (Some(before), Some(after)) => format!("{path} {} → {}", short(before), short(after)),
            (None, Some(after)) => format!("{path} = {}", short(after)),
            (_, None) => format!("{path} removed"),
        }
    });
    let mut brief = told.collect::<Vec<_>>().join(", ");
    if changes.len() > BRIEFLY {
        brief.push_str(&format!(", and {} more", changes.len() - BRIEFLY));
    }
    brief
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn line(change: &PropertyChange) -> Line {
    let (kind, word) = match (&change.before, &change.after) {
        (Some(_), Some(_)) => ("changed", "changed"),
        (None, _) => ("added", "new"),
        (Some(_), None) => ("removed", "removed"),
    };
    let text = |value: &Option<Value>| value.as_ref().map(pretty).unwrap_or_default();
    Line {
        path: change.path.join("."),
        kind,
        word,
        before: text(&change.before),
        after: text(&change.after),
    }
}
