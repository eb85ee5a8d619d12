//! `config.yaml`, before and after.

use super::cases::Case;

pub(crate) const YAML: &[Case] = &[
    Case {
        name: "a connection string becomes DPS, comments stay",
        old: r#"provisioning: # ours
    source: 'manual'   # by hand
    # from the portal
    device_connection_string: "HostName=h;DeviceId=d;SharedAccessKey=b2xk" # old
    dynamic_reprovisioning: false
agent: {}
"#,
        new: r#"provisioning: # ours
    source: "dps"   # by hand
    global_endpoint: "https://dps.example:8443"
    scope_id: "0ne00NEW"
    attestation:
      method: "symmetric_key"
      registration_id: "new-id"
      symmetric_key: "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE="
    # from the portal
    dynamic_reprovisioning: false
agent: {}
"#,
    },
    Case {
        name: "X.509, attestation as a block",
        old: r#"provisioning:
  source: "dps"
  global_endpoint: "https://dps.example:8443"
  scope_id: "0ne00NEW"
  attestation:

    method: x509
    # whose
    registration_id: old
    identity_cert: file:///c
    identity_pk: "file:///k"
  always_reprovision_on_startup: true
"#,
        new: r#"provisioning:
  source: "dps"
  global_endpoint: "https://dps.example:8443"
  scope_id: "0ne00NEW"
  attestation:

    method: "symmetric_key"
    symmetric_key: "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE="
    # whose
    registration_id: "new-id"
  always_reprovision_on_startup: true
"#,
    },
    Case {
        name: "manual X.509, and an attestation within braces over lines",
        old: r#"provisioning:
  source: "manual"
  authentication:
    method: "x509"
    iothub_hostname: "h"
    # a comment inside
    device_id: "d"
  attestation: {
    method: "tpm", # chip
    registration_id: "old",
  }
"#,
        new: r#"provisioning:
  source: "dps"
  global_endpoint: "https://dps.example:8443"
  scope_id: "0ne00NEW"
  attestation: {
    method: "symmetric_key", # chip
    registration_id: "new-id", symmetric_key: "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=",
  }
"#,
    },
    Case {
        name: "all within braces",
        old: r#"provisioning: {source: manual, device_connection_string: "HostName=h;DeviceId=d;SharedAccessKey=b2xk", } # one line
hostname: h
"#,
        new: r#"provisioning: {source: "dps", global_endpoint: "https://dps.example:8443", scope_id: "0ne00NEW", attestation: { method: "symmetric_key", registration_id: "new-id", symmetric_key: "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=" }, } # one line
hostname: h
"#,
    },
    Case {
        name: "the whole file within braces",
        old: r#"{"hostname":"h","provisioning":{"source":"manual","device_connection_string":"x"}}"#,
        new: r#"{"hostname":"h","provisioning":{"source":"dps", global_endpoint: "https://dps.example:8443", scope_id: "0ne00NEW", attestation: { method: "symmetric_key", registration_id: "new-id", symmetric_key: "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=" }}}"#,
    },
    Case {
        name: "the whole file within braces, without the section",
        old: "{\n  hostname: h\n}\n",
        new: r#"{ provisioning: { source: "dps", global_endpoint: "https://dps.example:8443", scope_id: "0ne00NEW", attestation: { method: "symmetric_key", registration_id: "new-id", symmetric_key: "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=" } },
  hostname: h
}
"#,
    },
    Case {
        name: "a section with nothing below it but comments",
        old: r#"hostname: h
provisioning: # none yet
  # source: manual
agent: {}
"#,
        new: r#"hostname: h
provisioning: # none yet
  source: "dps"
  global_endpoint: "https://dps.example:8443"
  scope_id: "0ne00NEW"
  attestation:
    method: "symmetric_key"
    registration_id: "new-id"
    symmetric_key: "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE="
  # source: manual
agent: {}
"#,
    },
    Case {
        name: "no section, a mark that ends the document",
        old: "---\nhostname: h\n# end\n...\n",
        new: r#"---
hostname: h

provisioning:
  source: "dps"
  global_endpoint: "https://dps.example:8443"
  scope_id: "0ne00NEW"
  attestation:
    method: "symmetric_key"
    registration_id: "new-id"
    symmetric_key: "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE="
# end
...
"#,
    },
    Case {
        name: "no section, no line break at the end",
        old: "hostname: h # end",
        new: r#"hostname: h # end

provisioning:
  source: "dps"
  global_endpoint: "https://dps.example:8443"
  scope_id: "0ne00NEW"
  attestation:
    method: "symmetric_key"
    registration_id: "new-id"
    symmetric_key: "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=""#,
    },
    Case {
        name: "anchors, tags and aliases nearby",
        old: r#"names: &names {source: &m manual}
provisioning: &p
  source: *m # as above
  scope_id: !!str "0ne00OLD"   
  global_endpoint: &where "https://elsewhere" # here
  attestation: &att
    method: symmetric_key
    registration_id: &id 10000000e5
    symmetric_key: b2xk
"#,
        new: r#"names: &names {source: &m manual}
provisioning: &p
  source: "dps" # as above
  scope_id: "0ne00NEW"   
  global_endpoint: "https://dps.example:8443" # here
  attestation: &att
    method: symmetric_key
    registration_id: "new-id"
    symmetric_key: "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE="
"#,
    },
    Case {
        name: "the section is an alias",
        old: r#"spare: &spare {source: manual, device_connection_string: x}
provisioning: *spare # for now
hostname: h
"#,
        new: r#"spare: &spare {source: manual, device_connection_string: x}
provisioning: # for now
  source: "dps"
  global_endpoint: "https://dps.example:8443"
  scope_id: "0ne00NEW"
  attestation:
    method: "symmetric_key"
    registration_id: "new-id"
    symmetric_key: "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE="
hostname: h
"#,
    },
    Case {
        name: "texts over several lines",
        old: r#"provisioning:
  source: "man\
    ual"
  device_connection_string: >-
    HostName=h;DeviceId=d;

    SharedAccessKey=b2xk
  scope_id:
    0ne00OLD # below its key
  global_endpoint: |
    https://elsewhere

hostname: h
"#,
        new: r#"provisioning:
  source: "dps"
  attestation:
    method: "symmetric_key"
    registration_id: "new-id"
    symmetric_key: "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE="
  scope_id:
    "0ne00NEW" # below its key
  global_endpoint: "https://dps.example:8443"

hostname: h
"#,
    },
    Case {
        name: "quoted keys, other characters, values left out",
        old: r#""provisioning" :
  'source' : manual # Größe, 温度
  scope_id:
  "attestation":
    method: ~
    identity_cert: [a, b]
grün: ja
"#,
        new: r#""provisioning" :
  'source' : "dps" # Größe, 温度
  global_endpoint: "https://dps.example:8443"
  scope_id: "0ne00NEW"
  "attestation":
    method: "symmetric_key"
    registration_id: "new-id"
    symmetric_key: "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE="
grün: ja
"#,
    },
    Case {
        name: "nothing but comments",
        old: "# nothing yet\n",
        new: r#"# nothing yet
provisioning:
  source: "dps"
  global_endpoint: "https://dps.example:8443"
  scope_id: "0ne00NEW"
  attestation:
    method: "symmetric_key"
    registration_id: "new-id"
    symmetric_key: "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE="
"#,
    },
];
