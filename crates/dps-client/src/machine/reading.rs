//! What an answer means.

use hub_proto::dps::error::DpsErrorCode;
use hub_proto::dps::registration::{Operation, Status};
use hub_proto::identity::Identity;

use crate::error::{Refusal, RegisterError, shortened};
use crate::registration::Assignment;

#[derive(Debug)]
pub(super) enum Reading {
    Assigned(Assignment),
    /// Ask again.
    Assigning {
        operation_id: String,
    },
    /// Ask again, for now without result.
    PutOff(Refusal),
    /// Asking again is of no use.
    Refused(RegisterError),
}

/// The status decides how the body is read: below 300 an operation, from 429 on a reason to come back.
pub(super) fn read(status: u16, body: &[u8]) -> Reading {
    match status {
        200..=299 => operation(body).unwrap_or_else(Reading::Refused),
        300..=428 => Reading::Refused(refused(Refusal::read(status, body))),
        429.. => Reading::PutOff(Refusal::read(status, body)),
        _ => Reading::Refused(RegisterError::Malformed("status")),
    }
}

fn operation(body: &[u8]) -> Result<Reading, RegisterError> {
    let operation: Operation =
        serde_json::from_slice(body).map_err(|_| RegisterError::Malformed("operation"))?;
    let state = operation.registration_state;
    match operation.status {
        // A registration that has not begun to be worked on is still worked on.
        Status::Assigning | Status::Unassigned => {
            let operation_id = operation.operation_id;
            if !is_usable(&operation_id) {
                return Err(RegisterError::Malformed("operation id"));
            }
            Ok(Reading::Assigning { operation_id })
        }
        Status::Assigned => {
            let state = state.ok_or(RegisterError::Malformed("assignment"))?;
            // What is no name would break a user name, a path or a configuration file later on.
            let hub = state.assigned_hub.filter(|hub| is_host_name(hub));
            let device_id = state.device_id.filter(|id| Identity::device(id).is_ok());
            Ok(Reading::Assigned(Assignment {
                hub: hub.ok_or(RegisterError::Malformed("assigned hub"))?,
                device_id: device_id.ok_or(RegisterError::Malformed("device id"))?,
                registration_id: state.registration_id,
                substatus: state.substatus,
                payload: state.payload,
            }))
        }
        Status::Failed => Err(RegisterError::Failed {
            code: state.as_ref().and_then(|state| state.error_code),
            message: shortened(
                state
                    .and_then(|state| state.error_message)
                    .unwrap_or_default(),
            ),
        }),
        Status::Disabled => Err(RegisterError::Disabled),
    }
}

fn is_host_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    (1..=255).contains(&text.len()) && text.chars().all(allowed)
}

/// Whether an operation id can stand in a topic, where it is not escaped.
fn is_usable(operation_id: &str) -> bool {
    let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '+' | '#' | '&' | '/' | '?');
    (1..=1024).contains(&operation_id.len()) && operation_id.chars().all(allowed)
}

fn refused(refusal: Refusal) -> RegisterError {
    match refusal.status {
        401 => RegisterError::Unauthorized(refusal),
        404 => RegisterError::NotFound(refusal),
        403 if refusal.code == Some(DpsErrorCode::Disabled.number()) => RegisterError::Disabled,
        _ => RegisterError::Refused(refusal),
    }
}
