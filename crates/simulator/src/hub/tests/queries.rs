//! A query over many twins, and those who have something else to do meanwhile.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};

use query::{Query, Resume};

use super::super::query::COLLECTIONS;
use super::*;

const PAGE: NonZeroUsize = NonZeroUsize::new(100).expect("it is not zero");

fn fleet(devices: usize) -> Hub {
    let hub = hub(None);
    for number in 0..devices {
        hub.add_device(&format!("d{number:05}"), false, &[])
            .expect("a fresh id");
    }
    hub
}

fn parse(text: &str) -> Query {
    Query::parse(text, &COLLECTIONS).expect("a query")
}

/// The ids on a page, and where the next one begins.
fn page(
    hub: &Hub,
    query: &Query,
    resume: Option<&Resume<(String, String)>>,
) -> (Vec<String>, Option<Resume<(String, String)>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let page = runtime
        .expect("a runtime")
        .block_on(hub.query(query, resume, PAGE))
        .expect("in memory");
    let id = |item: &Value| item["deviceId"].as_str().expect("an id").to_owned();
    (page.items.iter().map(id).collect(), page.next)
}

#[test]
fn others_have_their_turn_while_a_query_goes_through_everything() {
    let hub = fleet(5000);
    let nobody =
        parse("SELECT * FROM devices WHERE tags.site = 'nowhere' OR CONTAINS(tags.a, 'b')");
    let over = AtomicBool::new(false);
    let turns = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut turns = 0;
            while !over.load(Ordering::Relaxed) {
                hub.twin(&identity("d00001")).expect("it is there");
                turns += 1;
            }
            turns
        });
        for _ in 0..10 {
            assert_eq!(page(&hub, &nobody, None).0.len(), 0);
        }
        over.store(true, Ordering::Relaxed);
        other.join().expect("no panic")
    });
    // With the lock held for a whole page there would be about one for each of the ten.
    assert!(turns > 30, "{turns}");
}

#[test]
fn what_stays_is_on_the_pages_once_whatever_comes_and_goes() {
    let hub = fleet(500);
    for text in [
        "SELECT * FROM devices",
        "SELECT deviceId FROM devices WHERE version >= 1",
    ] {
        let query = parse(text);
        let (mut ids, mut next) = page(&hub, &query, None);
        let mut round = 0;
        while let Some(resume) = next {
            // One that was given, the one the page ended with, and one yet to come.
            hub.remove_device(&format!("d{:05}", round * 100)).ok();
            hub.remove_device(ids.last().expect("a full page")).ok();
            hub.add_device(&format!("a{round:05}{}", text.len()), false, &[])
                .expect("a fresh id");
            hub.add_device(&format!("z{round:05}{}", text.len()), false, &[])
                .expect("a fresh id");
            let (more, then) = page(&hub, &query, Some(&resume));
            ids.extend(more);
            next = then;
            round += 1;
        }
        assert!(ids.is_sorted(), "{text}");
        let mut once = ids.clone();
        once.dedup();
        assert_eq!(once, ids, "{text}");
        for number in 0..500 {
            let id = format!("d{number:05}");
            let stays = hub.twin(&identity(&id)).is_ok();
            assert!(!stays || ids.contains(&id), "{id} is missing: {text}");
        }
    }
}

#[test]
fn a_sorted_page_is_that_of_a_whole_list() {
    let hub = fleet(300);
    for number in 0..300 {
        let document = json!({"tags": {"n": number * 7 % 300}});
        hub.update_twin(&identity(&format!("d{number:05}")), document, false)
            .expect("valid");
    }
    let query = parse("SELECT * FROM devices ORDER BY tags.n DESC");
    let (mut ids, mut next) = page(&hub, &query, None);
    while let Some(resume) = next {
        let (more, then) = page(&hub, &query, Some(&resume));
        ids.extend(more);
        next = then;
    }
    let mut numbers: Vec<usize> = (0..300).collect();
    numbers.sort_by_key(|number| std::cmp::Reverse(number * 7 % 300));
    let expected: Vec<String> = numbers.iter().map(|n| format!("d{n:05}")).collect();
    assert_eq!(ids, expected);
}
