//! What a request that cannot be done is answered with: a problem document, RFC 9457.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::bookings::withdraw::InTheWay;
use crate::hub::HubError;
use crate::store::StoreError;

/// Why a request was not done. The text names the place and the cure.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// A short word for programs, such as `bay-is-booked`.
    pub code: &'static str,
    /// What is wrong, for people.
    pub detail: String,
    /// The field of the request that is wrong, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub field: Option<Cow<'static, str>>,
    /// The open bookings that are in the way, of `bookings-are-open`: fifty at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub bookings: Vec<InTheWay>,
    /// When it is of use to ask again; sent as `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// A problem with its status and word.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status: status.as_u16(),
            code,
            detail: detail.into(),
            field: None,
            bookings: Vec::new(),
            retry_after: None,
        }
    }

    /// 400: a field is not what it has to be.
    pub fn field(field: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self {
            field: Some(field.into()),
            ..Self::new(StatusCode::BAD_REQUEST, "invalid", detail)
        }
    }

    /// 404: also for what there is, but not for this caller.
    pub fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            format!("There is no such {what}, or you may not see it."),
        )
    }

    /// 409: what is there does not allow it.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 403: this caller may not.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 401: nobody knows who asks.
    #[must_use]
    pub fn unauthenticated() -> Self {
        let detail = "Sign in, or send a token: Authorization: Bearer TOKEN.";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
    }

    /// 429: too often.
    #[must_use]
    pub fn too_often(retry_after: Duration) -> Self {
        let wait = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
        let detail = format!("That was too often. Try again in {wait} s.");
        Self {
            retry_after: Some(retry_after),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-often", detail)
        }
    }

    /// 503: this side's trouble, which is logged where it is found.
    #[must_use]
    pub fn unavailable() -> Self {
        let detail = "This does not work just now. Try again in a moment.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }

    /// 412: somebody else was quicker.
    #[must_use]
    pub fn changed() -> Self {
        let detail = "It was changed since you read it: read it again, and send its new entity tag as If-Match.";
        Self::new(StatusCode::PRECONDITION_FAILED, "changed", detail)
    }
}

impl IntoResponse for Problem {
    /// The document; the problem itself goes along as an extension, so that what answers people makes a page of it.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        let media_type = HeaderValue::from_static("application/problem+json");
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, media_type);
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    /// A failing database is this side's trouble: 503, so that the caller tries again.
    fn from(error: StoreError) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a request failed for the database's sake"
        );
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "database",
            "The database does not answer. Try again in a moment.",
        )
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl From<getrandom::Error> for Problem {
    fn from(error: getrandom::Error) -> Self {
        tracing::error!(%error, "the system has no random numbers");
        let detail = "No secret can be made just now. Try again in a moment.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "no-random-numbers", detail)
    }
}

impl From<HubError> for Problem {
    fn from(error: HubError) -> Self {
        let detail = error.to_string();
        let (status, code) = match error {
            HubError::Unplaced(error) => return error.into(),
            HubError::Throttled { retry_after } => {
                let busy = Self::new(StatusCode::SERVICE_UNAVAILABLE, "hub-busy", detail);
                return Self {
                    retry_after: Some(retry_after),
                    ..busy
                };
            }
            HubError::Unknown => (StatusCode::NOT_FOUND, "not-at-the-hub"),
            HubError::Offline => (StatusCode::CONFLICT, "device-offline"),
            HubError::Elsewhere { .. } => (StatusCode::CONFLICT, "device-elsewhere"),
            HubError::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "device-silent"),
            HubError::Refused { .. } | HubError::Unreachable(_) => {
                (StatusCode::BAD_GATEWAY, "hub-failed")
            }
        };
        Self::new(status, code, detail)
    }
}
