//! What an installer pastes into a device's own page, or scans there.

use anyhow::Context;
use hub_proto::dps::registration::RegistrationId;
use hub_proto::percent;
use serde_json::{Value, json};

use crate::commands::image::simulated_endpoint;
use crate::control::Control;
use crate::output::{self, JsonArgs};

/// Prints the code of one device in a group of the running simulator. It holds that device's key.
pub(super) async fn print(
    control: &Control,
    group: &str,
    id: &RegistrationId,
    json: JsonArgs,
) -> anyhow::Result<()> {
    let derived = control
        .get(&["dps", "groups", group, "keys", id.as_str()])
        .await?;
    let code = code(&control.get(&["info"]).await?, id, &derived)?;
    if json.json {
        output::document(&json!({"registrationId": id, "setupCode": code}), json)
    } else {
        output::line(&code)
    }
}

fn code(info: &Value, id: &RegistrationId, derived: &Value) -> anyhow::Result<String> {
    let text = |from: &Value, name: &str| {
        let text = from[name].as_str().map(str::to_owned);
        text.with_context(|| format!("the simulator does not say the {name}"))
    };
    let endpoint = simulated_endpoint(&text(info, "provisioningHost")?, &text(info, "https")?)?;
    let fields = [
        ("idScope", text(info, "idScope")?),
        ("registrationId", id.to_string()),
        ("symmetricKey", text(derived, "key")?),
        ("globalEndpoint", endpoint.authority().to_owned()),
    ];
    let fields = fields.map(|(name, value)| format!("{name}={}", percent::encode(&value)));
    Ok(format!("cow:setup?{}", fields.join("&")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_reads_what_is_printed() {
        let info =
            json!({"idScope": "0ne1", "provisioningHost": "localhost", "https": "127.0.0.1:8443"});
        let derived = json!({"key": "a+/b0123456789012345678901234567890123456789="});
        let id = "10000000a1b2c3d4".parse().expect("an id");
        let code = code(&info, &id, &derived).expect("it is all there");
        let read = provisioning::portal::code::read(&code).expect("its reader's form");
        assert_eq!(read.id_scope, "0ne1");
        assert_eq!(read.registration_id, "10000000a1b2c3d4");
        assert_eq!(read.symmetric_key.expose(), derived["key"]);
        assert_eq!(read.global_endpoint.as_deref(), Some("localhost:8443"));
    }
}
