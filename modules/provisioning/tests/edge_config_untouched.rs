//! Whatever surrounds the section: not a byte of it changes.
//!
//! Sections in many forms are put between arbitrary surroundings; the parts before and behind must
//! come out as they went in, the identity must be read back, and a second change must do nothing.
//! Parsers that this crate does not use otherwise have to agree: another one of YAML, and of TOML an
//! older one, as the Edge runtimes in the field were built with. And whatever is broken in a file, no
//! error shows a piece of it.

#![allow(missing_docs)]

use std::path::Path;

use hub_proto::sas::SymmetricKey;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use provisioning::edge_config::{DpsIdentity, EdgeConfig, Format};
use serde_json::Value;

/// No text of the surroundings or of the sections' syntax occurs in these.
const OLD_KEY: &str = "b2xkLXNlY3JldC1vbGQtc2VjcmV0";
const OLD_STRING: &str = "HostName=zzz;DeviceId=qqq;SharedAccessKey=b2xkLXNlY3JldC1vbGQtc2VjcmV0";

/// Lines and tables that stand alone, wherever a table may stand.
const TOML_AROUND: &[&str] = &[
    "\n",
    "\n\n",
    "# a comment\n",
    "  \t # ün indented comment  \n",
    "# [provisioning]\n# source = \"manual\"\n",
    "   \n",
    "[agent]\nname = \"edgeAgent\"\t# tab\n  indented = 1\n",
    "[agent.config]\ncreateOptions = { HostConfig = { Binds = [\"/a:/b\"] } }\n",
    "[edge_ca]\ncert='file:///x'\nlist = [ # of\n  1,\n  2, # two\n]\n",
    "[[plugins]]\ntext = \"\"\"\n[provisioning]\nsource = 'x'\n\"\"\"\n",
    "[\"provisioning.attestation\"]\nmethod = 'no'\n",
    "[watchdog]\nmax_retries = \"infinite\"\nratio = -0.5e3\n",
    "[times]\nwhen = 2026-01-01T00:00:00Z\n",
];

/// Keys at the root, which have to stand before every table.
const TOML_ROOT: &[&str] = &[
    "hostname = \"bay-17\"\n",
    "\n",
    "# root\n",
    "cloud_timeout_sec=10   \n",
    "\"odd key\" . x = '''\nprovisioning\n'''\n",
];

const TOML_SECTIONS: &[&str] = &[
    "",
    "[provisioning]\nsource = \"manual\"\nconnection_string = \"@S\"\n",
    "[provisioning]\nsource = \"dps\"\nglobal_endpoint = \"https://x.y\"\nid_scope = \"0neOLD\"\n[provisioning.attestation]\nmethod = \"symmetric_key\"\nregistration_id = \"old\"\nsymmetric_key = { value = \"@K\" }\n",
    "[provisioning]\nsource = \"manual\"\niothub_hostname = \"h\"\ndevice_id = \"d\"\n[provisioning.authentication]\nmethod = \"sas\"\ndevice_id_pk = { value = \"@K\" }\n",
    "[provisioning]\nsource = \"dps\"\nid_scope = \"0neOLD\"\nattestation = { method = \"x509\", identity_cert = \"c\", identity_pk = \"k\" }\n",
    "[provisioning]\nsource = \"dps\"\nid_scope = \"0neOLD\"\nattestation.method = 'tpm'\nattestation.registration_id = 'old'\n",
    "[provisioning.attestation]\nmethod = \"symmetric_key\"\nregistration_id = \"old\"\nsymmetric_key.value = '@K'\n[provisioning]\nsource = 'dps'\nid_scope = '0neOLD'\n",
];

/// The same at the root, before every table.
const TOML_ROOT_SECTIONS: &[&str] = &[
    "provisioning = { source = \"manual\", connection_string = \"@S\" }\n",
    "provisioning.source = \"manual\"\nprovisioning.connection_string = \"@S\"\n",
    "provisioning.source = 'dps'\nprovisioning.id_scope = '0neOLD'\nprovisioning.attestation = {method='symmetric_key',registration_id='old',symmetric_key={value='@K'}}\n",
];

