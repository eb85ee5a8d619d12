//! The provisioning service over the control API: enrolments, keys, registrations, and the explain view.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use hub_proto::dps::enrollment::{Attestation, EnrollmentGroup, IndividualEnrollment, Terms};
use hub_proto::dps::registration::RegistrationId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Body, Fault, Shared};
use crate::dps::{EnrollFault, no_keys};
use crate::precondition::Precondition;
use crate::simulator::Simulator;
use crate::with_causes;

pub(super) fn router() -> Router<std::sync::Arc<Simulator>> {
    Router::new()
        .route("/control/dps", get(overview))
        .route(
            "/control/dps/enrollments/{id}",
            get(enrollment)
                .put(put_enrollment)
                .delete(remove_enrollment),
        )
        .route("/control/dps/enrollments/{id}/keys", get(enrollment_keys))
        .route(
            "/control/dps/groups/{id}",
            get(group).put(put_group).delete(remove_group),
        )
        .route("/control/dps/groups/{id}/keys", get(group_keys))
        .route(
            "/control/dps/groups/{id}/keys/{registration}",
            get(derived_key),
        )
        .route("/control/dps/registrations", get(registrations))
        .route(
            "/control/dps/registrations/{id}",
            get(registration).delete(remove_registration),
        )
        .route("/control/dps/attempts", get(attempts))
}

impl From<EnrollFault> for Fault {
    fn from(fault: EnrollFault) -> Self {
        let code = fault.code();
        Self {
            status: StatusCode::from_u16(code.status())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: code.number(),
            message: with_causes(&fault),
        }
    }
}

async fn overview(State(simulator): Shared) -> Result<Json<Value>, Fault> {
    Ok(Json(overview_of(&simulator)?))
}

/// Where it is, and everything enrolled, without keys.
///
/// # Errors
/// When its journal cannot be written.
pub(crate) fn overview_of(simulator: &Simulator) -> Result<Value, EnrollFault> {
    let dps = simulator.dps();
    let enrollments: Vec<_> = dps.enrollments()?.iter().map(individual).collect();
    let groups: Vec<_> = dps.groups()?.iter().map(of_group).collect();
    Ok(json!({
        "idScope": dps.id_scope(),
        "provisioningHost": dps.host,
        "hubs": dps.hub_names(),
        "enrollments": enrollments,
        "groups": groups,
        "registrations": dps.registrations(None)?,
    }))
}

/// An enrolment as it may be shown: without keys.
fn individual(enrollment: &IndividualEnrollment) -> Value {
    document(&IndividualEnrollment {
        terms: enrollment.terms.without_keys(),
        ..enrollment.clone()
    })
}

fn of_group(group: &EnrollmentGroup) -> Value {
    document(&EnrollmentGroup {
        terms: group.terms.without_keys(),
        ..group.clone()
    })
}

fn document(document: &impl Serialize) -> Value {
    // Plain documents: there is nothing in them that JSON could not say.
    serde_json::to_value(document).unwrap_or_default()
}

async fn enrollment(
    State(simulator): Shared,
    Path(id): Path<String>,
) -> Result<Json<Value>, Fault> {
    Ok(Json(individual(&simulator.dps().enrollment(&id)?)))
}

async fn put_enrollment(
    State(simulator): Shared,
    Path(id): Path<String>,
    body: Body<IndividualEnrollment>,
) -> Result<Json<Value>, Fault> {
    let Json(enrollment) = body?;
    let kept = simulator
        .dps()
        .put_enrollment(&id, enrollment, Precondition::None)?;
    Ok(Json(individual(&kept)))
}

async fn remove_enrollment(
    State(simulator): Shared,
    Path(id): Path<String>,
) -> Result<StatusCode, Fault> {
    simulator.dps().remove_enrollment(&id, Precondition::None)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn group(State(simulator): Shared, Path(id): Path<String>) -> Result<Json<Value>, Fault> {
    Ok(Json(of_group(&simulator.dps().group(&id)?)))
}

async fn put_group(
    State(simulator): Shared,
    Path(id): Path<String>,
    body: Body<EnrollmentGroup>,
) -> Result<Json<Value>, Fault> {
    let Json(group) = body?;
    let kept = simulator.dps().put_group(&id, group, Precondition::None)?;
    Ok(Json(of_group(&kept)))
}

async fn remove_group(
    State(simulator): Shared,
    Path(id): Path<String>,
) -> Result<StatusCode, Fault> {
    simulator.dps().remove_group(&id, Precondition::None)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn enrollment_keys(
    State(simulator): Shared,
    Path(id): Path<String>,
) -> Result<Json<Value>, Fault> {
    keys(&simulator.dps().enrollment(&id)?.terms)
}

async fn group_keys(
    State(simulator): Shared,
    Path(id): Path<String>,
) -> Result<Json<Value>, Fault> {
    keys(&simulator.dps().group(&id)?.terms)
}

fn keys(terms: &Terms) -> Result<Json<Value>, Fault> {
    match &terms.attestation {
        Attestation::SymmetricKey { symmetric_key } => Ok(Json(document(symmetric_key))),
        Attestation::X509 { .. } | Attestation::Tpm { .. } => Err(no_keys().into()),
    }
}

async fn derived_key(
    State(simulator): Shared,
    Path((group, id)): Path<(String, String)>,
) -> Result<Json<Value>, Fault> {
    let id: RegistrationId = id.parse().map_err(EnrollFault::from)?;
    let key = simulator.dps().derive_key(&group, &id)?;
    Ok(Json(json!({"registrationId": id, "key": key.to_base64()})))
}

#[derive(Deserialize)]
struct OfGroup {
    group: Option<String>,
}

async fn registrations(
    State(simulator): Shared,
    Query(wanted): Query<OfGroup>,
) -> Result<Json<Value>, Fault> {
    let states = simulator.dps().registrations(wanted.group.as_deref())?;
    Ok(Json(document(&states)))
}

async fn registration(
    State(simulator): Shared,
    Path(id): Path<String>,
) -> Result<Json<Value>, Fault> {
    Ok(Json(document(&simulator.dps().registration(&id)?)))
}

async fn remove_registration(
    State(simulator): Shared,
    Path(id): Path<String>,
) -> Result<StatusCode, Fault> {
    simulator.dps().remove_registration(&id, None)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfRegistration {
    registration_id: Option<String>,
}

async fn attempts(State(simulator): Shared, Query(wanted): Query<OfRegistration>) -> Json<Value> {
    let attempts = simulator.dps().attempts(wanted.registration_id.as_deref());
    Json(document(&attempts))
}
