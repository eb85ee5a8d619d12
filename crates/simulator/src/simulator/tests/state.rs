//! The state as a whole: set back, taken, put back, waited for; and what a kill leaves in between.

use std::path::Path;

use axum::http::Method;
use serde_json::json;

use super::*;
use crate::control::asking::ask;
use crate::simulator::pending::Intent;

const WITHIN: Duration = Duration::from_secs(20);

async fn start(directory: &Path, kept: bool) -> Arc<Simulator> {
    let options = Options::on_free_ports(directory);
    Simulator::start(Options {
        state: kept.then(|| directory.join("hub")),
        ..options
    })
    .await
    .expect("it starts")
}

/// As a kill does, but for the lock, which goes when the tasks do.
async fn end(simulator: Arc<Simulator>) {
    simulator.shutdown().await;
    let left = Arc::downgrade(&simulator);
    drop(simulator);
    let gone = async {
        while left.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(WITHIN, gone).await.expect("nobody holds it");
}

async fn get(simulator: &Arc<Simulator>, path: &str) -> (u16, Value) {
    ask(simulator, Method::GET, path, &Value::Null).await
}

fn identity(id: &str) -> Identity {
    id.parse().expect("ids in tests are valid")
}

fn desire(simulator: &Simulator, id: &str, value: i32) {
    let document = json!({"properties": {"desired": {"a": value}}, "tags": {"b": value}});
    simulator
        .patch_twin(&identity(id), document)
        .expect("a twin");
}

fn desired(simulator: &Simulator, id: &str) -> Value {
    simulator.twin(&identity(id)).expect("registered")["properties"]["desired"].clone()
}

/// Everything but what goes on counting.
async fn contents(simulator: &Arc<Simulator>) -> Value {
    let (status, mut snapshot) = get(simulator, "/control/snapshot").await;
    assert_eq!(status, 200);
    for part in ["/hub", ""] {
        let part = snapshot.pointer_mut(part).and_then(Value::as_object_mut);
        part.expect("an object").shift_remove("taken");
    }
    for part in ["/hub/registry", "/dps"] {
        let part = snapshot.pointer_mut(part).and_then(Value::as_object_mut);
        let part = part.expect("an object");
        for counting in ["restored", "next_event", "partitions"] {
            part.shift_remove(counting);
        }
    }
    snapshot
}

fn furnish(simulator: &Simulator) {
    simulator
        .add_device("pump7", false, &["m".to_owned()])
        .expect("a fresh id");
    simulator
        .add_device("edge01", true, &[])
        .expect("a fresh id");
    desire(simulator, "pump7", 1);
    simulator
        .enroll_group(
            serde_json::from_value(json!({
                "enrollmentGroupId": "stock",
                "attestation": {"type": "symmetricKey"},
            }))
            .expect("a group"),
        )
        .expect("enrolled");
    simulator.hub().lock().take("pump7", b"{\"level\": 3}");
}

/// Changes whatever there is.
fn disturb(simulator: &Simulator) {
    simulator.remove_device("edge01").expect("it is there");
    simulator
        .add_device("stranger", false, &[])
        .expect("a fresh id");
    desire(simulator, "pump7", 2);
    desire(simulator, "pump7", 3);
    simulator
        .dps()
        .remove_group("stock", crate::precondition::Precondition::None)
        .expect("it is there");
    simulator
        .send(&identity("pump7"), Properties::new(), b"x".to_vec())
        .expect("queued");
    simulator.hub().lock().take("pump7", b"later");
}

#[tokio::test]
async fn a_reset_gives_back_what_the_start_gave() {
    for kept in [false, true] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let simulator = start(directory.path(), kept).await;
        furnish(&simulator);
        simulator.begin_here().expect("it can be written");
        let before = contents(&simulator).await;
        let version = desired(&simulator, "pump7")["$version"].as_u64();
        let next_event = simulator.next_event();

        disturb(&simulator);
        simulator.pull_dps(crate::DpsLever::Refuse(true));
        let cut = Lever::Link(crate::levers::LinkState::Cut);
        simulator.pull(&Target::Everybody, cut).expect("moved");
        let (status, answer) = ask(&simulator, Method::POST, "/control/reset", &Value::Null).await;
        assert_eq!(status, 200);
        assert_eq!(answer["sequence"], next_event + 1, "numbers go on");
        assert_eq!(simulator.levers()["levers"]["cut"], json!([]));
        assert_eq!(simulator.levers()["dps"]["refuse"], false);
        let twin = desired(&simulator, "pump7");
        assert_eq!(twin["a"], 1);
        // The two changes were seen; what comes after them is told apart from them.
        assert_eq!(
            twin["$version"].as_u64(),
            version.map(|version| version + 3)
        );
        assert_eq!(simulator.events(1, None, 9).0.len(), 1);

        // And once more, now that nothing lies ahead.
        simulator.reset().expect("it can be written");
        let mut after = contents(&simulator).await;
        let counted = |state: &mut Value| {
            let device = &mut state["hub"]["registry"]["devices"]["pump7"];
            device["client"]["twin"]["version"].take();
            device["client"]["twin"]["desired"]["version"].take();
            device["queue"]["next"].take();
        };
        let mut before = before;
        counted(&mut before);
        counted(&mut after);
        assert_eq!(after, before);

        if kept {
            end(simulator).await;
            let again = start(directory.path(), true).await;
            let mut after = contents(&again).await;
            counted(&mut after);
            assert_eq!(after, before, "a restart finds what the reset left");
            end(again).await;
        }
    }
}

