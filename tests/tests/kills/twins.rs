//! Twins that are patched and replaced, with the versions they are told to have.

use std::collections::HashMap;

use fastrand::Rng;
use probe::{Answer, Place, Rest};
use serde_json::{Value, json};

use super::things::ask;

const PATHS: [&str; 3] = [
    "/twins/twin-0",
    "/twins/twin-1",
    "/twins/twin-0/modules/valve",
];

/// What a twin was told to be.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    etag: String,
    version: u64,
    desired_version: u64,
    number: Option<u64>,
}

pub(super) struct Twins {
    random: Rng,
    next: u64,
    known: Vec<Told>,
    /// Which twin was to have which number.
    asked: Option<(usize, u64)>,
    tags: HashMap<(usize, String), Option<u64>>,
    pub(super) acknowledged: usize,
}

impl Twins {
    pub(super) fn new(random: Rng) -> Self {
        Self {
            random,
            next: 1,
            known: Vec::new(),
            asked: None,
            tags: HashMap::new(),
            acknowledged: 0,
        }
    }

    pub(super) async fn prepare(&mut self, rest: &mut Rest) {
        let module = json!({"deviceId": "twin-0", "moduleId": "valve"});
        for (path, body) in [
            ("/devices/twin-0", json!({"deviceId": "twin-0"})),
            ("/devices/twin-1", json!({"deviceId": "twin-1"})),
            ("/devices/twin-0/modules/valve", module),
        ] {
            let made = ask(rest, "PUT", path, None, &body).await;
            assert_eq!(made.status, 200, "{made:?}");
        }
        for (at, path) in PATHS.iter().enumerate() {
            let answer = ask(rest, "GET", path, None, &Value::Null).await;
            let told = self.told(at, &answer);
            self.known.push(told);
        }
    }

    pub(super) async fn work(&mut self, place: &Place) {
        let mut rest = Rest::connect(place).await.expect("it answers");
        loop {
            let at = self.random.usize(0..PATHS.len());
            let number = self.next;
            self.next += 1;
            let document =
                json!({"tags": {"number": number}, "properties": {"desired": {"number": number}}});
            let tag = format!("\"{}\"", self.known[at].etag);
            let tag = self.random.bool().then_some(tag);
            let method = if self.random.u8(0..4) == 0 {
                "PUT"
            } else {
                "PATCH"
            };
            self.asked = Some((at, number));
            let answer = ask(&mut rest, method, PATHS[at], tag.as_deref(), &document).await;
            let told = self.told(at, &answer);
            self.assert_follows(at, number, &told);
            self.known[at] = told;
            self.asked = None;
            self.acknowledged += 1;
        }
    }

    pub(super) async fn check(&mut self, rest: &mut Rest) {
        let asked = self.asked.take();
        for (at, path) in PATHS.iter().enumerate() {
            let answer = ask(rest, "GET", path, None, &Value::Null).await;
            let found = self.told(at, &answer);
            if found != self.known[at] {
                let number = asked.filter(|(of, _)| *of == at).map(|(_, number)| number);
                let number = number.unwrap_or_else(|| {
                    panic!(
                        "{path}: {:?} was acknowledged, but there is {found:?}",
                        self.known[at]
                    )
                });
                self.assert_follows(at, number, &found);
            }
            self.known[at] = found;
        }
    }

    fn assert_follows(&self, at: usize, number: u64, found: &Told) {
        let known = &self.known[at];
        let versions = (known.version + 1, known.desired_version + 1, Some(number));
        assert_eq!(
            (found.version, found.desired_version, found.number),
            versions,
            "{} after {known:?}",
            PATHS[at]
        );
    }

    fn told(&mut self, at: usize, answer: &Answer) -> Told {
        assert_eq!(answer.status, 200, "{answer:?}");
        let twin = answer.json();
        let number = twin["tags"]["number"].as_u64();
        let desired = &twin["properties"]["desired"];
        assert_eq!(
            desired["number"].as_u64(),
            number,
            "a twin is changed as a whole: {twin}"
        );
        let etag = twin["etag"].as_str().expect("a tag").to_owned();
        let first = *self.tags.entry((at, etag.clone())).or_insert(number);
        assert_eq!(
            first, number,
            "the tag {etag} of {} came again for another twin",
            PATHS[at]
        );
        Told {
            etag,
            version: twin["version"].as_u64().expect("a version"),
            desired_version: desired["$version"].as_u64().expect("a version"),
            number,
        }
    }
}
