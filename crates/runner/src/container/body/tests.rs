use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::container::{Host, Mount};

/// A machine whose `/etc/aziot` and `/run/bay` are elsewhere, and which has no bus.
fn wishes() -> Wishes {
    Wishes {
        env: vec![("A".into(), "runtime".into()), ("B".into(), "b=c".into())],
        mounts: vec![Mount {
            source: "/tmp/w.sock".into(),
            target: "/run/iotedge/workload.sock".into(),
            read_only: true,
        }],
        host: Host {
            paths: vec![
                ("/run/bay".into(), Stand::Shared("/tmp/bay-01".into())),
                ("/etc/aziot".into(), Stand::Private("/tmp/etc".into())),
                ("/run/dbus".into(), Stand::Nothing),
                ("/run/dbus/other".into(), Stand::Shared("/tmp/other".into())),
            ],
            volume_prefix: "cow-x-bay-01-".into(),
            volumes: None,
        },
        names: vec![("edgehub".into(), Ipv4Addr::new(172, 18, 0, 1).into())],
        aliases: vec!["light".into()],
    }
}

fn frame() -> Frame<'static> {
    Frame {
        network: "cow-x",
        labels: HashMap::from([("cow.street".into(), "/tmp/cow-x".into())]),
        keeper: Some((1000, 1000)),
    }
}

fn made(options: Value) -> Body {
    body(&options, &wishes(), frame()).expect("sound options")
}

fn host(body: &Body) -> HostConfig {
    body.create.host_config.clone().expect("it has one")
}

#[test]
fn options_are_taken_as_they_are_and_what_makes_a_module_is_added() {
    let body = made(json!({
        "User": "1000:1000",
        "Env": ["A=options", "C"],
        "Labels": {"mine": "1"},
        "ExposedPorts": {"8080/tcp": {}},
        "HostConfig": {"CapDrop": ["ALL"], "Memory": 64_000_000, "ReadonlyRootfs": true,
            "PortBindings": {"8080/tcp": [{"HostPort": "8080"}]}},
    }));
    let create = &body.create;
    assert_eq!(create.user.as_deref(), Some("1000:1000"));
    assert_eq!(
        create.env.as_deref(),
        Some(&["C", "A=runtime", "B=b=c"].map(String::from)[..])
    );
    assert_eq!(create.labels.as_ref().map(HashMap::len), Some(2));
    let host = host(&body);
    assert_eq!(host.memory, Some(64_000_000));
    assert_eq!(host.extra_hosts, Some(vec!["edgehub:172.18.0.1".into()]));
    assert_eq!(host.network_mode.as_deref(), Some("cow-x"));
    assert_eq!(
        host.binds,
        Some(vec!["/tmp/w.sock:/run/iotedge/workload.sock:ro".into()])
    );
    let networks = create
        .networking_config
        .as_ref()
        .and_then(|config| config.endpoints_config.as_ref());
    let aliases = networks.and_then(|networks| networks["cow-x"].aliases.clone());
    assert_eq!(aliases, Some(vec!["light".into()]));
}

#[test]
fn the_engine_neither_restarts_nor_removes_it() {
    let body =
        made(json!({"HostConfig": {"AutoRemove": true, "RestartPolicy": {"Name": "always"}}}));
    let host = host(&body);
    assert_eq!(host.auto_remove, Some(false));
    let policy = host.restart_policy.and_then(|policy| policy.name);
    assert_eq!(policy, Some(RestartPolicyNameEnum::NO));
}

