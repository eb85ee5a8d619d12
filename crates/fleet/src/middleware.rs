//! The middleware over the provisioning service: enrolments, groups, records of registrations, keys of devices.
//!
//! It keeps nothing of its own: the provisioning service is the record of enrolments, this database of who has what.
//!
//! **Invariant:** no answer but those that are asked for a device's key has a key in it, and none ever has a group's.

mod api;
mod csv;
mod entries;
mod entry;
mod import;
mod keys;
mod registrations;

use axum::http::StatusCode;
use dps_client::service::ServiceError;

pub use api::router;

use crate::app::App;
use crate::people::{Caller, Role};
use crate::problem::Problem;
use crate::store::StoreError;

/// Enrolments are nobody's but the house's: somebody of one customer sees none.
fn house(caller: &Caller) -> Result<(), Problem> {
    caller.at_least(Role::Operator)?;
    if caller.customer_id.is_some() {
        let detail = "You work for one customer; this needs somebody who works for all.";
        return Err(Problem::forbidden(detail));
    }
    Ok(())
}

/// Where a page begins, as the provisioning service said it: a header's value.
fn continuation(text: &str) -> Result<&str, Problem> {
    let is_sound = !text.is_empty() && text.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
    is_sound
        .then_some(text)
        .ok_or_else(|| Problem::field("after", "must be what the page before gave as next"))
}

/// Whether a device of this service has a key of the group.
async fn is_in_use(app: &App, group: &str) -> Result<bool, StoreError> {
    let (devices,): (i64,) = sqlx::query_as(
        "SELECT COUNT(*) FROM devices d LEFT JOIN projects p ON p.id = d.project_id
         WHERE d.enrollment_group_id = $1 OR p.enrollment_group_id = $1",
    )
    .bind(group.to_owned())
    .fetch_one(app.store.reader())
    .await?;
    Ok(devices > 0)
}

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

#[cfg(test)]
mod tests;
