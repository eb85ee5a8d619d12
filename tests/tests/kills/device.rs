//! A device over MQTT: it sends messages, reports properties, and gets commands.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use hub_proto::connection_string::{ConnectionString, Credential};
use hub_proto::identity::Identity;
use hub_proto::sas::{SymmetricKey, Unsigned};
use hub_proto::user_name;
use probe::{Place, Rest};
use serde_json::{Value, json};
use street_tests::{Cow, PATIENCE};
use tokio::time::{sleep, timeout};
use transport::mqtt::{Link, LinkEvent, LinkOptions};

use super::things::ask;

const ID: &str = "sender";
/// Messages under way.
const WINDOW: usize = 8;
/// Commands that may wait, of the fifty that the hub holds.
const MOST_DUE: usize = 20;
const COMMANDS: &str = "devices/sender/messages/devicebound/#";
const RESPONSES: &str = "$iothub/twin/res/#";

/// Messages by their numbers.
#[derive(Default)]
pub(super) struct Telemetry {
    next: u64,
    pub(super) acknowledged: BTreeSet<u64>,
    pub(super) count: usize,
}

pub(super) struct Device {
    key: SymmetricKey,
    pub(super) telemetry: Telemetry,
    /// The last report that was acknowledged, as its number and the version it led to.
    reported: (Option<u64>, u64),
    next_report: u64,
    report_under_way: Option<u64>,
    pub(super) reports: usize,
}

/// Commands for the device by their numbers, for who sends them and who gets them.
#[derive(Default)]
pub(super) struct Commands {
    last: Cell<u64>,
    /// Those that were accepted and have not come yet.
    due: RefCell<BTreeSet<u64>>,
    newest_received: Cell<u64>,
    pub(super) accepted: Cell<usize>,
}

impl Commands {
    /// Sends one after the other, without end.
    pub(super) async fn work(&self, cow: &Cow) {
        loop {
            while self.due.borrow().len() >= MOST_DUE {
                sleep(Duration::from_millis(1)).await;
            }
            // Whether one that is cut off here has been queued is not known, and its number is not used again.
            let number = self.last.get() + 1;
            self.last.set(number);
            let message = json!({"body": {"number": number}});
            let path = format!("/control/messages/{ID}");
            let (status, answer) = cow.ask("POST", &path, &message).await;
            assert_eq!(status, 202, "{answer}");
            self.accepted.set(self.accepted.get() + 1);
            if number > self.newest_received.get() {
                self.due.borrow_mut().insert(number);
            }
        }
    }

    /// One that came before comes again if its acknowledgement was cut off; a new one comes behind all others.
    fn receive(&self, number: u64) {
        let mut due = self.due.borrow_mut();
        if number > self.newest_received.get() {
            let passed_over = due.range(..number).next();
            assert_eq!(passed_over, None, "{number} came first");
            self.newest_received.set(number);
        }
        due.remove(&number);
    }
}

impl Device {
    pub(super) async fn prepare(cow: &Cow) -> Self {
        let made = cow
            .must("POST", "/control/devices", &json!({"deviceId": ID}))
            .await;
        let string = made["connectionString"]
            .as_str()
            .expect("a connection string");
        let string: ConnectionString = string.parse().expect("a connection string");
        let Credential::Key { key, .. } = string.credential else {
            panic!("a key");
        };
        Self {
            key,
            telemetry: Telemetry {
                next: 1,
                ..Telemetry::default()
            },
            reported: (None, 1),
            next_report: 1,
            report_under_way: None,
            reports: 0,
        }
    }

    /// Finds the last report as it was acknowledged, or the one after it.
    pub(super) async fn check(&mut self, rest: &mut Rest) {
        let answer = ask(rest, "GET", "/twins/sender", None, &Value::Null).await;
        let reported = &answer.json()["properties"]["reported"];
        let found = (
            reported["number"].as_u64(),
            reported["$version"].as_u64().expect("a version"),
        );
        let under_way = self.report_under_way.take();
        let following = under_way.map(|number| (Some(number), self.reported.1 + 1));
        assert!(
            found == self.reported || Some(found) == following,
            "{:?} was acknowledged and {following:?} asked for, but there is {found:?}",
            self.reported
        );
        self.reported = found;
    }