const YAML_AROUND: &[&str] = &[
    "\n",
    "# a comment\n",
    "   # ün indented comment  \n",
    "# provisioning:\n#   source: \"manual\"\n",
    "agent:\n  name: \"edgeAgent\"   # note\n  env: {}\n",
    "hostname: 'bay-17'\n",
    "certificates: {device_ca_cert: \"<path>\", list: [1, 'two', three]}\n",
    "note: |\n  provisioning:\n    source: x\n",
    "more: >-\n    folded\n    text\n",
    "\"odd key\": &a\n  b: *c\n",
    "watchdog:\n- 1\n- {a: b}\n# in a list\n- |\n    x\n",
    "größe: 温度 # ok\n",
    "connect:\n    management_uri: unix:///x # four blanks\n",
];

const YAML_SECTIONS: &[&str] = &[
    "",
    "provisioning:\n  source: \"manual\"\n  device_connection_string: \"@S\"\n",
    "provisioning:\n    source: dps\n    global_endpoint: https://x.y\n    scope_id: 0neOLD\n    attestation:\n        method: symmetric_key\n        registration_id: old\n        symmetric_key: '@K'\n",
    "provisioning: {source: dps, scope_id: 0neOLD, attestation: {method: tpm, registration_id: old}}\n",
    "provisioning:\n  attestation:\n    method: \"x509\"\n    identity_cert: \"c\"\n    identity_pk: \"k\"\n  source: \"dps\"\n  scope_id: \"0neOLD\"\n",
    "provisioning:\n  source: manual\n  authentication: {method: x509, iothub_hostname: h, device_id: d}\n  dynamic_reprovisioning: true\n",
    "provisioning:\n",
    "\"provisioning\" :\n  source: \"manual\"\n  device_connection_string: >-\n    @S\n",
];

/// A file in three parts, of which the middle one may change.
#[derive(Clone, Debug)]
struct Parts {
    format: Format,
    before: String,
    section: String,
    after: String,
}

fn without_bom(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}

fn path(format: Format) -> &'static Path {
    Path::new(match format {
        Format::Toml => "config.toml",
        Format::Yaml => "config.yaml",
    })
}

fn some(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(pieces, 0..=pieces.len()).prop_shuffle()
}

fn parts() -> impl Strategy<Value = Parts> {
    let toml = (
        some(TOML_ROOT),
        some(TOML_AROUND),
        select(TOML_SECTIONS),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(root, around, section, at)| {
            let at = at.index(around.len() + 1);
            let before = root.concat() + &around[..at].concat();
            (Format::Toml, before, section, around[at..].concat())
        });
    let toml_root = (
        some(TOML_ROOT),
        some(TOML_AROUND),
        select(TOML_ROOT_SECTIONS),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(root, around, section, at)| {
            let at = at.index(root.len() + 1);
            let after = root[at..].concat() + &around.concat();
            (Format::Toml, root[..at].concat(), section, after)
        });
    let yaml = (
        some(YAML_AROUND),
        select(YAML_SECTIONS),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(around, section, at)| {
            let at = at.index(around.len() + 1);
            // The anchor that one of the pieces asks for.
            let before = "given: &c x\n".to_owned() + &around[..at].concat();
            (Format::Yaml, before, section, around[at..].concat())
        });
    (prop_oneof![toml, toml_root, yaml], any::<[bool; 3]>()).prop_map(
        |((format, before, section, after), [windows, bom, cut])| {
            let mut parts = [
                before,
                section.replace("@K", OLD_KEY).replace("@S", OLD_STRING),
                after,
            ];
            if windows {
                parts = parts.map(|part| part.replace('\n', "\r\n"));
            }
            // A file need not end with a line break.
            if let Some(last) = parts
                .iter_mut()
                .rev()
                .find(|part| !part.is_empty())
                .filter(|_| cut)
            {
                let text = last.trim_end_matches(['\r', '\n']).to_owned();
                *last = text;
            }
            let [mut before, section, after] = parts;
            if bom {
                before.insert(0, '\u{feff}');
            }
            Parts {
                format,
                before,
                section,
                after,
            }
        },
    )
}

