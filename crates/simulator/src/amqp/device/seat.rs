//! One identity on a connection: what it signed in with, and whether it is there.

use bytes::Bytes;
use hub_proto::sas::CLOCK_SKEW;
use hub_proto::topic;
use jiff::{SignedDuration, Timestamp};

use super::fault::kept;
use super::inbound::{self, Question};
use super::{Fault, Heard};
use crate::amqp::address::Channel;
use crate::amqp::message::Message;
use crate::amqp::value::Value;
use crate::hub::{Attached, Hub};
use crate::mailbox::Delivery;
use crate::registry::Filter;

/// Questions to a twin that may wait for their answers; those that are older are given up.
const MAX_QUESTIONS: usize = 64;

/// A token that was checked, to be checked again by the hub when its owner connects.
#[derive(Debug)]
pub(super) struct Proven {
    pub(super) host: String,
    pub(super) token: String,
    pub(super) until: Timestamp,
}

impl Proven {
    pub(super) fn new(host: &str, token: &str, expires: Timestamp, now: Timestamp) -> Self {
        Self {
            host: host.to_owned(),
            token: token.to_owned(),
            until: end_of(expires, now),
        }
    }
}

/// A token is good to its last second; one that is let in within the skew is good to the skew's end.
pub(super) fn end_of(expires: Timestamp, now: Timestamp) -> Timestamp {
    if expires > now {
        return expires;
    }
    expires
        .checked_add(SignedDuration::from_secs(CLOCK_SKEW))
        .unwrap_or(Timestamp::MAX)
}

#[derive(Debug, Default)]
pub(super) struct Seat {
    /// Its own token, where it has one.
    pub(super) proven: Option<Proven>,
    place: Option<Place>,
    pub(super) questions: Questions,
}

/// A connected client's place in the hub.
#[derive(Debug)]
struct Place {
    attached: Attached,
    /// When that by which it came in ends.
    until: Timestamp,
}

impl Seat {
    pub(super) fn sit(&mut self, attached: Attached, until: Timestamp) {
        self.place = Some(Place { attached, until });
    }

    pub(super) fn stand_up(&mut self) -> Option<Attached> {
        self.questions = Questions::default();
        self.place.take().map(|place| place.attached)
    }

    pub(super) fn attached(&self) -> Option<&Attached> {
        self.place.as_ref().map(|place| &place.attached)
    }

    pub(super) fn is_taken(&self) -> bool {
        self.place.is_some()
    }

    /// Whether its token opens something still.
    pub(super) fn is_proven(&self, now: Timestamp) -> bool {
        self.proven
            .as_ref()
            .is_some_and(|proven| proven.until > now)
    }

    /// A token for everybody goes on for longer.
    pub(super) fn renew(&mut self, for_everybody: &Proven) {
        if let (None, Some(place)) = (&self.proven, &mut self.place) {
            place.until = for_everybody.until;
        }
    }

    /// When its right to be here ends.
    pub(super) fn end(&self) -> Option<Timestamp> {
        match (&self.proven, &self.place) {
            (Some(proven), _) => Some(proven.until),
            (None, place) => place.as_ref().map(|place| place.until),
        }
    }

    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.end().is_some_and(|end| end <= now)
    }

    /// Takes what its owner sent.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn take(
        &mut self,
        hub: &Hub,
        channel: Channel,
        messages: Vec<Message>,
        now: Timestamp,
    ) -> Result<Heard, Fault> {
        match channel {
            Channel::Events => self.telemetry(hub, messages, now),
            Channel::Methods => {
                let answers = messages.into_iter().map(inbound::method_response);
                let answers = answers.collect::<Result<Vec<_>, _>>()?;
                self.publish(hub, &answers).map(|()| Heard::Now)
            }
            Channel::Twin => {
                for message in messages {
                    self.ask(hub, message)?;
                }
                Ok(Heard::Now)
            }
            Channel::Bound => {
                let text = "Nothing is written here.";
                Err(Fault::new("amqp:not-allowed", text))
            }
        }
    }

    /// All of a batch, or nothing of it.
    fn telemetry(
        &mut self,
        hub: &Hub,
        messages: Vec<Message>,
        now: Timestamp,
    ) -> Result<Heard, Fault> {
        let Some(attached) = self.attached() else {
            return Ok(Heard::Never);
        };
        let read = messages
            .into_iter()
            .map(|message| inbound::telemetry(&attached.identity, message));
        let messages = read.collect::<Result<Vec<_>, _>>()?;
        let mut batch = hub.batch(attached);
        for (topic, body) in &messages {
            batch
                .publish(topic, body, false)
                .map_err(inbound::refused)?;
        }
        let acks = batch.ack_policy();
        if acks.drop_next {
            batch.note_dropped_ack();
        }
        kept(batch.commit())?;
        Ok(if acks.drop_next {
            Heard::Never
        } else if acks.delay.is_zero() {
            Heard::Now
        } else {
            let delay = SignedDuration::try_from(acks.delay).unwrap_or(SignedDuration::MAX);
            Heard::At(now.checked_add(delay).unwrap_or(Timestamp::MAX))
        })
    }

    fn publish(&self, hub: &Hub, messages: &[(String, Bytes)]) -> Result<(), Fault> {
        let Some(attached) = self.attached() else {
            return Ok(());
        };
        let mut batch = hub.batch(attached);
        for (topic, body) in messages {
            batch
                .publish(topic, body, false)
                .map_err(inbound::refused)?;
        }
        kept(batch.commit())
    }

    /// Asks its owner's twin.
    fn ask(&mut self, hub: &Hub, message: Message) -> Result<(), Fault> {
        let (id, question) = inbound::question(message)?;
        let rid = self.questions.begin(id);
        let Some(attached) = self.attached() else {
            return Ok(());
        };
        let answer = |status, payload| {
            attached.mailbox.push(Delivery {
                topic: topic::twin_response(status, &rid, None),
                payload,
                settles: None,
                duplicate: false,
            });
        };
        match question {
            Question::Get => self.publish(hub, &[(topic::twin_get(&rid), Bytes::new())]),
            Question::Report(patch) => self.publish(hub, &[(topic::reported_patch(&rid), patch)]),
            Question::Watch(watched) => {
                let mut batch = hub.batch(attached);
                match watched {
                    true => batch.listen(Filter::DesiredPatches),
                    false => batch.listen_only(|filter| filter != Filter::DesiredPatches),
                }
                kept(batch.commit())?;
                answer(200, Bytes::new());
                Ok(())
            }
            Question::Unknown(why) => {
                answer(400, inbound::failure(why));
                Ok(())
            }
        }
    }
}

/// Questions to a twin under way: this side's numbers for the peer's own ids.
#[derive(Debug, Default)]
pub(super) struct Questions {
    next: u32,
    waiting: Vec<(u32, Value)>,
}

impl Questions {
    fn begin(&mut self, id: Value) -> String {
        self.next = self.next.wrapping_add(1);
        if self.waiting.len() == MAX_QUESTIONS {
            self.waiting.remove(0);
        }
        self.waiting.push((self.next, id));
        format!("{:x}", self.next)
    }

    /// The peer's own id of the question that is answered.
    pub(super) fn end(&mut self, rid: &str) -> Option<Value> {
        let number = u32::from_str_radix(rid, 16).ok()?;
        let mut waiting = self.waiting.iter();
        let at = waiting.position(|(other, _)| *other == number)?;
        Some(self.waiting.remove(at).1)
    }
}
