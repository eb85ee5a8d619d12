//! A street whose modules are containers does what one of processes does, and leaves nothing behind.
//!
//! The same test drives both. Containers need an engine; where there is none, one line says so and their tests are not
//! run: `./test` starts one where it may.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value, json};
use street_tests::{Cow, PATIENCE, binary};
use tokio::time::{Instant, sleep};

const BOARD: &str = "/control/boards/bay-01";
const PROCESSES: &str = "/control/processes";
const AGENT: &str = "/control/twins/bay-01/modules/$edgeAgent";

/// What marks everything a street has made at the engine.
const OWNER: &str = "cow.street";

/// How modules are run, and the argument that says so.
const PROCESS: &[&str] = &["up", "--headless"];
const CONTAINER: &[&str] = &["up", "--headless", "--containers"];

fn has_engine() -> bool {
    let info = Command::new("docker").arg("info").output();
    let answers = info.is_ok_and(|info| info.status.success());
    if !answers {
        eprintln!("containers are NOT tested: no container engine answers here");
    }
    answers
}

fn docker(arguments: &[&str]) -> String {
    let said = Command::new("docker").args(arguments).output();
    let said = said.expect("docker starts");
    assert!(said.status.success(), "docker {arguments:?}: {said:?}");
    String::from_utf8(said.stdout).expect("text")
}

/// Everything at the engine that a street of this temporary directory has made.
fn left(owner: &str) -> Vec<String> {
    let label = format!("label={OWNER}={owner}");
    let filter = ["--quiet", "--filter", &label];
    let lists: [&[&str]; 4] = [
        &["ps", "--all"],
        &["volume", "ls"],
        &["network", "ls"],
        &["image", "ls", "--all"],
    ];
    let found = lists.map(|list| docker(&[list, &filter].concat()));
    found
        .iter()
        .flat_map(|found| found.lines())
        .map(str::to_owned)
        .collect()
}

/// The directory whose name marks a street's things.
fn owner(cow: &Cow) -> String {
    let socket = cow.ready["devices"][0]["modules"][0]["workloadUri"].as_str();
    let socket = socket
        .expect("modules have sockets")
        .trim_start_matches("unix://");
    // DIR/run/MODULE.sock
    let directory = Path::new(socket)
        .ancestors()
        .nth(2)
        .expect("it is that deep");
    directory.display().to_string()
}

async fn module(cow: &Cow, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let name = format!("bay-01/{name}");
    let find = |all: &Value| {
        let mut all = all.as_array().into_iter().flatten();
        all.find(|one| one["module"] == *name).cloned()
    };
    let all = cow.until(PROCESSES, |all| find(all).is_some_and(|one| wanted(&one)));
    find(&all.await).expect("it was found")
}

async fn drive(cow: &Cow, command: &str) {
    let body = json!({"command": command, "overSeconds": 0.0});
    cow.must("POST", BOARD, &body).await;
}

async fn lamp_is(cow: &Cow, colour: &str) {
    cow.until(BOARD, |board| board["lamp"]["colour"] == colour)
        .await;
}

async fn invoke(cow: &Cow, module: &str, method: &str, payload: Value) -> Value {
    let path = format!("/control/methods/bay-01/modules/{module}");
    let body = json!({
        "methodName": method, "payload": payload,
        "connectTimeoutInSeconds": 20, "responseTimeoutInSeconds": 20,
    });
    let answer = cow.must("POST", &path, &body).await;
    assert_eq!(answer["status"], 200, "{method}: {answer}");
    answer["payload"].clone()
}

/// What a driver, an operator and a crash see of a bay.
async fn a_bay_works(cow: &Cow, crash: impl AsyncFn(&Value)) {
    let settings = json!({"desired": {"holdOffMs": 50}});
    cow.must("PATCH", "/control/twins/bay-01/modules/hc-sr04", &settings)
        .await;
    lamp_is(cow, "green").await;
    drive(cow, "carArrives").await;
    lamp_is(cow, "red").await;
    drive(cow, "carLeaves").await;
    lamp_is(cow, "green").await;
    invoke(cow, "light", "book", json!({"bookingId": "b1"})).await;
    lamp_is(cow, "orange").await;

    // Modules reach one another through the hub, by HTTPS.
    let report = invoke(cow, "provisioning", "test", Value::Null).await;
    assert_eq!(report["passed"], true, "{report}");

    let before = module(cow, "light", |light| light["status"] == "running").await;
    assert!(before["memoryBytes"].as_u64() > Some(100_000), "{before}");
    crash(&before).await;
    let after = module(cow, "light", |light| {
        light["status"] == "running" && light["pid"] != before["pid"] && !light["pid"].is_null()
    });
    let after = after.await;
    assert_eq!(after["exitCode"], 137, "{after}");
    // It has kept what it knew.
    invoke(cow, "light", "release", json!({"bookingId": "b1"})).await;
    lamp_is(cow, "green").await;
}

