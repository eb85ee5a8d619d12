//! File upload: `POST /devices/{id}/files`, and `POST /devices/{id}/files/notifications` when it is done.

use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::Asked;
use crate::blob;
use crate::hub::{UploadFault, UploadReport};
use crate::rest::{document, header_text};
use crate::service::Fault;
use crate::service::reading::{self, Part};
use crate::with_causes;

impl Asked<'_> {
    /// Where to put a file: `https://{hostName}/{containerName}/{blobName}{sasToken}`.
    pub(super) fn begin_upload(&self, body: &[u8]) -> Result<Response, Fault> {
        if self.parts.method != Method::POST {
            return Ok(StatusCode::METHOD_NOT_ALLOWED.into_response());
        }
        let body = reading::json(body)?;
        let part = Part::of(&body, "")?;
        let name = part
            .text("blobName")?
            .ok_or_else(|| part.wrong("blobName", "is missing"))?;
        let endpoint = format!("{}/{}", self.host(), blob::ACCOUNT);
        let begun = self
            .hub
            .begin_upload(&self.device, name, &endpoint, Timestamp::now())?;
        Ok(document(&begun))
    }

    /// How it went. Older clients name the upload in the path.
    pub(super) fn end_upload(
        &self,
        correlation: Option<&str>,
        body: &[u8],
    ) -> Result<Response, Fault> {
        if self.parts.method != Method::POST {
            return Ok(StatusCode::METHOD_NOT_ALLOWED.into_response());
        }
        let body = reading::json(body)?;
        let part = Part::of(&body, "")?;
        let correlation = match correlation {
            Some(correlation) => correlation,
            None => part
                .text("correlationId")?
                .ok_or_else(|| part.wrong("correlationId", "is missing"))?,
        };
        let is_success = part
            .flag("isSuccess")?
            .ok_or_else(|| part.wrong("isSuccess", "is missing"))?;
        // A client that failed before it had a status says -1, and what it says is for people to read.
        let status = part.value("statusCode");
        if status.is_some_and(|status| status.as_i64().is_none()) {
            return Err(part.wrong("statusCode", "must be a whole number"));
        }
        part.text("statusDescription")?;
        let report = UploadReport {
            correlation,
            is_success,
        };
        self.hub
            .end_upload(&self.device, &report, Timestamp::now())?;
        Ok(StatusCode::NO_CONTENT.into_response())
    }

    /// The hub as the device reaches it: by the name and port it asked for, if that is one of the hub's.
    fn host(&self) -> &str {
        let names = &self.hub.names;
        let asked = header_text(self.parts, header::HOST).unwrap_or_default();
        let (name, port) = asked.rsplit_once(':').unwrap_or((asked, ""));
        let is_own = port.bytes().all(|byte| byte.is_ascii_digit())
            && names
                .accepted
                .iter()
                .any(|own| own.eq_ignore_ascii_case(name));
        if is_own { asked } else { &names.hub }
    }
}

impl From<UploadFault> for Fault {
    fn from(fault: UploadFault) -> Self {
        Self::new(fault.code(), with_causes(&fault))
    }
}
