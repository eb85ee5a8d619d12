//! Scheduled jobs: `/jobs/v2/{id}`, `/jobs/v2/{id}/cancel` and `/jobs/v2/query`.

use std::time::Duration;

use axum::http::Method;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub_proto::error::ErrorCode;
use hub_proto::twin::{Twin, Update};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use query::{Collection, Query};
use serde_json::Value;

use super::answer::Fault;
use super::query::{CONTINUATION, ITEM_TYPE};
use super::reading::{self, Part};
use super::{Asked, methods, not_allowed, query_value};
use crate::hub::{JobFault, Right};
use crate::registry::{Job, JobState, Task};
use crate::rest::{document, header_text};
use crate::with_causes;

/// Characters of a job's id, as documented.
const LONGEST_ID: usize = 64;
/// What SDKs give a job to be done in.
const USUAL_EXECUTION_SECONDS: u64 = 3600;
/// As long as a job is kept, it may take, and may be planned ahead.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// Types and statuses that can be asked for: those of `JobResponse` in the service's API.
const TYPES: [&str; 14] = [
    "unknown",
    "export",
    "import",
    "backup",
    "readDeviceProperties",
    "writeDeviceProperties",
    "updateDeviceConfiguration",
    "rebootDevice",
    "factoryResetDevice",
    "firmwareUpdate",
    "scheduleDeviceMethod",
    "scheduleUpdateTwin",
    "restoreFromBackup",
    "failoverDataCopy",
];
const STATUSES: [&str; 8] = [
    "unknown",
    "enqueued",
    "running",
    "completed",
    "failed",
    "cancelled",
    "scheduled",
    "queued",
];

impl From<JobFault> for Fault {
    fn from(fault: JobFault) -> Self {
        Self::new(fault.code(), with_causes(&fault))
    }
}

impl Asked<'_> {
    /// `/jobs/v2/{id}`
    pub(super) fn job(&self, id: &str) -> Result<Response, Fault> {
        match *self.method() {
            Method::GET => {
                self.authorize(Right::RegistryRead)?;
                Ok(document(&self.hub.job(id)?))
            }
            Method::PUT => {
                self.authorize(Right::RegistryWrite)?;
                check_id(id)?;
                let body = reading::json(self.body)?;
                let part = Part::of(&body, "")?;
                part.expect("jobId", id)?;
                let job = job(&part, Timestamp::now())?;
                Ok(document(&self.hub.schedule_job(id, job)?))
            }
            _ => not_allowed(),
        }
    }

    /// `/jobs/v2/{id}/cancel`
    pub(super) fn cancel_job(&self, id: &str) -> Result<Response, Fault> {
        if *self.method() != Method::POST {
            return not_allowed();
        }
        self.authorize(Right::RegistryWrite)?;
        Ok(document(&self.hub.cancel_job(id)?))
    }

    /// `/jobs/v2/query`
    pub(super) fn jobs(&self) -> Result<Response, Fault> {
        self.authorize(Right::RegistryRead)?;
        let kind = self.one_of("jobType", &TYPES)?;
        let status = self.one_of("jobStatus", &STATUSES)?;
        let after = self.job_continuation()?;
        let listed = self
            .hub
            .jobs(kind, status, after.as_deref(), self.page_size()?)?;
        let mut response = document(&listed.jobs);
        let headers = response.headers_mut();
        headers.insert(ITEM_TYPE, "jobResponse".parse().expect("visible ASCII"));
        // Clients test for the header's presence: on the last page it is absent.
        if let Some(last) = listed.more_after {
            let token = URL_SAFE_NO_PAD.encode(last);
            headers.insert(
                CONTINUATION,
                token.parse().expect("base64 is visible ASCII"),
            );
        }
        Ok(response)
    }

    /// A parameter of the query that is one of these words, in any case, or empty.
    fn one_of(&self, name: &str, words: &[&'static str]) -> Result<Option<&'static str>, Fault> {
        let query = self.parts.uri.query().unwrap_or_default();
        let Some(value) = query_value(query, name).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let mut words = words.iter();
        words
            .find(|word| word.eq_ignore_ascii_case(value))
            .map(|word| Some(*word))
            .ok_or_else(|| Fault::argument(format!("{name} {value:?} is none.")))
    }

    fn job_continuation(&self) -> Result<Option<String>, Fault> {
        let Some(token) = header_text(self.parts, CONTINUATION).filter(|token| !token.is_empty())
        else {
            return Ok(None);
        };
        let id = URL_SAFE_NO_PAD.decode(token).ok();
        id.and_then(|id| String::from_utf8(id).ok())
            .map(Some)
            .ok_or_else(|| {
                Fault::argument(format!("{CONTINUATION} is none that this service gave."))
            })
    }
}

fn check_id(id: &str) -> Result<(), Fault> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(allowed) {
        return Ok(());
    }
    Err(Fault::argument(format!(
        "jobId {id:?} is none: up to {LONGEST_ID} letters, digits and dashes are one."
    )))
}

