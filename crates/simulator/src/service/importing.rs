//! Lines of an import's blobs: `ExportImportDevice` of the service's API, and configurations with an import mode.

use serde_json::{Map, Value};

use super::answer::Fault;
use super::bulk::{target, twin};
use super::configurations::{check_id, configuration};
use super::identities::wanted;
use super::reading::Part;
use crate::hub::{ConfigurationImport, DeviceImport, ImportStep, Line, PutWhen, Unreadable};

/// Reads a line about a device or module. Without an import mode it is made or changed, as documented.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn read_device(line: &str, number: usize) -> Result<Line, Unreadable> {
    let read = || {
        let value = value(line)?;
        let part = Part::of(&value, "")?;
        let target = target(&part)?;
        let step = step(&part)?;
        Ok(Line::Device(DeviceImport { target, step }))
    };
    read().map_err(|fault: Fault| unreadable("device", number, &fault))
}

/// Reads a line about a configuration.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn read_configuration(line: &str, number: usize) -> Result<Line, Unreadable> {
    let read = || {
        let value = value(line)?;
        let part = Part::of(&value, "")?;
        let id = part
            .text("id")?
            .ok_or_else(|| part.wrong("id", "is missing"))?;
        check_id(id)?;
        let mode = part.text("importMode")?.unwrap_or(CONFIGURATION_MODE);
        if !mode.eq_ignore_ascii_case(CONFIGURATION_MODE) {
            return Err(part.wrong("importMode", format!("must be {CONFIGURATION_MODE}")));
        }
        Ok(Line::Configuration(Box::new(ConfigurationImport {
            id: id.to_owned(),
            configuration: configuration(&part)?,
            etag: part.text("etag")?.map(str::to_owned),
        })))
    };
    read().map_err(|fault: Fault| unreadable("configuration", number, &fault))
}

/// The only one there is.
const CONFIGURATION_MODE: &str = "createOrUpdateIfMatchETag";

fn value(line: &str) -> Result<Value, Fault> {
    serde_json::from_str(line).map_err(|error| Fault::argument(format!("it is no JSON: {error}.")))
}

/// The line is not repeated: it may hold keys, and the log lies where others read.
fn unreadable(what: &str, number: usize, fault: &Fault) -> Unreadable {
    Unreadable(format!(
        "Invalid {what} format in line {number}: {}",
        fault.message
    ))
}

fn step(part: &Part<'_>) -> Result<ImportStep, Fault> {
    let mode = part.text("importMode")?.unwrap_or("createOrUpdate");
    // C# and Python write the one, Node the other.
    let etag = part.text("eTag")?.or(part.text("etag")?).map(str::to_owned);
    let twin_etag = part.text("twinETag")?.map(str::to_owned);
    let needed = |name: &str, etag: Option<String>| {
        etag.map(Some).ok_or_else(|| part.wrong(name, "is missing"))
    };
    let put = |when| {
        let mut wanted = wanted(part)?;
        wanted.twin = Some(twin(part)?);
        Ok::<_, Fault>(ImportStep::Put {
            wanted: Box::new(wanted),
            when,
            twin_etag: twin_etag.clone(),
            reported: reported(part)?,
        })
    };
    match mode.to_ascii_lowercase().as_str() {
        "create" => put(PutWhen::New),
        "createorupdate" => put(PutWhen::Either(None)),
        "createorupdateifmatchetag" => put(PutWhen::Either(etag)),
        "update" => put(PutWhen::There(None)),
        "updateifmatchetag" => put(PutWhen::There(needed("eTag", etag)?)),
        "delete" => Ok(ImportStep::Remove {
            etag: Some("*".to_owned()),
        }),
        "deleteifmatchetag" => Ok(ImportStep::Remove {
            etag: needed("eTag", etag)?,
        }),
        "updatetwin" => Ok(ImportStep::UpdateTwin {
            document: twin(part)?,
            etag: None,
        }),
        "updatetwinifmatchetag" => Ok(ImportStep::UpdateTwin {
            document: twin(part)?,
            etag: needed("twinETag", twin_etag.clone())?,
        }),
        _ => {
            let modes = "must be create, createOrUpdate, createOrUpdateIfMatchETag, update, updateIfMatchETag, \
                         delete, deleteIfMatchETag, updateTwin or updateTwinIfMatchETag";
            Err(part.wrong("importMode", modes))
        }
    }
}

/// What an export wrote down of the device's own properties, without what the hub adds to them.
fn reported(part: &Part<'_>) -> Result<Option<Value>, Fault> {
    let Some(properties) = part.part("properties", "properties")? else {
        return Ok(None);
    };
    let reported = properties.object("reported")?;
    let own: Option<Map<String, Value>> = reported.map(|reported| {
        let own = reported.iter().filter(|(name, _)| !name.starts_with('$'));
        own.map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    });
    Ok(own.filter(|own| !own.is_empty()).map(Value::Object))
}
