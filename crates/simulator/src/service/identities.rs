//! Devices and modules: `/devices…` and `/statistics…`.

use axum::http::Method;
use axum::response::Response;
use hub_proto::sas::SymmetricKey;
use serde_json::{Value, json};

use super::answer::{Fault, nothing, tagged};
use super::reading::{self, Part};
use super::{Asked, identity, not_allowed, query_value};
use crate::authentication::Authentication;
use crate::certificates::Thumbprint;
use crate::hub::{Right, Step, Wanted};
use crate::registry::StoredKey;
use crate::rest::document;

/// Devices in one answer.
const MOST_LISTED: usize = 1000;
/// Bytes a key may have.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=64;
/// Characters of a status's reason.
const LONGEST_REASON: usize = 128;

impl Asked<'_> {
    /// `/devices`
    pub(super) fn devices(&self) -> Result<Response, Fault> {
        match *self.method() {
            Method::GET => {
                self.authorize(Right::RegistryRead)?;
                let query = self.parts.uri.query().unwrap_or_default();
                let most = match query_value(query, "top").map(str::parse::<usize>) {
                    None => MOST_LISTED,
                    Some(Ok(most @ 1..=MOST_LISTED)) => most,
                    Some(_) => {
                        let message = format!("top must be within [1; {MOST_LISTED}].");
                        return Err(Fault::argument(message));
                    }
                };
                Ok(document(&self.hub.device_documents(most)?))
            }
            Method::POST => {
                self.authorize(Right::RegistryWrite)?;
                self.bulk()
            }
            _ => not_allowed(),
        }
    }

    /// `/devices/{device}`
    pub(super) fn device(&self, device: &str) -> Result<Response, Fault> {
        self.identity(device, None)
    }

    /// `/devices/{device}/modules`
    pub(super) fn modules(&self, device: &str) -> Result<Response, Fault> {
        if *self.method() != Method::GET {
            return not_allowed();
        }
        self.authorize_for_modules(Right::RegistryRead, device)?;
        let device = identity(device, None)?;
        Ok(document(&self.hub.module_documents(&device)?))
    }

    /// `/devices/{device}/modules/{module}`
    pub(super) fn module(&self, device: &str, module: &str) -> Result<Response, Fault> {
        self.identity(device, Some(module))
    }

    fn identity(&self, device: &str, module: Option<&str>) -> Result<Response, Fault> {
        let right = match *self.method() {
            Method::GET => Right::RegistryRead,
            Method::PUT | Method::DELETE => Right::RegistryWrite,
            _ => return not_allowed(),
        };
        match module {
            None => self.authorize(right)?,
            Some(_) => self.authorize_for_modules(right, device)?,
        }
        let target = identity(device, module)?;
        match *self.method() {
            Method::PUT => {
                let body = reading::json(self.body)?;
                let part = Part::of(&body, "")?;
                part.expect("deviceId", device)?;
                if let Some(module) = module {
                    part.expect("moduleId", module)?;
                }
                let step = Step::Put(Box::new(wanted(&part)?), self.if_match_or_absent());
                self.hub.administer(&target, step)?;
            }
            Method::DELETE => {
                self.hub
                    .administer(&target, Step::Remove(self.if_match()))?;
                return Ok(nothing());
            }
            _ => {}
        }
        Ok(tagged(&self.hub.identity_document(&target)?))
    }

    /// `/devices/{device}/commands`: the messages that wait for it.
    pub(super) fn commands(&self, device: &str) -> Result<Response, Fault> {
        if *self.method() != Method::DELETE {
            return not_allowed();
        }
        self.authorize(Right::ServiceConnect)?;
        let purged = self.hub.purge(&identity(device, None)?)?;
        Ok(document(
            &json!({"totalMessagesPurged": purged, "deviceId": device, "moduleId": null}),
        ))
    }

    /// `/statistics/devices`
    pub(super) fn device_statistics(&self) -> Result<Response, Fault> {
        self.statistics(|hub| {
            let census = hub.census()?;
            Ok(json!({
                "totalDeviceCount": census.devices,
                "enabledDeviceCount": census.enabled,
                "disabledDeviceCount": census.devices - census.enabled,
            }))
        })
    }

    /// `/statistics/service`
    pub(super) fn service_statistics(&self) -> Result<Response, Fault> {
        self.statistics(|hub| Ok(json!({"connectedDeviceCount": hub.census()?.connected})))
    }

    fn statistics(
        &self,
        read: impl FnOnce(&crate::hub::Hub) -> std::io::Result<Value>,
    ) -> Result<Response, Fault> {
        if *self.method() != Method::GET {
            return not_allowed();
        }
        self.authorize(Right::RegistryRead)?;
        Ok(document(&read(self.hub)?))
    }
}