/// What a body asks for: `JobRequest` of the service's API.
fn job(part: &Part<'_>, now: Timestamp) -> Result<Job, Fault> {
    let kind = part
        .text("type")?
        .ok_or_else(|| part.wrong("type", "is missing"))?;
    let task = match kind.to_ascii_lowercase().as_str() {
        "scheduleupdatetwin" => Task::ScheduleUpdateTwin {
            twin: twin(part, now)?,
        },
        "scheduledevicemethod" => Task::ScheduleDeviceMethod {
            method: method(part)?,
        },
        _ => {
            let kinds = "must be \"scheduleUpdateTwin\" or \"scheduleDeviceMethod\"";
            return Err(part.wrong("type", kinds));
        }
    };
    let max_execution_seconds = match part.number("maxExecutionTimeInSeconds")? {
        None => USUAL_EXECUTION_SECONDS,
        Some(seconds) if (1..=LONGEST.as_secs()).contains(&seconds) => seconds,
        Some(_) => {
            let range = format!("must be within [1; {}]", LONGEST.as_secs());
            return Err(part.wrong("maxExecutionTimeInSeconds", range));
        }
    };
    Ok(Job {
        task,
        condition: condition(part)?,
        created: now,
        starts: starts(part, now)?,
        max_execution_seconds,
        state: JobState::Waiting,
        runs: Default::default(),
    })
}

fn condition(part: &Part<'_>) -> Result<String, Fault> {
    let text = part
        .text("queryCondition")?
        .filter(|text| !text.trim().is_empty())
        .ok_or_else(|| part.wrong("queryCondition", "is missing; * is for every device"))?;
    match Query::parse_condition(text, Collection::DEVICES) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => {
            let help = format!("is not valid: {error}: {}", error.help);
            Err(part.wrong("queryCondition", help))
        }
    }
}

/// A time that is over means at once, as does none.
fn starts(part: &Part<'_>, now: Timestamp) -> Result<Timestamp, Fault> {
    let Some(text) = part.text("startTime")?.filter(|text| !text.is_empty()) else {
        return Ok(now);
    };
    let Some(starts) = moment(text) else {
        let form = "must be a time as 2026-03-01T10:00:00Z";
        return Err(part.wrong("startTime", form));
    };
    if starts > now + LONGEST {
        let days = LONGEST.as_secs() / 86_400;
        let limit = format!("must not be more than {days} days ahead");
        return Err(part.wrong("startTime", limit));
    }
    Ok(starts.max(now))
}

/// ISO 8601; without a zone it is UTC, as .NET and Python may write it.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let local: DateTime = text.parse().ok()?;
        Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

/// The patch, when it is one that a twin could take.
fn twin(part: &Part<'_>, now: Timestamp) -> Result<Value, Fault> {
    let twin = part
        .part("updateTwin", "updateTwin")?
        .ok_or_else(|| part.wrong("updateTwin", "is missing"))?;
    // Jobs force their patch, whatever has become of a twin: the hub takes no other tag.
    match twin.text("etag")?.or(twin.text("eTag")?) {
        Some("*") => {}
        _ => {
            let message = "updateTwin.etag must be \"*\".";
            return Err(Fault::new(ErrorCode::PreconditionFailed, message));
        }
    }
    twin.object("tags")?;
    if let Some(properties) = twin.part("properties", "updateTwin.properties")? {
        properties.object("desired")?;
    }
    let value = part.value("updateTwin").cloned().unwrap_or_default();
    match Twin::new(now).update(&value, Update::Merge, now) {
        Ok(_) => Ok(value),
        Err(error) => Err(part.wrong("updateTwin", format!("is not valid: {error}"))),
    }
}

fn method(part: &Part<'_>) -> Result<hub_proto::method::MethodRequest, Fault> {
    let name = "cloudToDeviceMethod";
    let method = part
        .part(name, name)?
        .ok_or_else(|| part.wrong(name, "is missing"))?;
    let method = methods::request(&method)?;
    method
        .validate()
        .map_err(|error| Fault::argument(format!("{name}.{error}")))?;
    Ok(method)
}
