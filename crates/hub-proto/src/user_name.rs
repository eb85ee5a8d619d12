//! The CONNECT user name, which tells hub and provisioning connections apart and names the client.
//!
//! | client | form |
//! |---|---|
//! | device | `{hub}/{d}/?api-version=…&DeviceClientType=…` |
//! | module | `{hub}/{d}/{m}/?api-version=…&DeviceClientType=…` |
//! | very old clients | `{hub}/{d}/api-version=…`, without the `?` |
//! | registration | `{idScope}/registrations/{registrationId}/api-version=…&ClientVersion=…` |
//!
//! A module is named with the hub's host name also when it speaks to an edge gateway.

use std::borrow::Cow;

use thiserror::Error;

use crate::identity::Identity;
use crate::percent;

/// The api-version this crate's own user names carry.
pub const API_VERSION: &str = "2021-04-12";

/// The api-version of the provisioning service this crate's own user names carry.
pub const DPS_API_VERSION: &str = "2021-06-01";

/// A user name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserName<'a> {
    /// A device or module of a hub.
    Hub(HubUserName<'a>),
    /// A device asking to be provisioned.
    Dps(DpsUserName<'a>),
}

/// The user name of a device or module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubUserName<'a> {
    /// The hub's host name.
    pub hub: &'a str,
    /// The device's id.
    pub device: &'a str,
    /// The module's id.
    pub module: Option<&'a str>,
    /// `api-version`; a connection without it gets no twin patches from the real hub.
    pub api_version: Option<Cow<'a, str>>,
    /// `DeviceClientType`: the SDK's product text.
    pub client_type: Option<Cow<'a, str>>,
    /// `model-id`: the announced DTDL model.
    pub model_id: Option<Cow<'a, str>>,
    /// `auth-chain`: the edge devices a leaf's token comes through.
    pub auth_chain: Option<Cow<'a, str>>,
}

/// The user name of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DpsUserName<'a> {
    /// The provisioning service's scope.
    pub id_scope: &'a str,
    /// Who registers.
    pub registration_id: &'a str,
    /// `api-version`.
    pub api_version: Option<Cow<'a, str>>,
    /// `ClientVersion`: the SDK's product text.
    pub client_version: Option<Cow<'a, str>>,
}

/// The user name has none of the known forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "user name is neither {{hub}}/{{device}}[/{{module}}]/?… nor {{idScope}}/registrations/{{registrationId}}/…"
)]
pub struct UserNameError;

impl<'a> UserName<'a> {
    /// Takes a user name apart. Unknown query names are passed over, known ones come in any order.
    ///
    /// # Errors
    /// When there are too few or too many segments, or an empty one.
    pub fn parse(text: &'a str) -> Result<Self, UserNameError> {
        let (path, query) = split_query(text);
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut segments = path.split('/');
        let (Some(first), Some(second), third, None) = (
            segments.next(),
            segments.next(),
            segments.next(),
            segments.next(),
        ) else {
            return Err(UserNameError);
        };
        if first.is_empty() || second.is_empty() || third == Some("") {
            return Err(UserNameError);
        }
        Ok(match third {
            // A hub device may not be called `registrations` and have modules here; nobody does that.
            Some(registration_id) if second == "registrations" => Self::Dps(DpsUserName {
                id_scope: first,
                registration_id,
                api_version: value_of(query, "api-version"),
                client_version: value_of(query, "ClientVersion"),
            }),
            module => Self::Hub(HubUserName {
                hub: first,
                device: second,
                module,
                api_version: value_of(query, "api-version"),
                client_type: value_of(query, "DeviceClientType"),
                model_id: value_of(query, "model-id"),
                auth_chain: value_of(query, "auth-chain"),
            }),
        })
    }
}

impl HubUserName<'_> {
    /// The identity these ids name.
    ///
    /// # Errors
    /// When an id holds a character the hub does not allow.
    pub fn identity(&self) -> Result<Identity, crate::identity::IdentityError> {
        Identity::new(self.device, self.module)
    }
}

/// Path and query. Ids may hold a `?` themselves, so `/?` is looked for before a bare one.
fn split_query(text: &str) -> (&str, &str) {
    text.split_once("/?")
        .or_else(|| {
            text.find("/api-version=")
                .map(|at| (&text[..at], &text[at + 1..]))
        })
        .or_else(|| text.split_once('?'))
        .unwrap_or((text, ""))
}

/// A value that does not decode is taken as it stands: it is only information about the client.
fn value_of<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.eq_ignore_ascii_case(name)
            .then(|| percent::decode(value).unwrap_or(Cow::Borrowed(value)))
    })
}

/// The user name of a device or module, with its product text and, if it has one, its model.
#[must_use]
pub fn hub(hub: &str, identity: &Identity, product: &str, model_id: Option<&str>) -> String {
    let mut text = format!("{hub}/{identity}/?api-version={API_VERSION}&DeviceClientType=");
    percent::encode_into(product, &mut text);
    if let Some(model_id) = model_id {
        text.push_str("&model-id=");
        percent::encode_into(model_id, &mut text);
    }
    text
}

/// The user name of a registration. It has no `?`: this is how every SDK writes it.
#[must_use]
pub fn dps(id_scope: &str, registration_id: &str, product: &str) -> String {
    let mut text = format!(
        "{id_scope}/registrations/{registration_id}/api-version={DPS_API_VERSION}&ClientVersion="
    );
    percent::encode_into(product, &mut text);
    text
}
