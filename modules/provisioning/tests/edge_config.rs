//! Changing the identity in Edge configurations, in every form they are written in.

#![allow(missing_docs)]

#[path = "edge_config/cases.rs"]
mod cases;
#[path = "edge_config/toml.rs"]
mod toml;
#[path = "edge_config/yaml.rs"]
mod yaml;

use std::path::Path;

use hub_proto::sas::SymmetricKey;
use provisioning::edge_config::{
    ConfigError, DpsIdentity, EdgeConfig, Format, Identity, Method, Who,
};
use toml::TOML;
use yaml::YAML;

const NEW_KEY: &str = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=";

fn identity() -> DpsIdentity {
    DpsIdentity {
        global_endpoint: "dps.example:8443".parse().expect("an address"),
        id_scope: "0ne00NEW".to_owned(),
        registration_id: "new-id".parse().expect("a registration id"),
        symmetric_key: SymmetricKey::from_base64(NEW_KEY).expect("a key"),
    }
}

fn path(format: Format) -> &'static Path {
    Path::new(match format {
        Format::Toml => "/etc/aziot/config.toml",
        Format::Yaml => "/etc/iotedge/config.yaml",
    })
}

fn parse(text: &str, format: Format) -> Result<EdgeConfig, ConfigError> {
    EdgeConfig::parse(text.as_bytes(), path(format))
}

fn changed(text: &str, format: Format) -> Result<String, ConfigError> {
    let config = parse(text, format)?.with_dps(&identity(), path(format))?;
    assert_eq!(config.dps(), Some(&identity()), "what was written is read");
    let again = config.with_dps(&identity(), path(format))?;
    assert_eq!(again, config, "a second time changes nothing");
    Ok(String::from_utf8(config.as_bytes().to_vec()).expect("a text"))
}