/// Puts the bay's own deployment on it with some modules changed; returns its version.
async fn deploy(cow: &Cow, change: impl FnOnce(&mut Map<String, Value>)) -> u64 {
    let twin = cow.must("GET", AGENT, &Value::Null).await;
    let mut desired = twin["properties"]["desired"].clone();
    desired["modules"]
        .as_object_mut()
        .map(change)
        .expect("modules");
    desired
        .as_object_mut()
        .expect("properties")
        .retain(|name, _| !name.starts_with('$'));
    let content = json!({"modulesContent": {
        "$edgeAgent": {"properties.desired": desired}, "$edgeHub": {},
    }});
    cow.must("POST", "/control/devices/bay-01/deployment", &content)
        .await;
    let twin = cow.must("GET", AGENT, &Value::Null).await;
    let version = twin["properties"]["desired"]["$version"].as_u64();
    version.expect("a twin has versions")
}

/// Changes what a bay runs: one module goes, one comes, one is changed, and one is left alone.
async fn a_manifest_changes(cow: &Cow) {
    let sensor = module(cow, "hc-sr04", |_| true).await;
    let light = module(cow, "light", |_| true).await;
    let version = deploy(cow, |modules| {
        let battery = modules.remove("battery").expect("it is in the template");
        modules.insert("second".to_owned(), battery);
        modules["light"]["env"]["BAY_LOG"] = json!({"value": "debug"});
    });
    let version = version.await;

    cow.until(AGENT, |twin| {
        let reported = &twin["properties"]["reported"];
        reported["lastDesiredVersion"] == version
            && reported["lastDesiredStatus"]["code"] == 200
            && reported["modules"]["second"]["runtimeStatus"] == "running"
            && reported["modules"]["battery"].is_null()
    })
    .await;
    module(cow, "light", |now| {
        now["status"] == "running" && now["pid"] != light["pid"] && !now["pid"].is_null()
    })
    .await;
    let all = cow.must("GET", PROCESSES, &Value::Null).await;
    let names = all.as_array().into_iter().flatten();
    let names: Vec<_> = names.filter_map(|one| one["module"].as_str()).collect();
    assert!(!names.contains(&"bay-01/battery"), "{names:?}");
    let undisturbed = module(cow, "hc-sr04", |_| true).await;
    assert_eq!(undisturbed["pid"], sensor["pid"]);
    drive(cow, "carArrives").await;
    lamp_is(cow, "red").await;
}

#[tokio::test]
async fn a_street_of_processes() {
    let cow = Cow::start(PROCESS).await;
    let crash = async |light: &Value| {
        assert_eq!(light["container"], Value::Null);
        cow.must("POST", "/control/processes/bay-01/light/kill", &Value::Null)
            .await;
    };
    a_bay_works(&cow, crash).await;
    a_manifest_changes(&cow).await;
    assert!(cow.stop().await.success());
}

#[tokio::test]
async fn a_street_of_containers() {
    if !has_engine() {
        return;
    }
    let cow = Cow::start(CONTAINER).await;
    let owner = owner(&cow);
    // Behind the runner's back.
    let crash = async |light: &Value| {
        let container = light["container"].as_str().expect("it is one");
        docker(&["kill", container]);
    };
    a_bay_works(&cow, crash).await;
    a_manifest_changes(&cow).await;
    assert!(
        left(&owner).len() > 4,
        "containers, network, volumes, image"
    );
    assert!(cow.stop().await.success());
    assert_eq!(left(&owner), [""; 0], "it leaves something behind");
}

