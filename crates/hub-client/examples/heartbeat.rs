//! Sends a heartbeat and answers `ping`, as a module or a device, whichever the environment says:
//!
//! ```sh
//! IOTHUB_DEVICE_CONNECTION_STRING='HostName=…;DeviceId=…;SharedAccessKey=…' cargo run --example heartbeat
//! ```

use std::error::Error;
use std::time::Duration;

use hub_client::{Client, Event, Message, Options, Source};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let source = Source::from_env(&|name| std::env::var(name).ok())?;
    let (client, mut events) = Client::connect(source, Options::default());
    let mut beat = tokio::time::interval(Duration::from_secs(10));
    let mut sequence = 0;
    loop {
        tokio::select! {
            _ = beat.tick() => {
                let message = Message::json(&json!({ "sequence": sequence }))?.output("heartbeat");
                // The outbox keeps it until it is acknowledged; nothing here waits for that.
                drop(client.send(message).await?);
                sequence += 1;
            }
            event = events.next() => match event {
                Some(Event::Method { name, responder, .. }) if name == "ping" => {
                    responder.respond(200, json!({ "sequence": sequence }));
                }
                Some(Event::Input { ack, .. } | Event::CloudToDevice { ack, .. }) => ack.complete(),
                Some(Event::Disconnected { why, retry_in }) => eprintln!("{why}; next attempt in {retry_in:?}"),
                Some(event) => println!("{event:?}"),
                None => return Ok(()),
            },
            stop = tokio::signal::ctrl_c() => {
                stop?;
                return Ok(client.close(Duration::from_secs(5)).await?);
            }
        }
    }
}
