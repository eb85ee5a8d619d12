//! Lines of an import, as they are done.

use hub_proto::error::ErrorCode;
use hub_proto::identity::Identity;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Core, Errand, Hub};
use crate::hub::{IdentityFault, Step, TwinFault, Wanted};
use crate::precondition::Precondition;
use crate::registry::{Configuration, Direction, ImportProgress, TransferStep};
use crate::with_causes;

/// A line of an import.
#[derive(Debug)]
pub(crate) enum Line {
    Device(DeviceImport),
    Configuration(Box<ConfigurationImport>),
}

/// What a line says of one device or module.
#[derive(Debug)]
pub(crate) struct DeviceImport {
    pub(crate) target: Identity,
    pub(crate) step: ImportStep,
}

/// What is to be done with it.
#[derive(Debug)]
pub(crate) enum ImportStep {
    Put {
        wanted: Box<Wanted>,
        when: PutWhen,
        /// Of the twin, where one is to be written.
        twin_etag: Option<String>,
        reported: Option<Value>,
    },
    Remove {
        etag: Option<String>,
    },
    UpdateTwin {
        document: Value,
        etag: Option<String>,
    },
}

/// When a device is put.
#[derive(Debug)]
pub(crate) enum PutWhen {
    New,
    /// It is there, with this entity tag where one is given.
    There(Option<String>),
    /// It is new, or there with this entity tag where one is given.
    Either(Option<String>),
}

/// What a line says of one configuration.
#[derive(Debug)]
pub(crate) struct ConfigurationImport {
    pub(crate) id: String,
    pub(crate) configuration: Configuration,
    /// Of one that is there.
    pub(crate) etag: Option<String>,
}

/// Why a line is none.
#[derive(Debug)]
pub(crate) struct Unreadable(pub(crate) String);

/// Some lines, and how far the import has come with them.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) read: Vec<Result<Line, Unreadable>>,
    pub(crate) checksum: u32,
    pub(crate) done: usize,
    pub(crate) of: usize,
}

impl Hub {
    /// How many lines are done already.
    ///
    /// # Errors
    /// When the blobs are others than those a restart left half done.
    pub(crate) fn import_progress(
        &self,
        id: &str,
        checksum: u32,
        of: usize,
    ) -> Result<usize, String> {
        let core = self.lock();
        let Some(progress) = core.import_progress(id) else {
            return Ok(0);
        };
        if progress.lines == 0 || (progress.checksum, progress.of) == (checksum, of) {
            return Ok(progress.lines);
        }
        Err(format!(
            "The blobs are not those any more of which {} lines had been imported before a restart.",
            progress.lines
        ))
    }

    /// Does some lines, each of which may fail without the others; says whether to go on.
    pub(crate) fn import(&self, errand: &Errand, lines: Lines) -> bool {
        let mut core = self.lock();
        if errand.over.is_cancelled() {
            return false;
        }
        core.together(|core| {
            let mut errors = Vec::new();
            for line in lines.read {
                errors.extend(match line {
                    Ok(Line::Device(line)) => core.import_device(line),
                    Ok(Line::Configuration(line)) => core.import_configuration(*line),
                    Err(unreadable) => Some(unreadable.entry()),
                });
            }
            core.assign_some();
            let progress = ImportProgress {
                checksum: lines.checksum,
                lines: lines.done,
                of: lines.of,
                errors,
            };
            core.step_transfer(&errand.id, TransferStep::Imported { progress });
        });
        self.keep_transfer(&mut core);
        true
    }

    /// The log of what could not be done, a line for each.
    pub(crate) fn import_errors(&self, id: &str) -> Vec<u8> {
        let core = self.lock();
        let errors = core.import_progress(id).map(|progress| &progress.errors);
        let mut log = String::new();
        for error in errors.into_iter().flatten() {
            log.push_str(&error.to_string());
            log.push('\n');
        }
        log.into_bytes()
    }
}

impl Unreadable {
    fn entry(&self) -> Value {
        json!({
            "errorCode": ErrorCode::DeserializationError.number(),
            "errorStatus": self.0,
        })
    }
}

impl Core {
    /// How far an import has come that is not over.
    fn import_progress(&self, id: &str) -> Option<&ImportProgress> {
        let transfer = self.registry.transfers.get(id)?;
        match &transfer.direction {
            Direction::Import { progress, .. } if transfer.ended().is_none() => Some(progress),
            _ => None,
        }
    }

    /// Does a line, and says what goes into the log if it failed.
    fn import_device(&mut self, line: DeviceImport) -> Option<Value> {
        let fault = self.put_in_place(&line.target, line.step).err()?;
        let target = &line.target;
        let mut entry = json!({"deviceId": target.device_id()});
        if let Some(module) = target.module_id() {
            entry["moduleId"] = module.into();
        }
        entry["errorCode"] = fault.code().number().into();
        entry["errorStatus"] = with_causes(&fault).into();
        Some(entry)
    }

    fn import_configuration(&mut self, line: ConfigurationImport) -> Option<Value> {
        let is_there = self.registry.configurations.contains_key(&line.id);
        let when = match line.etag.as_deref() {
            Some(etag) if is_there => Precondition::of_header(Some(etag)),
            _ => Precondition::None,
        };
        let put = self.put_configuration(&line.id, line.configuration, when);
        let fault = put.err()?;
        Some(json!({
            "configurationId": line.id,
            "errorCode": fault.code().number(),
            "errorStatus": with_causes(&fault),
        }))
    }

    fn put_in_place(&mut self, target: &Identity, step: ImportStep) -> Result<(), IdentityFault> {
        match step {
            ImportStep::Put {
                wanted,
                when,
                twin_etag,
                reported,
            } => {
                let is_new = self.client(target).is_none();
                let etag = match &when {
                    PutWhen::New => None,
                    PutWhen::There(etag) | PutWhen::Either(etag) => etag.as_deref(),
                };
                let precondition = match (&when, etag) {
                    (PutWhen::New, _) => Precondition::Absent,
                    (PutWhen::Either(_), _) if is_new => Precondition::None,
                    (_, Some(etag)) => Precondition::of_header(Some(etag)),
                    (PutWhen::There(_), None) => Precondition::Present,
                    (PutWhen::Either(_), None) => Precondition::None,
                };
                // A new one begins with its twin; that of one that is there has an entity tag of its own.
                let twin = wanted.twin.clone().filter(|_| !is_new);
                self.administer(target, Step::Put(wanted, precondition))?;
                if let Some(document) = twin.filter(says_something) {
                    let when = Precondition::of_header(twin_etag.as_deref());
                    self.update_twin_when(target, document, true, when)?;
                }
                if let Some(patch) = reported {
                    self.report(target, patch, Timestamp::now())
                        .map_err(TwinFault::Document)?;
                }
                Ok(())
            }
            ImportStep::Remove { etag } => {
                let when = Precondition::of_header(etag.as_deref());
                self.administer(target, Step::Remove(when))
            }
            ImportStep::UpdateTwin { document, etag } => {
                let when = Precondition::of_header(etag.as_deref());
                self.administer(target, Step::UpdateTwin(document, when))
            }
        }
    }
}

fn says_something(document: &Value) -> bool {
    document
        .as_object()
        .is_some_and(|document| !document.is_empty())
}
