//! Records of registrations: which device came to which hub, and through which group.

use hub_proto::dps::registration::{RegistrationId, RegistrationState, Status};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{continuation, house, problem};
use crate::app::App;
use crate::audit::{self, Action};
use crate::paging::{Page, Paging};
use crate::people::Caller;
use crate::problem::Problem;

const WHAT: &str = "registration";

/// What the provisioning service knows of a device that registered.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegistrationView {
    /// Who registered.
    pub registration_id: Option<String>,
    /// How far it is: `unassigned`, `assigning`, `assigned`, `failed`, `disabled`.
    pub status: &'static str,
    /// Its hub.
    pub assigned_hub: Option<String>,
    /// What that hub calls it.
    pub device_id: Option<String>,
    /// Through which group, where the service says.
    pub enrollment_group_id: Option<String>,
    /// Why it failed: the service's number.
    pub error_code: Option<u32>,
    /// Why it failed, for people.
    pub error_message: Option<String>,
    /// When it first registered.
    pub created_at: Option<String>,
    /// When it last did.
    pub updated_at: Option<String>,
}

/// The records of a group's devices, a page at a time.
///
/// # Errors
/// 404 for a group that is not there.
pub(crate) async fn of_group(
    app: &App,
    caller: &Caller,
    group: &str,
    paging: &Paging,
) -> Result<Page<RegistrationView>, Problem> {
    house(caller)?;
    let limit = u32::try_from(paging.limit()?).unwrap_or(u32::MAX);
    let mut pages = app
        .provisioning
        .registrations()
        .of_group(group, Some(limit));
    if let Some(after) = &paging.after {
        pages = pages.after(continuation(after)?);
    }
    let page = pages.next().await;
    let items = page.map_err(|error| problem(&error, "enrolment group"))?;
    Ok(Page {
        items: items.iter().flatten().map(view).collect(),
        next: pages.continuation().map(str::to_owned),
    })
}

/// The record of one device.
///
/// # Errors
/// 404 when it never registered.
pub(crate) async fn get(app: &App, caller: &Caller, id: &str) -> Result<RegistrationView, Problem> {
    house(caller)?;
    let record = app.provisioning.registrations().get(&read_id(id)?).await;
    record
        .map(|record| view(&record))
        .map_err(|error| problem(&error, WHAT))
}

/// Forgets a record: the device's next registration counts as its first. It stays at its hub.
///
/// # Errors
/// 404 when it never registered.
pub(crate) async fn delete(app: &App, caller: &Caller, id: &str) -> Result<(), Problem> {
    house(caller)?;
    let deleted = app
        .provisioning
        .registrations()
        .delete(&read_id(id)?, None)
        .await;
    deleted.map_err(|error| problem(&error, WHAT))?;
    let action = Action {
        action: "registration.delete",
        object_kind: "registration",
        object_id: id,
        customer_id: None,
        detail: json!({}),
    };
    let mut tx = app.store.begin().await?;
    audit::record(&mut tx, Some(caller), app.now(), action).await?;
    tx.commit().await?;
    Ok(())
}

/// What cannot be an id is nobody's.
fn read_id(id: &str) -> Result<RegistrationId, Problem> {
    id.parse().map_err(|_| Problem::not_found(WHAT))
}

fn view(record: &RegistrationState) -> RegistrationView {
    let group = record.symmetric_key.as_ref().or(record.x509.as_ref());
    let group = group.and_then(|key| key.get("enrollmentGroupId"));
    RegistrationView {
        registration_id: record.registration_id.as_ref().map(ToString::to_string),
        status: match record.status {
            Status::Unassigned => "unassigned",
            Status::Assigning => "assigning",
            Status::Assigned => "assigned",
            Status::Failed => "failed",
            Status::Disabled => "disabled",
        },
        assigned_hub: record.assigned_hub.clone(),
        device_id: record.device_id.clone(),
        enrollment_group_id: group.and_then(Value::as_str).map(str::to_owned),
        error_code: record.error_code,
        error_message: record.error_message.clone(),
        created_at: record.created_date_time_utc.clone(),
        updated_at: record.last_updated_date_time_utc.clone(),
    }
}
