use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::leases::Held;
use super::*;
use crate::testing::{BEGIN_MS, Site};

/// An instance that reads partition 0.
struct Reader {
    site: Site,
    leases: Leases,
    mine: Mine,
    sent: i64,
}

impl Reader {
    async fn new() -> Self {
        let site = Site::new().await;
        let leases = Leases::new(site.app.store.clone(), "events", "fleet");
        leases.prepare(&[0]).await.expect("rows");
        let mine = leases.look_around(BEGIN_MS).await.expect("leases");
        Self {
            site,
            leases,
            mine,
            sent: 0,
        }
    }

    async fn take(&self, events: &[Event]) {
        let (app, time) = (&self.site.app, Duration::from_secs(60));
        let done = batch(app, &self.leases, &self.mine, events, time).await;
        assert_eq!(done.expect("it is written"), events.len());
    }

    /// An event made `at` seconds after the begin, which the hub took at once.
    fn event(&mut self, module: &str, kind: &str, at: i64, body: &Value) -> Event {
        self.sent += 1;
        let time = Timestamp::from_millisecond(BEGIN_MS + at * 1000).expect("a time");
        Event {
            partition: 0,
            sequence: self.sent,
            offset: (self.sent * 100).to_string(),
            enqueued: time,
            source: Some("Telemetry".into()),
            device_id: Some("bay-01".into()),
            module_id: Some(module.into()),
            output: None,
            message_id: Some(format!("{module}-{at}-{body}")),
            created: Some(time),
            properties: vec![("kind".into(), kind.into())],
            body: body.to_string().into(),
        }
    }

    fn occupancy(&mut self, number: i64, at: i64, word: &str, heartbeat: bool) -> Event {
        let since = Timestamp::from_millisecond(BEGIN_MS + at * 1000).expect("a time");
        let body = json!({
            "occupancy": word, "reason": null, "distanceMm": 900, "since": since.to_string(),
            "previous": null, "sequence": number, "heartbeat": heartbeat,
        });
        self.event("hc-sr04", "occupancy", at, &body)
    }

    fn level(&mut self, at: i64, charge: i64, alarm: &str) -> Event {
        let body = json!({
            "chargePercent": charge, "voltageMv": 7000, "currentMa": null, "minutesToEmpty": null, "quality": 1.0,
            "alarm": alarm,
        });
        self.event("battery", "level", at, &body)
    }

    async fn texts(&self, sql: &'static str) -> Vec<String> {
        let rows: Vec<(String,)> = sqlx::query_as(sql)
            .fetch_all(self.site.app.store.reader())
            .await
            .expect("rows");
        rows.into_iter().map(|row| row.0).collect()
    }

    async fn state(&self) -> String {
        let found = self.texts("SELECT occupancy FROM device_states").await;
        found.concat()
    }

    async fn history(&self) -> String {
        self.texts("SELECT occupancy FROM occupancy_history ORDER BY at, sequence")
            .await
            .join(" ")
    }

    async fn alarms(&self) -> Vec<String> {
        self.texts(
            "SELECT kind || ' ' || detail FROM alarms WHERE cleared_at IS NULL ORDER BY kind",
        )
        .await
    }
}

#[tokio::test]
async fn what_comes_twice_counts_once_and_what_comes_late_is_history() {
    let mut reader = Reader::new().await;
    let free = reader.occupancy(1, 0, "free", false);
    let occupied = reader.occupancy(2, 10, "occupied", false);
    let again = reader.occupancy(3, 20, "free", false);
    reader.take(&[free.clone(), again.clone()]).await;
    reader.take(&[free, again, occupied.clone()]).await;
    reader.take(&[occupied]).await;
    assert_eq!(reader.state().await, "free");
    assert_eq!(reader.history().await, "free occupied free");
}

#[tokio::test]
async fn a_device_without_a_clock_repeats_itself_in_vain() {
    let mut reader = Reader::new().await;
    let mut events = vec![
        reader.occupancy(1, 0, "free", false),
        reader.occupancy(2, 10, "occupied", false),
    ];
    // The same two once more, after their acknowledgements were lost, when the hub's clock has gone on.
    events.push(reader.occupancy(1, 60, "free", false));
    events.push(reader.occupancy(2, 70, "occupied", false));
    for (event, seconds) in events.iter_mut().zip([3, 13, 3, 13]) {
        event.created = Some(Timestamp::from_second(seconds).expect("a time"));
        let body = String::from_utf8(event.body.to_vec()).expect("text");
        event.body = body.replace("2026-11-21", "1970-01-01").into();
        event.message_id = Some(format!("{}-{}", event.offset, seconds));
    }
    reader.take(&events).await;
    assert_eq!(reader.state().await, "occupied");
    assert_eq!(reader.history().await, "free occupied");
}

#[tokio::test]
async fn a_heartbeat_repairs_what_was_lost_and_adds_nothing_else() {
    let mut reader = Reader::new().await;
    let events = [
        reader.occupancy(1, 0, "free", false),
        reader.occupancy(2, 60, "free", true),
        reader.occupancy(4, 120, "occupied", true),
        reader.occupancy(5, 180, "occupied", true),
    ];
    reader.take(&events).await;
    assert_eq!(reader.state().await, "occupied");
    assert_eq!(reader.history().await, "free occupied");
}

