//! Bays with a lamp, which shows whose booking it was told of, as the module `light` does.

use std::sync::{Arc, Mutex, PoisonError};

use hub_client::{Client, Event, Message, Options, Source};
use jiff::Timestamp;
use serde_json::{Value, json};
use street_tests::Cow;
use tokio::sync::Mutex as Turn;

pub(crate) struct Lamp {
    client: Client,
    shown: Arc<Mutex<Option<String>>>,
    /// How often the sensor has spoken.
    sequence: Turn<u64>,
}

impl Lamp {
    pub(crate) fn device(bay: usize) -> String {
        format!("lamp-{bay}")
    }

    /// Connects it, and has it say that its bay is free.
    pub(crate) async fn put_up(cow: &Cow, bay: usize) -> Self {
        let device = Self::device(bay);
        let asked = json!({"deviceId": device, "modules": ["light"]});
        let made = cow.must("POST", "/control/devices", &asked).await;
        let string = made["modules"][0]["connectionString"].as_str();
        let (ca, mqtt, https) = crate::load::way_in(cow);
        let source = Source::from_connection_string(string.expect("a string"), Some(&ca));
        let source = source.expect("a source").with_ports(mqtt, https);
        let (client, mut events) = Client::connect(source, Options::default());
        let shown = Arc::<Mutex<Option<String>>>::default();
        let told = shown.clone();
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if let Event::Method {
                    name,
                    payload,
                    responder,
                } = event
                {
                    let mut shown = told.lock().unwrap_or_else(PoisonError::into_inner);
                    let status = answer(&mut shown, &name, &payload);
                    responder.respond(status, json!({"message": shown.as_deref()}));
                }
            }
        });
        let lamp = Self {
            client,
            shown,
            sequence: Turn::default(),
        };
        lamp.sees("free").await;
        lamp
    }

    /// Whose booking it shows.
    pub(crate) fn shows(&self) -> Option<String> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.clone()
    }

    /// Has its sensor say what is in the bay.
    pub(crate) async fn sees(&self, occupancy: &str) {
        let mut sequence = self.sequence.lock().await;
        *sequence += 1;
        let body = json!({
            "occupancy": occupancy, "reason": null, "distanceMm": 800, "since": Timestamp::now().to_string(),
            "previous": null, "sequence": *sequence, "heartbeat": false,
        });
        let message = Message::json(&body)
            .expect("JSON")
            .output("occupancy")
            .property("kind", "occupancy");
        let receipt = self.client.send(message).await.expect("it is taken");
        receipt.await.expect("it is acknowledged");
    }
}

fn answer(shown: &mut Option<String>, method: &str, payload: &Value) -> i32 {
    let booking = payload["bookingId"].as_str().expect("a booking");
    match (method, shown.as_deref()) {
        ("book", None) => *shown = Some(booking.to_owned()),
        ("release", Some(own)) if own == booking => *shown = None,
        ("book", Some(own)) if own == booking => {}
        ("release", None) => {}
        ("book" | "release", Some(_)) => return 409,
        _ => return 404,
    }
    200
}
