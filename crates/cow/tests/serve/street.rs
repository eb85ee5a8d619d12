//! `cow up`: a street as its user starts it, drives it and kills it.

use serde_json::Value;

use crate::running::{Running, cow, exists, gone, processes, request, request_with, text, until};

/// A street of one bay, and the ready object.
pub(crate) fn up(args: &[&str]) -> (Running, Value) {
    let mut up =
        Running::start(&[&["up", "--headless", "--json", "--port-base", "0"], args].concat());
    let ready = up.ready();
    (up, ready)
}

#[test]
fn a_street_is_ready_when_every_module_was_heard() {
    let (mut up, ready) = up(&["--bays", "2"]);
    let control = text(&ready, "control");
    assert_eq!(ready["page"], Value::Null);

    let ids: Vec<_> = ready["devices"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|device| text(device, "deviceId"))
        .collect();
    assert_eq!(ids, ["bay-01", "bay-02"]);
    let (_, list, _) = cow(&["device", "list", "--control", control]);
    assert_eq!(list.matches("  ● ").count(), 8, "{list}");
    let monitor = [
        "monitor",
        "--from",
        "earliest",
        "--json",
        "--count",
        "8",
        "--timeout",
        "20",
        "--control",
        control,
    ];
    let (code, events, _) = cow(&monitor);
    assert_eq!(code, Some(0));
    for module in ["hc-sr04", "light", "battery", "provisioning"] {
        let first = format!("\"deviceId\":\"bay-02\",\"moduleId\":\"{module}\"");
        assert!(events.contains(&first), "{module} in {events}");
    }
    let socket = text(&ready["devices"][0]["modules"][0], "workloadUri").to_owned();
    let socket = socket.strip_prefix("unix://").expect("a Unix socket");
    assert!(exists(socket));

    let pids = processes(control);
    assert_eq!(pids.len(), 8);
    up.signal("TERM");
    assert!(up.ended().success());
    for (_, pid) in pids {
        gone(pid);
    }
    assert!(!exists(socket));
}

#[test]
fn a_car_turns_the_lamp_red_over_the_control_api() {
    let (_up, ready) = up(&[]);
    let control = text(&ready, "control");
    let (status, _) = request(
        control,
        "POST",
        "/control/boards/bay-01",
        r#"{"command":"carArrives","overSeconds":0}"#,
    );
    assert_eq!(status, 204);
    until(|| {
        let (_, board) = request(control, "GET", "/control/boards/bay-01", "");
        (board["lamp"]["colour"] == "red").then_some(())
    });
    let (status, refusal) = request(
        control,
        "POST",
        "/control/boards/bay-01",
        r#"{"command":"fly"}"#,
    );
    assert_eq!(
        (status, refusal["error"]["code"].as_u64()),
        (422, Some(422))
    );
    let (status, _) = request(control, "GET", "/control/boards/bay-09", "");
    assert_eq!(status, 404);
}

#[test]
fn the_operators_service_runs_beside_the_street_and_ends_with_it() {
    let state = tempfile::tempdir().expect("a directory");
    let directory = state.path().join("state");
    let directory = directory.to_str().expect("UTF-8");
    let mut up = Running::start(&["up", "--json", "--port-base", "0", "--state", directory]);
    let ready = up.ready();
    let fleet = text(&ready, "fleet").to_owned();
    assert_eq!(request(&fleet, "GET", "/api/openapi.json", "").0, 200);
    // However the street ends, nobody is left behind.
    up.signal("KILL");
    up.ended();
    let address = fleet.trim_start_matches("http://");
    until(|| std::net::TcpStream::connect(address).is_err().then_some(()));
    assert!(exists(&format!("{directory}/fleet.db")));
}

#[test]
fn the_page_is_for_browsers_of_this_machine() {
    let mut up = Running::start(&["up", "--no-fleet", "--json", "--port-base", "0"]);
    let ready = up.ready();
    let page = text(&ready, "page");
    assert_eq!(page, text(&ready, "control"));
    assert_eq!(request(page, "GET", "/", "").0, 200);
    let elsewhere = "Origin: http://elsewhere.example\r\n";
    assert_eq!(request_with(page, "GET", "/", elsewhere, "").0, 403);
}

