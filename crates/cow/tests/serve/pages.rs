//! The hub's pages beside the control API, for browsers and programs of this machine.

use serde_json::Value;

use crate::running::{Running, request, request_with, text};

#[test]
fn the_simulator_alone_has_pages_too() {
    let mut sim = Running::start(&["sim", "--json", "--port-base", "0"]);
    let ready = sim.ready();
    let page = text(&ready, "page");
    let device = r#"{"deviceId":"pump7"}"#;
    assert_eq!(request(page, "POST", "/control/devices", device).0, 201);
    for path in ["/devices", "/devices/pump7", "/enrollments", "/events"] {
        assert_eq!(request(page, "GET", path, "").0, 200, "{path}");
    }
    let elsewhere = "Origin: http://elsewhere.example\r\n";
    let purge = request_with(page, "DELETE", "/control/queues/pump7", elsewhere, "");
    assert_eq!(purge.0, 403, "another site's page");
    for (path, expected) in [
        ("/control/registry?top=0", 400),
        ("/control/registry?top=many", 400),
        ("/control/registry?search=tags.site%20%3D", 400),
        ("/control/registry?after=a&before=b", 400),
        ("/control/connections?device=a%20b", 400),
        ("/control/connections?devise=a", 400),
        ("/control/connections?device=nobody", 200),
        ("/control/twins/nobody/history", 404),
        ("/control/twins/pump7/modules/m/history", 404),
        ("/control/queues/nobody", 404),
    ] {
        assert_eq!(request(page, "GET", path, "").0, expected, "{path}");
    }

    let mut headless = Running::start(&["sim", "--headless", "--json", "--port-base", "0"]);
    let ready = headless.ready();
    assert_eq!(ready["page"], Value::Null);
    assert_eq!(
        request(text(&ready, "control"), "GET", "/devices", "").0,
        404
    );
}
