//! What a person typed or a service sent, read as an identity: every mistake named, with its cure.

use bay::message::{SecretText, SetupRequest, Step};
use hub_proto::dps::registration::RegistrationId;
use hub_proto::sas::{KeyError, SymmetricKey};
use serde::Deserialize;
use serde_json::Value;

use crate::desk::{FieldProblem, Refusal};
use crate::edge_config::{DpsIdentity, Endpoint};

/// The lengths of a key, in bytes, that the provisioning service takes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

const WRONG_ENDPOINT: &str = "must be a host, host:port, or https://host[:port]";

/// Reads a request, with `endpoint` where it names no other. A name without a port that is `endpoint`'s own
/// means that one: who names a service seldom knows the port it was given on a desk.
///
/// # Errors
///
/// Every field that is missing or cannot be right. A key is never repeated.
pub fn check(request: &SetupRequest, endpoint: &Endpoint) -> Result<DpsIdentity, Refusal> {
    let mut problems = Vec::new();
    let mut problem = |field: &str, message: String| {
        problems.push(FieldProblem {
            field: field.to_owned(),
            message,
        });
    };
    let id_scope = id_scope(&request.id_scope).map_err(|why| problem("idScope", why));
    let registration_id =
        registration_id(&request.registration_id).map_err(|why| problem("registrationId", why));
    let symmetric_key =
        symmetric_key(&request.symmetric_key).map_err(|why| problem("symmetricKey", why));
    let named = request.global_endpoint.as_deref().map(str::trim);
    let global_endpoint = match named.filter(|text| !text.is_empty()) {
        None => Ok(endpoint.clone()),
        Some(text) => text
            .parse::<Endpoint>()
            .map(|named| known(named, endpoint))
            .map_err(|_| problem("globalEndpoint", WRONG_ENDPOINT.to_owned())),
    };
    match (id_scope, registration_id, symmetric_key, global_endpoint) {
        (Ok(id_scope), Ok(registration_id), Ok(symmetric_key), Ok(global_endpoint)) => {
            Ok(DpsIdentity {
                global_endpoint,
                id_scope,
                registration_id,
                symmetric_key,
            })
        }
        _ => Err(bad(problems)),
    }
}

/// Reads a method's argument as a request.
///
/// # Errors
///
/// It is not one. The first system sent its group's own keys to each device; that is refused with a word on
/// why, since a device that knows them can pass for all its siblings.
pub fn from_method(payload: Value) -> Result<SetupRequest, Refusal> {
    let refuse = |message: &str| Refusal::new(400, "bad-request", message).at(Step::Check);
    if let Some(object) = payload.as_object()
        && ["primaryKey", "secondaryKey", "enrollmentGroup"]
            .iter()
            .any(|key| object.contains_key(*key))
    {
        return Err(refuse(
            "a device is never given the keys of a group: send idScope, registrationId, and as symmetricKey the key \
             derived for this registration id",
        ));
    }
    // What serde says of a wrong type may quote the value, which may be a key.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Read {
        Request(SetupRequest),
        Else(serde::de::IgnoredAny),
    }
    let payload = if payload.is_null() {
        Value::Object(serde_json::Map::new())
    } else {
        payload
    };
    match serde_json::from_value(payload) {
        Ok(Read::Request(request)) => Ok(request),
        Ok(Read::Else(_)) | Err(_) => Err(refuse(
            "the argument must be an object of texts: idScope, registrationId, symmetricKey, and globalEndpoint \
             where it is not the public one; nothing else",
        )),
    }
}

fn known(named: Endpoint, endpoint: &Endpoint) -> Endpoint {
    let host = endpoint.authority().split(':').next();
    if host == Some(named.authority()) {
        endpoint.clone()
    } else {
        named
    }
}

fn bad(fields: Vec<FieldProblem>) -> Refusal {
    let message: Vec<_> = fields
        .iter()
        .map(|FieldProblem { field, message }| format!("{field} {message}"))
        .collect();
    Refusal {
        fields,
        ..Refusal::new(400, "bad-request", message.join("; ")).at(Step::Check)
    }
}

fn id_scope(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(
            "is missing: copy the ID scope from the provisioning service's overview".to_owned(),
        );
    }
    if text.len() > 32 || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(
            "must be letters and digits, as in 0ne00AA12BC: copy it from the provisioning service's overview"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}

fn registration_id(text: &str) -> Result<RegistrationId, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is missing: for a bay it is its board's serial number".to_owned());
    }
    text.parse::<RegistrationId>().map_err(|error| {
        let what = error.to_string();
        // The field's name stands before it already.
        what.strip_prefix("registration id ")
            .unwrap_or(&what)
            .to_owned()
    })
}

