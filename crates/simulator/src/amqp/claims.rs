//! What a connection may do: tokens put to `$cbs`, or a password given to SASL PLAIN.
//!
//! Here are the resources of services; who may speak for devices is in `device`.

use hub_proto::identity::Identity;
use hub_proto::percent;
use hub_proto::sas::{CLOCK_SKEW, SymmetricKey, Token};
use jiff::Timestamp;

use super::address::{client_in, covers, split};
use super::device::Devices;
use super::message::{Body, Message, Status};
use super::value::Value;
use crate::hub::{Hub, Right};
use crate::{is_same_secret, with_causes};

/// Resources one connection may have tokens for: a client that reads every partition has one for each.
const MAX_GRANTS: usize = 256;

/// The resources that were opened, and until when.
#[derive(Debug, Default)]
pub(crate) struct Claims(Vec<Grant>);

#[derive(Debug)]
struct Grant {
    path: String,
    /// Unix seconds.
    until: i64,
}

impl Claims {
    /// Takes a `put-token` request.
    pub(crate) fn put_token(
        &mut self,
        hub: &Hub,
        devices: &mut Devices,
        request: &Message,
        now: Timestamp,
    ) -> Status {
        let refused = |text: String| Status::new(401, text);
        if request.text("operation") != Some("put-token") {
            return Status::new(400, "the operation is not put-token");
        }
        if request.text("type") != Some("servicebus.windows.net:sastoken") {
            return refused("only shared access signatures can be checked here".to_owned());
        }
        let (Some(name), Body::Value(Value::String(token))) = (request.text("name"), &request.body)
        else {
            return Status::new(400, "put-token wants a name and a token");
        };
        // The SDK for Node names the resource as it is escaped in the token.
        let unescaped = match name.contains('/') {
            true => Ok(name.into()),
            false => percent::decode(name),
        };
        let Ok(name) = unescaped else {
            return Status::new(400, "the name is no text");
        };
        let (host, path) = split(&name);
        if let Some((owner, _)) = client_in(path) {
            return devices.put_token(hub, &owner, host, token, now);
        }
        match check(hub, token, now) {
            Ok(own) => {
                if !is_this_hub(hub, host) || !covers(&own.path, path) {
                    return refused(format!("the token does not open {name}"));
                }
                self.put_policy_token(devices, host, path, token, &own, now)
            }
            Err(reason) => refused(reason),
        }
    }

    /// Takes what SASL PLAIN says: a policy with its key, as Event Hubs has it, `{policy}@sas.root.{hub}` with a token,
    /// as IoT Hub has it, or `{device}[/{module}]@sas.{hub}` with a token.
    pub(crate) fn sign_in(
        &mut self,
        hub: &Hub,
        devices: &mut Devices,
        (user, password): (&str, &str),
        now: Timestamp,
    ) -> Result<(), String> {
        let parsed = |password| Token::parse(password).map_err(|error| error.to_string());
        let status = if let Some((policy, _)) = user.split_once("@sas.root.") {
            if parsed(password)?.policy() != Some(policy) {
                return Err("the token is of another policy".to_owned());
            }
            let own = check(hub, password, now)?;
            self.put_policy_token(devices, &own.host, &own.path, password, &own, now)
        } else if let Some((owner, _)) = user.split_once("@sas.") {
            let owner: Identity = owner
                .parse()
                .map_err(|error| format!("{owner:?} is no device: {error}"))?;
            let audience = parsed(password)?.audience();
            let audience = audience.map_err(|error| error.to_string())?;
            devices.put_token(hub, &owner, split(&audience).0, password, now)
        } else {
            let key = policy_key(hub, user)?;
            if !Right::ServiceConnect.is_of(user) {
                return Err(format!(
                    "the policy {user:?} has no right to connect as a service"
                ));
            }
            if !is_same_secret(key.to_base64().as_bytes(), password.as_bytes()) {
                return Err("the password is another policy's key".to_owned());
            }
            self.grant("", i64::MAX)
        };
        match status.code {
            200 => Ok(()),
            _ => Err(status.description),
        }
    }

