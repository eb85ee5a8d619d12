//! The configurations a service keeps in the hub.

use std::io;

use hub_proto::error::ErrorCode;
use hub_proto::time;
use jiff::Timestamp;
use serde_json::{Value, json};
use thiserror::Error;

use super::Hub;
use crate::change::Change;
use crate::precondition::{Mismatch, Precondition};
use crate::registry::Configuration;

/// Why a configuration was not written, read or removed.
#[derive(Debug, Error)]
pub(crate) enum ConfigurationFault {
    #[error("configuration {0} is not there")]
    NotFound(String),
    #[error("configuration {0} is there already")]
    Exists(String),
    #[error("the entity tag does not match: somebody else has changed configuration {0}")]
    Precondition(String),
    #[error("the content of a configuration never changes; {0} has another")]
    Content(String),
    #[error("the journal cannot be written")]
    Journal(#[source] io::Error),
}

impl ConfigurationFault {
    /// The hub's number for it.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound(_) => ErrorCode::ConfigurationNotFound,
            Self::Exists(_) => ErrorCode::ConfigurationAlreadyExists,
            Self::Precondition(_) => ErrorCode::PreconditionFailed,
            Self::Content(_) => ErrorCode::ArgumentInvalid,
            Self::Journal(_) => ErrorCode::ServerError,
        }
    }
}

fn check(
    id: &str,
    stored: Option<&Configuration>,
    when: Precondition<'_>,
) -> Result<(), ConfigurationFault> {
    let etag = stored.map(Configuration::etag);
    when.check(etag.as_deref())
        .map_err(|mismatch| match mismatch {
            Mismatch::Exists => ConfigurationFault::Exists(id.to_owned()),
            Mismatch::Missing => ConfigurationFault::NotFound(id.to_owned()),
            Mismatch::Changed => ConfigurationFault::Precondition(id.to_owned()),
        })
}

impl Hub {
    /// Makes a configuration, or changes all of one but its content. Times and the entity tag are the hub's to give.
    ///
    /// # Errors
    /// When the precondition does not hold, or the content is another than before.
    pub(crate) fn put_configuration(
        &self,
        id: &str,
        mut configuration: Configuration,
        when: Precondition<'_>,
    ) -> Result<Value, ConfigurationFault> {
        let mut core = self.lock();
        let stored = core.registry.configurations.get(id);
        check(id, stored, when)?;
        let now = Timestamp::now();
        (configuration.created, configuration.updated) = (now, now);
        if let Some(stored) = stored {
            if configuration.content.is_empty() {
                configuration.content.clone_from(&stored.content);
            }
            if configuration.content != stored.content {
                return Err(ConfigurationFault::Content(id.to_owned()));
            }
            configuration.created = stored.created;
            configuration.revision = stored.revision + 1;
        }
        let shown = document(id, &configuration);
        core.record(Change::ConfigurationPut {
            id: id.to_owned(),
            configuration: Box::new(configuration),
        });
        self.commit(&mut core)
            .map_err(ConfigurationFault::Journal)?;
        Ok(shown)
    }

    /// One configuration.
    ///
    /// # Errors
    /// When there is none of that id.
    pub(crate) fn configuration(&self, id: &str) -> Result<Value, ConfigurationFault> {
        let core = self.lock_kept().map_err(ConfigurationFault::Journal)?;
        let found = core.registry.configurations.get(id);
        found
            .map(|found| document(id, found))
            .ok_or_else(|| ConfigurationFault::NotFound(id.to_owned()))
    }

    /// The first `most` configurations by id.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn configurations(&self, most: usize) -> io::Result<Vec<Value>> {
        let core = self.lock_kept()?;
        let found = core.registry.configurations.iter().take(most);
        Ok(found.map(|(id, found)| document(id, found)).collect())
    }

    /// Forgets a configuration.
    ///
    /// # Errors
    /// When there is none of that id, or the precondition does not hold.
    pub(crate) fn remove_configuration(
        &self,
        id: &str,
        when: Precondition<'_>,
    ) -> Result<(), ConfigurationFault> {
        let mut core = self.lock();
        let stored = core.registry.configurations.get(id);
        check(id, stored, when)?;
        if stored.is_none() {
            return Err(ConfigurationFault::NotFound(id.to_owned()));
        }
        core.record(Change::ConfigurationRemoved { id: id.to_owned() });
        self.commit(&mut core).map_err(ConfigurationFault::Journal)
    }
}

fn document(id: &str, configuration: &Configuration) -> Value {
    json!({
        "id": id,
        "schemaVersion": "1.0",
        "labels": configuration.labels,
        "content": configuration.content,
        "targetCondition": configuration.target_condition,
        "createdTimeUtc": time::format(configuration.created),
        "lastUpdatedTimeUtc": time::format(configuration.updated),
        "priority": configuration.priority,
        "systemMetrics": {"results": {}, "queries": {}},
        "metrics": {"results": {}, "queries": configuration.metrics},
        "etag": configuration.etag(),
    })
}