#[test]
fn a_crashed_module_is_back_in_its_place() {
    let (_up, ready) = up(&[]);
    let control = text(&ready, "control");
    let pid = |control| {
        processes(control)
            .into_iter()
            .find(|(module, _)| module == "bay-01/light")
            .map(|(_, pid)| pid)
    };
    let first = pid(control).expect("it runs");
    let (status, _) = request(control, "POST", "/control/processes/bay-01/light/kill", "");
    assert_eq!(status, 202);
    until(|| pid(control).filter(|&pid| pid != first));
    let booked = cow(&[
        "method",
        "bay-01/light",
        "book",
        r#"{"bookingId":"b-1","until":"2100-01-01T00:00:00Z"}"#,
        "--connect-timeout",
        "20",
        "--json",
        "--control",
        control,
    ]);
    assert_eq!(booked.0, Some(0), "{}", booked.2);
    assert!(booked.1.starts_with("{\"status\":200,"), "{}", booked.1);
    assert_eq!(
        request(control, "POST", "/control/processes/bay-01/wheel/kill", "").0,
        404
    );
    assert_eq!(
        request(control, "POST", "/control/processes/bay-01/light/paint", "").0,
        404
    );
}

#[test]
fn a_machine_restarts_with_everything_on_it() {
    let (_up, ready) = up(&[]);
    let control = text(&ready, "control");
    for (boots, verb) in [(2, "restart"), (3, "cut")] {
        let before = processes(control);
        let path = format!("/control/bays/bay-01/power/{verb}");
        assert_eq!(request(control, "POST", &path, "").0, 202);
        let after = until(|| {
            let (_, bay) = request(control, "GET", "/control/bays/bay-01", "");
            let up = bay["boots"] == boots && bay["phase"] == "running";
            up.then(|| processes(control))
        });
        assert_eq!(after.len(), before.len());
        for (module, pid) in before {
            gone(pid);
            assert!(after.iter().all(|(_, other)| *other != pid), "{module}");
        }
    }
    let (_, bays) = request(control, "GET", "/control/bays", "");
    assert_eq!(bays[0]["deviceId"], "bay-01");
    assert_eq!(bays[0]["serial"], "10000000b0b00001");
    assert_eq!(bays[0]["portal"], Value::Null);
    let identity = r#"{"idScope":"0ne1","registrationId":"r","symmetricKey":"AAAA"}"#;
    for (path, body, status) in [
        ("/control/bays/bay-09/power/cut", "", 404),
        ("/control/bays/bay-01/power/faint", "", 404),
        ("/control/bays/bay-01/card", "{}", 422),
        ("/control/bays/bay-01/card", identity, 409),
    ] {
        assert_eq!(request(control, "POST", path, body).0, status, "{path}");
    }
}

#[test]
fn no_module_survives_a_killed_street() {
    let (up, ready) = up(&[]);
    let pids = processes(text(&ready, "control"));
    assert_eq!(pids.len(), 4);
    up.signal("KILL");
    for (_, pid) in pids {
        gone(pid);
    }
}

#[test]
fn somebody_elses_module_runs_with_exec() {
    let directory = tempfile::tempdir().expect("a directory");
    let manifest = directory.path().join("deployment.json");
    let document = serde_json::json!({"modulesContent": {
        "$edgeAgent": {"properties.desired": {
            "schemaVersion": "1.1",
            "runtime": {"type": "docker", "settings": {}},
            "systemModules": {
                "edgeAgent": {"type": "docker", "settings": {"image": "agent:1", "createOptions": "{}"}},
                "edgeHub": {"type": "docker", "status": "running", "restartPolicy": "always",
                            "settings": {"image": "hub:1", "createOptions": "{}"}},
            },
            "modules": {"mine": {"type": "docker", "status": "running", "restartPolicy": "always",
                                 "env": {"GREETING": {"value": "hello"}},
                                 "settings": {"image": "acme/mine:1", "createOptions": "{}"}}},
        }},
        "$edgeHub": {"properties.desired": {
            "schemaVersion": "1.1",
            "routes": {"up": "FROM /messages/* INTO $upstream"},
            "storeAndForwardConfiguration": {"timeToLiveSecs": 7200},
        }},
    }});
    std::fs::write(&manifest, document.to_string()).expect("writable");
    let manifest = manifest.to_str().expect("UTF-8");

    let (code, _, complaint) = cow(&["up", "--manifest", manifest, "--port-base", "0"]);
    assert_eq!(code, Some(2));
    assert!(
        complaint.contains("say what to run instead with --exec 'mine=COMMAND'"),
        "{complaint}"
    );

    // As itself it prints what it was given; then it becomes one of ours, which connects.
    let exec = format!(
        "mine=echo $GREETING $IOTEDGE_DEVICEID/$IOTEDGE_MODULEID; exec {} module battery",
        env!("CARGO_BIN_EXE_cow")
    );
    let (_up, ready) = up(&["--manifest", manifest, "--exec", &exec]);
    assert_eq!(text(&ready["devices"][0]["modules"][0], "moduleId"), "mine");
    let (_, list, _) = cow(&["device", "list", "--control", text(&ready, "control")]);
    assert!(list.contains("  ● mine"), "{list}");
}
