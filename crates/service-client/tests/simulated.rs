//! The client against the simulated hub: what it really answers, over both protocols.

use std::sync::Arc;
use std::time::Duration;

use hub_client::{Client, Message, Options, Source};
use hub_proto::method::MethodRequest;
use serde_json::{Value, json};
use service_client::events::Position;
use service_client::{EventEndpoint, EventReader, EventsError, HubService, ServiceError};
use simulator::Simulator;
use tempfile::TempDir;
use tokio::time::timeout;
use transport::Trust;

/// No step takes longer, or the test fails.
const PATIENCE: Duration = Duration::from_secs(20);
const GROUP: &str = "$Default";

struct Bench {
    simulator: Arc<Simulator>,
    trust: Trust,
    _directory: TempDir,
}

impl Bench {
    async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let options = simulator::Options::on_free_ports(directory.path());
        let simulator = Simulator::start(options).await.expect("it starts");
        Self {
            trust: Trust::File(simulator.info().ca_file),
            simulator,
            _directory: directory,
        }
    }

    fn hub(&self) -> HubService {
        let info = self.simulator.info();
        let port = info.https.port();
        let text = info
            .service_connection_string
            .replace("HostName=localhost", &format!("HostName=localhost:{port}"));
        HubService::from_connection_string(&text, self.trust.clone()).expect("a hub")
    }

    fn endpoint(&self) -> EventEndpoint {
        let text = self.simulator.info().event_hub_connection_string;
        text.parse().expect("an endpoint")
    }

    async fn reader(&self) -> EventReader {
        EventReader::connect(&self.endpoint(), &self.trust, GROUP)
            .await
            .expect("it is let in")
    }

    fn device(&self, id: &str) -> Client {
        let credentials = self.simulator.add_device(id, false, &[]).expect("added");
        let info = self.simulator.info();
        let source = Source::from_connection_string(
            &credentials.connection_string,
            Some(self.simulator.certificate_pem()),
        )
        .expect("a source")
        .with_ports(info.mqtt.port(), info.https.port());
        let (client, mut events) = Client::connect(source, Options::default());
        // Whoever listens to nothing is not heard either.
        tokio::spawn(async move { while events.next().await.is_some() {} });
        client
    }
}

#[tokio::test]
async fn identities_twins_methods_and_queries() {
    let bench = Bench::start().await;
    let hub = bench.hub();
    let modules = ["light".to_owned()];
    bench
        .simulator
        .add_device("pump#7", true, &modules)
        .expect("added");

    let twin = hub
        .patch_twin("pump#7", Some("light"), &json!({"tags": {"a": 1}}))
        .await
        .expect("patched");
    assert_eq!(twin["tags"]["a"], 1);
    let twin = hub.twin("pump#7", Some("light")).await.expect("a twin");
    assert_eq!(twin["moduleId"], "light");

    assert_eq!(
        hub.device("pump#7").await.expect("there")["status"],
        "enabled"
    );
    for enabled in [false, false, true] {
        hub.enable("pump#7", enabled).await.expect("changed");
        let status = hub.device("pump#7").await.expect("there")["status"].clone();
        assert_eq!(status == "enabled", enabled);
    }

    let request = MethodRequest::new("book", Value::Null);
    let error = hub.invoke("pump#7", Some("light"), &request).await;
    assert!(matches!(error, Err(ServiceError::Offline(_))), "{error:?}");
    let error = hub.invoke("nobody", None, &request).await;
    assert!(matches!(error, Err(ServiceError::NotFound(_))), "{error:?}");

    for number in 0..5 {
        let id = format!("bay-{number}");
        bench.simulator.add_device(&id, false, &[]).expect("added");
    }
    let mut pages = hub.query("SELECT deviceId FROM devices".to_owned(), 4);
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await.expect("a page") {
        sizes.push(page.len());
    }
    assert_eq!(sizes, [4, 2]);

    hub.delete("pump#7").await.expect("gone");
    let error = hub.device("pump#7").await;
    assert!(matches!(error, Err(ServiceError::NotFound(_))), "{error:?}");
}

#[tokio::test]
async fn a_wrong_key_opens_nothing() {
    let bench = Bench::start().await;
    let info = bench.simulator.info();
    let port = info.https.port();
    let text =
        format!("HostName=localhost:{port};SharedAccessKeyName=iothubowner;SharedAccessKey=AAAA");
    let hub = HubService::from_connection_string(&text, bench.trust.clone()).expect("a hub");
    let error = hub.device("pump7").await;
    assert!(
        matches!(error, Err(ServiceError::Unauthorized(_))),
        "{error:?}"
    );

    let endpoint = format!(
        "Endpoint=sb://localhost:{}/;SharedAccessKeyName=service;SharedAccessKey=AAAA;EntityPath=iothub-ehub-events",
        info.amqp.port()
    );
    let endpoint = endpoint.parse().expect("an endpoint");
    let error = EventReader::connect(&endpoint, &bench.trust, GROUP).await;
    assert!(matches!(error, Err(EventsError::Unauthorized)), "{error:?}");
}

#[tokio::test]
async fn events_say_who_sent_them_and_are_read_on_from_an_offset() {
    const COUNT: usize = 2_500;
    let bench = Bench::start().await;
    let mut reader = bench.reader().await;
    let partitions = reader.partitions(&bench.endpoint()).await.expect("asked");
    assert_eq!(partitions, [0, 1, 2, 3]);
    for partition in &partitions {
        reader
            .attach(*partition, &Position::Earliest, Some(1))
            .await
            .expect("attached");
    }
    let client = bench.device("pump7");
    // More than one share of credit.
    for number in 0..COUNT {
        let message = Message::json(&json!({"number": number}))
            .expect("JSON")
            .id(format!("id-{number}"))
            .property("kind", "test");
        drop(client.send(message).await.expect("taken"));
    }
    let mut events = Vec::new();
    for number in 0..COUNT {
        let event = timeout(PATIENCE, reader.next())
            .await
            .expect("it comes")
            .expect("an event");
        assert_eq!(event.body, json!({"number": number}).to_string());
        events.push(event);
    }
    let first = &events[0];
    assert_eq!(first.device_id.as_deref(), Some("pump7"));
    assert_eq!(first.module_id, None);
    assert_eq!(first.message_id.as_deref(), Some("id-0"));
    assert_eq!(first.property("kind"), Some("test"));
    assert_eq!(first.source.as_deref(), Some("Telemetry"));
    assert!(first.enqueued.as_second() > 1_700_000_000);

    // A second reader with a higher epoch goes on where it is told, and ends the first.
    let mut second = bench.reader().await;
    let behind = &events[COUNT - 2];
    let position = Position::Behind(behind.offset.clone());
    second
        .attach(behind.partition, &position, Some(2))
        .await
        .expect("attached");
    let event = timeout(PATIENCE, second.next()).await.expect("it comes");
    assert_eq!(event.expect("an event"), events[COUNT - 1]);
    let error = timeout(PATIENCE, reader.next()).await.expect("it ends");
    assert!(
        matches!(error, Err(EventsError::Stolen { partition, .. }) if partition == behind.partition),
        "{error:?}"
    );

    let beyond = Position::Behind("999999999999".to_owned());
    second.attach(3, &beyond, Some(2)).await.expect("attached");
    let error = timeout(PATIENCE, second.next()).await.expect("it ends");
    assert!(
        matches!(error, Err(EventsError::Position { partition: 3, .. })),
        "{error:?}"
    );
}
