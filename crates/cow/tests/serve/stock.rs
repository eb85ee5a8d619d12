//! `cow up --stock`: a board that nobody knows, from its first start to a project and back, by the commands a person has.

use serde_json::{Value, json};

use crate::running::{Running, cow, exists, processes, request, text, until};

/// The first bay's board.
const SERIAL: &str = "10000000b0b00001";

struct Stock {
    _up: Running,
    ready: Value,
    control: String,
}

impl Stock {
    fn start(args: &[&str]) -> Self {
        let base = ["up", "--stock", "--headless", "--json", "--port-base", "0"];
        let mut up = Running::start(&[&base[..], args].concat());
        let ready = up.ready();
        let control = text(&ready, "control").to_owned();
        Self {
            _up: up,
            ready,
            control,
        }
    }

    fn cow(&self, args: &[&str]) -> Value {
        let (code, stdout, stderr) = cow(&[args, &["--json", "--control", &self.control]].concat());
        assert_eq!(code, Some(0), "cow {args:?}: {stderr}");
        serde_json::from_str(&stdout).unwrap_or_default()
    }

    fn bay(&self) -> Value {
        request(&self.control, "GET", "/control/bays/bay-01", "").1
    }

    /// Waits until the machine has come up for the `boots`th time, with its modules at work.
    fn runs(&self, boots: u64) {
        until(|| {
            let bay = self.bay();
            let runs = bay["phase"] == "running" && bay["boots"].as_u64() >= Some(boots);
            runs.then_some(())
        });
        let device = json!(SERIAL);
        assert_eq!(self.bay()["deviceId"], device);
    }

    /// What the device has to be told to become one of a group.
    fn identity(&self, group: &str) -> String {
        self.cow(&["dps", "group", "add", group, "--edge"]);
        let derived = self.cow(&["dps", "derive-key", group, SERIAL]);
        let port = text(&self.ready, "https")
            .rsplit(':')
            .next()
            .expect("a port");
        let host = text(&self.ready, "provisioningHost");
        json!({
            "idScope": self.ready["idScope"],
            "registrationId": SERIAL,
            "symmetricKey": derived["key"],
            "globalEndpoint": format!("{host}:{port}"),
        })
        .to_string()
    }

    fn invoke(&self, method: &str, payload: &str) -> Value {
        let target = format!("{SERIAL}/provisioning");
        let args = [
            "method",
            &target,
            method,
            payload,
            "--connect-timeout",
            "30",
        ];
        self.cow(&args)
    }

    /// The group that the provisioning service has the device in.
    fn group(&self) -> Value {
        let registered = self.cow(&["dps", "registrations"]);
        registered["symmetricKey"]["enrollmentGroupId"].clone()
    }
}

#[test]
fn a_board_waits_for_its_identity_and_serves_its_own_page() {
    let stock = Stock::start(&["--bays", "2"]);
    let boards = stock.ready["boards"].as_array().expect("a list");
    let serials: Vec<_> = boards.iter().map(|board| text(board, "serial")).collect();
    assert_eq!(serials, [SERIAL, "10000000b0b00002"]);
    for board in boards {
        let (status, _) = request(text(board, "portal"), "GET", "/", "");
        assert!((200..400).contains(&status), "{status}");
        assert!(text(board, "portalPin").len() >= 6);
    }
    assert_ne!(boards[0]["portalPin"], boards[1]["portalPin"]);
    assert_eq!(stock.ready["devices"], json!([]));
    until(|| (stock.bay()["phase"] == "unprovisioned").then_some(()));
    assert_eq!(stock.bay()["deviceId"], Value::Null);
    // Nothing runs but the host's service.
    let names: Vec<_> = processes(&stock.control)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["bay-01/host", "bay-02/host"]);
}

#[test]
fn from_stock_to_a_project_and_back() {
    let state = tempfile::tempdir().expect("a directory");
    let state = state.path().to_str().expect("UTF-8");
    {
        let stock = Stock::start(&["--state", state]);
        let wrong = r#"{"idScope":"a b","registrationId":"r","symmetricKey":"AAAA"}"#;
        let card = "/control/bays/bay-01/card";
        assert_eq!(request(&stock.control, "POST", card, wrong).0, 400);

        // As imaging does. The board goes by its serial number as well.
        let imaged = stock.identity("stock");
        let card = format!("/control/bays/{SERIAL}/card");
        let (status, answer) = request(&stock.control, "POST", &card, &imaged);
        assert_eq!(status, 202, "{answer}");
        stock.runs(2);
        assert_eq!(stock.group(), "stock");
        let file = text(&stock.ready["boards"][0], "identityFile");
        until(|| (!exists(file)).then_some(()));

        let boots = stock.bay()["boots"].as_u64().expect("a number");
        let answer = stock.invoke("setup", &stock.identity("north"));
        assert_eq!(answer["status"], 200, "{answer}");
        stock.runs(boots + 1);
        assert_eq!(stock.group(), "north");

        let report = stock.invoke("test", "{}");
        assert_eq!(report["payload"]["passed"], true, "{report}");

        // A machine whose plug was pulled comes up as who it was.
        let boots = stock.bay()["boots"].as_u64().expect("a number");
        let cut = "/control/bays/bay-01/power/cut";
        assert_eq!(request(&stock.control, "POST", cut, "").0, 202);
        stock.runs(boots + 1);
        assert_eq!(stock.group(), "north");

        let boots = stock.bay()["boots"].as_u64().expect("a number");
        let answer = stock.invoke("reset", "{}");
        assert_eq!(answer["status"], 200, "{answer}");
        stock.runs(boots + 1);
        assert_eq!(stock.group(), "stock");
    }
    // All of it is kept, whichever ports the street has now.
    let stock = Stock::start(&["--state", state]);
    stock.runs(1);
    assert_eq!(stock.group(), "stock");
}