#[tokio::test]
async fn a_module_that_lost_its_count_is_believed() {
    let mut reader = Reader::new().await;
    let events = [
        reader.occupancy(900, 0, "free", false),
        reader.occupancy(1, 60, "occupied", false),
        reader.occupancy(2, 120, "free", false),
    ];
    reader.take(&events).await;
    assert_eq!(reader.state().await, "free");
    assert_eq!(reader.history().await, "free occupied free");
}

#[tokio::test]
async fn an_instance_that_lost_its_partition_changes_nothing() {
    let mut reader = Reader::new().await;
    let event = reader.occupancy(1, 0, "free", false);
    let stale = Held {
        epoch: reader.mine[&0].epoch - 1,
        offset: None,
    };
    let mine = Mine::from([(0, stale)]);
    let written = batch(
        &reader.site.app,
        &reader.leases,
        &mine,
        &[event],
        Duration::ZERO,
    )
    .await;
    assert!(
        matches!(written, Err(IngestError::TakenOver)),
        "{written:?}"
    );
    assert_eq!(reader.history().await, "");
    assert_eq!(reader.state().await, "");
}

#[tokio::test]
async fn how_far_was_read_is_kept_with_it() {
    let mut reader = Reader::new().await;
    let unreadable = reader.event("hc-sr04", "occupancy", 1, &json!("nothing"));
    reader.take(&[unreadable]).await;
    let place = reader
        .texts("SELECT event_offset FROM partitions WHERE partition_id = 0")
        .await;
    assert_eq!(place, ["100"]);
    assert_eq!(reader.state().await, "unknown", "it lives, and that is all");
    assert_eq!(
        reader.texts("SELECT id || lifecycle FROM devices").await,
        ["bay-01unregistered"]
    );
}

#[tokio::test]
async fn alarms_are_raised_once_and_end_with_their_cause() {
    let mut reader = Reader::new().await;
    let mut stuck = reader.occupancy(1, 0, "unknown", false);
    let text = String::from_utf8(stuck.body.to_vec()).expect("text");
    stuck.body = text.replacen("null", "\"stuck\"", 1).into();
    let events = [
        stuck,
        reader.level(1, 15, "low"),
        reader.level(2, 4, "critical"),
    ];
    reader.take(&events).await;
    assert_eq!(reader.alarms().await, ["battery critical", "fault stuck"]);

    let events = [
        reader.occupancy(2, 10, "free", false),
        reader.level(3, 90, "none"),
    ];
    reader.take(&events).await;
    assert_eq!(reader.alarms().await, [""; 0]);
    // A late word does not raise again what is over.
    let late = reader.level(2, 5, "critical");
    reader.take(&[late]).await;
    assert_eq!(reader.alarms().await, [""; 0]);
    let levels = "SELECT CAST(charge_percent AS TEXT) FROM battery_history ORDER BY at";
    assert_eq!(reader.texts(levels).await, ["15", "4", "90"]);
}

#[tokio::test]
async fn lamp_and_identity_are_kept() {
    let mut reader = Reader::new().await;
    let lamp = json!({
        "colour": "orange", "pattern": "steady", "cause": "booked", "reason": null, "bookingId": null,
        "batteryAlarm": "none", "since": "2026-03-01T12:00:00Z",
    });
    let status = json!({
        "serial": "10000000a1b2c3d4", "mode": "stock", "idScope": "0ne1", "registrationId": "r", "hub": null,
        "deviceId": null, "change": null,
    });
    let events = [
        reader.event("light", "lamp", 1, &lamp),
        reader.event("provisioning", "status", 1, &status),
    ];
    reader.take(&events).await;
    let lamp = "SELECT lamp_colour || ' ' || lamp_pattern || ' ' || lamp_cause FROM device_states";
    assert_eq!(reader.texts(lamp).await, ["orange steady booked"]);
    let reported = reader.texts("SELECT reported FROM devices").await.concat();
    let reported: Value = serde_json::from_str(&reported).expect("JSON");
    assert_eq!(reported["mode"], "stock");
}

#[tokio::test]
async fn a_slow_batch_ends_with_what_it_has() {
    let mut reader = Reader::new().await;
    let events: Vec<Event> = (1..=3)
        .map(|number| reader.occupancy(number, number, "free", false))
        .collect();
    let mut rest = &events[..];
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (app, mine) = (&reader.site.app, &reader.mine);
        let done = batch(app, &reader.leases, mine, rest, Duration::ZERO).await;
        let done = done.expect("it is written");
        rest = &rest[done..];
        let (offset,): (String,) = sqlx::query_as("SELECT event_offset FROM partitions")
            .fetch_one(app.store.reader())
            .await
            .expect("a row");
        steps.push((done, offset));
    }
    let offsets = ["100", "200", "300"].map(|offset| (1, offset.to_owned()));
    assert_eq!(steps, offsets);
}
