//! The twin machine: that nothing is missed, nothing comes twice, and reports keep their order.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn ready() -> (TwinSync, Instant) {
    let (mut sync, now) = (TwinSync::new(1), Instant::now());
    sync.handle_ready(now);
    (sync, now)
}

fn outputs(sync: &mut TwinSync) -> Vec<TwinOutput> {
    std::iter::from_fn(|| sync.poll_output()).collect()
}

/// The request ids of what is published, with the kind of request.
fn requests(outputs: &[TwinOutput]) -> Vec<(&str, &str)> {
    outputs
        .iter()
        .filter_map(|output| match output {
            TwinOutput::Publish(packet) => packet
                .topic
                .strip_prefix("$iothub/twin/")?
                .split_once("/?$rid="),
            _ => None,
        })
        .collect()
}

fn only_rid(sync: &mut TwinSync) -> String {
    let outputs = outputs(sync);
    match requests(&outputs)[..] {
        [(_, rid)] => rid.to_owned(),
        _ => panic!("{outputs:?}"),
    }
}

fn answer(sync: &mut TwinSync, rid: &str, version: u64, now: Instant) {
    let body = json!({"desired": {"$version": version}, "reported": {"$version": 1}}).to_string();
    sync.handle_response(200, rid, None, body.as_bytes(), now);
}

fn notify(sync: &mut TwinSync, version: u64, now: Instant) {
    let body = json!({"n": version, "$version": version}).to_string();
    sync.handle_desired(Some(version), body.as_bytes(), now);
}

fn versions(outputs: &[TwinOutput]) -> Vec<(&'static str, u64)> {
    outputs
        .iter()
        .filter_map(|output| match output {
            TwinOutput::State(twin) => Some(("state", twin.desired.version)),
            TwinOutput::Desired { version, .. } => Some(("patch", *version)),
            _ => None,
        })
        .collect()
}

#[test]
fn notifications_are_passed_on_in_sequence() {
    let (mut sync, now) = ready();
    let rid = only_rid(&mut sync);
    answer(&mut sync, &rid, 4, now);
    notify(&mut sync, 5, now);
    notify(&mut sync, 5, now);
    notify(&mut sync, 3, now);
    notify(&mut sync, 6, now);
    let outputs = outputs(&mut sync);
    assert_eq!(
        versions(&outputs),
        [("state", 4), ("patch", 5), ("patch", 6)]
    );
    let TwinOutput::Desired { patch, .. } = &outputs[1] else {
        panic!("{outputs:?}")
    };
    assert_eq!(json!(patch), json!({"n": 5}), "without the version");
}

#[test]
fn a_gap_fetches_the_twin() {
    let (mut sync, now) = ready();
    let rid = only_rid(&mut sync);
    answer(&mut sync, &rid, 4, now);
    outputs(&mut sync);
    notify(&mut sync, 7, now);
    let rid = only_rid(&mut sync);
    answer(&mut sync, &rid, 7, now);
    assert_eq!(versions(&outputs(&mut sync)), [("state", 7)]);
}

#[test]
fn an_answer_older_than_a_notification_is_not_the_last_word() {
    let (mut sync, now) = ready();
    let rid = only_rid(&mut sync);
    notify(&mut sync, 6, now);
    answer(&mut sync, &rid, 5, now);
    assert_eq!(versions(&outputs(&mut sync)), [("state", 5)]);
    let later = sync.poll_timeout().expect("fetches again");
    sync.handle_timeout(later);
    let rid = only_rid(&mut sync);
    answer(&mut sync, &rid, 6, later);
    assert_eq!(versions(&outputs(&mut sync)), [("state", 6)]);
    assert_eq!(sync.poll_timeout(), None);
}

#[test]
fn an_answer_that_was_overtaken_does_not_go_back() {
    let (mut sync, now) = ready();
    let rid = only_rid(&mut sync);
    answer(&mut sync, &rid, 4, now);
    sync.handle_down();
    sync.handle_ready(now);
    outputs(&mut sync);
    sync.handle_down();
    sync.handle_ready(now);
    let rid = only_rid(&mut sync);
    notify(&mut sync, 5, now);
    answer(&mut sync, &rid, 4, now);
    assert_eq!(versions(&outputs(&mut sync)), [("patch", 5)]);
}

#[test]
fn an_identity_made_anew_has_a_new_twin() {
    let (mut sync, now) = ready();
    let rid = only_rid(&mut sync);
    answer(&mut sync, &rid, 9, now);
    outputs(&mut sync);
    sync.handle_down();
    sync.handle_ready(now);
    let rid = only_rid(&mut sync);
    answer(&mut sync, &rid, 1, now);
    notify(&mut sync, 2, now);
    assert_eq!(versions(&outputs(&mut sync)), [("state", 1), ("patch", 2)]);
}

#[test]
fn a_refused_or_lost_fetch_is_repeated() {
    let (mut sync, now) = ready();
    let rid = only_rid(&mut sync);
    sync.handle_response(429, &rid, None, b"", now);
    assert!(outputs(&mut sync).is_empty(), "not at once");
    let later = sync.poll_timeout().expect("fetches again");
    sync.handle_timeout(later);
    only_rid(&mut sync);
    let silence = sync.poll_timeout().expect("awaits the answer");
    sync.handle_timeout(silence);
    let rid = only_rid(&mut sync);
    answer(&mut sync, &rid, 1, silence);
    assert_eq!(versions(&outputs(&mut sync)), [("state", 1)]);
}

