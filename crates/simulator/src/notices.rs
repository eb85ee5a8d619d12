//! Notices to back ends: feedback on cloud-to-device messages, and files that devices have uploaded. Told the time.
//!
//! A notice is handed out under a lock and stays until it is settled, an hour has passed, or it was handed out too
//! often. Records of feedback share a notice while nobody has seen it yet, up to [`MAX_RECORDS`].
//!
//! **Invariant:** what is kept depends on the changes alone; locks and counts of deliveries are not kept.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::hold::Hold;

/// How long a notice is worth something: `ttlAsIso8601`, one hour unless it is set.
const LIFE: Duration = Duration::from_secs(3600);
/// Records of feedback in one message, as the hub batches them.
const MAX_RECORDS: usize = 64;
/// Records kept of a kind that nobody collects; the oldest notice goes for a new one.
const MAX_WAITING: usize = 10_000;

/// What a notice is about, and so which queue it waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Channel {
    /// What became of cloud-to-device messages: `messages/serviceBound/feedback`.
    Feedback,
    /// Files that devices uploaded: `messages/serviceBound/filenotifications`.
    Files,
}

impl Channel {
    /// The last segment of its address.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Feedback => "feedback",
            Self::Files => "filenotifications",
        }
    }

    /// The content type of its messages over AMQP.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Feedback => "application/vnd.microsoft.iothub.feedback.json",
            Self::Files => "application/vnd.microsoft.iothub.filenotification.json",
        }
    }

    /// The channel that a segment of an address names, in any case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Feedback, Self::Files]
            .into_iter()
            .find(|channel| channel.name().eq_ignore_ascii_case(name))
    }
}

/// Both queues.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Notices {
    feedback: Queue,
    files: Queue,
}

/// Notices that wait, oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Queue {
    waiting: VecDeque<Notice>,
    next: u64,
}

/// One message to back ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Notice {
    sequence: u64,
    enqueued_ms: i64,
    records: Vec<Value>,
    #[serde(skip)]
    hold: Hold,
}

/// A record on its way into a queue, with the notice it becomes part of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NewRecord {
    notice: u64,
    record: Value,
    at: Timestamp,
}

/// A notice as it is handed out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Handed {
    /// What settles it, or gives it back.
    pub(crate) token: Uuid,
    pub(crate) sequence: u64,
    pub(crate) enqueued: Timestamp,
    /// How often it was handed out, this time included.
    pub(crate) deliveries: u32,
    pub(crate) body: Value,
}

impl Notices {
    /// Takes the place of others, whose numbers do not come again.
    pub(crate) fn go_on_from(&mut self, replaced: &Self) {
        for (own, known) in [
            (&mut self.feedback, &replaced.feedback),
            (&mut self.files, &replaced.files),
        ] {
            own.next = own.next.max(known.next);
        }
    }

    pub(crate) fn of(&self, channel: Channel) -> &Queue {
        match channel {
            Channel::Feedback => &self.feedback,
            Channel::Files => &self.files,
        }
    }

    pub(crate) fn of_mut(&mut self, channel: Channel) -> &mut Queue {
        match channel {
            Channel::Feedback => &mut self.feedback,
            Channel::Files => &mut self.files,
        }
    }

    /// Addresses a record: feedback joins a notice that nobody has seen, and a file has one of its own.
    pub(crate) fn address(&self, channel: Channel, record: Value, at: Timestamp) -> NewRecord {
        let queue = self.of(channel);
        let open = queue.waiting.back().filter(|last| {
            channel == Channel::Feedback
                && last.hold.deliveries() == 0
                && last.records.len() < MAX_RECORDS
        });
        let notice = open.map_or(queue.next, |open| open.sequence);
        NewRecord { notice, record, at }
    }

    /// Hands out the oldest notice that nobody holds.
    pub(crate) fn hand_out(
        &mut self,
        channel: Channel,
        token: Uuid,
        now: Timestamp,
    ) -> Option<Handed> {
        let now_ms = now.as_millisecond();
        let queue = self.of_mut(channel);
        let notice = queue
            .waiting
            .iter_mut()
            .find(|notice| !notice.hold.is_held(now_ms) && !notice.is_over(now_ms))?;
        notice.hold.take(token, now_ms);
        Some(Handed {
            token,
            sequence: notice.sequence,
            enqueued: Timestamp::from_millisecond(notice.enqueued_ms).unwrap_or(now),
            deliveries: notice.hold.deliveries(),
            body: match channel {
                Channel::Feedback => notice.records.clone().into(),
                Channel::Files => notice.records.first().cloned().unwrap_or_default(),
            },
        })
    }
}

impl Queue {
    pub(crate) fn add(&mut self, new: NewRecord) {
        match self.waiting.back_mut() {
            Some(last) if last.sequence == new.notice => last.records.push(new.record),
            _ => {
                let records: usize = self.waiting.iter().map(|n| n.records.len()).sum();
                if records >= MAX_WAITING {
                    self.waiting.pop_front();
                }
                self.next = new.notice + 1;
                self.waiting.push_back(Notice {
                    sequence: new.notice,
                    enqueued_ms: new.at.as_millisecond(),
                    records: vec![new.record],
                    hold: Hold::default(),
                });
            }
        }
    }

    pub(crate) fn remove(&mut self, sequence: u64) {
        self.waiting.retain(|notice| notice.sequence != sequence);
    }

    /// Whether anything waits, held or not.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The notice that `token` holds now.
    pub(crate) fn held_by(&self, token: Uuid, now: Timestamp) -> Option<u64> {
        let now_ms = now.as_millisecond();
        let mut waiting = self.waiting.iter();
        let held = waiting.find(|notice| notice.hold.is_held_by(token, now_ms))?;
        Some(held.sequence)
    }

    /// Gives a notice back.
    pub(crate) fn release(&mut self, sequence: u64) {
        let mut waiting = self.waiting.iter_mut();
        if let Some(notice) = waiting.find(|notice| notice.sequence == sequence) {
            notice.hold.release();
        }
    }

    /// Gives back what was held too long; says whether anything was.
    pub(crate) fn lapse(&mut self, now: Timestamp) -> bool {
        let now_ms = now.as_millisecond();
        let lapsed = self.waiting.iter_mut().map(|n| n.hold.lapse(now_ms));
        lapsed.fold(false, |any, lapsed| any | lapsed)
    }

    /// The notices whose time is over, or that nobody wanted often enough.
    pub(crate) fn over(&self, now: Timestamp) -> Vec<u64> {
        let now_ms = now.as_millisecond();
        let over = self.waiting.iter().filter(|n| n.is_over(now_ms));
        over.map(|notice| notice.sequence).collect()
    }
}

impl Notice {
    fn is_over(&self, now_ms: i64) -> bool {
        let expires_ms = self.enqueued_ms.saturating_add(LIFE.as_millis() as i64);
        self.hold.is_spent(now_ms) || now_ms >= expires_ms && !self.hold.is_held(now_ms)
    }
}

#[cfg(test)]
mod tests;
