//! Many enrolments from a table, and what became of each line.

use std::collections::HashSet;
use std::time::Duration;

use dps_client::service::{BULK_LIMIT, ServiceError};
use hub_proto::dps::enrollment::{BulkMode, BulkResult, IndividualEnrollment};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::csv::{self, Record};
use super::entries::record;
use super::entry::{NewEnrollment, Registering};
use super::house;
use crate::app::App;
use crate::people::Caller;
use crate::problem::Problem;

/// The most lines of one table.
const MOST: usize = 1000;
/// How often a part is sent again that the service put off.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_secs(2);

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LineOutcome {
    /// It is enrolled.
    Created,
    /// There was one before, which stays as it is.
    Exists,
    /// It is not enrolled.
    Failed,
}

/// One line's report.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImportedLine {
    /// Where it begins in the table, counted from 1.
    pub line: usize,
    /// Whom it enrols.
    pub registration_id: String,
    /// What became of it.
    pub outcome: LineOutcome,
    /// Why it is not enrolled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A table's report.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Imported {
    /// How many were enrolled.
    pub created: usize,
    /// How many were before.
    pub exists: usize,
    /// How many are not.
    pub failed: usize,
    /// Each line, in their order.
    pub lines: Vec<ImportedLine>,
}

/// What the columns are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Column {
    RegistrationId,
    DeviceId,
    Edge,
    Status,
    Tag(String),
    Desired(String),
}

/// Enrols what a table lists: a head line with `registrationId` and, where wanted, `deviceId`, `edge` (`true` or `false`),
/// `provisioningStatus`, `tags.NAME` and `desired.NAME`; then a line for each device. Every line is tried: one that is
/// wrong keeps no other from being enrolled, and the same table again enrols what is missing.
///
/// # Errors
/// 400 when it is no table, or has other columns or more than 1000 lines: then nothing was enrolled.
pub(crate) async fn import(app: &App, caller: &Caller, text: &str) -> Result<Imported, Problem> {
    house(caller)?;
    let no_table = |why: String| Problem::field("body", why);
    let records = csv::read(text).map_err(|error| no_table(error.to_string()))?;
    let Some((head, records)) = records.split_first() else {
        return Err(no_table("has no head line: registrationId,…".to_owned()));
    };
    let columns = columns(head)?;
    if records.is_empty() || records.len() > MOST {
        return Err(no_table(format!(
            "must have 1 to {MOST} lines below its head"
        )));
    }
    let mut seen = HashSet::new();
    let mut lines = Vec::with_capacity(records.len());
    let mut sound = Vec::new();
    for record in records {
        let read = entry(&columns, record, &mut seen);
        let (registration_id, problem) = match &read {
            Ok(entry) => (entry.registration_id.to_string(), None),
            Err((id, why)) => (id.clone(), Some(why.clone())),
        };
        if let Ok(entry) = read {
            sound.push((lines.len(), entry));
        }
        lines.push(ImportedLine {
            line: record.line,
            registration_id,
            outcome: LineOutcome::Failed,
            problem,
        });
    }
    for part in sound.chunks(BULK_LIMIT) {
        let entries: Vec<_> = part.iter().map(|(_, entry)| entry.clone()).collect();
        let result = enrol(app, &entries).await;
        for (at, entry) in part {
            (lines[*at].outcome, lines[*at].problem) = outcome(&result, entry);
        }
    }
    let count = |outcome| lines.iter().filter(|line| line.outcome == outcome).count();
    let imported = Imported {
        created: count(LineOutcome::Created),
        exists: count(LineOutcome::Exists),
        failed: count(LineOutcome::Failed),
        lines,
    };
    let created: Vec<_> = imported
        .lines
        .iter()
        .filter(|line| line.outcome == LineOutcome::Created)
        .map(|line| &line.registration_id)
        .collect();
    let detail = json!({"created": created, "exists": imported.exists, "failed": imported.failed});
    record::<IndividualEnrollment>(app, caller, "create", "import", detail).await?;
    Ok(imported)
}

