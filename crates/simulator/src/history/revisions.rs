//! The history of twins: which properties each version changed, from what and to what.
//!
//! Kept are the changes, not the documents: what a section was at a version is what it is now, with the changes since
//! taken back.

use hub_proto::identity::Identity;
use hub_proto::twin::{Object, Twin, diff};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ring::Ring;
use crate::change::Change;
use crate::registry::Registry;

const OF_EACH: usize = 64;
const BYTES: usize = 2 << 20;

/// Which part of a twin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RevisionSection {
    /// The cloud's notes; their version is the twin's.
    Tags,
    /// What the cloud wants.
    Desired,
    /// What the device says.
    Reported,
}

/// One property that a version changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PropertyChange {
    /// The names that lead to it.
    pub path: Vec<String>,
    /// What it was; absent when it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it became; absent when it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// One version of one section.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// When it came to be.
    pub time: Timestamp,
    /// Of which section.
    pub section: RevisionSection,
    /// The version it became.
    pub version: u64,
    /// What it changed; empty when it said what was so already.
    pub changes: Vec<PropertyChange>,
}

/// A twin as it is, and how it became so.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TwinRevisions {
    /// Of the twin, for `If-Match`.
    pub etag: String,
    /// The tags now.
    pub tags: Object,
    /// The twin's version now.
    pub tags_version: u64,
    /// The desired properties now.
    pub desired: Object,
    /// Their version now.
    pub desired_version: u64,
    /// The reported properties now.
    pub reported: Object,
    /// Their version now.
    pub reported_version: u64,
    /// What is remembered of the versions before, newest first.
    pub revisions: Vec<Revision>,
}

impl TwinRevisions {
    /// A section as it was at one of its versions; nothing when that is no longer remembered, or not yet there.
    #[must_use]
    pub fn at(&self, section: RevisionSection, version: u64) -> Option<Object> {
        let (now, newest) = match section {
            RevisionSection::Tags => (&self.tags, self.tags_version),
            RevisionSection::Desired => (&self.desired, self.desired_version),
            RevisionSection::Reported => (&self.reported, self.reported_version),
        };
        let mut then = now.clone();
        let mut reached = newest;
        let own = self.revisions.iter().filter(|one| one.section == section);
        let mut own = own.peekable();
        while let Some(revision) = own.next_if(|revision| revision.version > version) {
            for change in revision.changes.iter().rev() {
                put(&mut then, &change.path, change.before.as_ref());
            }
            reached = revision.version - 1;
        }
        // Tags count with the twin: it may have versions between two of theirs, in which they rest.
        let known = own.peek().is_some() || reached <= version;
        (known && version <= newest).then_some(then)
    }

    /// What changed in a section between two of its versions; nothing when one of them is not remembered.
    #[must_use]
    pub fn between(
        &self,
        section: RevisionSection,
        from: u64,
        to: u64,
    ) -> Option<Vec<PropertyChange>> {
        let (before, after) = (self.at(section, from)?, self.at(section, to)?);
        let mut changes = changes(&before, &diff(&before, &after));
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Some(changes)
    }
}

/// The newest revisions of every twin that has some.
#[derive(Debug)]
pub(crate) struct TwinHistory(Ring<Kept>);

/// A revision as it is kept: its changes as JSON, which takes least.
#[derive(Debug)]
struct Kept {
    time: Timestamp,
    section: RevisionSection,
    version: u64,
    changes: Box<str>,
}

/// What a change will do to a twin, if it is carried out.
#[derive(Debug)]
pub(crate) enum Foreseen {
    Revised(Identity, Timestamp, Vec<(RevisionSection, Box<str>)>),
    /// The identity goes, or comes anew; its past is another's.
    Forgotten(Identity),
}

impl Default for TwinHistory {
    fn default() -> Self {
        Self(Ring::new(BYTES, OF_EACH))
    }
}

