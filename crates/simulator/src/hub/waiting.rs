//! What can be waited for: a condition, held against the hub as it is now and what came and went since.
//!
//! **Invariant:** a condition that was true since the moment that is asked about is found, if it is of a kind that
//! passes: events, comings and goings. The others are about how things are.

use hub_proto::identity::Identity;
use serde_json::{Value, json};

use super::Hub;
use super::comings::Coming;
use crate::events::{EventFilter, same};
use crate::registry::Filter;

/// A point in what happens: the number of the next event, and that of the next coming or going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) event: u64,
    pub(crate) coming: u64,
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.event, self.coming)
    }
}

/// Whom a condition is about, where anybody will do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subject {
    pub(crate) device: Option<String>,
    pub(crate) module: Option<String>,
}

impl Subject {
    /// A device alone does not mean its modules.
    fn covers(&self, identity: &Identity) -> bool {
        self.device
            .as_deref()
            .is_none_or(|device| device == identity.device_id())
            && match &self.module {
                Some(module) => identity.module_id() == Some(module),
                None => self.device.is_none() || identity.module_id().is_none(),
            }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.device, &self.module) {
            (None, None) => f.write_str("anybody"),
            (None, Some(module)) => write!(f, "any device's module {module}"),
            (Some(device), None) => f.write_str(device),
            (Some(device), Some(module)) => write!(f, "{device}/{module}"),
        }
    }
}

/// What is waited for, of what the hub knows.
#[derive(Debug)]
pub(crate) enum Condition {
    /// Connected now, or since a coming with that number.
    Connected(Subject, Option<u64>),
    /// Not connected now, or having left since.
    Disconnected(Subject, Option<u64>),
    /// Connected, and listening for direct methods.
    MethodSubscribed(Subject),
    /// Reported properties have values at these places.
    Reported(Identity, Vec<(String, Option<Value>)>),
    /// Nothing waits for the device, nor in it if it is an edge device.
    QueueEmpty(Identity),
    /// So many events from a number on.
    Event {
        /// As routes name it.
        endpoint: String,
        filter: Box<EventFilter>,
        from: u64,
        count: usize,
        found: Vec<Value>,
    },
}

/// What a look found.
#[derive(Debug)]
pub(crate) enum Looked {
    /// It is so; and the moment from which on nothing of it is seen again.
    Met(Value, Moment),
    /// It is not: what is missing, and what there is.
    Not(String, Value),
    /// It can no longer be told.
    Forgotten,
}

impl Hub {
    /// Now.
    pub(crate) fn moment(&self) -> Moment {
        self.lock().moment()
    }

    /// Holds a condition against how things are. One about events remembers how far it has read.
    pub(crate) async fn look(&self, condition: &mut Condition) -> Looked {
        match condition {
            Condition::Connected(subject, since) => self.look_for_coming(subject, *since, true),
            Condition::Disconnected(subject, since) => self.look_for_coming(subject, *since, false),
            Condition::MethodSubscribed(subject) => self.look_for_subscription(subject),
            Condition::Reported(identity, wanted) => self.look_at_reported(identity, wanted),
            Condition::QueueEmpty(identity) => self.look_at_queue(identity),
            Condition::Event {
                endpoint,
                filter,
                from,
                count,
                found,
            } => {
                let coming = self.moment().coming;
                let most = *count - found.len();
                let found_now = self.search(endpoint, *from, filter, most);
                let Some((more, next)) = found_now.await else {
                    return Looked::Forgotten;
                };
                found.extend(more);
                *from = next;
                if found.len() == *count {
                    let after = Moment {
                        event: next,
                        coming,
                    };
                    return Looked::Met(json!({"events": found}), after);
                }
                let missing = match *count {
                    1 => "no such event came".to_owned(),
                    count => format!("{} of {count} such events came", found.len()),
                };
                Looked::Not(missing, json!({"events": found}))
            }
        }
    }

