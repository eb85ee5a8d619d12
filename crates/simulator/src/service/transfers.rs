//! Import and export of devices: `/jobs` and `/jobs/{id}`.

use axum::http::Method;
use axum::response::Response;
use jiff::Timestamp;

use super::answer::{Fault, nothing};
use super::reading::{self, Part};
use super::{Asked, not_allowed};
use crate::hub::Right;
use crate::outgoing::Url;
use crate::registry::{Container, Direction, Transfer, TransferState};
use crate::rest::document;

/// What the blobs are called unless a job says otherwise.
const DEVICES_BLOB: &str = "devices.txt";
const CONFIGURATIONS_BLOB: &str = "configurations.txt";
/// Characters of a blob's name, as Azure Storage takes them.
const LONGEST_BLOB_NAME: usize = 1024;

impl Asked<'_> {
    /// `/jobs/create`
    pub(super) fn create_transfer(&self) -> Result<Response, Fault> {
        if *self.method() != Method::POST {
            return not_allowed();
        }
        self.authorize(Right::RegistryWrite)?;
        let body = reading::json(self.body)?;
        let transfer = transfer(&Part::of(&body, "")?, Timestamp::now())?;
        Ok(document(&self.hub.enqueue_transfer(transfer)?))
    }

    /// `/jobs`
    pub(super) fn transfers(&self) -> Result<Response, Fault> {
        if *self.method() != Method::GET {
            return not_allowed();
        }
        self.authorize(Right::RegistryRead)?;
        Ok(document(&self.hub.transfers()?))
    }

    /// `/jobs/{id}`
    pub(super) fn transfer(&self, id: &str) -> Result<Response, Fault> {
        match *self.method() {
            Method::GET => {
                self.authorize(Right::RegistryRead)?;
                Ok(document(&self.hub.transfer(id)?))
            }
            Method::DELETE => {
                self.authorize(Right::RegistryWrite)?;
                self.hub.cancel_transfer(id)?;
                Ok(nothing())
            }
            _ => not_allowed(),
        }
    }
}

/// What a body asks for: `JobProperties` of the service's API.
fn transfer(part: &Part<'_>, now: Timestamp) -> Result<Transfer, Fault> {
    let kind = part
        .text("type")?
        .ok_or_else(|| part.wrong("type", "is missing"))?;
    let is_import = match kind.to_ascii_lowercase().as_str() {
        "import" => true,
        "export" => false,
        _ => return Err(part.wrong("type", "must be \"export\" or \"import\"")),
    };
    match part.text("storageAuthenticationType")? {
        Some(kind) if !kind.eq_ignore_ascii_case("keyBased") => {
            let why = "must be \"keyBased\": there is no tenant here to give the hub an identity";
            return Err(part.wrong("storageAuthenticationType", why));
        }
        _ => {}
    }
    let output = container(part, "outputBlobContainerUri")?;
    let exclude_keys = part.flag("excludeKeysInExport")?.unwrap_or_default();
    let with_configurations = part.flag("includeConfigurations")?.unwrap_or_default();
    let configurations_blob = blob(part, "configurationsBlobName", CONFIGURATIONS_BLOB)?;
    let of_input = blob(part, "inputBlobName", DEVICES_BLOB)?;
    let of_output = blob(part, "outputBlobName", DEVICES_BLOB)?;
    let (direction, devices_blob) = if is_import {
        let input = container(part, "inputBlobContainerUri")?;
        let progress = Default::default();
        (Direction::Import { input, progress }, of_input)
    } else {
        (Direction::Export { exclude_keys }, of_output)
    };
    Ok(Transfer {
        direction,
        output,
        devices_blob,
        configurations_blob: with_configurations.then_some(configurations_blob),
        created: now,
        state: TransferState::Enqueued,
    })
}

fn container(part: &Part<'_>, name: &str) -> Result<Container, Fault> {
    let uri = part
        .text(name)?
        .filter(|uri| !uri.trim().is_empty())
        .ok_or_else(|| part.wrong(name, "is missing"))?;
    match Url::parse(uri) {
        Ok(_) => Ok(Container::new(uri)),
        Err(error) => Err(part.wrong(name, format!("is {error}"))),
    }
}

fn blob(part: &Part<'_>, name: &str, usual: &str) -> Result<String, Fault> {
    let blob = part.text(name)?.filter(|blob| !blob.is_empty());
    match blob.unwrap_or(usual) {
        blob if blob.chars().count() > LONGEST_BLOB_NAME => {
            let limit = format!("must not exceed {LONGEST_BLOB_NAME} characters");
            Err(part.wrong(name, limit))
        }
        blob => Ok(blob.to_owned()),
    }
}