/// What an identity's document asks for.
///
/// # Errors
/// Which field of it is wrong.
pub(super) fn wanted(part: &Part<'_>) -> Result<Wanted, Fault> {
    let enabled = match part.text("status")? {
        None => None,
        Some(status) if status.eq_ignore_ascii_case("enabled") => Some(true),
        Some(status) if status.eq_ignore_ascii_case("disabled") => Some(false),
        Some(_) => return Err(part.wrong("status", "must be \"enabled\" or \"disabled\"")),
    };
    let status_reason = part.text("statusReason")?;
    if status_reason.is_some_and(|reason| reason.chars().count() > LONGEST_REASON) {
        let limit = format!("must not exceed {LONGEST_REASON} characters");
        return Err(part.wrong("statusReason", limit));
    }
    let edge = match part.part("capabilities", "capabilities")? {
        Some(capabilities) => capabilities.flag("iotEdge")?,
        None => None,
    };
    let (authentication, primary, secondary) =
        match part.part("authentication", "authentication")? {
            Some(part) => authentication(&part)?,
            None => (None, None, None),
        };
    Ok(Wanted {
        authentication,
        primary,
        secondary,
        enabled,
        status_reason: status_reason.map(str::to_owned),
        edge,
        parent_scope: parent_scope(part, edge)?,
        managed_by: part.text("managedBy")?.map(str::to_owned),
        twin: None,
    })
}

/// An edge device's `deviceScope` is its own, and sent back by whoever has read it; of the others it is the parent's.
fn parent_scope(part: &Part<'_>, edge: Option<bool>) -> Result<Option<String>, Fault> {
    let device_scope = part.text("deviceScope")?;
    let parents = match part.list("parentScopes")? {
        None => None,
        Some(parents) => match parents.as_slice() {
            [] => Some(""),
            [Value::String(parent)] => Some(parent.as_str()),
            [_] => return Err(part.wrong("parentScopes", "must hold strings")),
            _ => return Err(part.wrong("parentScopes", "must not hold more than one parent")),
        },
    };
    let scope = match (parents.filter(|parent| !parent.is_empty()), edge) {
        (Some(parent), _) => Some(parent),
        (None, Some(true)) => parents,
        (None, _) => device_scope.or(parents),
    };
    Ok(scope.map(str::to_owned))
}

type Proof = (Option<Authentication>, Option<StoredKey>, Option<StoredKey>);

fn authentication(part: &Part<'_>) -> Result<Proof, Fault> {
    let (mut primary, mut secondary) = (None, None);
    if let Some(keys) = part.part("symmetricKey", "authentication.symmetricKey")? {
        primary = key(&keys, "primaryKey")?;
        secondary = key(&keys, "secondaryKey")?;
    }
    let (mut first, mut second) = (None, None);
    if let Some(thumbprints) = part.part("x509Thumbprint", "authentication.x509Thumbprint")? {
        first = thumbprint(&thumbprints, "primaryThumbprint")?;
        second = thumbprint(&thumbprints, "secondaryThumbprint")?;
    }
    let kind = part.text("type")?.map(str::to_ascii_lowercase);
    let authentication = match kind.as_deref() {
        None if first.is_none() => primary.as_ref().map(|_| Authentication::Sas),
        Some("sas") => Some(Authentication::Sas),
        None | Some("selfsigned") => Some(Authentication::SelfSigned {
            primary: first.ok_or_else(|| {
                Fault::argument("authentication.x509Thumbprint.primaryThumbprint is missing.")
            })?,
            secondary: second,
        }),
        Some("certificateauthority") => Some(Authentication::CertificateAuthority),
        Some("none") => Some(Authentication::None),
        Some(_) => {
            let kinds = "must be sas, selfSigned, certificateAuthority or none";
            return Err(part.wrong("type", kinds));
        }
    };
    Ok((authentication, primary, secondary))
}

/// A key, where one is given. Node sends empty ones to have them made.
fn key(part: &Part<'_>, name: &str) -> Result<Option<StoredKey>, Fault> {
    let Some(text) = part.text(name)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match SymmetricKey::from_base64(text) {
        Ok(key) if KEY_BYTES.contains(&key.len()) => Ok(Some(StoredKey::from(&key))),
        Ok(_) => Err(part.wrong(name, "must have 16 to 64 bytes")),
        Err(_) => Err(part.wrong(name, "must be base64")),
    }
}

fn thumbprint(part: &Part<'_>, name: &str) -> Result<Option<Thumbprint>, Fault> {
    let Some(text) = part.text(name)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    Thumbprint::parse(text)
        .map(Some)
        .map_err(|_| part.wrong(name, "must be 40 or 64 hexadecimal digits"))
}