#[test]
fn reports_go_one_by_one_and_again_after_a_reconnection() {
    let (mut sync, now) = ready();
    let rid = only_rid(&mut sync);
    answer(&mut sync, &rid, 1, now);
    outputs(&mut sync);
    sync.handle_report(1, Bytes::from_static(b"{\"a\":1}"), now);
    sync.handle_report(2, Bytes::from_static(b"{\"a\":2}"), now);
    let lost = only_rid(&mut sync);
    sync.handle_down();
    sync.handle_response(204, &lost, Some(2), b"", now);
    sync.handle_ready(now);
    let sent = outputs(&mut sync);
    let [("GET", _), ("PATCH/properties/reported", rid)] = requests(&sent)[..] else {
        panic!("{sent:?}")
    };
    let TwinOutput::Publish(packet) = &sent[1] else {
        panic!("{sent:?}")
    };
    assert_eq!(
        packet.payload, "{\"a\":1}",
        "the first is repeated before the second"
    );
    sync.handle_response(204, rid, Some(2), b"", now);
    let mut next = outputs(&mut sync);
    assert_eq!(
        next.remove(0),
        TwinOutput::Settle(1, Ok(TwinAnswer::Reported { version: Some(2) }))
    );
    let [(_, rid)] = requests(&next)[..] else {
        panic!("{next:?}")
    };
    let body = br#"{"errorCode":400004,"message":"Property names must not start with '$'."}"#;
    sync.handle_response(400, rid, None, body, now);
    let message = "Property names must not start with '$'.".to_owned();
    assert_eq!(
        outputs(&mut sync),
        [TwinOutput::Settle(
            2,
            Err(TwinError::Refused {
                status: 400,
                message
            })
        )]
    );
}

#[test]
fn requests_wait_for_a_connection_but_not_for_ever_and_not_without_number() {
    let mut sync = TwinSync::new(1);
    let now = Instant::now();
    sync.handle_get(1, now);
    assert!(outputs(&mut sync).is_empty());
    sync.handle_ready(now);
    assert_eq!(
        requests(&outputs(&mut sync)).len(),
        2,
        "its own and the application's"
    );
    let silence = now + ANSWER_WITHIN;
    sync.handle_timeout(silence);
    assert!(outputs(&mut sync).contains(&TwinOutput::Settle(1, Err(TwinError::TimedOut))));
    sync.handle_down();
    for ticket in 0..=64 {
        sync.handle_report(ticket, Bytes::from_static(b"{}"), silence);
    }
    assert_eq!(
        outputs(&mut sync),
        [TwinOutput::Settle(64, Err(TwinError::TooMany))]
    );
}

#[derive(Debug, Clone)]
enum Step {
    /// A service changes desired properties; the flag says whether the notification gets through.
    Change(bool),
    /// The oldest unanswered request is answered, from the twin as it was when the request was made.
    Answer,
    Reconnect,
    Wait,
    Missed,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<bool>().prop_map(Step::Change),
        4 => Just(Step::Answer),
        1 => Just(Step::Reconnect),
        2 => Just(Step::Wait),
        1 => Just(Step::Missed),
    ]
}

/// What a hub and an application see of the machine.
struct World {
    sync: TwinSync,
    now: Instant,
    hub: u64,
    requests: VecDeque<(String, u64)>,
    application: Option<u64>,
}

impl World {
    /// Each patch continues exactly where the application is.
    fn settle(&mut self) {
        while let Some(output) = self.sync.poll_output() {
            match output {
                TwinOutput::Publish(packet) => {
                    let rid = packet
                        .topic
                        .rsplit_once('=')
                        .expect("a request id")
                        .1
                        .to_owned();
                    self.requests.push_back((rid, self.hub));
                }
                TwinOutput::State(twin) => self.application = Some(twin.desired.version),
                TwinOutput::Desired { version, .. } => {
                    assert_eq!(
                        self.application,
                        Some(version - 1),
                        "a patch out of sequence"
                    );
                    self.application = Some(version);
                }
                TwinOutput::Settle(..) => panic!("nobody asked"),
            }
        }
    }

    fn answer(&mut self) {
        if let Some((rid, version)) = self.requests.pop_front() {
            answer(&mut self.sync, &rid, version, self.now);
        }
        self.settle();
    }
}

proptest! {
    #[test]
    fn the_application_always_catches_up(steps in prop::collection::vec(step(), 0..60)) {
        let (sync, now) = ready();
        let mut world = World { sync, now, hub: 1, requests: VecDeque::new(), application: None };
        world.settle();
        for step in steps {
            match step {
                Step::Change(heard) => {
                    world.hub += 1;
                    if heard {
                        notify(&mut world.sync, world.hub, world.now);
                    }
                }
                Step::Answer => world.answer(),
                Step::Reconnect => {
                    world.requests.clear();
                    world.sync.handle_down();
                    world.sync.handle_ready(world.now);
                }
                Step::Wait => {
                    world.now += Duration::from_secs(1);
                    world.sync.handle_timeout(world.now);
                }
                Step::Missed => {
                    // The shell could not deliver the last patch.
                    world.application = None;
                    world.sync.handle_missed(world.now);
                }
            }
            world.settle();
        }
        // A last notification arrives, and the hub answers what it is asked.
        world.hub += 1;
        notify(&mut world.sync, world.hub, world.now);
        world.settle();
        for _ in 0..4 {
            while !world.requests.is_empty() {
                world.answer();
            }
            world.now += AFTER_OLD_ANSWER;
            world.sync.handle_timeout(world.now);
            world.settle();
        }
        prop_assert_eq!(world.application, Some(world.hub));
    }
}