    fn look_for_coming(&self, subject: &Subject, since: Option<u64>, came: bool) -> Looked {
        let core = self.lock();
        if let Some(since) = since {
            let Some(mut noted) = core.comings.since(since) else {
                return Looked::Forgotten;
            };
            let meant = noted
                .find(|noted| subject.covers(&noted.who) && (noted.what == Coming::Came) == came);
            if let Some(noted) = meant {
                let reason = match &noted.what {
                    Coming::Came => Value::Null,
                    Coming::Left(reason) => reason.as_str().into(),
                };
                let after = Moment {
                    coming: noted.number + 1,
                    ..core.moment()
                };
                let seen = json!({
                    "deviceId": noted.who.device_id(),
                    "moduleId": noted.who.module_id(),
                    "time": noted.at,
                    "reason": reason,
                });
                return Looked::Met(seen, after);
            }
            let what = if came { "connected" } else { "disconnected" };
            return Looked::Not(format!("{subject} has not {what} since"), Value::Null);
        }
        let live = core.live.iter().find(|(who, _)| subject.covers(who));
        match (live, came) {
            (Some((who, live)), came) => {
                let seen = json!({
                    "deviceId": who.device_id(), "moduleId": who.module_id(), "time": live.since,
                });
                if came {
                    Looked::Met(seen, core.moment())
                } else {
                    Looked::Not(format!("{who} is connected, since {}", live.since), seen)
                }
            }
            (None, false) => {
                let seen = json!({"deviceId": subject.device, "moduleId": subject.module});
                Looked::Met(seen, core.moment())
            }
            (None, true) => Looked::Not(core.absence(subject), Value::Null),
        }
    }

    fn look_for_subscription(&self, subject: &Subject) -> Looked {
        let core = self.lock();
        let mut live = core
            .live
            .keys()
            .filter(|who| subject.covers(who))
            .peekable();
        if live.peek().is_none() {
            return Looked::Not(core.absence(subject), Value::Null);
        }
        let listening = live.find(|who| {
            let client = core.client(who);
            client.is_some_and(|client| client.subscription(Filter::MethodRequests).is_some())
        });
        match listening {
            Some(who) => {
                let seen = json!({"deviceId": who.device_id(), "moduleId": who.module_id()});
                Looked::Met(seen, core.moment())
            }
            None => Looked::Not(
                format!("{subject} is connected, and has not subscribed to direct methods"),
                Value::Null,
            ),
        }
    }

    fn look_at_reported(&self, who: &Identity, wanted: &[(String, Option<Value>)]) -> Looked {
        let core = self.lock();
        let Some(client) = core.client(who) else {
            return Looked::Not(format!("{who} is not registered"), Value::Null);
        };
        let reported = client.twin.reported();
        let version = reported.version();
        let reported = Value::Object(reported.value().clone());
        let seen = json!({"reported": reported, "version": version});
        let lacking = wanted.iter().find_map(|(pointer, value)| {
            let found = reported.pointer(pointer);
            match (found, value) {
                (None, _) => Some(format!("{who} has reported nothing at {pointer}")),
                (Some(found), Some(value)) if !same(found, value) => Some(format!(
                    "{who} has reported {found} at {pointer}, and {value} is waited for"
                )),
                _ => None,
            }
        });
        match lacking {
            Some(lacking) => Looked::Not(lacking, seen),
            None if wanted.is_empty()
                && reported.as_object().is_some_and(serde_json::Map::is_empty) =>
            {
                Looked::Not(format!("{who} has reported nothing"), seen)
            }
            None => Looked::Met(seen, core.moment()),
        }
    }

    fn look_at_queue(&self, who: &Identity) -> Looked {
        let core = self.lock();
        let Some(device) = core.registry.devices.get(who.device_id()) else {
            return Looked::Not(format!("{who} is not registered"), Value::Null);
        };
        let messages = device.queue.waiting.len();
        let in_edge = device
            .edge
            .as_deref()
            .map_or(0, crate::edge::EdgeStore::kept);
        let seen = json!({"cloudToDevice": messages, "edge": in_edge});
        if messages + in_edge == 0 {
            Looked::Met(seen, core.moment())
        } else {
            let missing =
                format!("{messages} messages wait for {who}, and {in_edge} in its edge hub");
            Looked::Not(missing, seen)
        }
    }
}

impl super::Core {
    fn moment(&self) -> Moment {
        Moment {
            event: self.events.next_sequence(),
            coming: self.comings.next(),
        }
    }

    /// Why nobody meant is connected, as far as can be told.
    fn absence(&self, subject: &Subject) -> String {
        let identity = subject
            .device
            .clone()
            .and_then(|device| Identity::new(device, subject.module.clone()).ok());
        let Some(identity) = identity else {
            return "nobody is connected".to_owned();
        };
        if self.client(&identity).is_none() {
            return format!("{identity} is not registered");
        }
        match self.comings.last_of(&identity) {
            Some(noted) => match &noted.what {
                Coming::Left(reason) => {
                    format!(
                        "{identity} is not connected; it left at {}: {reason}",
                        noted.at
                    )
                }
                Coming::Came => format!("{identity} is not connected"),
            },
            None => format!("{identity} is not connected, and was not before"),
        }
    }
}
