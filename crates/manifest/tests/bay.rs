//! The bay's own `deployment.template.json`, as it stands at the root of the repository.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use manifest::route::{RoutedMessage, SampleMessage, Sink};
use manifest::template::{self, Board, Model, Platform, Surroundings};
use manifest::{Manifest, RestartPolicy, SchemaVersion, Status};
use serde_json::{Value, json};

struct Repository;

impl Surroundings for Repository {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn module_json(&self, directory: &str) -> io::Result<String> {
        fs::read_to_string(root().join(directory).join("module.json"))
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn expand(platform: Platform) -> (Value, Manifest) {
    let text =
        fs::read_to_string(root().join("deployment.template.json")).expect("the template is there");
    assert!(template::is_template(&text));
    let expansion = template::expand(&text, platform, &Repository);
    let problems = expansion.reading.problems;
    assert!(
        problems.is_empty(),
        "{}",
        problems
            .iter()
            .map(|problem| format!("{problem}\n"))
            .collect::<String>()
    );
    (
        expansion.document.expect("a document"),
        expansion.reading.manifest.expect("a manifest"),
    )
}

fn taken(
    manifest: &Manifest,
    module: &str,
    output: &str,
    body: Value,
) -> Vec<(String, u32, Option<u64>)> {
    let message = SampleMessage::from_json(json!({
        "systemProperties": {
            "connectionDeviceId": "bay-1", "connectionModuleId": module, "outputName": output,
            "contentType": "application/json", "contentEncoding": "utf-8"
        },
        "body": body
    }))
    .expect("the message is well formed");
    assert!(message.body().is_some());
    let routes = manifest.hub.take(&message);
    let named = routes.iter().map(|route| {
        let sink = match route.route.sink() {
            Sink::Upstream => "hub".to_owned(),
            Sink::Module { module, input } => format!("{module}/{input}"),
        };
        (
            sink,
            route.priority,
            route.time_to_live.map(|time| time.as_secs()),
        )
    });
    named.collect()
}

#[test]
fn it_expands_for_every_platform() {
    for platform in Platform::ALL {
        let (document, manifest) = expand(platform);
        assert!(document.get("$schema-template").is_none());
        for name in ["hc-sr04", "light", "battery", "provisioning"] {
            let module = manifest.module(name).expect("the module is there");
            assert_eq!(
                module.image,
                format!("cow-parking/{name}:0.1.0-{}", platform.name())
            );
            assert_eq!(module.status, Status::Running);
            assert_eq!(module.restart_policy, RestartPolicy::Always);
        }
    }
}

#[test]
fn a_module_has_the_least_it_needs() {
    let (_, manifest) = expand(Platform::Arm64v8);
    for name in ["hc-sr04", "light", "battery"] {
        let module = manifest.module(name).expect("the module is there");
        let options = &module.create_options;
        let host = &options["HostConfig"];
        assert_eq!(options["User"], "1000:1000");
        assert_eq!(host["ReadonlyRootfs"], true);
        assert_eq!(host["CapDrop"], json!(["ALL"]));
        assert_eq!(host["SecurityOpt"], json!(["no-new-privileges:true"]));
        assert_eq!(host["Binds"][0], format!("{name}-state:/var/lib/bay"));
        assert!(
            host.get("Privileged").is_none()
                && host.get("CapAdd").is_none()
                && host.get("NetworkMode").is_none()
        );
        assert!(
            module
                .env
                .contains(&("BAY_STATE_DIR".to_owned(), "/var/lib/bay".to_owned()))
        );
    }
}

/// It changes the host's configuration and restarts the machine, so it is root there; with that, and with
/// nothing but the files this takes, it still has no capability and no device.
#[test]
fn who_changes_the_identity_has_no_more_than_that_takes() {
    let (_, manifest) = expand(Platform::Arm64v8);
    let module = manifest
        .module("provisioning")
        .expect("the module is there");
    let host = &module.create_options["HostConfig"];
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(host["CapDrop"], json!(["ALL"]));
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges:true"]));
    assert_eq!(
        host["Binds"],
        json!([
            "/var/lib/cow-provisioning:/var/lib/cow-provisioning",
            "/etc/aziot:/etc/aziot",
            "/etc/ssl/certs:/etc/ssl/certs:ro",
            "/run/dbus/system_bus_socket:/run/dbus/system_bus_socket"
        ])
    );
    for more in ["Privileged", "CapAdd", "NetworkMode", "Devices", "PidMode"] {
        assert!(host.get(more).is_none(), "{more}");
    }
    assert_eq!(
        taken(
            &manifest,
            "provisioning",
            "status",
            json!({"mode": "stock"})
        ),
        [("hub".to_owned(), 0, None)]
    );
}

#[test]
fn messages_flow_as_the_design_says() {
    let (_, manifest) = expand(Platform::Amd64);
    assert_eq!(
        manifest.hub.schema_version,
        Some(SchemaVersion { major: 1, minor: 1 })
    );
    assert_eq!(manifest.hub.store_and_forward.time_to_live, None);
    let hub = |priority, seconds| ("hub".to_owned(), priority, seconds);
    let light =
        |input: &str, priority, seconds| (format!("light/{input}"), priority, Some(seconds));
    assert_eq!(
        taken(
            &manifest,
            "hc-sr04",
            "occupancy",
            json!({"occupancy": "free"})
        ),
        [light("occupancy", 0, 3600), hub(0, None)]
    );
    assert_eq!(
        taken(&manifest, "hc-sr04", "distance", json!({"distanceMm": 742})),
        [hub(9, Some(600))]
    );
    assert_eq!(
        taken(&manifest, "light", "lamp", json!({"colour": "green"})),
        [hub(2, None)]
    );
    assert_eq!(
        taken(&manifest, "battery", "level", json!({"alarm": "none"})),
        [light("battery", 1, 21600), hub(1, None)]
    );
    // An alarm goes before everything that waits; the all-clear reaches the lamp too.
    assert_eq!(
        taken(&manifest, "battery", "level", json!({"alarm": "low"})),
        [light("battery", 1, 21600), hub(0, None)]
    );
    assert!(taken(&manifest, "somebody", "else", json!({})).is_empty());
    let longest = manifest
        .hub
        .routes
        .iter()
        .filter_map(|route| route.time_to_live)
        .max();
    assert_eq!(longest, Some(Duration::from_secs(21600)));
}

#[test]
fn what_is_built_is_read_back_the_same() {
    let (document, manifest) = expand(Platform::Amd64);
    let text = serde_json::to_string_pretty(&document).expect("JSON is text");
    let reading = Manifest::read(&text);
    assert_eq!(reading.problems, []);
    let again = reading.manifest.expect("a manifest");
    assert_eq!(again.agent.modules, manifest.agent.modules);
    let names: Vec<&str> = manifest
        .agent
        .modules
        .iter()
        .map(|module| module.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "edgeAgent",
            "edgeHub",
            "light",
            "battery",
            "hc-sr04",
            "provisioning"
        ]
    );
    let options = &document["modulesContent"]["$edgeAgent"]["properties.desired"]["modules"]["light"]
        ["settings"]["createOptions"];
    let expected = "{\"User\":\"1000:1000\",\"HostConfig\":{\"Binds\":[\"light-state:/var/lib/bay\",\"/run/bay:/run/bay\"],\
                    \"CapDrop\":[\"ALL\"],\"ReadonlyRootfs\":true,\"SecurityOpt\":[\"no-new-privileges:true\"]}}";
    assert_eq!(options, expected);
}

#[test]
fn on_a_board_each_module_has_its_own_devices_and_nothing_of_the_simulation() {
    let text = fs::read_to_string(root().join("deployment.template.json")).expect("it is there");
    for model in Model::ALL {
        let board = Board {
            gpio_chip: 4,
            i2c_group: 7,
            ..model.board()
        };
        let expansion = template::expand_for(&text, model.platform(), &board, &Repository);
        assert_eq!(expansion.reading.problems, []);
        let document = expansion.document.expect("a document");
        let manifest = Manifest::read(&document.to_string()).manifest;
        let manifest = manifest.expect("what is built can be read");
        let read = expansion.reading.manifest.expect("a manifest");
        assert_eq!(read.agent.modules, manifest.agent.modules);
        for (module, devices, groups) in [
            ("hc-sr04", json!(["/dev/gpiochip4"]), json!(["993"])),
            ("light", json!(["/dev/gpiochip4"]), json!(["993"])),
            ("battery", json!(["/dev/i2c-1"]), json!(["7"])),
            ("provisioning", json!([]), json!(null)),
        ] {
            let module = manifest.module(module).expect("the module is there");
            let host = &module.create_options["HostConfig"];
            let given = host["Devices"].as_array().cloned().unwrap_or_default();
            let nodes: Vec<&Value> = given.iter().map(|device| &device["PathOnHost"]).collect();
            assert_eq!(json!(nodes), devices, "{}", module.name);
            assert_eq!(host["GroupAdd"], groups, "{}", module.name);
            assert_eq!(host["CapDrop"], json!(["ALL"]));
            assert_eq!(host["ReadonlyRootfs"], json!(true));
            assert_eq!(host["SecurityOpt"], json!(["no-new-privileges:true"]));
            assert_eq!(host.get("Privileged"), None);
        }
        assert!(!document.to_string().contains("sim:"));
        assert!(!document.to_string().contains("/run/bay"));
        let light = manifest.module("light").expect("the module is there");
        assert!(light.image.ends_with("-arm64v8"), "{}", light.image);
        let told = ("BAY_BOARD".to_owned(), format!("linux:{}", board.wiring));
        assert!(light.env.contains(&told), "{:?}", light.env);
    }
}

#[test]
fn images_have_the_version_of_what_is_in_them() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect("the file is there");
    let version = env!("CARGO_PKG_VERSION");
    for module in ["hc-sr04", "light", "battery", "provisioning"] {
        let file: Value = serde_json::from_str(&read(&format!("modules/{module}/module.json")))
            .expect("it is JSON");
        assert_eq!(file["image"]["tag"]["version"], version, "{module}");
        let options = json!(["--target module", format!("--build-arg IMAGE={module}")]);
        assert_eq!(file["image"]["buildOptions"], options);
    }
    let bake = read("docker/bake.hcl");
    assert!(bake.contains(&format!("default = \"{version}\"")), "{bake}");
}
