//! The connection log: who came, who went, and who was refused, with the reason and what helps.

use std::sync::Mutex;

use hub_proto::identity::Identity;
use jiff::Timestamp;
use serde::Serialize;

use super::Cause;
use super::ring::{About, Ring};
use crate::lock;

const OF_EACH: usize = 64;
const BYTES: usize = 2 << 20;
/// Longest text of an entry, in characters: much of a refusal is what a stranger wrote.
const LONGEST_TEXT: usize = 300;

/// What happened to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ConnectionState {
    /// It was let in.
    Connected,
    /// It went, or was sent away.
    Disconnected,
    /// It was not let in.
    Refused,
}

/// One entry of the connection log. Never holds a key or a token.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionEvent {
    /// When it happened, for the last time of several.
    pub time: Timestamp,
    /// Which device said it is the client; none where the client gave no name that is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// Which of its modules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module_id: Option<String>,
    /// What the client called itself, where that is no identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What happened.
    pub state: ConnectionState,
    /// Why, in a word that stays the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'static str>,
    /// Why, for people; empty for a connection.
    pub reason: String,
    /// What helps, where something is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<&'static str>,
    /// How many refusals of the same cause in a row this is.
    pub times: u32,
    /// When the first of them was.
    pub first: Timestamp,
}

#[derive(Debug, Clone)]
struct Entry {
    time: Timestamp,
    first: Timestamp,
    client: Option<String>,
    state: ConnectionState,
    cause: Option<Cause>,
    reason: String,
    times: u32,
}

/// The newest entries, and a lock of their own: a storm of connections does not wait for who reads.
#[derive(Debug)]
pub(crate) struct ConnectionLog(Mutex<Ring<Entry>>);

impl Default for ConnectionLog {
    fn default() -> Self {
        Self(Mutex::new(Ring::new(BYTES, OF_EACH)))
    }
}

impl ConnectionLog {
    pub(crate) fn connected(&self, who: &Identity, now: Timestamp) {
        self.push(
            Some(who.clone()),
            Entry::new(ConnectionState::Connected, None, "", now),
        );
    }

    pub(crate) fn disconnected(&self, who: &Identity, cause: Cause, reason: &str, now: Timestamp) {
        let entry = Entry::new(ConnectionState::Disconnected, Some(cause), reason, now);
        self.push(Some(who.clone()), entry);
    }

    /// A client that called itself `client` was not let in; one that gave no name passes the empty text.
    pub(crate) fn refused(&self, client: &str, cause: Cause, reason: &str, now: Timestamp) {
        let about: About = client.parse().ok();
        let name = (about.is_none() && !client.is_empty()).then(|| shortened(client));
        let mut ring = lock(&self.0);
        // Who is refused tries again: a hundred times the same is one thing to read.
        if let Some(last) = ring.newest_mut(&about)
            && last.state == ConnectionState::Refused
            && last.cause == Some(cause)
            && last.client == name
        {
            last.times = last.times.saturating_add(1);
            last.time = now;
            last.reason = shortened(reason);
            return;
        }
        let entry = Entry {
            client: name,
            ..Entry::new(ConnectionState::Refused, Some(cause), reason, now)
        };
        let bytes = entry.bytes();
        ring.push(about, bytes, entry);
    }

    fn push(&self, about: About, entry: Entry) {
        lock(&self.0).push(about, entry.bytes(), entry);
    }

    /// Newest first, and no more than `most`: of a device with its modules, or of everybody.
    pub(crate) fn newest(&self, device: Option<&Identity>, most: usize) -> Vec<ConnectionEvent> {
        let ring = lock(&self.0);
        match device {
            Some(device) => {
                let entries = ring.of_device(device).into_iter();
                entries.take(most).map(shown).collect()
            }
            None => ring.all().take(most).map(shown).collect(),
        }
    }
}

impl Entry {
    fn new(state: ConnectionState, cause: Option<Cause>, reason: &str, now: Timestamp) -> Self {
        Self {
            time: now,
            first: now,
            client: None,
            state,
            cause,
            reason: shortened(reason),
            times: 1,
        }
    }

    fn bytes(&self) -> usize {
        self.reason.len() + self.client.as_ref().map_or(0, String::len)
    }
}

fn shown((about, entry): (&About, &Entry)) -> ConnectionEvent {
    let (about, entry) = (about.as_ref(), entry.clone());
    ConnectionEvent {
        time: entry.time,
        device_id: about.map(|about| about.device_id().to_owned()),
        module_id: about.and_then(|about| about.module_id().map(str::to_owned)),
        client: entry.client,
        state: entry.state,
        cause: entry.cause.map(Cause::word),
        reason: entry.reason,
        cure: entry.cause.and_then(Cause::cure),
        times: entry.times,
        first: entry.first,
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn refusals_in_a_row_are_one_entry() {
        let log = ConnectionLog::default();
        let device = Identity::device("pump7").expect("an id");
        log.refused("pump7", Cause::Expired, "10 s ago", at(10));
        log.refused("pump7", Cause::Expired, "20 s ago", at(20));
        log.refused("pump7", Cause::WrongKey, "another key", at(30));
        log.connected(&device, at(40));
        log.refused("pump7", Cause::WrongKey, "another key", at(50));
        let told: Vec<_> = log
            .newest(Some(&device), 9)
            .into_iter()
            .map(|event| {
                (
                    event.cause,
                    event.times,
                    event.reason,
                    event.first,
                    event.time,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (
                    Some("wrongKey"),
                    1,
                    "another key".to_owned(),
                    at(50),
                    at(50)
                ),
                (None, 1, String::new(), at(40), at(40)),
                (
                    Some("wrongKey"),
                    1,
                    "another key".to_owned(),
                    at(30),
                    at(30)
                ),
                (
                    Some("tokenExpired"),
                    2,
                    "20 s ago".to_owned(),
                    at(10),
                    at(20)
                ),
            ]
        );
    }

    #[test]
    fn names_that_are_no_identities_are_told_and_kept_short() {
        let log = ConnectionLog::default();
        log.refused("", Cause::Tls, "no", at(1));
        log.refused(&"no identity ".repeat(1000), Cause::UserName, "no", at(2));
        let all = log.newest(None, 9);
        assert_eq!(all.len(), 2, "different names are different refusals");
        let name = all[0].client.as_ref().expect("a name");
        assert_eq!(name.chars().count(), LONGEST_TEXT + 1);
        assert_eq!((&all[1].client, &all[1].device_id), (&None, &None));
    }

    #[test]
    fn a_device_is_told_with_its_modules() {
        let log = ConnectionLog::default();
        let module = Identity::module("edge", "m").expect("ids");
        log.connected(&module, at(1));
        log.connected(&module.parent(), at(2));
        log.disconnected(&module, Cause::Lost, "gone", at(3));
        log.connected(&Identity::device("edge2").expect("an id"), at(4));
        let told = log.newest(Some(&module.parent()), 9);
        assert_eq!(told.len(), 3);
        assert_eq!(told[0].module_id.as_deref(), Some("m"));
        assert!(told[0].cure.is_some());
        assert_eq!(log.newest(None, 2).len(), 2);
    }
}