#[tokio::test]
async fn a_snapshot_comes_back_as_it_was_and_anywhere() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let simulator = start(directory.path(), false).await;
    furnish(&simulator);
    let (_, snapshot) = get(&simulator, "/control/snapshot").await;
    let before = contents(&simulator).await;

    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let other = start(elsewhere.path(), true).await;
    let (status, answer) = ask(&other, Method::PUT, "/control/snapshot", &snapshot).await;
    assert_eq!((status, &answer["sequence"]), (200, &json!(2)));
    assert_eq!(contents(&other).await, before);
    end(other).await;
    let again = start(elsewhere.path(), true).await;
    assert_eq!(contents(&again).await, before, "the journal has it");
    assert_eq!(again.next_event(), 2);
    end(again).await;
}

#[tokio::test]
async fn what_is_no_snapshot_changes_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let simulator = start(directory.path(), false).await;
    furnish(&simulator);
    let (_, snapshot) = get(&simulator, "/control/snapshot").await;
    let before = contents(&simulator).await;
    let spoiled = |place: &str, value: Value| {
        let mut spoiled = snapshot.clone();
        *spoiled.pointer_mut(place).expect("it is there") = value;
        spoiled
    };
    let key = "/hub/registry/devices/pump7/client/primary";
    let event = "/hub/events/0/events/0";
    for (document, status, said) in [
        (json!([]), 400, "no snapshot"),
        (json!({}), 400, "missing field `form`"),
        (spoiled("/form", json!(7)), 400, "form 7"),
        (spoiled(key, json!("no key")), 400, "base64"),
        (spoiled(event, json!("AAAA")), 400, "cut short"),
        (
            spoiled("/hub/registry/next_event", json!(u64::MAX)),
            400,
            "next_event is a number",
        ),
        (
            spoiled("/linkedHubs", json!({"127.0.0.9": snapshot["hub"]})),
            409,
            "--linked-hub",
        ),
    ] {
        let (answered, answer) = ask(&simulator, Method::PUT, "/control/snapshot", &document).await;
        assert_eq!(answered, status, "{answer}");
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(said), "{message}");
        assert_eq!(contents(&simulator).await, before);
    }
}

/// The file is what counts: from the moment it is there the next start finishes what it says, however far it came.
#[tokio::test]
async fn a_kill_while_a_state_is_put_back_leaves_the_one_that_is_put() {
    for done in 0..3 {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let simulator = start(directory.path(), true).await;
        furnish(&simulator);
        let wanted = contents(&simulator).await;
        let mut snapshot = simulator.snapshot().expect("it can be read");
        disturb(&simulator);
        let disturbed = contents(&simulator).await;

        if done > 0 {
            snapshot.stamp("r1");
            let intent = Intent::Restore {
                restoration: "r1".to_owned(),
                snapshot: Box::new(snapshot),
            };
            simulator.pending.write(&intent).expect("written");
            if let (2, Intent::Restore { snapshot, .. }) = (done, intent) {
                let mut core = simulator.dps().lock();
                core.put(snapshot.dps_state()).expect("a state");
                core.commit_restored().expect("written");
            }
        }
        end(simulator).await;
        let again = start(directory.path(), true).await;
        let expected = if done == 0 { &disturbed } else { &wanted };
        assert_eq!(&contents(&again).await, expected, "{done} parts were done");
        // It is finished once, and not again.
        desire(&again, "pump7", 9);
        end(again).await;
        let third = start(directory.path(), true).await;
        assert_eq!(desired(&third, "pump7")["a"], 9);
        end(third).await;
    }
}