    /// Opens what a policy's token opens, and that by the policy's rights.
    fn put_policy_token(
        &mut self,
        devices: &mut Devices,
        host: &str,
        path: &str,
        token: &str,
        own: &Checked,
        now: Timestamp,
    ) -> Status {
        if Right::DeviceConnect.is_of(&own.policy) && path.is_empty() {
            devices.put_policy_token(host, token, own.until, now);
        }
        match Right::ServiceConnect.is_of(&own.policy) {
            true => self.grant(path, own.until),
            false => Status::new(200, "OK"),
        }
    }

    /// Whether a token opens `resource` at this moment.
    pub(crate) fn allow(&self, resource: &str, now: Timestamp) -> bool {
        self.0
            .iter()
            .any(|grant| grant.until > now.as_second() && covers(&grant.path, resource))
    }

    /// Whether there is any token that holds at this moment.
    pub(crate) fn allow_something(&self, now: Timestamp) -> bool {
        self.0.iter().any(|grant| grant.until > now.as_second())
    }

    /// Unix seconds at which the next token ends.
    pub(crate) fn next_end(&self, now: Timestamp) -> Option<i64> {
        let ends = self.0.iter().map(|grant| grant.until);
        ends.filter(|until| *until > now.as_second() && *until < i64::MAX)
            .min()
    }

    fn grant(&mut self, path: &str, until: i64) -> Status {
        // Clocks differ, and what was taken must hold for a moment.
        let until = until.saturating_add(CLOCK_SKEW);
        // Event Hubs says 202 and IoT Hub 200; some clients of the latter take nothing else.
        let accepted = Status::new(200, "OK");
        if let Some(grant) = self.0.iter_mut().find(|grant| grant.path == path) {
            grant.until = until;
            return accepted;
        }
        if self.0.len() == MAX_GRANTS {
            return Status::new(403, "too many tokens on one connection");
        }
        self.0.push(Grant {
            path: path.to_owned(),
            until,
        });
        accepted
    }
}

/// A policy's token that holds.
struct Checked {
    policy: String,
    host: String,
    path: String,
    /// Unix seconds.
    until: i64,
}

/// Verifies a token by itself.
fn check(hub: &Hub, token: &str, now: Timestamp) -> Result<Checked, String> {
    let parsed = Token::parse(token).map_err(|error| error.to_string())?;
    let policy = parsed.policy().ok_or("the token names no policy")?;
    let key = policy_key(hub, policy)?;
    // IoT Hub's clients sign with the key's bytes, Event Hubs' with the letters it is written in.
    let letters = SymmetricKey::from_bytes(key.to_base64());
    let own = parsed.audience().map_err(|error| error.to_string())?;
    let until = parsed
        .verify(&own, [&key, &letters], now.as_second(), CLOCK_SKEW)
        .map_err(|error| with_causes(&error))?;
    let (host, path) = split(&own);
    if !is_this_hub(hub, host) {
        return Err(format!("the token is for {own}, which is not this hub"));
    }
    Ok(Checked {
        policy: policy.to_owned(),
        host: host.to_owned(),
        path: path.to_owned(),
        until,
    })
}

fn policy_key(hub: &Hub, name: &str) -> Result<SymmetricKey, String> {
    let may = Right::ServiceConnect.is_of(name) || Right::DeviceConnect.is_of(name);
    may.then(|| hub.policy_key(name))
        .flatten()
        .ok_or_else(|| format!("the policy {name:?} has no right to connect"))
}

fn is_this_hub(hub: &Hub, host: &str) -> bool {
    let mut accepted = hub.names.accepted.iter();
    accepted.any(|name| name.eq_ignore_ascii_case(host))
}
