use serde_json::json;

use super::*;
use crate::hold::{LOCK, MAX_DELIVERIES};

const BEGAN: Timestamp = Timestamp::UNIX_EPOCH;

fn token(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn add(notices: &mut Notices, channel: Channel, number: usize) {
    let record = notices.address(channel, json!(number), BEGAN);
    notices.of_mut(channel).add(record);
}

#[test]
fn feedback_is_batched_until_somebody_has_seen_it() {
    let mut notices = Notices::default();
    for number in 0..MAX_RECORDS + 2 {
        add(&mut notices, Channel::Feedback, number);
    }
    let first = notices.hand_out(Channel::Feedback, token(1), BEGAN);
    let first = first.expect("a batch");
    assert_eq!(first.body.as_array().map(Vec::len), Some(MAX_RECORDS));
    let second = notices.hand_out(Channel::Feedback, token(2), BEGAN);
    assert_eq!(second.expect("the rest").body, json!([64, 65]));
    add(&mut notices, Channel::Feedback, 66);
    let third = notices.hand_out(Channel::Feedback, token(3), BEGAN);
    assert_eq!(third.expect("one of its own").body, json!([66]));
    assert_eq!(notices.hand_out(Channel::Feedback, token(4), BEGAN), None);
}

#[test]
fn every_file_has_a_notice_of_its_own() {
    let mut notices = Notices::default();
    add(&mut notices, Channel::Files, 1);
    add(&mut notices, Channel::Files, 2);
    for number in 1..=2 {
        let handed = notices.hand_out(Channel::Files, token(number), BEGAN);
        assert_eq!(handed.expect("a notice").body, json!(number));
    }
}

#[test]
fn a_lock_that_lapsed_settles_nothing() {
    let mut notices = Notices::default();
    add(&mut notices, Channel::Files, 1);
    notices.hand_out(Channel::Files, token(1), BEGAN);
    let later = BEGAN + LOCK;
    let queue = notices.of_mut(Channel::Files);
    assert_eq!(queue.held_by(token(1), BEGAN), Some(0));
    assert_eq!(queue.held_by(token(2), BEGAN), None);
    assert_eq!(queue.held_by(token(1), later), None);
    assert!(queue.lapse(later));
    let again = notices.hand_out(Channel::Files, token(2), later);
    assert_eq!(again.expect("it is free").deliveries, 2);
}

#[test]
fn a_notice_that_nobody_wants_is_given_up() {
    let mut notices = Notices::default();
    add(&mut notices, Channel::Files, 1);
    for _ in 0..MAX_DELIVERIES {
        let queue = notices.of(Channel::Files);
        assert!(queue.over(BEGAN).is_empty());
        let handed = notices.hand_out(Channel::Files, token(1), BEGAN);
        let sequence = handed.expect("not too often").sequence;
        notices.of_mut(Channel::Files).release(sequence);
    }
    assert_eq!(notices.of(Channel::Files).over(BEGAN), [0]);
    assert_eq!(notices.hand_out(Channel::Files, token(1), BEGAN), None);
}

#[test]
fn a_notice_lives_an_hour_and_as_long_as_it_is_held() {
    let mut notices = Notices::default();
    add(&mut notices, Channel::Files, 1);
    let almost = BEGAN + LIFE - Duration::from_millis(1);
    assert!(notices.of(Channel::Files).over(almost).is_empty());
    assert!(notices.hand_out(Channel::Files, token(1), almost).is_some());
    assert!(notices.of(Channel::Files).over(BEGAN + LIFE).is_empty());
    assert_eq!(notices.of(Channel::Files).over(almost + LOCK), [0]);
}

#[test]
fn the_oldest_goes_when_nobody_collects() {
    let mut notices = Notices::default();
    for number in 0..=MAX_WAITING {
        add(&mut notices, Channel::Files, number);
    }
    let handed = notices.hand_out(Channel::Files, token(1), BEGAN);
    assert_eq!(handed.expect("a notice").body, json!(1));
    assert_eq!(notices.of(Channel::Files).waiting.len(), MAX_WAITING);
}
