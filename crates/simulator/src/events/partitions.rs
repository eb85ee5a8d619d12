//! The log as the Event Hubs-compatible endpoint shows it: four partitions, each with a numbering of its own.
//!
//! A partition is a view. A device's events are always in the same one; an event's offset there is its number in the
//! whole log, so that an offset leads straight to its place, and its sequence number counts the partition's own events
//! without a gap.

use serde::{Deserialize, Serialize};

use super::{Chunk, Event, EventLog};

/// As a hub has them unless it was made with another number.
pub(crate) const PARTITIONS: usize = 4;

/// How far a partition has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Partition {
    /// Sequence number of the next event.
    pub(crate) next: u64,
    /// Offset of the newest event; 0 before there was any.
    pub(crate) last_offset: u64,
    /// When the newest event was taken, in milliseconds of Unix time; meaningless before there was any.
    pub(crate) last_enqueued_ms: i64,
}

impl Partition {
    pub(crate) const NEW: Self = Self {
        next: 0,
        last_offset: 0,
        last_enqueued_ms: 0,
    };
}

/// An event in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed<'a> {
    pub(crate) offset: u64,
    pub(crate) sequence: u64,
    pub(crate) event: Event<'a>,
}

/// The partition of all events of a device.
pub(crate) fn partition_of(device: &str) -> usize {
    crc32fast::hash(device.as_bytes()) as usize % PARTITIONS
}

impl EventLog {
    /// How far each partition has come.
    pub(crate) fn partitions(&self) -> &[Partition; PARTITIONS] {
        &self.partitions
    }

    /// Continues where a snapshot left off.
    pub(crate) fn resume_partitions(&mut self, kept: &[Partition]) {
        for (own, kept) in self.partitions.iter_mut().zip(kept) {
            if (kept.next, kept.last_offset) > (own.next, own.last_offset) {
                *own = *kept;
            }
        }
    }

    /// Sequence number of the oldest event kept in a partition, or of the next where none is.
    pub(crate) fn first_in(&self, partition: usize) -> u64 {
        let oldest = self.chunks.front();
        oldest.map_or(self.partitions[partition].next, |chunk| {
            chunk.first_in[partition]
        })
    }

    /// The events kept of one partition that have an offset of at least `offset`, oldest first; between them nothing
    /// for each event of another partition, so that a reader can stop after so many.
    pub(crate) fn read_partition(
        &self,
        partition: usize,
        offset: u64,
    ) -> impl Iterator<Item = (u64, Option<Placed<'_>>)> {
        let skipped = self
            .chunks
            .partition_point(|chunk| chunk.first + chunk.count <= offset);
        self.chunks
            .range(skipped..)
            .flat_map(move |chunk| chunk.iter_partition(partition))
            .skip_while(move |(number, _)| *number < offset)
    }

    pub(super) fn count_in(&mut self, event: &Event<'_>) {
        self.partitions[partition_of(event.device)] = Partition {
            next: self.partitions[partition_of(event.device)].next + 1,
            last_offset: self.next - 1,
            last_enqueued_ms: event.enqueued_ms,
        };
    }
}

impl Chunk {
    fn iter_partition(&self, partition: usize) -> impl Iterator<Item = (u64, Option<Placed<'_>>)> {
        let mut next = self.first_in[partition];
        self.iter().map(move |(offset, event)| {
            let own = partition_of(event.device) == partition;
            let placed = own.then(|| {
                next += 1;
                Placed {
                    offset,
                    sequence: next - 1,
                    event,
                }
            });
            (offset, placed)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::tests::message;

    fn placed(log: &EventLog, partition: usize, offset: u64) -> Vec<(u64, u64)> {
        log.read_partition(partition, offset)
            .filter_map(|(_, placed)| placed.map(|placed| (placed.offset, placed.sequence)))
            .collect()
    }

    #[test]
    fn every_event_is_in_one_partition_and_numbered_there_without_a_gap() {
        let mut log = EventLog::new(1 << 20);
        let body = [b'x'; 500];
        for number in 0..1000 {
            log.append(&message(&format!("device{}", number % 37), &body));
        }
        let mut offsets = Vec::new();
        for partition in 0..PARTITIONS {
            let all = placed(&log, partition, 0);
            assert!(all.len() > 50, "devices spread: {}", all.len());
            assert!(
                all.iter()
                    .map(|(_, sequence)| *sequence)
                    .eq(0..all.len() as u64)
            );
            assert_eq!(log.partitions()[partition].next, all.len() as u64);
            assert_eq!(
                Some(log.partitions()[partition].last_offset),
                all.last().map(|(offset, _)| *offset)
            );
            let (middle, _) = all[all.len() / 2];
            assert_eq!(placed(&log, partition, middle), all[all.len() / 2..]);
            offsets.extend(all.into_iter().map(|(offset, _)| offset));
        }
        offsets.sort_unstable();
        assert!(offsets.into_iter().eq(1..=1000));
    }

    #[test]
    fn numbers_go_on_where_the_oldest_are_forgotten() {
        let mut log = EventLog::new(256 << 10);
        let body = vec![b'x'; 10_000];
        for _ in 0..100 {
            log.append(&message("pump7", &body));
        }
        let partition = partition_of("pump7");
        let kept = placed(&log, partition, 0);
        assert!(kept.len() < 40, "{}", kept.len());
        assert_eq!(
            kept.first().map(|(_, sequence)| *sequence),
            Some(log.first_in(partition))
        );
        assert_eq!(kept.last(), Some(&(100, 99)));
    }

    #[test]
    fn no_number_comes_twice_after_a_restart() {
        let mut log = EventLog::new(1 << 20);
        log.append(&message("pump7", b"before"));
        let kept = *log.partitions();
        let mut restarted = EventLog::new(1 << 20);
        restarted.resume_at(log.next_sequence());
        restarted.resume_partitions(&kept);
        restarted.append(&message("pump7", b"after"));
        assert_eq!(placed(&restarted, partition_of("pump7"), 0), [(2, 1)]);
    }
}
