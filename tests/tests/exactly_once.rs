//! Whatever is cut or killed, and whenever: an occupancy event that was acknowledged to the sensor is at the hub
//! exactly once, in order.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use street_tests::{Cow, Trace, slowness};
use tokio::time::sleep;

const SENSOR: &str = "bay-01/hc-sr04";
const ROUNDS: usize = 100;
const KILLS_OF_THE_HUB: usize = 10;
const SEED: u64 = 0x0c0f_fee0;

/// Sequence numbers the edge hub acknowledged, as the live story tells them.
#[derive(Clone, Default)]
struct Acknowledged(Arc<Mutex<BTreeSet<u64>>>);

impl Acknowledged {
    fn follow(&self, mut trace: Trace) {
        let seen = self.0.clone();
        tokio::spawn(async move {
            while let Some(observation) = trace.next().await {
                if let Some(sequence) = occupancy_sequence(&observation) {
                    seen.lock().expect("no panic holds it").insert(sequence);
                }
            }
        });
    }

    fn numbers(&self) -> BTreeSet<u64> {
        self.0.lock().expect("no panic holds it").clone()
    }
}

fn occupancy_sequence(observation: &Value) -> Option<u64> {
    let from_sensor = observation["kind"] == "message" && observation["output"] == "occupancy";
    from_sensor
        .then(|| observation["body"]["sequence"].as_u64())
        .flatten()
}

async fn command(cow: &Cow, command: &str) {
    let body = json!({"command": command, "overSeconds": 0.0});
    cow.must("POST", "/control/boards/bay-01", &body).await;
}

async fn upstream(cow: &Cow, state: &str) {
    let body = json!({"target": {"deviceId": "bay-01"}, "upstream": state});
    cow.must("POST", "/control/levers", &body).await;
}

/// Ends a module's process as a crash would, and has the runner start it again at once.
async fn kill(cow: &Cow, module: &str) {
    for verb in ["kill", "start"] {
        let path = format!("/control/processes/bay-01/{module}/{verb}");
        cow.must("POST", &path, &Value::Null).await;
    }
}

/// Everything the edge still holds is at the hub.
async fn settled(cow: &Cow) {
    upstream(cow, "up").await;
    cow.until("/control/levers", |levers| {
        levers["upstream"]["bay-01"]["pending"] == 0
    })
    .await;
}

async fn at_hub(cow: &Cow) -> Vec<u64> {
    let events = cow.events().await;
    let from_sensor = events
        .iter()
        .filter(|event| event["systemProperties"]["outputName"] == "occupancy");
    from_sensor
        .map(|event| event["body"]["sequence"].as_u64().expect("numbered"))
        .collect()
}

fn assert_exactly_once(at_hub: &[u64], acknowledged: &BTreeSet<u64>) {
    assert!(
        at_hub.windows(2).all(|pair| pair[0] < pair[1]),
        "out of order or twice: {at_hub:?}"
    );
    let arrived: BTreeSet<u64> = at_hub.iter().copied().collect();
    let lost: Vec<_> = acknowledged.difference(&arrived).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

async fn quick_sensor(cow: &Cow) {
    let settings = json!({"desired": {"holdOffMs": 50, "sampleIntervalMs": 60, "windowSize": 3}});
    cow.must("PATCH", "/control/twins/bay-01/modules/hc-sr04", &settings)
        .await;
}

async fn pause(milliseconds: u64) {
    sleep(Duration::from_millis(milliseconds) * slowness()).await;
}

#[tokio::test]
async fn acknowledged_events_arrive_once_over_cuts_and_killed_modules() {
    let state = tempfile::tempdir().expect("a temporary directory");
    let directory = state.path().to_str().expect("a path in UTF-8");
    let cow = Cow::start(&["up", "--headless", "--state", directory]).await;
    let acknowledged = Acknowledged::default();
    acknowledged.follow(cow.trace().await);
    quick_sensor(&cow).await;
    let mut random = fastrand::Rng::with_seed(SEED);
    for round in 0..ROUNDS {
        let car = ["carArrives", "carLeaves"][round % 2];
        command(&cow, car).await;
        pause(random.u64(0..250)).await;
        match random.u8(0..8) {
            0 | 1 => upstream(&cow, "cut").await,
            2 => upstream(&cow, "up").await,
            3 => kill(&cow, "light").await,
            4 => kill(&cow, "battery").await,
            _ => kill(&cow, "hc-sr04").await,
        }
        pause(random.u64(0..250)).await;
    }
    settled(&cow).await;
    let numbers = acknowledged.numbers();
    assert!(numbers.len() > ROUNDS / 2, "the sensor spoke: {numbers:?}");
    assert_exactly_once(&at_hub(&cow).await, &numbers);
    let processes = cow.must("GET", "/control/processes", &Value::Null).await;
    let all = processes.as_array().expect("a list");
    let sensor = all.iter().find(|process| process["module"] == SENSOR);
    let sensor = sensor.expect("the street runs it");
    assert_eq!(sensor["exitCode"], 137, "it was killed: {sensor}");
}

#[tokio::test]
async fn acknowledged_events_arrive_once_over_kills_of_the_hub_itself() {
    let state = tempfile::tempdir().expect("a temporary directory");
    let directory = state.path().to_str().expect("a path in UTF-8");
    let acknowledged = Acknowledged::default();
    let mut random = fastrand::Rng::with_seed(SEED);
    for _ in 0..KILLS_OF_THE_HUB {
        let cow = Cow::start(&["up", "--headless", "--state", directory]).await;
        acknowledged.follow(cow.trace().await);
        quick_sensor(&cow).await;
        if random.bool() {
            upstream(&cow, if random.bool() { "cut" } else { "up" }).await;
        }
        command(&cow, "carArrives").await;
        pause(random.u64(0..600)).await;
        cow.kill().await;
    }
    let cow = Cow::start(&["up", "--headless", "--state", directory]).await;
    settled(&cow).await;
    let numbers = acknowledged.numbers();
    assert!(!numbers.is_empty(), "the sensor spoke");
    assert_exactly_once(&at_hub(&cow).await, &numbers);
}
