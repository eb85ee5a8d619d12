//! The bay's modules under each lever: the lamp tells the truth again as soon as the lever is let go, and nothing
//! that was acknowledged is missing at the hub.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use street_tests::Cow;

const BOARD: &str = "/control/boards/bay-01";

async fn drive(cow: &Cow, arrives: bool) {
    let command = if arrives { "carArrives" } else { "carLeaves" };
    let body = json!({"command": command, "overSeconds": 0.0});
    cow.must("POST", BOARD, &body).await;
}

async fn pull(cow: &Cow, module: &str, lever: Value) {
    let mut body = lever;
    body["target"] = json!({"deviceId": "bay-01", "moduleId": module});
    cow.must("POST", "/control/levers", &body).await;
}

/// The lamp's pins show a colour, be it between two dark moments of its pattern.
async fn lamp_shows(cow: &Cow, colour: &str) {
    cow.until(BOARD, |board| board["lamp"]["colour"] == colour)
        .await;
}

async fn module_is(cow: &Cow, module: &str, connected: bool) {
    cow.until("/control/devices", |devices| {
        let modules = devices[0]["modules"].as_array();
        let found = modules.and_then(|all| all.iter().find(|one| one["moduleId"] == module));
        found.is_some_and(|found| found["connected"] == connected)
    })
    .await;
}

#[tokio::test]
async fn modules_come_back_from_every_lever() {
    let cow = Cow::start(&["up", "--headless"]).await;
    let settings = json!({"desired": {"holdOffMs": 50}});
    cow.must("PATCH", "/control/twins/bay-01/modules/hc-sr04", &settings)
        .await;
    lamp_shows(&cow, "green").await;
    let mut parked = false;
    for (module, trouble, relief, ends_connection) in [
        (
            "hc-sr04",
            json!({"link": "cut"}),
            json!({"link": "up"}),
            true,
        ),
        ("light", json!({"link": "cut"}), json!({"link": "up"}), true),
        (
            "hc-sr04",
            json!({"refuseTokens": true, "expireTokens": true}),
            json!({"refuseTokens": false}),
            true,
        ),
        (
            "hc-sr04",
            json!({"delayAcksMs": 400}),
            json!({"delayAcksMs": 0}),
            false,
        ),
    ] {
        pull(&cow, module, trouble.clone()).await;
        if ends_connection {
            module_is(&cow, module, false).await;
        }
        parked = !parked;
        drive(&cow, parked).await;
        pull(&cow, module, relief).await;
        module_is(&cow, module, true).await;
        lamp_shows(&cow, if parked { "red" } else { "green" }).await;
    }
    let events = cow.events().await;
    let occupancy = events
        .iter()
        .filter(|event| event["systemProperties"]["outputName"] == "occupancy");
    let sequences: BTreeSet<u64> = occupancy
        .map(|event| event["body"]["sequence"].as_u64().expect("numbered"))
        .collect();
    let newest = *sequences.last().expect("the sensor spoke");
    assert_eq!(sequences, (1..=newest).collect(), "none is missing");
}

/// Whoever is far away reads in a module's twin what keeps its part of the board from working, for as long as it does.
#[tokio::test]
async fn a_fault_is_told_until_it_is_mended() {
    let cow = Cow::start(&["up", "--headless"]).await;
    for (module, setting, breaks, mends, reason) in [
        (
            "hc-sr04",
            json!({"unknownAfterSamples": 3}),
            json!({"command": "cableCut", "on": true}),
            json!({"command": "cableCut", "on": false}),
            "cable",
        ),
        (
            "battery",
            json!({"sampleEverySeconds": 1}),
            json!({"command": "battery", "failingReadsPercent": 100}),
            json!({"command": "battery", "failingReadsPercent": 0}),
            "gauge",
        ),
    ] {
        let twin = format!("/control/twins/bay-01/modules/{module}");
        cow.must("PATCH", &twin, &json!({"desired": setting})).await;
        cow.must("POST", BOARD, &breaks).await;
        let fault = |twin: &Value| twin["properties"]["reported"]["fault"].clone();
        cow.until(&twin, |twin| {
            fault(twin).as_str().is_some_and(|why| why.contains(reason))
        })
        .await;
        cow.must("POST", BOARD, &mends).await;
        cow.until(&twin, |twin| fault(twin).is_null()).await;
    }
}
