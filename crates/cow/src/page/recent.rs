//! What was observed before a page was opened.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::{Path, State};
use serde_json::Value;

use super::Street;

/// Observations kept of each device: a screenful or two.
const KEPT: usize = 120;
/// Outputs whose newest message is kept however much happened since: it says how the bay is.
const OUTPUTS_KEPT: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<BTreeMap<String, OfDevice>>);

#[derive(Debug, Default)]
struct OfDevice {
    flow: VecDeque<Value>,
    /// By module and output; the newest may be in the flow as well.
    newest: BTreeMap<(String, String), Value>,
}

impl Recent {
    pub(super) fn note(&self, observation: Value) {
        // Deliveries echo the messages before them, and would only push those out.
        let (Some(device), true) = (
            observation["deviceId"].as_str(),
            observation["kind"] != "delivered",
        ) else {
            return;
        };
        let mut devices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        devices
            .entry(device.to_owned())
            .or_default()
            .note(observation);
    }

    fn of(&self, device: &str) -> Vec<Value> {
        let devices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        devices.get(device).map(OfDevice::all).unwrap_or_default()
    }
}

impl OfDevice {
    fn note(&mut self, observation: Value) {
        if let Some(key) = output_of(&observation)
            && (self.newest.len() < OUTPUTS_KEPT || self.newest.contains_key(&key))
        {
            self.newest.insert(key, observation.clone());
        }
        if self.flow.len() == KEPT {
            self.flow.pop_front();
        }
        self.flow.push_back(observation);
    }

    /// Oldest first.
    fn all(&self) -> Vec<Value> {
        let mut old: Vec<&Value> = self
            .newest
            .values()
            .filter(|one| !self.flow.contains(one))
            .collect();
        old.sort_by_key(|observation| observation["time"].as_str().unwrap_or_default());
        old.into_iter().chain(&self.flow).cloned().collect()
    }
}

fn output_of(observation: &Value) -> Option<(String, String)> {
    let text = |key: &str| observation[key].as_str().map(str::to_owned);
    if observation["kind"] != "message" {
        return None;
    }
    Some((text("moduleId")?, text("output")?))
}

/// `GET /recent/{device}`: observations, oldest first.
pub(super) async fn read(
    State(street): State<Arc<Street>>,
    Path(device): Path<String>,
) -> Json<Vec<Value>> {
    Json(street.recent.of(&device))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(output: &str, n: usize) -> Value {
        json!({"time": format!("2026-03-01T12:00:{n:05}Z"), "kind": "message", "deviceId": "d", "moduleId": "m",
               "output": output, "body": {"n": n}})
    }

    #[test]
    fn the_newest_of_each_output_outlives_the_flow() {
        let recent = Recent::default();
        recent.note(message("rare", 0));
        recent.note(message("rare", 1));
        for n in 2..1000 {
            recent.note(message("often", n));
        }
        let all = recent.of("d");
        assert_eq!(all.len(), KEPT + 1);
        assert_eq!(all[0]["body"]["n"], 1);
        assert_eq!(all[KEPT]["body"]["n"], 999);

        recent.note(message("rare", 1000));
        let all = recent.of("d");
        let rare = all.iter().filter(|one| one["output"] == "rare");
        assert_eq!(
            rare.count(),
            1,
            "the old one is replaced, and the new one told once"
        );
    }

    #[test]
    fn memory_is_bounded_whatever_a_device_calls_its_outputs() {
        let recent = Recent::default();
        for n in 0..1000 {
            recent.note(message(&n.to_string(), n));
        }
        assert_eq!(recent.of("d").len(), KEPT + OUTPUTS_KEPT);
        assert!(recent.of("other").is_empty());
    }

    #[test]
    fn nobodys_observations_and_deliveries_are_not_kept() {
        let recent = Recent::default();
        recent.note(json!({"kind": "lever", "text": "all links are cut"}));
        recent.note(json!({"kind": "delivered", "deviceId": "d", "moduleId": "m"}));
        recent.note(json!(null));
        assert!(recent.of("d").is_empty());
    }
}
