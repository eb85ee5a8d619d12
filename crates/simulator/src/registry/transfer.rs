//! Jobs that import devices from a container of blobs, or export them to one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{End, Registry};

/// One such job, whose id is its name in the registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transfer {
    pub(crate) direction: Direction,
    /// Where devices are written, or what went wrong with those that were read.
    pub(crate) output: Container,
    /// The blob that holds devices, a line for each.
    pub(crate) devices_blob: String,
    /// The blob that holds configurations, if they go along.
    pub(crate) configurations_blob: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) state: TransferState,
}

/// Which way devices go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(crate) enum Direction {
    Import {
        input: Container,
        #[serde(default)]
        progress: ImportProgress,
    },
    Export {
        exclude_keys: bool,
    },
}

/// How far an import has come: what a restart goes on from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImportProgress {
    /// Of the blobs that are being read, one after the other: they must not be others after a restart.
    pub(crate) checksum: u32,
    /// Lines that are done.
    pub(crate) lines: usize,
    pub(crate) of: usize,
    /// What goes into the log of errors.
    pub(crate) errors: Vec<Value>,
}

/// Where a transfer is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub(crate) enum TransferState {
    Enqueued,
    Running,
    Ended {
        end: End,
        at: Timestamp,
        reason: Option<String>,
    },
}

/// One step in the life of a transfer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "camelCase")]
pub(crate) enum TransferStep {
    Enqueued {
        transfer: Box<Transfer>,
    },
    Begun,
    /// Some lines of an import are done.
    Imported {
        progress: ImportProgress,
    },
    Ended {
        end: End,
        at: Timestamp,
        reason: Option<String>,
    },
    Forgotten,
}

/// The URI of a container, which mostly carries the signature that opens it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Container(String);

impl Container {
    pub(crate) fn new(uri: &str) -> Self {
        Self(uri.trim().to_owned())
    }

    /// The URI of a blob in it, signature and all.
    pub(crate) fn secret_uri_of(&self, blob: &str) -> String {
        let (path, query) = match self.0.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.0.as_str(), None),
        };
        let name = hub_proto::percent::encode(blob).replace("%2F", "/");
        let path = path.trim_end_matches('/');
        match query {
            Some(query) => format!("{path}/{name}?{query}"),
            None => format!("{path}/{name}"),
        }
    }

    /// The URI without what opens it.
    pub(crate) fn shown(&self) -> &str {
        self.0.split_once('?').map_or(&self.0, |(path, _)| path)
    }
}

impl std::fmt::Debug for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Container({})", self.shown())
    }
}

impl Transfer {
    pub(crate) fn ended(&self) -> Option<Timestamp> {
        match self.state {
            TransferState::Ended { at, .. } => Some(at),
            _ => None,
        }
    }
}

impl Registry {
    /// Carries out one step. A transfer that is not there is no error: the step then means nothing.
    pub(crate) fn apply_transfer(&mut self, id: String, step: TransferStep) {
        match step {
            TransferStep::Enqueued { transfer } => {
                self.transfers.insert(id, *transfer);
                return;
            }
            TransferStep::Forgotten => {
                self.transfers.remove(&id);
                return;
            }
            _ => {}
        }
        let Some(transfer) = self.transfers.get_mut(&id) else {
            return;
        };
        match step {
            TransferStep::Enqueued { .. } | TransferStep::Forgotten => {}
            TransferStep::Begun => transfer.state = TransferState::Running,
            TransferStep::Imported { progress: done } => {
                if let Direction::Import { progress, .. } = &mut transfer.direction {
                    let mut errors = std::mem::take(&mut progress.errors);
                    errors.extend(done.errors);
                    *progress = ImportProgress { errors, ..done };
                }
            }
            TransferStep::Ended { end, at, reason } => {
                transfer.state = TransferState::Ended { end, at, reason };
                // They are in the log by now, or never will be.
                if let Direction::Import { progress, .. } = &mut transfer.direction {
                    progress.errors = Vec::new();
                }
            }
        }
    }
}