fn columns(head: &Record) -> Result<Vec<Column>, Problem> {
    let mut columns = Vec::new();
    for name in &head.fields {
        let name = name.trim();
        let column = match name {
            "registrationId" => Column::RegistrationId,
            "deviceId" => Column::DeviceId,
            "edge" => Column::Edge,
            "provisioningStatus" => Column::Status,
            _ => match name.split_once('.') {
                Some(("tags", name)) if !name.is_empty() => Column::Tag(name.to_owned()),
                Some(("desired", name)) if !name.is_empty() => Column::Desired(name.to_owned()),
                _ => {
                    let detail = format!(
                        "line {}: there is no column {name:?}; there are registrationId, deviceId, edge, \
                         provisioningStatus, tags.NAME and desired.NAME",
                        head.line
                    );
                    return Err(Problem::field("body", detail));
                }
            },
        };
        if columns.contains(&column) {
            let detail = format!("line {}: the column {name:?} stands there twice", head.line);
            return Err(Problem::field("body", detail));
        }
        columns.push(column);
    }
    if !columns.contains(&Column::RegistrationId) {
        let detail = format!("line {}: the column registrationId is missing", head.line);
        return Err(Problem::field("body", detail));
    }
    Ok(columns)
}

fn entry(
    columns: &[Column],
    record: &Record,
    seen: &mut HashSet<String>,
) -> Result<IndividualEnrollment, (String, String)> {
    let mut new = NewEnrollment::default();
    let mut wrong = None;
    for (column, field) in columns.iter().zip(&record.fields) {
        let field = field.trim();
        if field.is_empty() {
            continue;
        }
        match column {
            Column::RegistrationId => new.registration_id = field.to_owned(),
            Column::DeviceId => new.device_id = Some(field.to_owned()),
            Column::Edge => match field {
                "true" => new.edge = true,
                "false" => {}
                other => wrong = Some(format!("edge must be true or false, not {other:?}")),
            },
            Column::Status => match field {
                "enabled" => {}
                "disabled" => new.provisioning_status = Registering::Disabled,
                other => {
                    wrong = Some(format!(
                        "provisioningStatus must be enabled or disabled, not {other:?}"
                    ));
                }
            },
            Column::Tag(name) => put(&mut new.tags, name, field),
            Column::Desired(name) => put(&mut new.desired_properties, name, field),
        }
    }
    let id = new.registration_id.clone();
    if record.fields.len() != columns.len() {
        let (is, has) = (record.fields.len(), columns.len());
        wrong = Some(format!("it has {is} fields, and the head {has}"));
    }
    if let Some(why) = wrong {
        return Err((id, why));
    }
    let entry = new
        .entry()
        .map_err(|problem| (id.clone(), problem.detail))?;
    if !seen.insert(entry.registration_id.to_lowercase()) {
        return Err((id, "it stands in the table before".to_owned()));
    }
    Ok(entry)
}

/// Numbers and flags are themselves, and everything else a text.
fn put(map: &mut Map<String, Value>, name: &str, field: &str) {
    let value = match serde_json::from_str(field) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
        _ => Value::String(field.to_owned()),
    };
    map.insert(name.to_owned(), value);
}

async fn enrol(app: &App, entries: &[IndividualEnrollment]) -> Result<BulkResult, String> {
    let enrollments = app.provisioning.enrollments();
    for attempt in 1.. {
        match enrollments.bulk(BulkMode::Create, entries).await {
            Ok(result) => return Ok(result),
            Err(ServiceError::Throttled { retry_after, .. }) if attempt < ATTEMPTS => {
                tokio::time::sleep(retry_after.unwrap_or(PAUSE)).await;
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    unreachable!("the last attempt returns")
}

fn outcome(
    result: &Result<BulkResult, String>,
    entry: &IndividualEnrollment,
) -> (LineOutcome, Option<String>) {
    let result = match result {
        Ok(result) => result,
        Err(why) => return (LineOutcome::Failed, Some(why.clone())),
    };
    let id = entry.registration_id.as_str();
    let error = result.errors.iter().find(|error| {
        let of = error.registration_id.as_deref().unwrap_or_default();
        of.eq_ignore_ascii_case(id)
    });
    match error {
        None if result.is_successful || !result.errors.is_empty() => (LineOutcome::Created, None),
        None => {
            let why = "the service says that something failed, and not what";
            (LineOutcome::Failed, Some(why.to_owned()))
        }
        // The first three digits are the HTTP status.
        Some(error) if error.error_code.to_string().starts_with("409") => {
            (LineOutcome::Exists, None)
        }
        Some(error) => (LineOutcome::Failed, Some(error.error_status.clone())),
    }
}
