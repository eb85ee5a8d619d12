//! The identity file: what a freshly imaged card says the device is.
//!
//! ```toml
//! id_scope = "0ne00AA12BC"
//! registration_id = "10000000a1b2c3d4"
//! symmetric_key = "…"                # derived for this registration id
//! global_endpoint = "https://…"      # where it is not the public service
//! portal_pin = "12345678"            # what an installer signs in to the portal with
//! ```
//!
//! The state directory keeps identities in the same form.

use std::fmt::Write as _;

use bay::message::{SecretText, SetupRequest};
use serde::Deserialize;

use crate::edge_config::{DpsIdentity, Endpoint};
use crate::portal::Pin;
use crate::registration::check;

/// What an identity file says.
#[derive(Debug)]
pub struct Card {
    /// Who the device is.
    pub identity: DpsIdentity,
    /// The portal's PIN, where one was given.
    pub pin: Option<Pin>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    id_scope: String,
    registration_id: String,
    symmetric_key: SecretText,
    #[serde(default)]
    global_endpoint: Option<String>,
    #[serde(default)]
    portal_pin: Option<SecretText>,
}

impl Card {
    /// Reads a file, with `endpoint` where it names none.
    ///
    /// # Errors
    ///
    /// A sentence about what is wrong, which shows nothing of the file: there is a key in it.
    pub fn read(content: &[u8], endpoint: &Endpoint) -> Result<Self, String> {
        let text = std::str::from_utf8(content).map_err(|_| "it is not a text in UTF-8")?;
        // An error of the parser quotes the line it stumbled over, so only its place is told.
        let text: Text = toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            format!(
                "it is not an identity file, at line {line}: it holds id_scope, registration_id, symmetric_key, and \
                 where needed global_endpoint and portal_pin, as texts in quotes"
            )
        })?;
        let request = SetupRequest {
            id_scope: text.id_scope,
            registration_id: text.registration_id,
            symmetric_key: text.symmetric_key,
            global_endpoint: text.global_endpoint,
        };
        let identity = check(&request, endpoint).map_err(|refusal| refusal.message)?;
        let pin = text
            .portal_pin
            .map(|pin| pin.expose().parse::<Pin>())
            .transpose()
            .map_err(|error| format!("portal_pin cannot be used: {error}"))?;
        Ok(Self { identity, pin })
    }
}

/// Writes an identity in that form. It holds a key.
pub fn write(identity: &DpsIdentity) -> String {
    let mut text = String::new();
    // None of these values can hold what TOML would need escaped: their types see to that.
    for (name, value) in [
        ("id_scope", identity.id_scope.as_str()),
        ("registration_id", identity.registration_id.as_str()),
        ("symmetric_key", &identity.symmetric_key.to_base64()),
        ("global_endpoint", identity.global_endpoint.as_str()),
    ] {
        let _ = writeln!(text, "{name} = \"{value}\"");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn read(text: &str) -> Result<Card, String> {
        Card::read(text.as_bytes(), &Endpoint::default())
    }

    #[test]
    fn a_file_as_it_is_prepared() {
        let card = read(&format!(
            "# Who this device is.\nid_scope = \"0ne1\"\nregistration_id = \"10000000a1b2c3d4\"\n\
             symmetric_key = \"{KEY}\"\nglobal_endpoint = \"https://127.0.0.1:8443\"\nportal_pin = \"12345678\"\n"
        ))
        .expect("an identity file");
        assert_eq!(card.identity.id_scope, "0ne1");
        assert_eq!(
            card.identity.global_endpoint.as_str(),
            "https://127.0.0.1:8443"
        );
        assert!(card.pin.is_some());
        assert!(!format!("{card:?}").contains(KEY));
        assert!(!format!("{card:?}").contains("12345678"));

        let again = read(&write(&card.identity)).expect("what was written");
        assert_eq!(again.identity, card.identity);
    }

    #[test]
    fn what_is_wrong_is_told_without_the_key() {
        for (text, word) in [
            (format!("symmetric_key = \"{KEY}"), "at line 1"),
            (
                format!("id_scope = \"0ne1\"\nsymmetric_key = {KEY}\n"),
                "at line 2",
            ),
            (format!("id_scope = \"0ne1\"\nkey = \"{KEY}\""), "at line"),
            (
                format!(
                    "id_scope = \"0ne1\"\nregistration_id = \"a b\"\nsymmetric_key = \"{KEY}\""
                ),
                "registrationId contains",
            ),
            (
                format!(
                    "id_scope = \"0ne1\"\nregistration_id = \"r\"\nsymmetric_key = \"{KEY}\"\nportal_pin = \"1\""
                ),
                "portal_pin",
            ),
        ] {
            let why = read(&text).expect_err("not an identity file");
            assert!(why.contains(word), "{why}");
            assert!(!why.contains(KEY), "{why}");
        }
    }
}