    /// Does all it can do at once, without end.
    pub(super) async fn work(&mut self, place: &Place, commands: &Commands) {
        let mut link = self.connect(place, commands).await;
        let (mut unsent, mut sent) = (VecDeque::new(), HashMap::new());
        loop {
            while unsent.len() + sent.len() < WINDOW {
                let number = self.telemetry.next;
                self.telemetry.next += 1;
                unsent.push_back(number);
                let topic = "devices/sender/messages/events/".to_owned();
                link.publish_acknowledged(topic, body(number))
                    .expect("there is room");
            }
            if self.report_under_way.is_none() {
                let number = self.next_report;
                self.next_report += 1;
                self.report_under_way = Some(number);
                let topic = format!("$iothub/twin/PATCH/properties/reported/?$rid={number}");
                link.publish(topic, body(number)).expect("there is room");
            }
            match link.next().await {
                LinkEvent::Sent(packet) => {
                    sent.insert(packet, unsent.pop_front().expect("it was published"));
                }
                LinkEvent::Acked(packet) => {
                    let number = sent.remove(&packet).expect("it was sent");
                    self.telemetry.acknowledged.insert(number);
                    self.telemetry.count += 1;
                }
                event => self.take(&link, commands, event),
            }
        }
    }

    /// Gets every command that was accepted.
    pub(super) async fn receive_the_rest(&mut self, place: &Place, commands: &Commands) {
        let mut link = self.connect(place, commands).await;
        while !commands.due.borrow().is_empty() {
            let event = timeout(PATIENCE, link.next()).await;
            let event = event.unwrap_or_else(|_| panic!("accepted and lost: {:?}", commands.due));
            self.take(&link, commands, event);
        }
    }

    async fn connect(&mut self, place: &Place, commands: &Commands) -> Link {
        let identity = Identity::device(ID).expect("an id");
        let expiry = jiff::Timestamp::now().as_second() + 3600;
        let mut link = Link::open(LinkOptions {
            host: place.host.clone(),
            port: place.mqtt.port(),
            client_id: ID.to_owned(),
            user_name: user_name::hub(&place.host, &identity, "kills", None),
            password: Some(Unsigned::new(&identity.audience(&place.host), expiry).sign(&self.key)),
            clean_session: false,
            keep_alive: Duration::from_secs(60),
            tls: place.tls.clone(),
        });
        loop {
            match link.next().await {
                LinkEvent::Up => {
                    let filters = vec![COMMANDS.to_owned(), RESPONSES.to_owned()];
                    link.subscribe(filters).expect("there is room");
                }
                LinkEvent::Subscribed { refused } => {
                    assert!(!refused);
                    return link;
                }
                // Commands may overtake the answer.
                event => self.take(&link, commands, event),
            }
        }
    }

    fn take(&mut self, link: &Link, commands: &Commands, event: LinkEvent) {
        let LinkEvent::Delivered {
            topic,
            payload,
            packet,
        } = event
        else {
            panic!("{event:?} while the hub lives");
        };
        if let Some(answer) = topic.strip_prefix("$iothub/twin/res/") {
            let number = self.report_under_way.take();
            let number = number.expect("one answer for one report");
            let version = self.reported.1 + 1;
            assert_eq!(answer, format!("204/?$rid={number}&$version={version}"));
            self.reported = (Some(number), version);
            self.reports += 1;
            return;
        }
        let body: Value = serde_json::from_slice(&payload).expect("JSON");
        let number = body["number"].as_u64().expect("a command's number");
        commands.receive(number);
        link.acknowledge(packet).expect("there is room");
    }
}

fn body(number: u64) -> Bytes {
    json!({"number": number}).to_string().into()
}