#[tokio::test]
async fn waiting_ends_with_what_was_seen_or_what_is_missing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let simulator = start(directory.path(), false).await;
    furnish(&simulator);
    let (status, met) = get(
        &simulator,
        "/control/wait?for=event&device=pump7&pointer=/level=3&timeout=5",
    )
    .await;
    assert_eq!(status, 200);
    assert_eq!(met["seen"]["events"][0]["body"], json!({"level": 3}));
    let moment = met["moment"].as_str().expect("a moment").to_owned();

    let path = format!("/control/wait?for=event&device=pump7&since={moment}&timeout=0");
    let (status, missing) = get(&simulator, &path).await;
    assert_eq!(status, 504, "the same event is not met twice");
    assert_eq!(
        missing["error"]["message"],
        "no such event came, within 0 s"
    );

    let waiting = {
        let (simulator, path) = (simulator.clone(), path.replace("timeout=0", "timeout=20"));
        tokio::spawn(async move { get(&simulator, &path).await })
    };
    let waits = async {
        while simulator.hub().trace.lookers() == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(WITHIN, waits).await.expect("it waits");
    simulator.hub().take_event("pump7", b"later");
    let (status, met) = waiting.await.expect("it ends");
    assert_eq!(
        (status, &met["seen"]["events"][0]["body"]),
        (200, &json!("later"))
    );

    for (path, missing) in [
        (
            "for=connected&device=pump7",
            "pump7 is not connected, and was not before",
        ),
        ("for=connected&device=nobody", "nobody is not registered"),
        (
            "for=method-subscribed&device=pump7",
            "pump7 is not connected, and was not before",
        ),
        (
            "for=reported&device=pump7&property=level=3",
            "pump7 has reported nothing at /level",
        ),
        ("for=registration&device=pump9", "pump9 has not registered"),
        (
            "for=connected&device=pump7&since=1.1",
            "pump7 has not connected since",
        ),
    ] {
        let (status, answer) = get(&simulator, &format!("/control/wait?{path}&timeout=0")).await;
        assert_eq!(
            (status, &answer["missing"]),
            (504, &json!(missing)),
            "{path}"
        );
        assert_eq!(answer["met"], false);
    }
    for path in [
        "for=ready",
        "for=disconnected&device=pump7",
        "for=queue-empty&device=pump7",
    ] {
        let (status, _) = get(&simulator, &format!("/control/wait?{path}&timeout=0")).await;
        assert_eq!(status, 200, "{path}");
    }
    for (path, said) in [
        ("", "for is \"\"; it can be ready"),
        ("for=connected&device=a/b", "device id contains '/'"),
        (
            "for=connected&timeout=301",
            "timeout is 301; it can be a whole number from 0 to 300",
        ),
        ("for=connected&since=5", "since is \"5\""),
        ("for=reported", "device is missing"),
        ("for=event&pointer=level", "a JSON pointer begins with /"),
        ("for=event&devise=x", "devise is not asked for here"),
        ("for=event&device=x&device=y", "device is given twice"),
        (
            "for=event&after=noon",
            "after is \"noon\"; it can be a time",
        ),
    ] {
        let (status, answer) = get(&simulator, &format!("/control/wait?{path}")).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(status, 400, "{path}: {answer}");
        assert!(message.contains(said), "{path}: {message}");
    }
}

#[tokio::test]
async fn a_reset_answers_those_who_wait_for_a_device() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let simulator = start(directory.path(), false).await;
    simulator
        .add_device("pump7", false, &[])
        .expect("a fresh id");
    let call = {
        let simulator = simulator.clone();
        tokio::spawn(async move {
            let request = serde_json::from_value(json!({
                "methodName": "go", "payload": null,
                "connectTimeoutInSeconds": 300, "responseTimeoutInSeconds": 300,
            }));
            let request = request.expect("a request");
            simulator.invoke(&identity("pump7"), &request).await
        })
    };
    tokio::task::yield_now().await;
    simulator.reset().expect("it can be written");
    let ended = timeout(WITHIN, call).await.expect("it is answered");
    assert!(matches!(
        ended.expect("it does not panic"),
        Err(InvokeError::NotFound(_))
    ));
}
