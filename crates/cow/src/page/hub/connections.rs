//! The connection log of a device, as a part of its page.

use askama::Template;
use simulator::{ConnectionEvent, ConnectionState};

use super::moment;

/// Entries shown.
pub(super) const MOST: usize = 40;

#[derive(Template)]
#[template(path = "hub/connections.html")]
pub(super) struct Connections {
    entries: Vec<Entry>,
}

struct Entry {
    /// Stays the same while an entry is the same thing that happened.
    key: String,
    at: String,
    state: &'static str,
    word: &'static str,
    /// The module, or what a client called itself.
    who: String,
    reason: String,
    cure: &'static str,
    times: u32,
    first: String,
}

impl Connections {
    pub(super) fn of(log: Vec<ConnectionEvent>) -> Self {
        Self {
            entries: log.into_iter().map(entry).collect(),
        }
    }
}

fn entry(event: ConnectionEvent) -> Entry {
    let (state, word) = match event.state {
        ConnectionState::Connected => ("connected", "connected"),
        ConnectionState::Disconnected => ("away", "went"),
        ConnectionState::Refused => ("refused", "refused"),
    };
    Entry {
        key: format!("{}-{state}", event.first),
        at: moment(event.time),
        state,
        word,
        who: event.module_id.or(event.client).unwrap_or_default(),
        reason: event.reason,
        cure: event.cure.unwrap_or_default(),
        times: event.times,
        first: moment(event.first),
    }
}
