//! What enrolments are given by hand, checked before anybody is asked.

use std::ops::RangeInclusive;

use hub_proto::dps::registration::RegistrationId;
use hub_proto::sas::SymmetricKey;

/// The lengths of a key that the provisioning service takes.
const KEY_BYTES: RangeInclusive<usize> = 16..=64;

/// A group's name, which the service bounds as it does a registration id.
pub(crate) fn group(text: &str) -> Result<String, String> {
    let id = text.parse::<RegistrationId>();
    id.map(|id| id.to_string()).map_err(|error| {
        let what = error.to_string();
        let rest = what.strip_prefix("registration id");
        rest.map_or(what.clone(), |rest| format!("group name{rest}"))
    })
}

/// Key of an enrolment or a device. What is wrong with it never repeats it.
pub(crate) fn key(text: &str) -> Result<SymmetricKey, String> {
    let key = SymmetricKey::from_base64(text).map_err(|error| error.to_string())?;
    if KEY_BYTES.contains(&key.len()) {
        return Ok(key);
    }
    let (least, most) = (KEY_BYTES.start(), KEY_BYTES.end());
    Err(format!(
        "key has {} bytes, and the service takes {least} to {most}",
        key.len()
    ))
}