#[test]
fn a_machine_that_is_not_let_in_says_why() {
    let stock = Stock::start(&[]);
    let imaged = stock.identity("stock");
    let (status, _) = request(&stock.control, "POST", "/control/bays/bay-01/card", &imaged);
    assert_eq!(status, 202);
    stock.runs(2);
    stock.cow(&["dps", "group", "add", "stock", "--edge", "--disabled"]);
    let restart = "/control/bays/bay-01/power/restart";
    assert_eq!(request(&stock.control, "POST", restart, "").0, 202);
    let refused = until(|| Some(stock.bay()).filter(|bay| bay["phase"] == "refused"));
    assert!(text(&refused, "message").contains("disabled"), "{refused}");
    // Once it is let in again, nobody has to restart anything.
    stock.cow(&["dps", "group", "add", "stock", "--edge"]);
    stock.runs(3);
}

#[test]
fn a_port_in_the_way_of_a_boards_own_page_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = taken.local_addr().expect("bound").port();
    // The first board's page is eleven above the base.
    let base = (port - 11).to_string();
    let (code, _, complaint) = cow(&["up", "--stock", "--port-base", &base]);
    assert_eq!(code, Some(1));
    assert!(
        complaint.contains("is taken by another program"),
        "{complaint}"
    );
}

/// The spare boards that run, as serial numbers, once `count` of them do.
fn in_stock(control: &str, count: usize) -> Vec<String> {
    until(|| {
        let (_, bays) = request(control, "GET", "/control/bays", "");
        let spares = bays.as_array().expect("a list").iter();
        let spares = spares.filter(|bay| text(bay, "bay").starts_with("board-"));
        let running =
            spares.filter(|bay| bay["phase"] == "running" && bay["deviceId"] == bay["serial"]);
        let serials: Vec<_> = running.map(|bay| text(bay, "serial").to_owned()).collect();
        (serials.len() == count).then_some(serials)
    })
}

#[test]
fn spare_boards_come_into_stock_and_stay_who_they_are() {
    let state = tempfile::tempdir().expect("a directory");
    let state = state.path().to_str().expect("UTF-8");
    let base = [
        "up",
        "--headless",
        "--json",
        "--port-base",
        "0",
        "--state",
        state,
    ];
    let mut up = Running::start(&[&base[..], &["--spares", "1"]].concat());
    let ready = up.ready();
    let control = text(&ready, "control");
    assert_eq!(ready["boards"].as_array().map(Vec::len), Some(1));
    assert_eq!(in_stock(control, 1), ["10000000b0b00101"]);
    let (_, record) = request(
        control,
        "GET",
        "/control/dps/registrations/10000000b0b00101",
        "",
    );
    assert_eq!(record["symmetricKey"]["enrollmentGroupId"], "stock");
    // Its card is spent: nobody finds a key on it.
    until(|| (!exists(text(&ready["boards"][0], "identityFile"))).then_some(()));
    up.signal("KILL");
    up.ended();

    // More of everything: nobody is in another's place.
    let mut up = Running::start(&[&base[..], &["--spares", "2", "--bays", "2"]].concat());
    let ready = up.ready();
    let control = text(&ready, "control");
    assert_eq!(
        in_stock(control, 2),
        ["10000000b0b00101", "10000000b0b00102"]
    );
    let (_, bay) = request(control, "GET", "/control/bays/bay-02", "");
    assert_eq!(bay["deviceId"], "bay-02");
    up.signal("INT");
    assert!(up.ended().success());
}

#[test]
fn a_service_is_given_three_boards_and_somebody_else_none() {
    let up = |args: &[&str]| {
        let mut up = Running::start(&[&["up", "--json", "--port-base", "0"], args].concat());
        let ready = up.ready();
        ready["boards"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(up(&[]), 3);
    assert_eq!(up(&["--spares", "0"]), 0);
    assert_eq!(up(&["--no-fleet"]), 0);
    assert_eq!(up(&["--stock"]), 1);
}
