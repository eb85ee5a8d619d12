//! A reader of events with a checkpoint in each partition.

use std::collections::{BTreeSet, HashMap};

use probe::{Event, EventReader, Place};
use serde_json::Value;
use street_tests::PATIENCE;
use tokio::time::timeout;

const PARTITIONS: usize = 4;

/// What was read last of a partition.
#[derive(Debug, Clone)]
struct Checkpoint {
    offset: String,
    sequence: i64,
}

#[derive(Default)]
pub(super) struct Reading {
    checkpoints: HashMap<usize, Checkpoint>,
    /// Numbers of the device's messages that were read since the last time anybody looked.
    numbers: BTreeSet<u64>,
    newest: u64,
    pub(super) events: usize,
}

impl Reading {
    /// Reads whatever comes, without end.
    pub(super) async fn follow(&mut self, place: &Place) {
        let mut reader = self.connect(place).await;
        loop {
            let event = reader
                .next()
                .await
                .expect("it is served while the hub lives");
            self.take(event);
        }
    }

    /// Reads on until every message was read that was acknowledged.
    pub(super) async fn catch_up(&mut self, place: &Place, acknowledged: &BTreeSet<u64>) {
        let mut reader = self.connect(place).await;
        loop {
            let missing: Vec<_> = acknowledged.difference(&self.numbers).collect();
            if missing.is_empty() {
                break;
            }
            let next = timeout(PATIENCE, reader.next()).await;
            let next = next.unwrap_or_else(|_| panic!("acknowledged and lost: {missing:?}"));
            self.take(next.expect("it is served"));
        }
        self.numbers.clear();
    }

    async fn connect(&self, place: &Place) -> EventReader {
        let mut reader = EventReader::connect(place, "$Default")
            .await
            .expect("it answers");
        for partition in 0..PARTITIONS {
            let behind = self.checkpoints.get(&partition);
            let behind = behind.map(|checkpoint| checkpoint.offset.as_str());
            reader.attach(partition, behind).await.expect("it answers");
        }
        reader
    }

    fn take(&mut self, event: Event) {
        let last = self.checkpoints.get(&event.partition);
        let expected = last.map_or(0, |last| last.sequence + 1);
        assert_eq!(event.sequence, expected, "after {last:?} came {event:?}");
        let place = |offset: &str| offset.parse::<u64>().expect("offsets are numbers here");
        let further = last.is_none_or(|last| place(&last.offset) < place(&event.offset));
        assert!(further, "after {last:?} came {event:?}");
        let checkpoint = Checkpoint {
            offset: event.offset,
            sequence: event.sequence,
        };
        self.checkpoints.insert(event.partition, checkpoint);
        self.events += 1;
        let body: Value = serde_json::from_slice(&event.body).unwrap_or_default();
        if let Some(number) = body["number"].as_u64() {
            assert!(number > self.newest, "{number} came after {}", self.newest);
            self.newest = number;
            self.numbers.insert(number);
        }
    }
}