#[test]
fn every_form_is_changed_where_it_stands() {
    let mut wrong = Vec::new();
    for (format, cases) in [(Format::Toml, TOML), (Format::Yaml, YAML)] {
        for case in cases {
            let new = changed(case.old, format);
            let new = new.unwrap_or_else(|error| format!("error: {error}"));
            if new != case.new {
                wrong.push(format!(
                    "== {}\n{new}== instead of\n{}",
                    case.name, case.new
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Lines only in one of the two, in their order; both keep the order of the rest.
fn differing<'a>(old: &'a str, new: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    // Longest common subsequence, from the back.
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            gone.push(old[i]);
            i += 1;
        } else {
            come.push(new[j]);
            j += 1;
        }
    }
    (gone, come)
}

#[test]
fn a_template_nobody_has_touched_gets_the_section_at_its_end() {
    let template = include_str!("fixtures/template.toml");
    let config = parse(template, Format::Toml).expect("a configuration");
    assert_eq!(config.identity(), &Identity::None);
    let new = changed(template, Format::Toml).expect("a change");

    let (gone, come) = differing(template, &new);
    assert!(new.starts_with(template));
    assert_eq!(gone, [""; 0]);
    assert_eq!(
        come,
        [
            "",
            "[provisioning]",
            r#"source = "dps""#,
            r#"global_endpoint = "https://dps.example:8443""#,
            r#"id_scope = "0ne00NEW""#,
            "",
            "[provisioning.attestation]",
            r#"method = "symmetric_key""#,
            r#"registration_id = "new-id""#,
            &format!(r#"symmetric_key = {{ value = "{NEW_KEY}" }}"#),
        ]
    );
}

#[test]
fn the_template_of_the_old_version_is_manual_and_becomes_dps() {
    let template = include_str!("fixtures/template.yaml");
    let config = parse(template, Format::Yaml).expect("a configuration");
    assert_eq!(
        config.identity(),
        &Identity::None,
        "a placeholder is nobody"
    );
    let new = changed(template, Format::Yaml).expect("a change");

    let (gone, come) = differing(template, &new);
    assert_eq!(
        gone,
        [
            r#"  source: "manual""#,
            r#"  device_connection_string: "<connection string of the device>""#,
        ]
    );
    assert_eq!(
        come,
        [
            r#"  source: "dps""#,
            r#"  global_endpoint: "https://dps.example:8443""#,
            r#"  scope_id: "0ne00NEW""#,
            "  attestation:",
            r#"    method: "symmetric_key""#,
            r#"    registration_id: "new-id""#,
            &format!(r#"    symmetric_key: "{NEW_KEY}""#),
        ]
    );
}

#[test]
fn a_device_in_stock_only_changes_its_values() {
    for (text, format) in [
        (include_str!("fixtures/stock.toml"), Format::Toml),
        (include_str!("fixtures/stock.yaml"), Format::Yaml),
    ] {
        let config = parse(text, format).expect("a configuration");
        let stock = config
            .dps()
            .expect("an identity of the provisioning service");
        assert_eq!(stock.id_scope, "0ne00STOCK");
        let new = changed(text, format).expect("a change");

        let (gone, come) = differing(text, &new);
        assert_eq!((gone.len(), come.len()), (4, 4), "{come:?}");
        let back = parse(&new, format)
            .and_then(|config| config.with_dps(stock, path(format)))
            .expect("the way back");
        assert_eq!(back.as_bytes(), text.as_bytes(), "there and back again");
    }
}

#[test]
fn windows_line_ends_stay() {
    for (text, format) in [
        (include_str!("fixtures/stock.toml"), Format::Toml),
        (include_str!("fixtures/template.toml"), Format::Toml),
        (include_str!("fixtures/stock.yaml"), Format::Yaml),
        (include_str!("fixtures/template.yaml"), Format::Yaml),
    ] {
        let new = changed(text, format).expect("a change");
        let windows = changed(&text.replace('\n', "\r\n"), format).expect("a change");
        assert_eq!(windows, new.replace('\n', "\r\n"));
    }
}

#[test]
fn what_else_a_device_can_be_is_told() {
    let cases: [(&str, Format, Method, Option<&str>); 11] = [
        (
            "[provisioning]\nsource = 'manual'\nconnection_string = 'HostName=h.example;DeviceId=d;SharedAccessKey=c2VjcmV0'\n",
            Format::Toml,
            Method::ConnectionString,
            Some("d"),
        ),
        (
            "provisioning:\n  source: manual\n  device_connection_string: HostName=h.example;DeviceId=d;SharedAccessKey=c2VjcmV0\n",
            Format::Yaml,
            Method::ConnectionString,
            Some("d"),
        ),
        (
            "[provisioning]\nsource = 'manual'\niothub_hostname = 'h'\ndevice_id = 'd'\nauthentication = { method = 'sas', device_id_pk = { value = 'c2VjcmV0' } }\n",
            Format::Toml,
            Method::ManualKey,
            Some("d"),
        ),
        (
            "provisioning: {source: manual, authentication: {method: x509, iothub_hostname: h, device_id: d}}\n",
            Format::Yaml,
            Method::ManualX509,
            Some("d"),
        ),
        (
            "provisioning.source = 'dps'\nprovisioning.id_scope = 's'\nprovisioning.attestation = { method = 'symmetric_key', registration_id = 'r', symmetric_key = { uri = 'file:///k' } }\n",
            Format::Toml,
            Method::DpsKeyElsewhere,
            Some("r"),
        ),
        (
            "provisioning:\n  source: dps\n  scope_id: s\n  attestation: {method: x509, registration_id: r}\n",
            Format::Yaml,
            Method::DpsX509,
            Some("r"),
        ),
        (
            "provisioning:\n  source: dps\n  scope_id: s\n  attestation: {method: tpm, registration_id: r}\n",
            Format::Yaml,
            Method::DpsTpm,
            Some("r"),
        ),
        (
            "provisioning:\n  source: dps\n  scope_id: s\n",
            Format::Yaml,
            Method::DpsIncomplete,
            None,
        ),
        (
            "provisioning:\n  source: dps\n  scope_id: s\n  attestation: {method: symmetric_key, registration_id: r, symmetric_key: '{symmetric_key}'}\n",
            Format::Yaml,
            Method::DpsIncomplete,
            Some("r"),
        ),
        (
            "[provisioning]\nsource = 'manual'\n",
            Format::Toml,
            Method::Unknown,
            None,
        ),
        (
            "[provisioning]\nsource = 'external'\n",
            Format::Toml,
            Method::Unknown,
            None,
        ),
    ];
    for (text, format, method, device_id) in cases {
        let config = parse(text, format).expect(text);
        let Identity::Other(Who::Other {
            method: told,
            device_id: named,
            ..
        }) = config.identity()
        else {
            panic!("{text} is something else: {:?}", config.identity());
        };
        assert_eq!((*told, named.as_deref()), (method, device_id), "{text}");
        assert!(!format!("{config:?}").contains("c2VjcmV0"));
    }
}

#[test]
fn the_content_tells_the_format() {
    let toml = Path::new("config.toml");
    let yaml = Path::new("config.yaml");
    for (text, format) in [
        ("# c\n\nhostname = \"x\"\n", Format::Toml),
        ("\u{feff}[provisioning]\n", Format::Toml),
        ("\"a: b\" = 1\n", Format::Toml),
        ("provisioning.source = 'x: y'\n", Format::Toml),
        ("# a = b\nhostname: \"a = b\"\n", Format::Yaml),
        ("---\nhostname: x\n", Format::Yaml),
        ("{hostname: x}", Format::Yaml),
        ("\"provisioning\":\r\n  source: x\r\n", Format::Yaml),
    ] {
        for path in [toml, yaml] {
            let config = EdgeConfig::parse(text.as_bytes(), path).map(|config| config.format());
            assert_eq!(config, Ok(format), "{text} in {}", path.display());
        }
    }
    assert_eq!(EdgeConfig::empty(toml).format(), Format::Toml);
    assert_eq!(EdgeConfig::empty(yaml).format(), Format::Yaml);
}

#[test]
fn an_error_names_place_and_cure() {
    let message = |text: &str, format| {
        let config = parse(text, format);
        config
            .and_then(|config| config.with_dps(&identity(), path(format)))
            .expect_err(text)
            .to_string()
    };
    for (text, format, expected) in [
        (
            "hostname = \"x\"\n[provisioning]\nsource = manual\n",
            Format::Toml,
            "/etc/aziot/config.toml: line 3, column 10: string values must be quoted, expected literal string; mend that line, or put the backup in its place",
        ),
        (
            "[a]\n[provisioning]\n[a]\n",
            Format::Toml,
            "/etc/aziot/config.toml: line 3, column 2: duplicate key; mend that line, or put the backup in its place",
        ),
        (
            "[[provisioning]]\nsource = \"manual\"\n",
            Format::Toml,
            "/etc/aziot/config.toml: line 1, column 1: the section provisioning is written in a form that cannot be changed without touching more than it; write it as the template of IoT Edge does",
        ),
        (
            "a: b: c\n",
            Format::Yaml,
            "/etc/iotedge/config.yaml: line 1, column 5: mapping values are not allowed in this context; mend that line, or put the backup in its place",
        ),
        (
            "a: 1\nprovisioning:\n  source: x\n  source: y\n",
            Format::Yaml,
            "/etc/iotedge/config.yaml: line 4, column 3: a key that stands here already; remove one of the two",
        ),
        (
            "a: 1\n---\nb: 1\n",
            Format::Yaml,
            "/etc/iotedge/config.yaml: line 2, column 1: a second document begins; keep the one that is meant",
        ),
        (
            "provisioning:\n  source: &it manual\nagent:\n  also: *it\n",
            Format::Yaml,
            "/etc/iotedge/config.yaml: line 4, column 9: this alias takes its value from the section provisioning, which is to change; write the value out",
        ),
        (
            "a: &a [1, *a]\n",
            Format::Yaml,
            "/etc/iotedge/config.yaml: line 1, column 4: aliases that stand for too much; write the section out",
        ),
    ] {
        assert_eq!(message(text, format), expected);
    }
    let error = EdgeConfig::parse(b"# fine\n# \xff\n", path(Format::Toml)).expect_err("no text");
    assert_eq!(
        error.to_string(),
        "/etc/aziot/config.toml: line 2 is not UTF-8; save the file as UTF-8"
    );
}

/// A bomb of aliases is refused, not followed.
#[test]
fn aliases_of_aliases_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = level - 1;
        let aliases = vec![format!("*a{before}"); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let error = parse(&text, Format::Yaml).expect_err("a bomb");
    assert!(error.to_string().contains("aliases"), "{error}");
}