impl TwinHistory {
    /// Looks at what a change of the registry is about to do. It may still be refused, so nothing is kept yet.
    pub(crate) fn foresee(registry: &Registry, change: &Change) -> Option<Foreseen> {
        let forgotten = |device: &str, module: Option<&str>| {
            Identity::new(device, module).ok().map(Foreseen::Forgotten)
        };
        match change {
            Change::DevicePut { id, .. } | Change::DeviceRemoved { id } => forgotten(id, None),
            Change::ModulePut { device, id, .. } | Change::ModuleRemoved { device, id } => {
                forgotten(device, Some(id))
            }
            Change::TwinUpdated {
                target,
                document,
                replace,
                at,
            } => {
                let twin = &registry.client(target)?.twin;
                let part = |section, now: &Object, wanted: &Value| {
                    let mut wanted = wanted.as_object()?.clone();
                    // The service's own, which a twin that was read and is sent back still has.
                    wanted.shift_remove("$version");
                    wanted.shift_remove("$metadata");
                    let patch = if *replace { diff(now, &wanted) } else { wanted };
                    Some((section, written(now, &patch)))
                };
                let parts = [
                    part(RevisionSection::Tags, twin.tags(), &document["tags"]),
                    part(
                        RevisionSection::Desired,
                        twin.desired().value(),
                        &document["properties"]["desired"],
                    ),
                ];
                let parts = parts.into_iter().flatten().collect();
                Some(Foreseen::Revised(target.clone(), *at, parts))
            }
            Change::Reported { target, patch, at } => {
                let now = registry.client(target)?.twin.reported().value();
                let parts = vec![(RevisionSection::Reported, written(now, patch.as_object()?))];
                Some(Foreseen::Revised(target.clone(), *at, parts))
            }
            _ => None,
        }
    }

    /// Keeps what was foreseen: the change was carried out.
    pub(crate) fn keep(&mut self, registry: &Registry, foreseen: Foreseen) {
        match foreseen {
            Foreseen::Forgotten(identity) => self.0.forget(&identity),
            Foreseen::Revised(target, time, parts) => {
                let Some(client) = registry.client(&target) else {
                    return;
                };
                for (section, changes) in parts {
                    let version = version_of(&client.twin, section);
                    let kept = Kept {
                        time,
                        section,
                        version,
                        changes,
                    };
                    let bytes = kept.changes.len();
                    self.0.push(Some(target.clone()), bytes, kept);
                }
            }
        }
    }

    /// A twin with what is remembered of it.
    pub(crate) fn of(&self, target: &Identity, twin: &Twin) -> TwinRevisions {
        let about = Some(target.clone());
        let kept = self.0.about(&about);
        let revisions = kept.map(|kept| Revision {
            time: kept.time,
            section: kept.section,
            version: kept.version,
            // This is what `written` wrote.
            changes: serde_json::from_str(&kept.changes).unwrap_or_default(),
        });
        TwinRevisions {
            etag: twin.etag(),
            tags: twin.tags().clone(),
            tags_version: twin.version(),
            desired: twin.desired().value().clone(),
            desired_version: twin.desired().version(),
            reported: twin.reported().value().clone(),
            reported_version: twin.reported().version(),
            revisions: revisions.collect(),
        }
    }
}

fn version_of(twin: &Twin, section: RevisionSection) -> u64 {
    match section {
        RevisionSection::Tags => twin.version(),
        RevisionSection::Desired => twin.desired().version(),
        RevisionSection::Reported => twin.reported().version(),
    }
}

fn written(now: &Object, patch: &Object) -> Box<str> {
    let text = serde_json::to_string(&changes(now, patch));
    text.unwrap_or_default().into_boxed_str()
}

/// What merging a patch changes.
fn changes(now: &Object, patch: &Object) -> Vec<PropertyChange> {
    let mut found = Vec::new();
    let mut path = Vec::new();
    walk(now, patch, &mut path, &mut found);
    found
}

fn walk(now: &Object, patch: &Object, path: &mut Vec<String>, found: &mut Vec<PropertyChange>) {
    for (name, wanted) in patch {
        let before = now.get(name);
        path.push(name.clone());
        match (before, wanted) {
            (Some(Value::Object(now)), Value::Object(patch)) => walk(now, patch, path, found),
            (before, wanted) => {
                let after = without_nulls(wanted);
                if before != after.as_ref() {
                    found.push(PropertyChange {
                        path: path.clone(),
                        before: before.cloned(),
                        after,
                    });
                }
            }
        }
        path.pop();
    }
}

/// What a value becomes where there was no object to merge it into.
fn without_nulls(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(object) => {
            let kept = object
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), without_nulls(value)?)));
            Some(Value::Object(kept.collect()))
        }
        other => Some(other.clone()),
    }
}

fn put(object: &mut Object, path: &[String], value: Option<&Value>) {
    match path {
        [] => {}
        [name] => {
            match value {
                Some(value) => object.insert(name.clone(), value.clone()),
                None => object.shift_remove(name),
            };
        }
        [name, rest @ ..] => {
            if let Some(Value::Object(inner)) = object.get_mut(name) {
                put(inner, rest, value);
            }
        }
    }
}