fn symmetric_key(text: &SecretText) -> Result<SymmetricKey, String> {
    let key = SymmetricKey::from_base64(text.expose()).map_err(|error| match error {
        KeyError::Empty => "is missing: derive it from the group's key for this registration id",
        KeyError::NotBase64 => "is not base64: copy it whole, to its last =",
    })?;
    if KEY_BYTES.contains(&key.len()) {
        return Ok(key);
    }
    Err(format!(
        "has {} bytes, and a key has {} to {}: copy it whole",
        key.len(),
        KEY_BYTES.start(),
        KEY_BYTES.end()
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn request(scope: &str, id: &str, key: &str, endpoint: Option<&str>) -> SetupRequest {
        SetupRequest {
            id_scope: scope.to_owned(),
            registration_id: id.to_owned(),
            symmetric_key: key.to_owned().into(),
            global_endpoint: endpoint.map(str::to_owned),
        }
    }

    #[test]
    fn a_request_without_mistakes() {
        let identity = check(
            &request(" 0ne00AA12BC ", "10000000a1b2c3d4", KEY, None),
            &Endpoint::default(),
        )
        .expect("an identity");
        assert_eq!(identity.id_scope, "0ne00AA12BC");
        assert_eq!(identity.global_endpoint, Endpoint::default());
        assert_eq!(identity.symmetric_key.to_base64(), KEY);

        let elsewhere = request("0ne1", "r", KEY, Some("dps.example:8443"));
        let identity = check(&elsewhere, &Endpoint::default()).expect("an identity");
        assert_eq!(
            identity.global_endpoint.as_str(),
            "https://dps.example:8443"
        );
    }

    #[test]
    fn a_name_means_the_service_that_is_known_by_it() {
        let desk: Endpoint = "localhost:8443".parse().expect("an endpoint");
        for (named, expected) in [
            (None, "https://localhost:8443"),
            (Some(""), "https://localhost:8443"),
            (Some("localhost"), "https://localhost:8443"),
            (Some("localhost:443"), "https://localhost:443"),
            (Some("dps.example"), "https://dps.example"),
        ] {
            let identity = check(&request("0ne1", "r", KEY, named), &desk).expect("an identity");
            assert_eq!(identity.global_endpoint.as_str(), expected, "{named:?}");
        }
    }

    #[test]
    fn every_mistake_is_named_with_its_cure() {
        let refusal = check(
            &request("", "a b", "not base64!", Some("http://x")),
            &Endpoint::default(),
        )
        .expect_err("four mistakes");

        assert_eq!((refusal.status, refusal.step), (400, Some(Step::Check)));
        let fields: Vec<_> = refusal
            .fields
            .iter()
            .map(|problem| problem.field.as_str())
            .collect();
        assert_eq!(
            fields,
            [
                "idScope",
                "registrationId",
                "symmetricKey",
                "globalEndpoint"
            ]
        );
        assert_eq!(
            refusal.message,
            "idScope is missing: copy the ID scope from the provisioning service's overview; \
             registrationId contains ' '; allowed are letters, digits and - . _ :; \
             symmetricKey is not base64: copy it whole, to its last =; \
             globalEndpoint must be a host, host:port, or https://host[:port]"
        );
    }

    #[test]
    fn keys() {
        for (key, what) in [
            ("", "is missing"),
            ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "not base64"),
            ("c2hvcnQ=", "has 5 bytes"),
        ] {
            let refusal =
                check(&request("0ne1", "r", key, None), &Endpoint::default()).expect_err("no key");
            assert!(refusal.message.contains(what), "{}", refusal.message);
            assert!(key.is_empty() || !refusal.message.contains(key));
        }
    }

    #[test]
    fn arguments_of_the_method() {
        let sound = json!({"idScope": "0ne1", "registrationId": "r", "symmetricKey": KEY});
        assert_eq!(from_method(sound).expect("a request").id_scope, "0ne1");

        for (payload, word) in [
            (
                json!({"primaryKey": KEY, "secondaryKey": KEY, "enrollmentGroup": "g"}),
                "never given the keys of a group",
            ),
            (json!({"idScope": 7}), "an object of texts"),
            (
                json!({"idScope": "0ne1", "symetricKey": KEY}),
                "nothing else",
            ),
            (json!(KEY), "an object of texts"),
        ] {
            let refusal = from_method(payload).expect_err("no request");
            assert!(refusal.message.contains(word), "{}", refusal.message);
            assert!(!format!("{refusal:?}").contains(KEY));
        }
        from_method(Value::Null).expect("an empty request, refused field by field");
    }
}