#[test]
fn paths_and_volumes_of_the_machine_are_those_that_stand_for_them() {
    let body = made(json!({"HostConfig": {
        "Binds": ["/run/bay:/run/bay", "/etc/aziot/config.toml:/c:ro", "/run/dbus/system_bus_socket:/bus",
            "/run/dbus/other:/other", "/srv/models:/models", "state:/var/lib/bay", "/tmp/own:/run/iotedge/workload.sock"],
        "Mounts": [{"Type": "volume", "Source": "more", "Target": "/more"}, {"Type": "volume", "Target": "/nameless"},
            {"Type": "bind", "Source": "/run/dbus", "Target": "/b"}, {"Type": "tmpfs", "Target": "/t"}],
    }}));
    let host = host(&body);
    let binds = [
        "/tmp/bay-01:/run/bay",
        "/tmp/etc/config.toml:/c:ro",
        "/tmp/other:/other",
        "/srv/models:/models",
        "cow-x-bay-01-state:/var/lib/bay",
        "/tmp/own:/run/iotedge/workload.sock",
    ];
    assert_eq!(host.binds, Some(binds.map(String::from).into()));
    let mounts = host.mounts.unwrap_or_default().into_iter();
    let mounts: Vec<_> = mounts
        .map(|mount| (mount.source, mount.target.unwrap_or_default()))
        .collect();
    let expected = [
        (Some("cow-x-bay-01-more"), "/more"),
        (None, "/nameless"),
        (None, "/t"),
    ];
    let expected = expected.map(|(source, target)| (source.map(String::from), target.to_owned()));
    assert_eq!(mounts, expected);
    let volumes = [
        ("cow-x-bay-01-state", "state"),
        ("cow-x-bay-01-more", "more"),
    ];
    assert_eq!(
        body.volumes,
        volumes.map(|(name, said)| (name.to_owned(), said.to_owned()))
    );
}

#[test]
fn who_plays_root_on_the_machine_is_who_keeps_its_files() {
    for (options, user) in [
        (
            json!({"User": "0:0", "HostConfig": {"Binds": ["/etc/aziot:/etc/aziot"]}}),
            Some("1000:1000"),
        ),
        (
            json!({"HostConfig": {"Binds": ["/etc/aziot:/etc/aziot"]}}),
            Some("1000:1000"),
        ),
        (
            json!({"User": "5", "HostConfig": {"Binds": ["/etc/aziot:/etc/aziot"]}}),
            Some("5"),
        ),
        (
            json!({"User": "0:0", "HostConfig": {"Binds": ["/run/bay:/run/bay"]}}),
            Some("0:0"),
        ),
    ] {
        assert_eq!(
            made(options.clone()).create.user.as_deref(),
            user,
            "{options}"
        );
    }
}

#[test]
fn other_networks_are_connected_to_afterwards() {
    let body = made(json!({"NetworkingConfig": {"EndpointsConfig": {
        "azure-iot-edge": {"Aliases": ["lamp"]}, "plant": {},
    }}}));
    let networks = body
        .create
        .networking_config
        .and_then(|config| config.endpoints_config);
    let networks = networks.expect("its own");
    assert_eq!(
        networks["cow-x"].aliases,
        Some(vec!["lamp".into(), "light".into()])
    );
    assert_eq!(networks.len(), 1);
    let more: Vec<_> = body
        .networks
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(more, ["plant"]);
}

#[test]
fn a_network_mode_is_kept() {
    for (mode, has_names) in [("host", true), ("none", false), ("container:x", false)] {
        let host = host(&made(json!({"HostConfig": {"NetworkMode": mode}})));
        assert_eq!(host.network_mode.as_deref(), Some(mode));
        assert_eq!(host.extra_hosts.is_some(), has_names, "{mode}");
    }
}

#[test]
fn what_the_engine_would_not_understand_is_refused_with_its_place() {
    for (options, place) in [
        (
            json!({"HostConfig": {"Memory": "64m"}}),
            "HostConfig.Memory",
        ),
        (json!({"hostConfig": {}}), "hostConfig"),
        (
            json!({"HostConfig": {"CapDorp": ["ALL"]}}),
            "HostConfig.CapDorp",
        ),
        (
            json!({"HostConfig": {"Devices": [{"PathOnHost": "/dev/a", "Path": "/b"}]}}),
            "HostConfig.Devices.0.Path",
        ),
    ] {
        let error = body(&options, &wishes(), frame()).expect_err("not sound");
        assert_eq!(error.place, place);
    }
}

#[test]
fn a_path_is_below_a_path_by_whole_names() {
    let host = wishes().host;
    let stand = |path: &str| host.stand(&PathBuf::from(path));
    assert_eq!(stand("/run/bayou"), None);
    assert_eq!(
        stand("/run/bay/board.sock"),
        Some(Stand::Shared("/tmp/bay-01/board.sock".into()))
    );
}
