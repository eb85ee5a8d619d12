//! What is put, changed and removed by its id: devices, modules and configurations, each with an entity tag.

use std::collections::{BTreeMap, HashMap};

use fastrand::Rng;
use probe::{Answer, Place, Rest};
use serde_json::{Value, json};

const IDS: u8 = 8;
const METHOD: &str = "the request can be made";

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Device,
    Module,
    Configuration,
}

/// What the hub said of a thing: its tag, and the number that its document had.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    etag: String,
    number: u64,
}

pub(super) struct Things {
    kind: Kind,
    random: Rng,
    /// Counts documents, so that no two are alike.
    next: u64,
    known: BTreeMap<String, Told>,
    /// What was asked for last, and whether it was answered is not known: the number put, or nothing for a removal.
    asked: Option<(String, Option<u64>)>,
    /// Every tag ever told, with the number that it stood for.
    tags: HashMap<(String, String), u64>,
    pub(super) acknowledged: usize,
}

impl Kind {
    fn path(self, id: &str) -> String {
        match self {
            Self::Device => format!("/devices/{id}"),
            Self::Module => format!("/devices/host/modules/{id}"),
            Self::Configuration => format!("/configurations/{id}"),
        }
    }

    fn document(self, id: &str, number: u64) -> Value {
        let text = number.to_string();
        match self {
            Self::Device => json!({"deviceId": id, "statusReason": text}),
            Self::Module => json!({"deviceId": "host", "moduleId": id, "managedBy": text}),
            Self::Configuration => json!({
                "id": id, "labels": {"number": text}, "content": {}, "targetCondition": "", "priority": 1,
            }),
        }
    }

    fn number(self, document: &Value) -> Option<u64> {
        let text = match self {
            Self::Device => &document["statusReason"],
            Self::Module => &document["managedBy"],
            Self::Configuration => &document["labels"]["number"],
        };
        text.as_str()?.parse().ok()
    }
}

impl Things {
    pub(super) fn new(kind: Kind, random: Rng) -> Self {
        Self {
            kind,
            random,
            next: 1,
            known: BTreeMap::new(),
            asked: None,
            tags: HashMap::new(),
            acknowledged: 0,
        }
    }

    /// Makes the device that modules are of.
    pub(super) async fn prepare(&mut self, rest: &mut Rest) {
        let host = json!({"deviceId": "host"});
        let made = ask(rest, "PUT", "/devices/host", None, &host).await;
        assert!(made.status.is_success(), "{made:?}");
    }

    /// Puts and removes one after the other, without end.
    pub(super) async fn work(&mut self, place: &Place) {
        let mut rest = Rest::connect(place).await.expect("it answers");
        loop {
            let id = format!("thing-{}", self.random.u8(0..IDS));
            let known = self.known.get(&id).cloned();
            let tag = known.as_ref().map(|told| format!("\"{}\"", told.etag));
            let path = self.kind.path(&id);
            if known.is_some() && self.random.u8(0..4) == 0 {
                self.asked = Some((id.clone(), None));
                let removed = ask(&mut rest, "DELETE", &path, tag.as_deref(), &Value::Null).await;
                assert_eq!(removed.status, 204, "{path}: {removed:?}");
                self.known.remove(&id);
            } else {
                let number = self.next;
                self.next += 1;
                self.asked = Some((id.clone(), Some(number)));
                let document = self.kind.document(&id, number);
                let put = ask(&mut rest, "PUT", &path, tag.as_deref(), &document).await;
                assert_eq!(put.status, 200, "{path}: {put:?}");
                let told = self.told(&id, &put);
                assert_eq!(told.number, number, "{path}");
                self.known.insert(id, told);
            }
            self.asked = None;
            self.acknowledged += 1;
        }
    }

    /// Finds everything as it was acknowledged, or as the last request would have it.
    pub(super) async fn check(&mut self, rest: &mut Rest) {
        let asked = self.asked.take();
        for number in 0..IDS {
            let id = format!("thing-{number}");
            let path = self.kind.path(&id);
            let answer = ask(rest, "GET", &path, None, &Value::Null).await;
            let found = match answer.status.as_u16() {
                200 => Some(self.told(&id, &answer)),
                404 => None,
                _ => panic!("{path}: {answer:?}"),
            };
            let known = self.known.remove(&id);
            let asked = asked.as_ref().filter(|(of, _)| *of == id);
            let was_done =
                asked.is_some_and(|(_, put)| *put == found.as_ref().map(|told| told.number));
            assert!(
                found == known || was_done,
                "{path}: {known:?} was acknowledged and {asked:?} asked for, but there is {found:?}"
            );
            self.known.extend(found.map(|told| (id, told)));
        }
    }

    /// What an answer says; a tag stands for one document and no other, ever.
    fn told(&mut self, id: &str, answer: &Answer) -> Told {
        let document = answer.json();
        let etag = document["etag"].as_str().expect("a tag").to_owned();
        let number = self
            .kind
            .number(&document)
            .expect("the number that was put");
        let first = *self
            .tags
            .entry((id.to_owned(), etag.clone()))
            .or_insert(number);
        assert_eq!(
            first, number,
            "the tag {etag} of {id} came again for another document"
        );
        Told { etag, number }
    }
}

pub(super) async fn ask(
    rest: &mut Rest,
    method: &str,
    path: &str,
    if_match: Option<&str>,
    body: &Value,
) -> Answer {
    let headers: Vec<_> = if_match.map(|tag| ("if-match", tag)).into_iter().collect();
    let method = method.parse().expect(METHOD);
    rest.ask(method, path, &headers, body)
        .await
        .expect("the hub answers while it lives")
}
