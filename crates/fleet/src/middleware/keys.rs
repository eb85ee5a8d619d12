//! Keys: a device's own, for whoever puts it on a card, and new ones. A group's is never shown.

use dps_client::service::{Enrollments, KeySlot, ServiceError};
use hub_proto::dps::enrollment::{EnrollmentGroup, IndividualEnrollment};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::entries::record;
use super::entry::Entry;
use super::problem;
use crate::app::App;
use crate::customers::of_the_house;
use crate::orders::keep;
use crate::people::Caller;
use crate::problem::Problem;

/// Whose key is wanted.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeyRequest {
    /// The device's registration id: for a bay its board's serial number.
    pub registration_id: String,
}

/// What a device is given to register with.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceKey {
    /// Who it registers as.
    pub registration_id: String,
    /// With which provisioning service.
    pub id_scope: String,
    /// The device's own key, base64.
    pub symmetric_key: String,
}

/// Which key to make anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Rotation {
    /// The first, which devices use: they are refused from then on.
    Primary,
    /// The second.
    Secondary,
    /// The second becomes the first, and a new second is made.
    PromoteSecondary,
}

/// Which key to make anew.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RotationRequest {
    /// Which.
    pub key: Rotation,
}

/// The key of one device of a group, derived here.
///
/// # Errors
/// 404 for a group that is not there, 400 for an id that cannot be, 403 unless the caller is an administrator of all.
pub(crate) async fn derive(
    app: &App,
    caller: &Caller,
    group: &str,
    request: KeyRequest,
) -> Result<DeviceKey, Problem> {
    of_the_house(caller)?;
    let id = request.registration_id.parse();
    let id: hub_proto::dps::registration::RegistrationId =
        id.map_err(|error| Problem::field("registrationId", format!("{error}")))?;
    if id.as_str() != id.to_lowercase() {
        // The service compares ids without case, and each case gives another key.
        let detail = "must be in lower case, as the device writes it";
        return Err(Problem::field("registrationId", detail));
    }
    let groups = app.provisioning.groups();
    let key = groups.derive_key(group, &id).await;
    let key = key.map_err(|error| problem(&error, EnrollmentGroup::WHAT))?;
    let detail = json!({"registrationId": id.as_str()});
    record::<EnrollmentGroup>(app, caller, "device-key", group, detail).await?;
    Ok(DeviceKey {
        registration_id: id.to_string(),
        id_scope: app.settings.id_scope.clone(),
        symmetric_key: key.to_base64(),
    })
}

/// The key of a device with an enrolment of its own.
///
/// # Errors
/// 404 for an enrolment that is not there, 409 `no-keys`, 403 unless the caller is an administrator of all.
pub(crate) async fn own(app: &App, caller: &Caller, id: &str) -> Result<DeviceKey, Problem> {
    of_the_house(caller)?;
    let enrollments = app.provisioning.enrollments();
    let keys = enrollments.keys(id).await;
    let keys = keys.map_err(|error| problem(&error, IndividualEnrollment::WHAT))?;
    record::<IndividualEnrollment>(app, caller, "device-key", id, json!({})).await?;
    Ok(DeviceKey {
        registration_id: id.to_owned(),
        id_scope: app.settings.id_scope.clone(),
        symmetric_key: keys.primary.to_base64(),
    })
}

/// Makes one of an entry's keys anew.
///
/// # Errors
/// 404 when it is not there, 409 for a group whose devices would be cut off, 403 unless the caller is an administrator
/// of all.
pub(crate) async fn rotate<T: Entry>(
    app: &App,
    caller: &Caller,
    of: Enrollments<'_, T>,
    id: &str,
    rotation: Rotation,
) -> Result<(), Problem> {
    of_the_house(caller)?;
    let rotated = match rotation {
        Rotation::Primary => of.regenerate(id, KeySlot::Primary).await,
        Rotation::Secondary => of.regenerate(id, KeySlot::Secondary).await,
        Rotation::PromoteSecondary => of.promote_secondary(id).await,
    };
    rotated.map_err(|error| problem(&error, T::WHAT))?;
    record::<T>(app, caller, "rotate-keys", id, json!({"key": rotation})).await
}

/// Lets a group's keys change only where no device of this service is cut off by it.
///
/// # Errors
/// 409 `group-in-use`: an order of kind `rekey` changes keys without losing a device.
pub(crate) async fn check_group(app: &App, group: &str, rotation: Rotation) -> Result<(), Problem> {
    if !super::is_in_use(app, group).await? {
        return Ok(());
    }
    let refused = Problem::conflict(
        "group-in-use",
        "Devices have keys of this group: change them by an order of kind rekey, which loses none.",
    );
    if rotation != Rotation::Secondary {
        return Err(refused);
    }
    // Where new keys did not come to every device, some use the second.
    let hashes: Vec<(Option<String>,)> = sqlx::query_as(
        "SELECT o.key_hash FROM orders o JOIN projects p ON p.id = o.project_id
         WHERE p.enrollment_group_id = $1 AND o.kind = 'rekey' AND o.state <> 'done'",
    )
    .bind(group.to_owned())
    .fetch_all(app.store.reader())
    .await?;
    let failed = |error: ServiceError| problem(&error, EnrollmentGroup::WHAT);
    let keys = app
        .provisioning
        .groups()
        .keys(group)
        .await
        .map_err(failed)?;
    let second = keep::hash(&keys.secondary);
    if hashes.iter().any(|(hash,)| hash.as_ref() == Some(&second)) {
        return Err(refused);
    }
    Ok(())
}