#[tokio::test]
async fn what_cannot_be_run_is_told_and_stops_nobody_else() {
    if !has_engine() {
        return;
    }
    let cow = Cow::start(CONTAINER).await;
    let sensor = module(&cow, "hc-sr04", |_| true).await;
    let absent = |image: &str| json!({"type": "docker", "status": "running", "imagePullPolicy": "never", "settings": {"image": image}});
    let mut misspelt = absent("light:1");
    misspelt["settings"]["createOptions"] = "{\"HostConfig\": {\"CapDorp\": []}}".into();
    deploy(&cow, |modules| {
        modules.insert("absent".to_owned(), absent("nowhere.example/x:1"));
        modules.insert("misspelt".to_owned(), misspelt);
    })
    .await;
    for (name, why) in [
        ("absent", "nowhere.example/x:1 is not on this machine"),
        ("misspelt", "create option HostConfig.CapDorp"),
    ] {
        cow.until(AGENT, |twin| {
            let module = &twin["properties"]["reported"]["modules"][name];
            let said = module["statusDescription"].as_str().unwrap_or_default();
            said.contains(why) && module["exitCode"] == 127
        })
        .await;
    }
    let undisturbed = module(&cow, "hc-sr04", |_| true).await;
    assert_eq!(undisturbed["pid"], sensor["pid"]);
    assert!(cow.stop().await.success());
}

#[tokio::test]
async fn what_a_killed_street_leaves_is_removed_by_the_next_and_what_was_kept_is_there() {
    if !has_engine() {
        return;
    }
    let state = tempfile::tempdir().expect("a temporary directory");
    let directory = state.path().to_str().expect("a path in UTF-8");
    let arguments = [CONTAINER, &["--state", directory]].concat();
    let cow = Cow::start(&arguments).await;
    let killed = owner(&cow);
    invoke(&cow, "light", "book", json!({"bookingId": "b1"})).await;
    lamp_is(&cow, "orange").await;
    cow.kill().await;
    assert!(left(&killed).len() > 4, "nobody has removed it");

    let cow = Cow::start(&arguments).await;
    assert_eq!(left(&killed), [""; 0]);
    let owner = owner(&cow);
    assert!(left(&owner).len() > 4, "the street's own are left alone");
    lamp_is(&cow, "orange").await;
    assert!(cow.stop().await.success());
    assert_eq!(left(&owner), [""; 0]);
}

/// The image `cow` of `docker/Dockerfile` with this program, and a container of it, removed at the end.
struct Image {
    name: String,
    container: String,
}

impl Image {
    fn start() -> Self {
        let context = tempfile::tempdir().expect("a directory");
        let (bin, state) = (
            context.path().join("here/cow/bin"),
            context.path().join("here/cow/state"),
        );
        for directory in [&bin, &state] {
            fs::create_dir_all(directory).expect("a directory");
        }
        fs::copy(binary(), bin.join("cow")).expect("the program");
        for (path, mode) in [(bin.join("cow"), 0o755), (state, 0o1777)] {
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
        }
        let name = format!("cow-test:{}", std::process::id());
        let dockerfile = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docker/Dockerfile");
        let built = Command::new("docker")
            .env("DOCKER_BUILDKIT", "0")
            .args([
                "build",
                "--quiet",
                "--target",
                "cow",
                "--build-arg",
                "IMAGE=cow",
                "--tag",
                &name,
            ])
            .args([
                "--build-arg",
                "TARGETARCH=here",
                "--build-arg",
                "TARGETVARIANT=",
            ])
            .arg("--file")
            .args([dockerfile.as_path(), context.path()])
            .output();
        let built = built.expect("docker starts");
        assert!(built.status.success(), "{built:?}");
        let container = docker(&["run", "--detach", "--read-only", "--cap-drop=ALL", &name]);
        Self {
            name,
            container: container.trim().to_owned(),
        }
    }

    async fn is_healthy(&self) {
        let give_up = Instant::now() + PATIENCE;
        let state = || docker(&["inspect", "--format", "{{json .State}}", &self.container]);
        while !state().contains(r#""Status":"healthy""#) {
            let printed = || {
                Command::new("docker")
                    .args(["logs", &self.container])
                    .output()
            };
            assert!(Instant::now() < give_up, "{} {:?}", state(), printed());
            sleep(Duration::from_millis(200)).await;
        }
    }

    fn cow(&self, words: &[&str]) -> String {
        docker(&[&["exec", &self.container, "/bin/cow"], words].concat())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        for remove in [
            &["rm", "--force", "--volumes", &self.container][..],
            &["image", "rm", "--force", &self.name],
        ] {
            let _ = Command::new("docker").args(remove).output();
        }
    }
}

#[tokio::test]
async fn the_simulator_runs_where_there_is_nothing_but_itself() {
    if !has_engine() {
        return;
    }
    let image = Image::start();
    image.is_healthy().await;
    let added = image.cow(&["device", "add", "pump7"]);
    assert!(added.contains("DeviceId=pump7"), "{added}");
    docker(&["kill", &image.container]);
    docker(&["start", &image.container]);
    image.is_healthy().await;
    let list = image.cow(&["device", "list"]);
    assert!(list.contains("pump7"), "{list}");
}
