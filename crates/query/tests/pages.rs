//! Walking pages.

use std::num::NonZeroUsize;

use proptest::prelude::*;
use query::{Collection, Query, Resume};
use serde_json::{Value, json};

const TEXTS: [&str; 8] = [
    "SELECT * FROM devices",
    "SELECT n FROM devices WHERE n >= 3",
    "SELECT TOP 5 n FROM devices WHERE n != 2",
    "SELECT n FROM devices ORDER BY n DESC",
    "SELECT TOP 4 * FROM devices ORDER BY n",
    "SELECT n, COUNT() AS c FROM devices GROUP BY n",
    "SELECT TOP 2 n, COUNT() AS c FROM devices GROUP BY n ORDER BY c DESC",
    "SELECT COUNT() AS c FROM devices WHERE n = 1",
];

fn parse(text: &str) -> Query {
    Query::parse(text, &[Collection::DEVICES]).expect("it is well formed")
}

fn documents(numbers: &[u8]) -> Vec<(usize, Value)> {
    let document = |(key, n): (usize, &u8)| (key, json!({"deviceId": key, "n": n}));
    numbers.iter().enumerate().map(document).collect()
}

/// All results, page by page. With `seek`, what was given before is not offered again where the query allows that.
fn walk(query: &Query, documents: &[(usize, Value)], most: NonZeroUsize, seek: bool) -> Vec<Value> {
    let mut all = Vec::new();
    let mut resume: Option<Resume<usize>> = None;
    loop {
        let from = resume
            .as_ref()
            .filter(|_| seek)
            .and_then(Resume::key)
            .map_or(0, |key| key + 1);
        let rest = documents[from..]
            .iter()
            .map(|(key, document)| (*key, document));
        let page = query.page(rest, resume.as_ref(), most);
        assert!(page.items.len() <= most.get());
        assert!(
            page.next.is_none() || page.items.len() == most.get(),
            "only the last page is shorter"
        );
        all.extend(page.items);
        match page.next {
            Some(next) => resume = Some(next),
            None => return all,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages_of_any_length_hold_the_same(
        numbers in prop::collection::vec(0_u8..6, 0..20),
        most in 1_usize..8,
        text in prop::sample::select(TEXTS.to_vec()),
    ) {
        let (query, documents) = (parse(text), documents(&numbers));
        let whole = walk(&query, &documents, NonZeroUsize::MAX, false);
        let most = NonZeroUsize::new(most).expect("it is above zero");
        prop_assert_eq!(&walk(&query, &documents, most, false), &whole);
        prop_assert_eq!(&walk(&query, &documents, most, true), &whole);
    }
}

#[test]
fn no_page_follows_the_last_result() {
    let two = NonZeroUsize::new(2).expect("it is above zero");
    let documents = documents(&[1, 1, 2, 3]);
    for (text, last) in [
        ("SELECT * FROM devices WHERE n = 1", true),
        ("SELECT * FROM devices WHERE n <= 2", false),
        ("SELECT TOP 2 * FROM devices", true),
        ("SELECT TOP 2 * FROM devices ORDER BY n", true),
        ("SELECT n FROM devices WHERE n < 3 GROUP BY n", true),
        ("SELECT n FROM devices GROUP BY n", false),
    ] {
        let page = parse(text).page(
            documents.iter().map(|(key, document)| (*key, document)),
            None,
            two,
        );
        assert_eq!(page.items.len(), 2, "{text}");
        assert_eq!(page.next.is_none(), last, "{text}");
    }
}

#[test]
fn documents_that_come_and_go_meanwhile_hide_no_others() {
    let query = parse("SELECT deviceId FROM devices");
    let mut documents = documents(&[0; 6]);
    let two = NonZeroUsize::new(2).expect("it is above zero");
    let first = query.page(
        documents.iter().map(|(key, document)| (*key, document)),
        None,
        two,
    );
    documents.retain(|(key, _)| *key != 0 && *key != 1);
    let second = query.page(
        documents.iter().map(|(key, document)| (*key, document)),
        first.next.as_ref(),
        two,
    );
    assert_eq!(
        second.items,
        [json!({"deviceId": 2}), json!({"deviceId": 3})]
    );
}

#[test]
fn a_place_in_other_results_is_no_danger() {
    let documents = documents(&[0, 1, 2]);
    for text in TEXTS {
        for resume in [
            Resume::Skip(usize::MAX),
            Resume::After {
                key: usize::MAX,
                given: usize::MAX,
            },
        ] {
            let offered = documents.iter().map(|(key, document)| (*key, document));
            let page = parse(text).page(offered, Some(&resume), NonZeroUsize::MAX);
            assert_eq!((page.items.len(), page.next), (0, None), "{text}");
        }
    }
}

/// More than are kept while they come in.
#[test]
fn a_long_list_is_sorted_whole() {
    let numbers: Vec<u8> = (0..20_000_u32).map(|n| (n * 7919 % 251) as u8).collect();
    let documents = documents(&numbers);
    let query = parse("SELECT * FROM devices ORDER BY n DESC");
    let mut expected = documents.clone();
    expected.sort_by_key(|(_, document)| std::cmp::Reverse(document["n"].as_u64()));
    let offered = || documents.iter().map(|(key, document)| (*key, document));
    for from in [0, 3, 19_990] {
        let resume = Resume::Skip(from);
        let page = query.page(
            offered(),
            Some(&resume),
            NonZeroUsize::new(20).expect("it is above zero"),
        );
        let expected = expected.iter().skip(from).take(20);
        assert!(
            page.items.iter().eq(expected.map(|(_, document)| document)),
            "{from}"
        );
        assert_eq!(page.next.is_some(), from < 19_980, "{from}");
    }
}
