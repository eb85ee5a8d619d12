//! Up to a hundred devices and modules in one request: `POST /devices`.

use axum::response::Response;
use hub_proto::error::ErrorCode;
use hub_proto::identity::Identity;
use serde_json::{Map, Value, json};

use super::Asked;
use super::answer::Fault;
use super::identities::wanted;
use super::reading::{self, Part};
use crate::hub::Step;
use crate::precondition::Precondition;
use crate::rest::document;
use crate::with_causes;

/// Identities in one request.
const MOST_AT_ONCE: usize = 100;

impl Asked<'_> {
    /// Does each item by itself, and says which of them failed. An item that cannot be read fails the whole request,
    /// and nothing is done then.
    pub(super) fn bulk(&self) -> Result<Response, Fault> {
        let body = reading::json(self.body)?;
        let items = body
            .as_array()
            .ok_or_else(|| Fault::argument("The body must be an array."))?;
        if items.len() > MOST_AT_ONCE {
            let message = format!("A bulk request has at most {MOST_AT_ONCE} identities.");
            return Err(Fault::new(ErrorCode::TooManyDevices, message));
        }
        let places: Vec<String> = (0..items.len()).map(|at| format!("[{at}]")).collect();
        let mut modes = Vec::new();
        let mut steps = Vec::new();
        for (item, place) in items.iter().zip(&places) {
            let part = Part::of(item, place)?;
            let (mode, target, step) = step(&part)?;
            modes.push((mode, target.clone()));
            steps.push((target, step));
        }
        let done = self.hub.administer_all(steps)?;
        let errors: Vec<Value> = done
            .into_iter()
            .zip(modes)
            .filter_map(|(done, (mode, target))| {
                let fault = done.err()?;
                Some(json!({
                    "deviceId": target.device_id(),
                    "moduleId": target.module_id(),
                    "errorCode": fault.code().name(),
                    "errorStatus": with_causes(&fault),
                    "operation": mode,
                }))
            })
            .collect();
        Ok(document(
            &json!({"isSuccessful": errors.is_empty(), "errors": errors, "warnings": []}),
        ))
    }
}

fn step<'a>(part: &Part<'a>) -> Result<(&'a str, Identity, Step<'a>), Fault> {
    let target = target(part)?;
    let mode = part
        .text("importMode")?
        .ok_or_else(|| part.wrong("importMode", "is missing"))?;
    // C# and Python write the one, Node the other.
    let etag = part.text("eTag")?.or(part.text("etag")?);
    let tag = |name: &str, tag: Option<&'a str>| {
        tag.map(|tag| Precondition::of_header(Some(tag)))
            .ok_or_else(|| part.wrong(name, "is missing"))
    };
    let put = |when| {
        let mut wanted = wanted(part)?;
        wanted.twin = Some(twin(part)?);
        Ok::<_, Fault>(Step::Put(Box::new(wanted), when))
    };
    let step = match mode.to_ascii_lowercase().as_str() {
        "create" => put(Precondition::Absent)?,
        "update" => put(Precondition::Present)?,
        "createorupdate" => put(Precondition::None)?,
        "updateifmatchetag" => put(tag("eTag", etag)?)?,
        "delete" => Step::Remove(Precondition::None),
        "deleteifmatchetag" => Step::Remove(tag("eTag", etag)?),
        "updatetwin" => Step::UpdateTwin(twin(part)?, Precondition::None),
        "updatetwinifmatchetag" => {
            let etag = part.text("twinETag")?;
            Step::UpdateTwin(twin(part)?, tag("twinETag", etag)?)
        }
        _ => {
            let modes = "must be create, update, updateIfMatchETag, delete, deleteIfMatchETag, updateTwin or \
                         updateTwinIfMatchETag";
            return Err(part.wrong("importMode", modes));
        }
    };
    Ok((mode, target, step))
}

/// Who the item is about.
pub(super) fn target(part: &Part<'_>) -> Result<Identity, Fault> {
    let device = part
        .text("id")?
        .ok_or_else(|| part.wrong("id", "is missing"))?;
    let module = part.text("moduleId")?.filter(|id| !id.is_empty());
    Identity::new(device, module).map_err(|error| part.wrong("id", format!("is none: {error}")))
}

/// The item's twin, as in a PATCH of it.
pub(super) fn twin(part: &Part<'_>) -> Result<Value, Fault> {
    let mut twin = Map::new();
    for name in ["tags", "properties"] {
        if let Some(section) = part.object(name)? {
            twin.insert(name.to_owned(), Value::Object(section.clone()));
        }
    }
    Ok(Value::Object(twin))
}
