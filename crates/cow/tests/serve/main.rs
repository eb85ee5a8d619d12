//! `cow sim` and `cow up` as processes: ready, used, stopped, killed, and in each other's way.

mod deployments;
mod pages;
mod running;
mod stock;
mod street;

use std::net::TcpListener;

use crate::running::{Running, cow, exists, text};

#[test]
fn the_simulator_says_where_everything_is_and_cleans_up() {
    let mut sim = Running::start(&["sim", "--json", "--port-base", "0"]);
    let ready = sim.ready();

    assert_eq!(ready["ready"], true);
    assert_eq!(text(&ready, "hubHostName"), "localhost");
    assert_eq!(ready["devices"], serde_json::json!([]));
    assert_eq!(text(&ready, "provisioningHost"), "localhost");
    assert!(text(&ready, "idScope").starts_with("0ne"));
    assert!(
        text(&ready, "provisioningServiceConnectionString")
            .contains("SharedAccessKeyName=provisioningserviceowner")
    );
    assert_eq!(ready.get("boards"), None, "no board serves a page here");
    for address in ["mqtt", "https"] {
        let address: std::net::SocketAddr = text(&ready, address).parse().expect("an address");
        assert!(address.ip().is_loopback());
        std::net::TcpStream::connect(address).expect("somebody listens");
    }
    let ca_file = text(&ready, "caFile");
    let certificate = std::fs::read_to_string(ca_file).expect("the CA file is there");
    assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----"));

    let control = text(&ready, "control");
    let (code, string, _) = cow(&["device", "add", "pump7", "--control", control]);
    assert_eq!(code, Some(0));
    assert!(string.starts_with("HostName=localhost;DeviceId=pump7;SharedAccessKey="));
    let again = cow(&["device", "add", "pump7", "--control", control]);
    assert_eq!(again.0, Some(1));
    assert_eq!(
        again.2,
        "error: pump7 is already registered (error 409001)\n"
    );
    let (_, list, _) = cow(&["device", "list", "--control", control]);
    assert_eq!(list, "○ pump7  device\n");
    let (code, twin, _) = cow(&["twin", "patch", "pump7", r#"{"a":1}"#, "--control", control]);
    assert_eq!(code, Some(0));
    assert!(twin.contains("\"a\": 1"), "{twin}");
    let offline = cow(&["method", "pump7", "restart", "--control", control]);
    assert!(offline.2.ends_with("(error 404103)\n"), "{}", offline.2);

    sim.signal("TERM");
    assert!(sim.ended().success());
    assert!(!exists(ca_file), "what was not to be kept is gone");
}

#[test]
fn kept_state_is_there_again() {
    let state = tempfile::tempdir().expect("a directory");
    let state = state.path().join("state");
    let args = [
        "sim",
        "--json",
        "--port-base",
        "0",
        "--state",
        state.to_str().expect("UTF-8"),
    ];

    let mut first = Running::start(&args);
    let ready = first.ready();
    let ca = std::fs::read(text(&ready, "caFile")).expect("the CA file is there");
    let (_, string, _) = cow(&[
        "device",
        "add",
        "pump7",
        "--control",
        text(&ready, "control"),
    ]);

    let taken = cow(&args);
    assert_eq!(taken.0, Some(1));
    assert!(taken.2.contains("another"), "{}", taken.2);

    first.signal("INT");
    assert!(first.ended().success());

    let mut second = Running::start(&args);
    let ready = second.ready();
    assert_eq!(ready["devices"][0]["connectionString"], string.trim());
    assert_eq!(
        std::fs::read(text(&ready, "caFile")).expect("still there"),
        ca
    );
}

/// As in its image, which is made from nothing.
#[test]
fn where_there_is_no_place_for_temporary_files_the_state_directory_is_one() {
    let state = tempfile::tempdir().expect("a directory");
    let path = state.path().to_str().expect("UTF-8");
    let environment = [("TMPDIR", "/nowhere"), ("COW_STATE", path)];
    let args = ["sim", "--json", "--port-base", "0"];
    let temporary = || {
        let names = std::fs::read_dir(path).expect("a directory");
        let mut names = names.map(|entry| entry.expect("an entry").file_name());
        names.any(|name| name.to_string_lossy().starts_with("cow-"))
    };

    let mut killed = Running::start_with(&args, &environment);
    killed.ready();
    killed.signal("KILL");
    assert!(!killed.ended().success());
    assert!(temporary(), "nobody could remove it");

    let mut sim = Running::start_with(&args, &environment);
    sim.ready();
    sim.signal("TERM");
    assert!(sim.ended().success());
    assert!(!temporary(), "what a killed one left is gone, too");
}

#[test]
fn a_port_in_the_way_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = taken.local_addr().expect("bound").port();
    let (code, _, complaint) = cow(&["sim", "--port-base", &port.to_string()]);
    assert_eq!(code, Some(1));
    assert_eq!(
        complaint,
        format!(
            "error: port {port} is taken by another program: stop that, or move every port with --port-base 20000\n"
        )
    );
}

#[test]
fn a_second_cow_is_told_of_the_first() {
    // Where another program has one of the ports, the next base is tried.
    for base in (20_100..60_000).step_by(1_010) {
        let arg = base.to_string();
        let args = ["sim", "--json", "--port-base", &arg];
        let mut first = Running::start(&args);
        if first.try_ready().is_none() {
            continue;
        }
        let (code, _, complaint) = cow(&args);
        assert_eq!(code, Some(1));
        let page = base + 2;
        assert!(
            complaint.starts_with(&format!(
                "error: cow runs already, at http://127.0.0.1:{page}: "
            )),
            "{complaint}"
        );
        return;
    }
    panic!("no three ports in a row are free");
}

#[test]
fn a_foreign_address_is_refused() {
    // From a block set aside for documentation, so no machine has it.
    let (code, _, complaint) = cow(&["sim", "--address", "192.0.2.1"]);
    assert_eq!(code, Some(1));
    assert_eq!(
        complaint,
        "error: 192.0.2.1 is no address of this machine: give one that is with --address\n"
    );
}

#[test]
fn the_control_api_can_keep_to_this_machine() {
    let elsewhere = ["--address", "127.0.0.2", "--control-address", "127.0.0.1"];
    let args = [&["sim", "--json", "--port-base", "0"], &elsewhere[..]].concat();
    let mut sim = Running::start(&args);
    let ready = sim.ready();
    assert!(text(&ready, "mqtt").starts_with("127.0.0.2:"), "{ready}");
    assert_eq!(text(&ready, "hubHostName"), "127.0.0.2");
    assert!(
        text(&ready, "control").starts_with("http://127.0.0.1:"),
        "{ready}"
    );
}

#[test]
fn files_that_are_not_there_are_named() {
    let (code, _, complaint) = cow(&["up", "--scenario", "/nowhere/x.scenario"]);
    assert_eq!(code, Some(1));
    assert!(
        complaint.starts_with("error: cannot read the scenario /nowhere/x.scenario: "),
        "{complaint}"
    );
    let (code, _, complaint) = cow(&["up", "--manifest", "/nowhere/x.json"]);
    assert_eq!(code, Some(1));
    assert!(complaint.contains("/nowhere/x.json"), "{complaint}");
}
