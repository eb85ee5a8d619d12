//! Devices that tell of cars, and some of it twice.

use std::time::Duration;

use hub_client::{Client, Message, Options, Source};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use street_tests::Cow;
use tokio::task::JoinSet;
use tokio::time::interval;

pub(crate) const DEVICES: usize = 12;
/// Every so many events, one is sent twice.
const REPEAT: usize = 7;
/// Between two events of a device.
const EVERY: Duration = Duration::from_millis(250);

pub(crate) struct Load(JoinSet<Vec<String>>);

/// How many events are sent twice when each device sends so many.
pub(crate) fn repeated(each: usize) -> usize {
    (1..=each).filter(|number| number % REPEAT == 0).count() * DEVICES
}

/// What devices need to find the hub: whom to trust, and its ports for MQTT and HTTPS.
pub(crate) fn way_in(cow: &Cow) -> (String, u16, u16) {
    let ca = cow.ready["caFile"].as_str().expect("a file");
    let ca = std::fs::read_to_string(ca).expect("the CA file is there");
    let port = |name: &str| {
        let address: std::net::SocketAddr = cow.ready[name]
            .as_str()
            .and_then(|text| text.parse().ok())
            .expect("an address");
        address.port()
    };
    (ca, port("mqtt"), port("https"))
}

impl Load {
    pub(crate) async fn begin(cow: &Cow, each: usize) -> Self {
        let (ca, mqtt, https) = way_in(cow);
        let mut devices = JoinSet::new();
        for number in 0..DEVICES {
            let id = format!("bay-{number:02}");
            let made = cow
                .must("POST", "/control/devices", &json!({"deviceId": id}))
                .await;
            let string = made["connectionString"].as_str().expect("a string");
            let source = Source::from_connection_string(string, Some(&ca)).expect("a source");
            devices.spawn(drive(source.with_ports(mqtt, https), id, each));
        }
        Self(devices)
    }

    /// Waits until everything is acknowledged; what was sent, as `psql` prints what is kept of it, in its order.
    pub(crate) async fn finish(self) -> Vec<String> {
        let mut sent = self.0.join_all().await.concat();
        sent.sort_by_key(|row| {
            let mut columns = row.split('|');
            let device = columns.next().unwrap_or_default().to_owned();
            (
                device,
                columns.next().and_then(|text| text.parse::<u64>().ok()),
            )
        });
        sent
    }
}

async fn drive(source: Source, id: String, each: usize) -> Vec<String> {
    let (client, mut events) = Client::connect(source, Options::default());
    tokio::spawn(async move { while events.next().await.is_some() {} });
    let mut pace = interval(EVERY);
    let mut sent = Vec::new();
    // In the past, for nobody believes a clock that is ahead.
    let begin = Timestamp::now() - SignedDuration::from_secs(each as i64);
    for number in 1..=each {
        pace.tick().await;
        let occupancy = if number % 2 == 0 { "occupied" } else { "free" };
        let since = begin + SignedDuration::from_secs(number as i64 - 1);
        let body = json!({
            "occupancy": occupancy, "reason": null, "distanceMm": 800, "since": since.to_string(),
            "previous": null, "sequence": number, "heartbeat": false,
        });
        let times = if number % REPEAT == 0 { 2 } else { 1 };
        for _ in 0..times {
            let message = Message::json(&body)
                .expect("JSON")
                .id(format!("{id}-{number}"))
                .property("kind", "occupancy");
            let receipt = client.send(message).await.expect("it is taken");
            receipt.await.expect("it is acknowledged");
        }
        sent.push(format!("{id}|{number}|{occupancy}"));
    }
    sent
}
