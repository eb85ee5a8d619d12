//! A document into a manifest.

use std::collections::{BTreeMap, HashSet};

use super::reader::Reader;
use super::{Interface, Manifest, Reading, agent, graph, hub, twin_limits};
use crate::node::{self, Field, Node, NodeKind};
use crate::problem::{Problem, Severity};
use crate::source_text::SourceText;

const FULL: &str = "properties.desired";

/// A twin's desired properties, put together from the keys that set them.
pub(super) struct Section {
    pub(super) name: String,
    pub(super) name_span: std::ops::Range<usize>,
    pub(super) desired: Node,
    /// Whether parts are set and not the whole.
    pub(super) layered: bool,
}

/// Reads a manifest, or a template whose placeholders are replaced.
pub(crate) fn read(
    source: &SourceText,
    interfaces: &BTreeMap<String, Interface>,
    is_template: bool,
) -> Reading {
    let mut reader = Reader::new(source);
    let manifest = document(&mut reader, interfaces, is_template);
    let mut problems = reader.problems;
    problems.sort_by_key(|problem| problem.position);
    let has_errors = problems
        .iter()
        .any(|problem| problem.severity == Severity::Error);
    Reading {
        manifest: manifest.filter(|_| !has_errors),
        problems,
    }
}

/// Reads the desired properties of `$edgeAgent` alone.
///
/// # Errors
/// The errors among the problems.
pub(super) fn agent(text: &str) -> Result<super::Agent, Vec<Problem>> {
    let source = SourceText::plain(text);
    let mut reader = Reader::new(&source);
    let agent = match node::parse(text) {
        Ok(desired) => {
            let section = Section {
                name: "$edgeAgent".to_owned(),
                name_span: 0..0,
                desired,
                layered: false,
            };
            agent::read(&mut reader, &section, false).agent
        }
        Err(error) => {
            reader.error(&(error.offset..error.offset), error.message, "");
            super::Agent::default()
        }
    };
    let mut problems = reader.problems;
    problems.retain(Problem::is_error);
    if problems.is_empty() {
        Ok(agent)
    } else {
        Err(problems)
    }
}

fn document(
    reader: &mut Reader<'_>,
    interfaces: &BTreeMap<String, Interface>,
    is_template: bool,
) -> Option<Manifest> {
    let root = match node::parse(reader.source.text()) {
        Ok(root) => root,
        Err(error) => {
            let help =
                "the Edge tools take strict JSON: no comments, no comma before a closing bracket";
            reader.error(&(error.offset..error.offset), error.message, help);
            return None;
        }
    };
    twice(reader, &root);
    let content = modules_content(reader, &root)?;
    let sections = sections(reader, content);
    let layered = sections.iter().any(|section| section.layered);
    let find = |name: &str| sections.iter().find(|section| section.name == name);
    for name in ["$edgeAgent", "$edgeHub"] {
        if !layered && find(name).is_none() {
            let help = format!("add `\"{name}\": {{\"properties.desired\": {{…}}}}`");
            reader.error(
                &content.span,
                format!("`modulesContent` has no `{name}`"),
                help,
            );
        }
    }
    let agent = find("$edgeAgent").map(|section| agent::read(reader, section, is_template));
    let hub = find("$edgeHub").map(|section| hub::read(reader, section));
    let agent = agent.unwrap_or_default();
    let hub = hub.unwrap_or_default();
    for section in &sections {
        twin_limits::check(reader, section);
    }
    graph::check(reader, &sections, &agent, &hub, layered, interfaces);
    let routes = hub.routes.into_iter().map(|read| read.route).collect();
    Some(Manifest {
        layered,
        agent: agent.agent,
        hub: super::Hub { routes, ..hub.hub },
        desired: sections
            .into_iter()
            .map(|section| (section.name, section.desired.to_json()))
            .collect(),
    })
}

/// `modulesContent`, at the root or in `content`.
fn modules_content<'n>(reader: &mut Reader<'_>, root: &'n Node) -> Option<&'n Node> {
    const ROOT: [&str; 10] = [
        "$schema-template",
        "$schema",
        "modulesContent",
        "content",
        "id",
        "priority",
        "labels",
        "targetCondition",
        "schemaVersion",
        "metrics",
    ];
    reader.object(root, "manifest", &ROOT)?;
    let holder = root.get("content").unwrap_or(root);
    if holder.get("modulesContent").is_none() {
        let help = match holder.get("moduleContent") {
            Some(_) => "it is called `modulesContent`",
            None => "a manifest is `{\"modulesContent\": {\"$edgeAgent\": …, \"$edgeHub\": …}}`",
        };
        reader.error(&holder.span, "there is no `modulesContent`", help);
    }
    let content = holder.get("modulesContent")?;
    reader
        .any_object(content, "modulesContent")
        .map(|_| content)
}

/// Every twin of the manifest, its desired properties put together.
fn sections(reader: &mut Reader<'_>, content: &Node) -> Vec<Section> {
    let mut sections = Vec::new();
    for field in content.fields().unwrap_or_default() {
        let Some(keys) = reader.any_object(&field.value, &field.name) else {
            continue;
        };
        if let Some(section) = section(reader, field, keys) {
            sections.push(section);
        }
    }
    sections
}

fn section(reader: &mut Reader<'_>, field: &Field, keys: &[Field]) -> Option<Section> {
    let full = keys.iter().find(|key| key.name == FULL);
    let mut desired = match full {
        Some(key) => {
            reader.any_object(&key.value, FULL)?;
            key.value.clone()
        }
        None => Node {
            span: field.value.span.clone(),
            kind: NodeKind::Object(Vec::new()),
        },
    };
    let mut layered = false;
    for key in keys.iter().filter(|key| key.name != FULL) {
        let path = key
            .name
            .strip_prefix(FULL)
            .and_then(|rest| rest.strip_prefix('.'));
        match path {
            Some(path) if path.split('.').all(|segment| !segment.is_empty()) => {
                layered = true;
                let segments: Vec<&str> = path.split('.').collect();
                desired.set(&segments, key.clone());
            }
            _ => reader.unknown(key, &field.name, &[FULL]),
        }
    }
    Some(Section {
        name: field.name.clone(),
        name_span: field.name_span.clone(),
        desired,
        layered: layered && full.is_none(),
    })
}

/// Reports keys that stand twice in one object: which of the two counts depends on who reads.
fn twice(reader: &mut Reader<'_>, node: &Node) {
    match &node.kind {
        NodeKind::Object(fields) => {
            let mut seen = HashSet::new();
            for field in fields {
                if !seen.insert(field.name.as_str()) {
                    let message = format!("`{}` is there twice", field.name);
                    reader.error(&field.name_span, message, "take one out, or rename it");
                }
                twice(reader, &field.value);
            }
        }
        NodeKind::Array(items) => {
            for item in items {
                twice(reader, item);
            }
        }
        _ => {}
    }
}
