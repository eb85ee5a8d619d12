//! Files that devices upload: where they go, and what back ends hear of them.

use std::io;
use std::time::Duration;

use hub_proto::identity::Identity;
use hub_proto::percent;
use jiff::Timestamp;
use serde_json::{Value, json};
use thiserror::Error;
use uuid::Uuid;

use super::{Core, Hub};
use crate::blob::{is_blob_name, sas};
use crate::change::Change;
use crate::notices::Channel;
use crate::registry::Upload;

/// The container that uploads go to; at a real hub it is the owner's to choose.
const CONTAINER: &str = "uploads";
/// Uploads of one device at a time.
const MAX_UPLOADS: usize = 10;
/// How long a device has for a file: the hub's usual time to live of a signature.
const UPLOAD_LIFE: Duration = Duration::from_secs(3600);

/// Why an upload did not begin, or did not end.
#[derive(Debug, Error)]
pub(crate) enum UploadFault {
    #[error(
        "blobName {0:?} can be no blob's name: 1 to 1024 characters, the device's id and a slash included"
    )]
    Name(String),
    #[error("Number of active file upload requests of {0} cannot exceed {MAX_UPLOADS}")]
    TooMany(Identity),
    #[error("correlationId {0:?} is of no upload that goes on")]
    Unknown(String),
    #[error("isSuccess is true, and the blob {0:?} is not there")]
    Missing(String),
    #[error("the journal cannot be written")]
    Journal(#[from] io::Error),
}

/// What a device says of an upload that has ended.
#[derive(Debug)]
pub(crate) struct UploadReport<'a> {
    pub(crate) correlation: &'a str,
    pub(crate) is_success: bool,
}

impl Hub {
    /// Tells a device where to put a file; `endpoint` is the blob store as the device reaches it, host and path.
    ///
    /// # Errors
    /// When the name can be none, or too many uploads of the device go on.
    pub(crate) fn begin_upload(
        &self,
        device: &Identity,
        name: &str,
        endpoint: &str,
        now: Timestamp,
    ) -> Result<Value, UploadFault> {
        let blob = format!("{}/{name}", device.device_id());
        if name.is_empty() || !is_blob_name(&blob) {
            return Err(UploadFault::Name(name.to_owned()));
        }
        let key = self.ensure_container(CONTAINER, now)?;
        let mut core = self.lock();
        let uploads = core.registry.uploads.values();
        let own = uploads.filter(|upload| upload.device == device.device_id());
        if own.filter(|upload| upload.expires > now).count() >= MAX_UPLOADS {
            return Err(UploadFault::TooMany(device.clone()));
        }
        let correlation = Uuid::new_v4().to_string();
        let expires = now + UPLOAD_LIFE;
        let resource = sas::Resource {
            container: CONTAINER,
            blob: Some(&blob),
        };
        let token = sas::sign(&key, resource, "rw", expires);
        core.record(Change::UploadBegun {
            id: correlation.clone(),
            upload: Box::new(Upload {
                device: device.device_id().to_owned(),
                container: CONTAINER.to_owned(),
                blob: blob.clone(),
                uri: format!("https://{endpoint}/{CONTAINER}/{}", escaped(&blob)),
                expires,
            }),
        });
        self.commit(&mut core)?;
        Ok(json!({
            "correlationId": correlation,
            "hostName": endpoint,
            "containerName": CONTAINER,
            "blobName": blob,
            "sasToken": token,
        }))
    }

    /// Takes a device's word that an upload has ended. Back ends hear of it when the file is there.
    ///
    /// # Errors
    /// When no such upload of the device goes on, or its blob is not there.
    pub(crate) fn end_upload(
        &self,
        device: &Identity,
        report: &UploadReport<'_>,
        now: Timestamp,
    ) -> Result<(), UploadFault> {
        let mut core = self.lock();
        let upload = core.registry.uploads.get(report.correlation);
        let upload = upload
            .filter(|upload| upload.device == device.device_id() && upload.expires > now)
            .ok_or_else(|| UploadFault::Unknown(report.correlation.to_owned()))?;
        let record = match report.is_success {
            true => Some(core.file_record(upload, now)?),
            false => None,
        };
        let notice = record.map(|record| {
            let notices = &core.registry.notices;
            notices.address(Channel::Files, record, now)
        });
        core.notices_moved |= notice.is_some();
        core.record(Change::UploadEnded {
            id: report.correlation.to_owned(),
            notice,
        });
        Ok(self.commit(&mut core)?)
    }
}

impl Core {
    /// The body of a file notification.
    fn file_record(&self, upload: &Upload, now: Timestamp) -> Result<Value, UploadFault> {
        let blob = self.registry.blobs.blob(&upload.container, &upload.blob);
        let blob = blob.ok_or_else(|| UploadFault::Missing(upload.blob.clone()))?;
        let modified = blob.modified.strftime("%Y-%m-%dT%H:%M:%S+00:00");
        Ok(json!({
            "deviceId": upload.device,
            "blobUri": upload.uri,
            "blobName": upload.blob,
            "lastUpdatedTime": modified.to_string(),
            "blobSizeInBytes": blob.length(),
            "enqueuedTimeUtc": hub_proto::time::format(now),
        }))
    }

    /// Forgets uploads whose signature has ended.
    pub(super) fn review_uploads(&mut self, now: Timestamp) {
        let uploads = self.registry.uploads.iter();
        let over = uploads.filter(|(_, upload)| upload.expires <= now);
        for id in over.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.record(Change::UploadEnded { id, notice: None });
        }
    }
}

/// A blob's name in a path: escaped but for its slashes.
fn escaped(name: &str) -> String {
    let segments: Vec<_> = name.split('/').map(percent::encode).collect();
    segments.join("/")
}
