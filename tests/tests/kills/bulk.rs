//! Several identities in one request.

use std::collections::BTreeMap;

use fastrand::Rng;
use probe::{Place, Rest};
use serde_json::{Value, json};

use super::things::ask;

const IDS: usize = 12;
/// Identities in one request.
const AT_ONCE: usize = 6;

pub(super) struct Bulk {
    random: Rng,
    next: u64,
    /// The number in each device's tags.
    known: BTreeMap<String, u64>,
    /// What was asked for last: which numbers were put, or nothing for what was to go.
    asked: Vec<(String, Option<u64>)>,
    pub(super) acknowledged: usize,
}

impl Bulk {
    pub(super) fn new(random: Rng) -> Self {
        Self {
            random,
            next: 1,
            known: BTreeMap::new(),
            asked: Vec::new(),
            acknowledged: 0,
        }
    }

    pub(super) async fn work(&mut self, place: &Place) {
        let mut rest = Rest::connect(place).await.expect("it answers");
        loop {
            let mut ids: Vec<usize> = (0..IDS).collect();
            self.random.shuffle(&mut ids);
            let mut items = Vec::new();
            for id in &ids[..AT_ONCE] {
                let id = format!("bulk-{id}");
                let tags = json!({"number": self.next});
                let (item, becomes) = match (self.known.contains_key(&id), self.random.u8(0..3)) {
                    (false, _) => (
                        json!({"id": id, "importMode": "create", "tags": tags}),
                        Some(self.next),
                    ),
                    (true, 0) => (json!({"id": id, "importMode": "delete"}), None),
                    (true, _) => (
                        json!({"id": id, "importMode": "updateTwin", "tags": tags}),
                        Some(self.next),
                    ),
                };
                self.next += 1;
                items.push(item);
                self.asked.push((id, becomes));
            }
            let answer = ask(&mut rest, "POST", "/devices", None, &Value::from(items)).await;
            assert_eq!(answer.json()["isSuccessful"], true, "{answer:?}");
            for (id, becomes) in self.asked.drain(..) {
                match becomes {
                    Some(number) => self.known.insert(id, number),
                    None => self.known.remove(&id),
                };
            }
            self.acknowledged += 1;
        }
    }

    /// Of the last request a first part may have been done, in its order.
    pub(super) async fn check(&mut self, rest: &mut Rest) {
        let asked = std::mem::take(&mut self.asked);
        let mut found = BTreeMap::new();
        for id in (0..IDS).map(|id| format!("bulk-{id}")) {
            let answer = ask(rest, "GET", &format!("/twins/{id}"), None, &Value::Null).await;
            if answer.status == 200 {
                let number = answer.json()["tags"]["number"]
                    .as_u64()
                    .expect("the number that was put");
                found.insert(id, number);
            } else {
                assert_eq!(answer.status, 404, "{id}: {answer:?}");
            }
        }
        let mut possible = self.known.clone();
        let mut parts = vec![possible.clone()];
        for (id, becomes) in &asked {
            match becomes {
                Some(number) => possible.insert(id.clone(), *number),
                None => possible.remove(id),
            };
            parts.push(possible.clone());
        }
        assert!(
            parts.contains(&found),
            "{:?} was acknowledged and {asked:?} asked for, but there is {found:?}",
            self.known
        );
        self.known = found;
    }
}
