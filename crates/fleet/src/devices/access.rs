//! Cutting a device off, and letting it in again: at its hub, and at the provisioning service, where it would else
//! register anew as soon as its hub refuses it.
//!
//! A device of an enrolment group is kept out as Azure has it: by an individual enrolment of its registration id that
//! is disabled, which decides before any group does
//! (<https://learn.microsoft.com/azure/iot-dps/how-to-revoke-device-access-portal>).
//!
//! **Invariant:** what either service did is written down, also when the other failed: a device that is half cut off
//! says so, and asking again does the other half.

use axum::http::StatusCode;
use dps_client::service::ServiceError;
use hub_proto::dps::enrollment::{
    Attestation, IndividualEnrollment, Keys, ProvisioningStatus, Terms,
};
use hub_proto::dps::registration::RegistrationId;
use serde_json::{Value, json};

use super::{Device, done, get};
use crate::app::App;
use crate::entity_tag::IfMatch;
use crate::hub::HubError;
use crate::middleware;
use crate::people::{Caller, Role};
use crate::problem::Problem;

/// Where an enrolment says what it is for; Azure keeps it as it is.
const INFORMATION: &str = "optionalDeviceInformation";
/// Marks the enrolments that are here only to keep a device out.
const MADE_BY: &str = "cow-fleet";

/// Lets a device in, or cuts it off.
///
/// # Errors
/// As [`get`]; 403 below an operator; 412 when it is not the version that was read; 502 `half-done` when only one of hub
/// and provisioning service did it; 502 or 503 when neither did.
pub async fn enable(
    app: &App,
    caller: &Caller,
    id: &str,
    if_match: IfMatch,
    enabled: bool,
) -> Result<Device, Problem> {
    caller.at_least(Role::Operator)?;
    let before = get(app, caller, id).await?;
    if_match.check(before.version)?;
    // Kept out first and cut off then: in the other order it could register in between.
    let registration = admit(app, &before.id, enabled).await;
    let registration = registration.map_err(|error| middleware::problem(&error, "enrolment"));
    let at_hub = before.hub_device_id.as_deref().unwrap_or(&before.id);
    let hub = match app.hub.enable(at_hub, enabled).await {
        // Whoever is not there is connected to nothing, and comes only by registering.
        Ok(()) | Err(HubError::Unknown) => Ok(()),
        Err(error) => Err(Problem::from(error)),
    };
    let (hub, registration) = match (hub, registration) {
        (Err(problem), Err(_)) => return Err(problem),
        some => some,
    };
    let now = app.now();
    let since = |done: bool, before: Option<i64>| match (done, enabled) {
        (false, _) => before,
        (true, true) => None,
        (true, false) => Some(before.unwrap_or(now)),
    };
    let mut tx = app.store.begin().await?;
    sqlx::query(
        "UPDATE devices SET disabled_at = $1, blocked_at = $2, version = version + 1 WHERE id = $3",
    )
    .bind(since(hub.is_ok(), before.disabled_at.map(|at| at.0)))
    .bind(since(
        registration.is_ok(),
        before.blocked_at.map(|at| at.0),
    ))
    .bind(&before.id)
    .execute(&mut *tx)
    .await?;
    let action = if enabled {
        "device.enable"
    } else {
        "device.disable"
    };
    let detail = json!({"atHub": hub.is_ok(), "atProvisioning": registration.is_ok()});
    done(app, caller, &mut tx, action, &before, detail).await?;
    tx.commit().await?;
    let half = |done: &str, failed: &Problem| {
        let detail = format!("{done} {} Ask again.", failed.detail);
        Problem::new(StatusCode::BAD_GATEWAY, "half-done", detail)
    };
    match (&hub, &registration, enabled) {
        (Err(failed), Ok(()), false) => {
            let done = "It may not register any more, but its hub did not cut it off:";
            Err(half(done, failed))
        }
        (Ok(()), Err(failed), false) => {
            let done = "Its hub cut it off, but it may still register and come back:";
            Err(half(done, failed))
        }
        (Err(failed), Ok(()), true) => {
            let done = "It may register again, but its hub does not let it in:";
            Err(half(done, failed))
        }
        (Ok(()), Err(failed), true) => {
            let done = "Its hub lets it in, but it may not register:";
            Err(half(done, failed))
        }
        _ => get(app, caller, id).await,
    }
}

/// Has the provisioning service let a device register, or not.
async fn admit(app: &App, id: &str, enabled: bool) -> Result<(), ServiceError> {
    // What is no registration id can never register.
    let Ok(registration_id) = id.parse::<RegistrationId>() else {
        return Ok(());
    };
    let enrollments = app.provisioning.enrollments();
    let wanted = if enabled {
        ProvisioningStatus::Enabled
    } else {
        ProvisioningStatus::Disabled
    };
    match enrollments.get(registration_id.as_str()).await {
        Ok(entry) if entry.terms.provisioning_status == wanted => Ok(()),
        // It was there to keep the device out. Enabled, it would still do so: its keys are not the group's.
        Ok(entry) if enabled && is_made_here(&entry) => {
            let etag = entry.terms.etag.as_deref();
            match enrollments.delete(registration_id.as_str(), etag).await {
                Ok(()) | Err(ServiceError::NotFound(_)) => Ok(()),
                Err(error) => Err(error),
            }
        }
        Ok(mut entry) => {
            entry.terms.provisioning_status = wanted;
            enrollments.update(&entry).await.map(drop)
        }
        Err(ServiceError::NotFound(_)) if enabled => Ok(()),
        Err(ServiceError::NotFound(_)) => {
            enrollments.create(&keeping_out(registration_id)).await?;
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// A disabled enrolment with keys that nobody has.
fn keeping_out(registration_id: RegistrationId) -> IndividualEnrollment {
    let mut terms = Terms::new(Attestation::SymmetricKey {
        symmetric_key: Keys::default(),
    });
    terms.provisioning_status = ProvisioningStatus::Disabled;
    let why = json!({"madeBy": MADE_BY, "for": "keeping the device out of its group"});
    terms.other.insert(INFORMATION.to_owned(), why);
    IndividualEnrollment {
        registration_id,
        device_id: None,
        registration_state: None,
        terms,
    }
}

fn is_made_here(entry: &IndividualEnrollment) -> bool {
    let information = entry.terms.other.get(INFORMATION);
    let made_by = information.and_then(|information| information.get("madeBy"));
    made_by.and_then(Value::as_str) == Some(MADE_BY)
}

#[cfg(test)]
mod tests;
