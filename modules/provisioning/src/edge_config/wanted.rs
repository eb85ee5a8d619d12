//! What the section has to say, whatever the format and the form it stands in.

use super::{DpsIdentity, Format};

/// The section's name, in both formats.
pub(super) const SECTION: &str = "provisioning";

/// A key that has to be there.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) key: &'static str,
    pub(super) value: WantedValue,
}

/// What a key has to hold.
#[derive(Clone)]
pub(super) enum WantedValue {
    /// A text, and how to see that another one says the same.
    Text {
        text: String,
        same: fn(&str, &str) -> bool,
    },
    /// Further keys.
    Table(Table),
}

/// Keys that have to be there, and the rest.
#[derive(Clone)]
pub(super) struct Table {
    pub(super) keys: Vec<Wanted>,
    /// Whether another key has to go, because it belongs to another identity.
    pub(super) drop: fn(&str) -> bool,
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&WantedValue> {
        self.keys
            .iter()
            .find(|wanted| wanted.key == key)
            .map(|wanted| &wanted.value)
    }
}

/// The section for `identity`, as the key of a whole file.
pub(super) fn provisioning(format: Format, identity: &DpsIdentity) -> Table {
    let key = identity.symmetric_key.to_base64();
    let (scope, key) = match format {
        Format::Toml => (
            "id_scope",
            table("symmetric_key", vec![secret("value", key)], |_| true),
        ),
        Format::Yaml => ("scope_id", secret("symmetric_key", key)),
    };
    let attestation = table(
        "attestation",
        vec![
            exactly("method", "symmetric_key".to_owned()),
            exactly("registration_id", identity.registration_id.to_string()),
            key,
        ],
        // Of X.509 and TPM, and the device id that 1.0 could ask for.
        |key| matches!(key, "identity_cert" | "identity_pk" | "device_id"),
    );
    let section = table(
        SECTION,
        vec![
            exactly("source", "dps".to_owned()),
            Wanted {
                key: "global_endpoint",
                value: WantedValue::Text {
                    text: identity.global_endpoint.to_string(),
                    same: |a, b| {
                        let parse = |text: &str| text.parse::<super::Endpoint>();
                        matches!((parse(a), parse(b)), (Ok(a), Ok(b)) if a == b)
                    },
                },
            },
            exactly(scope, identity.id_scope.clone()),
            attestation,
        ],
        |key| {
            matches!(
                key,
                "connection_string"
                    | "device_connection_string"
                    | "iothub_hostname"
                    | "device_id"
                    | "authentication"
            )
        },
    );
    Table {
        keys: vec![section],
        drop: |_| false,
    }
}

fn exactly(key: &'static str, text: String) -> Wanted {
    Wanted {
        key,
        value: WantedValue::Text {
            text,
            same: |a, b| a == b,
        },
    }
}

/// A key, which may have been written with blanks around it.
fn secret(key: &'static str, text: String) -> Wanted {
    Wanted {
        key,
        value: WantedValue::Text {
            text,
            same: |a, b| a.trim() == b.trim(),
        },
    }
}

fn table(key: &'static str, keys: Vec<Wanted>, drop: fn(&str) -> bool) -> Wanted {
    Wanted {
        key,
        value: WantedValue::Table(Table { keys, drop }),
    }
}
