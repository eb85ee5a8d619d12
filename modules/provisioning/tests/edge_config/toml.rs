//! `config.toml`, before and after.

use super::cases::Case;

pub(crate) const TOML: &[Case] = &[
    Case {
        name: "a connection string becomes DPS, comments stay",
        old: r#"[provisioning] # ours
source = "manual" # by hand
# from the portal
connection_string = "HostName=h;DeviceId=d;SharedAccessKey=b2xk" # old

[agent]
name = "edgeAgent"
"#,
        new: r#"[provisioning] # ours
source = "dps" # by hand
global_endpoint = "https://dps.example:8443"
id_scope = "0ne00NEW"
# from the portal

[provisioning.attestation]
method = "symmetric_key"
registration_id = "new-id"
symmetric_key = { value = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=" }

[agent]
name = "edgeAgent"
"#,
    },
    Case {
        name: "a manual key's table gives its place to the attestation",
        old: r#"[provisioning]
source = "manual"
iothub_hostname = "h"
device_id = "d"

[provisioning.authentication]
method = "sas"
device_id_pk = { value = "b2xk" }
[agent]
"#,
        new: r#"[provisioning]
source = "dps"
global_endpoint = "https://dps.example:8443"
id_scope = "0ne00NEW"

[provisioning.attestation]
method = "symmetric_key"
registration_id = "new-id"
symmetric_key = { value = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=" }
[agent]
"#,
    },
    Case {
        name: "X.509 with issued certificates, in tables below tables",
        old: r#"[provisioning]
source = "dps"
global_endpoint = "https://dps.example:8443/"
id_scope = "0ne00OLD"

[provisioning.attestation]
method = "x509"
registration_id = "old"
identity_pk = "file:///k"

[provisioning.attestation.identity_cert]
method = "est"
common_name = "old"

[provisioning.attestation.identity_cert.auto_renew]
rotate_key = true

[edge_ca]
"#,
        new: r#"[provisioning]
source = "dps"
global_endpoint = "https://dps.example:8443/"
id_scope = "0ne00NEW"

[provisioning.attestation]
method = "symmetric_key"
symmetric_key = { value = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=" }
registration_id = "new-id"



[edge_ca]
"#,
    },
    Case {
        name: "TPM, attestation within braces",
        old: r#"[provisioning]
source = "dps"
id_scope = "0ne00OLD"
attestation = { method = "tpm", registration_id = "old" } # chip
always_reprovision = true
"#,
        new: r#"[provisioning]
source = "dps"
global_endpoint = "https://dps.example:8443"
id_scope = "0ne00NEW"
attestation = { method = "symmetric_key", registration_id = "new-id", symmetric_key = { value = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=" } } # chip
always_reprovision = true
"#,
    },
    Case {
        name: "a key kept elsewhere",
        old: r#"[provisioning]
source = "dps"
global_endpoint = "https://dps.example:8443"
id_scope = "0ne00NEW"
[provisioning.attestation]
method = "symmetric_key"
registration_id = "new-id"
symmetric_key = { uri = "file:///k" }
"#,
        new: r#"[provisioning]
source = "dps"
global_endpoint = "https://dps.example:8443"
id_scope = "0ne00NEW"
[provisioning.attestation]
method = "symmetric_key"
registration_id = "new-id"
symmetric_key = { value = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=" }
"#,
    },
    Case {
        name: "a key kept elsewhere, as a table with a header",
        old: r#"[provisioning.attestation.symmetric_key]
uri = "file:///k"
[provisioning.attestation]
registration_id = "old"
method = "symmetric_key"
[provisioning]
id_scope = "0ne00OLD"
source = "dps"
global_endpoint = "https://dps.example:8443""#,
        new: r#"[provisioning.attestation.symmetric_key]
value = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE="
[provisioning.attestation]
registration_id = "new-id"
method = "symmetric_key"
[provisioning]
id_scope = "0ne00NEW"
source = "dps"
global_endpoint = "https://dps.example:8443""#,
    },
    Case {
        name: "dotted keys at the root, no final line break",
        old: r#"provisioning.source = "manual"
provisioning."connection_string" = "HostName=h;DeviceId=d;SharedAccessKey=b2xk"
hostname = "h""#,
        new: r#"provisioning.source = "dps"
provisioning.global_endpoint = "https://dps.example:8443"
provisioning.id_scope = "0ne00NEW"
provisioning.attestation.method = "symmetric_key"
provisioning.attestation.registration_id = "new-id"
provisioning.attestation.symmetric_key = { value = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=" }
hostname = "h""#,
    },
    Case {
        name: "dotted keys under a header",
        old: r#"[ provisioning ]
	source = "dps"
	global_endpoint = "https://dps.example:8443"
	id_scope = '0ne00OLD'
	attestation.method = "symmetric_key"
	attestation . registration_id = """old"""
	attestation.symmetric_key.value = 'b2xk'
"#,
        new: r#"[ provisioning ]
	source = "dps"
	global_endpoint = "https://dps.example:8443"
	id_scope = "0ne00NEW"
	attestation.method = "symmetric_key"
	attestation . registration_id = "new-id"
	attestation.symmetric_key.value = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE="
"#,
    },
    Case {
        name: "all within braces",
        old: r#"hostname = "h"
provisioning = {source="manual",connection_string="HostName=h;DeviceId=d;SharedAccessKey=b2xk"} # one line
[agent]
"#,
        new: r#"hostname = "h"
provisioning = {source="dps", global_endpoint = "https://dps.example:8443", id_scope = "0ne00NEW", attestation = { method = "symmetric_key", registration_id = "new-id", symmetric_key = { value = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=" } }} # one line
[agent]
"#,
    },
    Case {
        name: "braces with what goes in front and in the middle",
        old: r#"provisioning = { connection_string = "x", payload = { uri = "file:///p" }, device_id = "d", source = "manual" }
"#,
        new: r#"provisioning = { payload = { uri = "file:///p" }, source = "dps", global_endpoint = "https://dps.example:8443", id_scope = "0ne00NEW", attestation = { method = "symmetric_key", registration_id = "new-id", symmetric_key = { value = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=" } } }
"#,
    },
    Case {
        name: "empty braces, and a dotted key within braces",
        old: "provisioning = {}\n",
        new: r#"provisioning = { source = "dps", global_endpoint = "https://dps.example:8443", id_scope = "0ne00NEW", attestation = { method = "symmetric_key", registration_id = "new-id", symmetric_key = { value = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=" } } }
"#,
    },
    Case {
        name: "only the attestation has a header",
        old: r#"hostname = "h"

[provisioning.attestation]
method = "symmetric_key"
registration_id = "old"
symmetric_key = { value = "b2xk" }
"#,
        new: r#"hostname = "h"

[provisioning]
source = "dps"
global_endpoint = "https://dps.example:8443"
id_scope = "0ne00NEW"

[provisioning.attestation]
method = "symmetric_key"
registration_id = "new-id"
symmetric_key = { value = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=" }
"#,
    },
    Case {
        name: "a header with nothing below it but comments",
        old: r#"[provisioning]
# source = "manual"

[agent]
"#,
        new: r#"[provisioning]
source = "dps"
global_endpoint = "https://dps.example:8443"
id_scope = "0ne00NEW"

[provisioning.attestation]
method = "symmetric_key"
registration_id = "new-id"
symmetric_key = { value = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=" }
# source = "manual"

[agent]
"#,
    },
    Case {
        name: "nothing at all",
        old: "",
        new: r#"[provisioning]
source = "dps"
global_endpoint = "https://dps.example:8443"
id_scope = "0ne00NEW"

[provisioning.attestation]
method = "symmetric_key"
registration_id = "new-id"
symmetric_key = { value = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=" }
"#,
    },
    Case {
        name: "a mark at the beginning and no line break at the end",
        old: "\u{feff}hostname = \"h\"  ",
        new: "\u{feff}hostname = \"h\"  

[provisioning]
source = \"dps\"
global_endpoint = \"https://dps.example:8443\"
id_scope = \"0ne00NEW\"

[provisioning.attestation]
method = \"symmetric_key\"
registration_id = \"new-id\"
symmetric_key = { value = \"bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=\" }",
    },
    Case {
        name: "texts and tables of the same name elsewhere",
        old: r#"note = '''
[provisioning]
source = "manual"
'''
"provisioning.source" = "manual"
[agent.provisioning]
source = "manual"
[provisioning]
source = "manual"
connection_string = """
HostName=h;
DeviceId=d;SharedAccessKey=b2xk""" # three lines
"#,
        new: r#"note = '''
[provisioning]
source = "manual"
'''
"provisioning.source" = "manual"
[agent.provisioning]
source = "manual"
[provisioning]
source = "dps"
global_endpoint = "https://dps.example:8443"
id_scope = "0ne00NEW"

[provisioning.attestation]
method = "symmetric_key"
registration_id = "new-id"
symmetric_key = { value = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=" }
"#,
    },
    Case {
        name: "values that are no texts",
        old: "[provisioning]\nsource = 1\nid_scope = [\"a\", # one\n  \"b\"]\nattestation = false\n",
        new: r#"[provisioning]
source = "dps"
global_endpoint = "https://dps.example:8443"
id_scope = "0ne00NEW"

[provisioning.attestation]
method = "symmetric_key"
registration_id = "new-id"
symmetric_key = { value = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE=" }
"#,
    },
];
