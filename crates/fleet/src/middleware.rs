//! The middleware over the provisioning service: enrolments, groups, records of registrations, keys of devices.
//!
//! It keeps nothing of its own: the provisioning service is the record of enrolments, this database of who has what.
//!
//! **Invariant:** no answer but those that are asked for a device's key has a key in it, and none ever has a group's.

use axum::http::StatusCode;
use dps_client::service::ServiceError;

use crate::problem::Problem;

/// What the provisioning service's answer means to whoever asked here about a `what`.
pub(crate) fn problem(error: &ServiceError, what: &'static str) -> Problem {
    let detail = error.to_string();
    match error {
        ServiceError::NotFound(_) => Problem::not_found(what),
        ServiceError::Exists(_) => {
            Problem::conflict("exists", format!("There is such a {what} already."))
        }
        ServiceError::Changed(_) => Problem::changed(),
        ServiceError::NoKeys => {
            Problem::conflict("no-keys", format!("The {what} is not by symmetric keys."))
        }
        ServiceError::Refused(refusal) if (400..500).contains(&refusal.status) => {
            Problem::new(StatusCode::BAD_REQUEST, "refused", detail)
        }
        ServiceError::Throttled { retry_after, .. } => Problem {
            retry_after: *retry_after,
            ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, "provisioning-busy", detail)
        },
        ServiceError::Connection(_) => {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "the provisioning service cannot be asked"
            );
            Problem::new(StatusCode::BAD_GATEWAY, "provisioning-unreachable", detail)
        }
        _ => {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "the provisioning service does not do what it is asked"
            );
            Problem::new(StatusCode::BAD_GATEWAY, "provisioning-failed", detail)
        }
    }
}
