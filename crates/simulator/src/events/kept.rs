//! The log as a snapshot holds it: every event that is kept, with its numbers.

use serde::{Deserialize, Serialize};

use super::{Event, EventLog, PARTITIONS, Partition};
use crate::registry::Body;

/// Events that are numbered without a gap.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Run {
    /// Number of its first event.
    first: u64,
    /// How far each partition had come before it.
    partitions: Vec<u64>,
    /// Each in its encoded form.
    events: Vec<Body>,
}

impl EventLog {
    /// Every event kept, in the order they were taken.
    pub(crate) fn runs(&self) -> Vec<Run> {
        let chunks = self.chunks.iter().filter(|chunk| chunk.count > 0);
        let run = |chunk: &super::Chunk| Run {
            first: chunk.first,
            partitions: chunk.first_in.to_vec(),
            events: chunk
                .encoded()
                .map(|event| Body(event.to_vec().into()))
                .collect(),
        };
        chunks.map(run).collect()
    }

    /// A log that holds these events with their numbers and no others. Its numbers go on from those of the log it takes
    /// the place of, where that was ahead: a reader keeps its position, and never meets one twice.
    ///
    /// # Errors
    /// When an event is none, in words.
    pub(crate) fn of_runs(runs: &[Run], replaced: &Self) -> Result<Self, &'static str> {
        let mut log = Self::new(replaced.keep_bytes);
        for run in runs {
            if run.first < log.next || run.partitions.len() != PARTITIONS {
                return Err("events are not in their order");
            }
            log.resume_at(run.first);
            let partitions: Vec<Partition> = run
                .partitions
                .iter()
                .map(|next| Partition {
                    next: *next,
                    ..Partition::NEW
                })
                .collect();
            log.resume_partitions(&partitions);
            for event in &run.events {
                let event = Event::decode(&event.0).ok_or("an event is cut short")?;
                log.append(&event);
            }
        }
        log.resume_at(replaced.next);
        log.resume_partitions(&replaced.partitions);
        Ok(log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::tests::message;

    fn read(log: &EventLog) -> Vec<(u64, String)> {
        let events = log.read_from(0);
        events
            .map(|(number, event)| (number, String::from_utf8_lossy(event.body).into_owned()))
            .collect()
    }

    #[test]
    fn what_comes_back_has_its_numbers_and_what_follows_has_new_ones() {
        let mut log = EventLog::new(1 << 20);
        log.append(&message("a", b"one"));
        log.append(&message("b", b"two"));
        log.resume_at(10);
        log.append(&message("a", b"ten"));
        let runs = log.runs();
        let kept = read(&log);
        let own = log.partitions()[super::super::partitions::partition_of("a")].next;

        log.append(&message("a", b"forgotten"));
        let mut back = EventLog::of_runs(&runs, &log).expect("its own");
        assert_eq!(read(&back), kept);
        back.append(&message("a", b"next"));
        assert_eq!(read(&back).last(), Some(&(12, "next".to_owned())));
        let partition = super::super::partitions::partition_of("a");
        let numbers: Vec<u64> = back
            .read_partition(partition, 0)
            .filter_map(|(_, placed)| placed.filter(|placed| placed.event.device == "a"))
            .map(|placed| placed.sequence)
            .collect();
        assert_eq!(numbers.last(), Some(&(own + 1)), "{numbers:?}");
    }

    #[test]
    fn elsewhere_numbers_go_on_from_the_snapshot() {
        let mut log = EventLog::new(1 << 20);
        log.append(&message("a", b"one"));
        let runs = log.runs();
        let back = EventLog::of_runs(&runs, &EventLog::new(1 << 20)).expect("its own");
        assert_eq!(back.next_sequence(), 2);
        assert_eq!(back.partitions(), log.partitions());
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let run = Run {
            first: 1,
            partitions: vec![0; PARTITIONS],
            events: vec![Body(bytes::Bytes::from_static(b"short"))],
        };
        assert!(EventLog::of_runs(&[run], &EventLog::new(1 << 20)).is_err());
    }
}
