//! The configurations a service keeps in the hub.

use std::io;

use hub_proto::error::ErrorCode;
use jiff::Timestamp;
use thiserror::Error;

use super::{Core, Hub};
use crate::assigning::Kind;
use crate::change::Change;
use crate::precondition::{Mismatch, Precondition};
use crate::registry::Configuration;

/// How many deployments there may be, and how many configurations of devices and modules.
const MOST: usize = 100;

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
    #[error("there are {MOST} configurations of its kind, and no more can be")]
    TooMany,
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
            Self::Content(_) => ErrorCode::CannotModifyImmutableConfigurationContent,
            Self::TooMany => ErrorCode::ConfigurationCountLimitExceeded,
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
    /// It takes effect at once where there are few devices, and soon where there are many.
    ///
    /// # Errors
    /// When the precondition does not hold, the content is another than before, or there are too many.
    pub(crate) fn put_configuration(
        &self,
        id: &str,
        configuration: Configuration,
        when: Precondition<'_>,
    ) -> Result<Configuration, ConfigurationFault> {
        let mut core = self.lock();
        let configuration = core.put_configuration(id, configuration, when)?;
        core.assign_some();
        self.commit(&mut core)
            .map_err(ConfigurationFault::Journal)?;
        Ok(configuration)
    }

    /// One configuration.
    ///
    /// # Errors
    /// When there is none of that id.
    pub(crate) fn configuration(&self, id: &str) -> Result<Configuration, ConfigurationFault> {
        let core = self.lock_kept().map_err(ConfigurationFault::Journal)?;
        let found = core.registry.configurations.get(id).cloned();
        found.ok_or_else(|| ConfigurationFault::NotFound(id.to_owned()))
    }

    /// The first `most` configurations by id.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn configurations(&self, most: usize) -> io::Result<Vec<(String, Configuration)>> {
        let core = self.lock_kept()?;
        let found = core.registry.configurations.iter().take(most);
        Ok(found
            .map(|(id, found)| (id.clone(), found.clone()))
            .collect())
    }

    /// Forgets a configuration. What it has set in twins of devices and modules is taken out; what a deployment runs
    /// stays until there is another.
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
        core.retarget();
        core.assign_some();
        self.commit(&mut core).map_err(ConfigurationFault::Journal)
    }
}

impl Core {
    pub(super) fn put_configuration(
        &mut self,
        id: &str,
        mut configuration: Configuration,
        when: Precondition<'_>,
    ) -> Result<Configuration, ConfigurationFault> {
        let stored = self.registry.configurations.get(id);
        check(id, stored, when)?;
        let now = Timestamp::now();
        (configuration.created, configuration.updated) = (now, now);
        match stored {
            Some(stored) => {
                if configuration.content.is_empty() {
                    configuration.content.clone_from(&stored.content);
                }
                if configuration.content != stored.content {
                    return Err(ConfigurationFault::Content(id.to_owned()));
                }
                configuration.created = stored.created;
                configuration.revision = stored.revision + 1;
            }
            None => {
                let is_deployment =
                    |of: &Configuration| matches!(of.kind(), Kind::Deployment { .. });
                let kind = is_deployment(&configuration);
                let others = self.registry.configurations.values();
                if others.filter(|other| is_deployment(other) == kind).count() >= MOST {
                    return Err(ConfigurationFault::TooMany);
                }
            }
        }
        self.record(Change::ConfigurationPut {
            id: id.to_owned(),
            configuration: Box::new(configuration.clone()),
        });
        self.retarget();
        Ok(configuration)
    }
}