fn identity() -> impl Strategy<Value = DpsIdentity> {
    (
        "[A-Za-z0-9._:-]{0,30}[a-z0-9]",
        "0ne[0-9A-F]{8}",
        "[a-z]{1,10}(\\.[a-z]{2,5}){0,3}(:[1-9][0-9]{0,3})?",
        proptest::collection::vec(any::<u8>(), 1..64),
    )
        .prop_map(|(registration_id, id_scope, endpoint, key)| DpsIdentity {
            global_endpoint: endpoint.parse().expect("an address"),
            id_scope,
            registration_id: registration_id.parse().expect("a registration id"),
            symmetric_key: SymmetricKey::from_bytes(key),
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_byte_around_the_section_stays(parts in parts(), identity in identity()) {
        let Parts { format, before, section, after } = parts;
        let old = format!("{before}{section}{after}");
        let path = path(format);
        let config = EdgeConfig::parse(old.as_bytes(), path).expect("a configuration");
        let new = config.with_dps(&identity, path).expect("a change");
        let text = std::str::from_utf8(new.as_bytes()).expect("a text");

        if section.is_empty() {
            prop_assert!(text.starts_with(&old), "{text}");
        } else {
            prop_assert!(text.starts_with(&before), "{text}");
            prop_assert!(text[before.len()..].ends_with(&after), "{text}");
        }
        if old.contains("\r\n") {
            prop_assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        } else if old.contains('\n') {
            prop_assert!(!text.contains('\r'));
        }
        prop_assert!(!text.contains(OLD_KEY), "the old key is gone");
        prop_assert_eq!(new.dps(), Some(&identity));
        prop_assert_eq!(&new.with_dps(&identity, path).expect("no change"), &new);
        prop_assert_eq!(&EdgeConfig::parse(new.as_bytes(), path).expect("a configuration"), &new);

        if format == Format::Toml && basic_toml::from_str::<Value>(without_bom(&old)).is_ok() {
            let told: Value = basic_toml::from_str(without_bom(text)).expect("TOML for an old parser");
            let attestation = &told["provisioning"]["attestation"];
            prop_assert_eq!(&told["provisioning"]["source"], "dps");
            prop_assert_eq!(&told["provisioning"]["id_scope"], identity.id_scope.as_str());
            prop_assert_eq!(&attestation["registration_id"], identity.registration_id.as_str());
            prop_assert_eq!(&attestation["symmetric_key"]["value"], &Value::from(identity.symmetric_key.to_base64()));
        }
        if format == Format::Yaml {
            let told: Value = serde_saphyr::from_str(without_bom(text)).expect("YAML for another parser");
            let attestation = &told["provisioning"]["attestation"];
            prop_assert_eq!(&told["provisioning"]["source"], "dps");
            prop_assert_eq!(&told["provisioning"]["scope_id"], identity.id_scope.as_str());
            prop_assert_eq!(&attestation["registration_id"], identity.registration_id.as_str());
            prop_assert_eq!(&attestation["symmetric_key"], &Value::from(identity.symmetric_key.to_base64()));
        }
    }

    /// One change of one byte, anywhere: read or refused, but never shown.
    #[test]
    fn nothing_of_a_broken_file_is_shown(parts in parts(), at in any::<prop::sample::Index>(), byte in select(b"\"'[]{}=:#\n\t&*!|>%@`\\x\xff".as_slice())) {
        let mut old = format!("{}{}{}", parts.before, parts.section, parts.after).into_bytes();
        if !old.is_empty() {
            let at = at.index(old.len());
            old[at] = byte;
        }
        match EdgeConfig::parse(&old, path(parts.format)) {
            Ok(config) => {
                let shown = format!("{config:?}");
                prop_assert!(!shown.contains("c2VjcmV0"), "{shown}");
            }
            Err(error) => {
                let shown = format!("{error} {error:?}");
                prop_assert!(!shown.contains("c2VjcmV0") && !shown.contains("zzz"), "{shown}");
            }
        }
    }

    #[test]
    fn anything_at_all_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[ -~\n\t]{0,200}") {
        for format in [Format::Toml, Format::Yaml] {
            let _ = EdgeConfig::parse(&bytes, path(format));
            let _ = EdgeConfig::parse(text.as_bytes(), path(format));
        }
    }
}
