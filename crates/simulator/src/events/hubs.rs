//! The event hubs behind custom endpoints: each a log of its own, with the numbering of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Event, EventLog, Partition, Run};

/// Custom endpoints' logs by endpoint name. A log whose endpoint is gone has no events, and keeps its numbering: an
/// endpoint of the same name goes on where it ended.
#[derive(Debug)]
pub(crate) struct EventHubs {
    logs: BTreeMap<String, EventLog>,
    keep_bytes: usize,
}

/// How far one of them has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Come {
    next_event: u64,
    partitions: Vec<Partition>,
}

impl EventHubs {
    pub(crate) fn new(keep_bytes: usize) -> Self {
        Self {
            logs: BTreeMap::new(),
            keep_bytes,
        }
    }

    pub(crate) fn log(&self, name: &str) -> Option<&EventLog> {
        self.logs.get(name)
    }

    pub(crate) fn log_mut(&mut self, name: &str) -> &mut EventLog {
        if !self.logs.contains_key(name) {
            let log = EventLog::new(self.keep_bytes);
            self.logs.insert(name.to_owned(), log);
        }
        self.logs.get_mut(name).expect("it was just made")
    }

    /// From here on these endpoints are there, and no others.
    pub(crate) fn have<'n>(&mut self, names: impl Iterator<Item = &'n str> + Clone) {
        for (known, log) in &mut self.logs {
            if !names.clone().any(|name| name == known) {
                log.forget();
            }
        }
        for name in names {
            self.log_mut(name);
        }
    }

    /// Takes an event in; returns what the journal keeps.
    pub(crate) fn append(&mut self, name: &str, event: &Event<'_>) -> Vec<u8> {
        // Names of endpoints are at most 64 characters, so the cast cannot cut.
        let mut kept = vec![name.len() as u8];
        kept.extend_from_slice(name.as_bytes());
        kept.extend_from_slice(self.log_mut(name).append(event));
        kept
    }

    /// The inverse of what [`EventHubs::append`] returns; nothing when the bytes are no such thing.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(&str, Event<'_>)> {
        let (length, rest) = bytes.split_first()?;
        let (name, event) = rest.split_at_checked(usize::from(*length))?;
        Some((std::str::from_utf8(name).ok()?, Event::decode(event)?))
    }

    /// How far each has come, for a snapshot.
    pub(crate) fn come(&self) -> BTreeMap<String, Come> {
        let come = self.logs.iter().map(|(name, log)| {
            let come = Come {
                next_event: log.next_sequence(),
                partitions: log.partitions().to_vec(),
            };
            (name.clone(), come)
        });
        come.collect()
    }

    /// Every event kept, by endpoint.
    pub(crate) fn runs(&self) -> BTreeMap<String, Vec<Run>> {
        let runs = self
            .logs
            .iter()
            .map(|(name, log)| (name.clone(), log.runs()));
        runs.collect()
    }

    /// Logs that hold these events, as [`EventLog::of_runs`] has it for each.
    pub(crate) fn of_runs(
        runs: &BTreeMap<String, Vec<Run>>,
        replaced: &Self,
    ) -> Result<Self, &'static str> {
        let mut hubs = Self::new(replaced.keep_bytes);
        hubs.resume(&replaced.come());
        for (name, runs) in runs {
            let log = EventLog::of_runs(runs, hubs.log_mut(name))?;
            hubs.logs.insert(name.clone(), log);
        }
        Ok(hubs)
    }

    /// Continues where a snapshot left off.
    pub(crate) fn resume(&mut self, come: &BTreeMap<String, Come>) {
        for (name, come) in come {
            let log = self.log_mut(name);
            log.resume_at(come.next_event);
            log.resume_partitions(&come.partitions);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Source;

    fn event(body: &[u8]) -> Event<'_> {
        Event {
            enqueued_ms: 1_767_225_600_000,
            edge_sequence: 0,
            edge: "",
            source: Source::Lifecycle,
            device: "pump7",
            module: "",
            bag: "opType=createDeviceIdentity",
            body,
        }
    }

    fn bodies(hubs: &EventHubs, name: &str) -> Vec<(u64, Vec<u8>)> {
        let log = hubs.log(name).expect("it is there");
        log.read_from(0)
            .map(|(number, event)| (number, event.body.to_vec()))
            .collect()
    }

    #[test]
    fn each_endpoint_counts_for_itself() {
        let mut hubs = EventHubs::new(1 << 20);
        hubs.have(["hot", "cold"].into_iter());
        let kept = hubs.append("hot", &event(b"a"));
        assert_eq!(EventHubs::decode(&kept), Some(("hot", event(b"a"))));
        hubs.append("hot", &event(b"b"));
        hubs.append("cold", &event(b"c"));
        assert_eq!(
            bodies(&hubs, "hot"),
            [(1, b"a".to_vec()), (2, b"b".to_vec())]
        );
        assert_eq!(bodies(&hubs, "cold"), [(1, b"c".to_vec())]);
    }

    #[test]
    fn an_endpoint_that_comes_back_goes_on_counting() {
        let mut hubs = EventHubs::new(1 << 20);
        hubs.append("hot", &event(b"a"));
        hubs.have([].into_iter());
        assert_eq!(bodies(&hubs, "hot"), []);
        hubs.have(["hot"].into_iter());
        hubs.append("hot", &event(b"b"));
        assert_eq!(bodies(&hubs, "hot"), [(2, b"b".to_vec())]);
        let log = hubs.log("hot").expect("it is there");
        let come: Vec<u64> = log.partitions().iter().map(|come| come.next).collect();
        assert_eq!(come.iter().sum::<u64>(), 2);
        let partition = come.iter().position(|next| *next == 2);
        let partition = partition.expect("a device has one partition");
        assert_eq!(log.first_in(partition), 1);

        let mut restarted = EventHubs::new(1 << 20);
        restarted.resume(&hubs.come());
        restarted.append("hot", &event(b"c"));
        assert_eq!(bodies(&restarted, "hot"), [(3, b"c".to_vec())]);
    }
}
