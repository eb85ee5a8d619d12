//! What there is to know of an event hub, by its `$management` node.

use std::time::Duration;

use bytes::BytesMut;
use hub_proto::sas::{SymmetricKey, Unsigned};
use jiff::Timestamp;
use tokio::time::timeout;

use super::connection::{ATTACH, CLOSE, DETACH, END, FLOW, TRANSFER};
use super::encoding::{Field, frame, frame_with};
use super::endpoint::EventEndpoint;
use super::error::EventsError;
use super::value::Value;
use super::{CREDIT, EventReader, WINDOW};

const NODE: &str = "$management";
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long the token of a question holds, in seconds.
const TOKEN_LIFE: i64 = 3600;

impl EventReader {
    /// The event hub's partitions. To be asked before any is read.
    ///
    /// # Errors
    /// [`EventsError::Refused`] when there is no such event hub, and when the connection breaks.
    pub async fn partitions(
        &mut self,
        endpoint: &EventEndpoint,
    ) -> Result<Vec<usize>, EventsError> {
        let asked = timeout(ANSWER_WITHIN, self.ask(endpoint)).await;
        let answer = asked.map_err(|_| EventsError::Connection(transport::Error::Silent))??;
        read(&answer)
    }

    /// Sends a question as soon as the node takes one, and waits for its answer.
    async fn ask(&mut self, endpoint: &EventEndpoint) -> Result<BytesMut, EventsError> {
        let (asking, hearing) = (self.next_handle, self.next_handle + 1);
        self.next_handle += 2;
        let names = [asking, hearing].map(|handle| format!("management-{handle}"));
        let node = [Field::Text(NODE)];
        let reply_to = [Field::Text(&names[1])];
        let out = self.connection.out();
        for (name, handle, receives) in [(&names[0], asking, false), (&names[1], hearing, true)] {
            let (source, target) = match receives {
                true => (&node, &reply_to),
                false => (&reply_to, &node),
            };
            let attach = [
                Field::Text(name),
                Field::Uint(handle),
                Field::Bool(receives),
                Field::Ubyte(1),
                Field::Ubyte(0),
                Field::Described(0x28, source),
                Field::Described(0x29, target),
                Field::Null,
                Field::Null,
                Field::Uint(0),
            ];
            frame(out, 0, ATTACH, &attach);
        }
        let mut theirs = [None, None];
        let mut answer = BytesMut::new();
        loop {
            let frame = self.connection.next_frame().await?;
            match frame.code {
                ATTACH => {
                    let name = frame.fields.first().and_then(Value::text);
                    if let Some(end) = names.iter().position(|own| Some(own.as_str()) == name) {
                        theirs[end] = frame.number(1);
                    }
                    if name == Some(&names[1]) {
                        self.allow(hearing).await?;
                    }
                }
                // The node says that it takes a question.
                FLOW if self.sent == 0 && theirs[0].is_some() && frame.number(4) == theirs[0] => {
                    self.send_question(endpoint, asking, &names[1]).await?;
                }
                TRANSFER => {
                    self.received = self.received.wrapping_add(1);
                    answer.extend_from_slice(&frame.payload);
                    if !matches!(frame.fields.get(5), Some(Value::Bool(true))) {
                        break;
                    }
                }
                DETACH => return Err(EventsError::ended(frame.fields.get(2))),
                END | CLOSE => return Err(EventsError::ended(frame.fields.first())),
                _ => {}
            }
        }
        for handle in [asking, hearing] {
            let detach = [Field::Uint(handle), Field::Bool(true)];
            frame(self.connection.out(), 0, DETACH, &detach);
        }
        self.connection.flush().await?;
        Ok(answer)
    }

    async fn allow(&mut self, handle: u32) -> Result<(), EventsError> {
        let flow = [
            Field::Uint(self.received),
            Field::Uint(WINDOW),
            Field::Uint(self.sent),
            Field::Uint(WINDOW),
            Field::Uint(handle),
            Field::Uint(0),
            Field::Uint(CREDIT),
        ];
        frame(self.connection.out(), 0, FLOW, &flow);
        self.connection.flush().await
    }

    async fn send_question(
        &mut self,
        endpoint: &EventEndpoint,
        handle: u32,
        reply_to: &str,
    ) -> Result<(), EventsError> {
        let transfer = [
            Field::Uint(handle),
            Field::Uint(self.sent),
            Field::Binary(b"question"),
            Field::Uint(0),
            Field::Bool(true),
        ];
        let properties = [
            Field::Text("question"),
            Field::Null,
            Field::Null,
            Field::Null,
            Field::Text(reply_to),
        ];
        let token = token(endpoint);
        let pairs = [
            ("operation", "READ"),
            ("name", &endpoint.event_hub),
            ("type", "com.microsoft:eventhub"),
            ("security_token", &token),
        ]
        .map(|(name, value)| (Field::Text(name), Field::Text(value)));
        let message = [
            Field::Described(0x73, &properties),
            Field::Section(0x74, &Field::Map(&pairs)),
        ];
        frame_with(self.connection.out(), 0, TRANSFER, &transfer, &message);
        self.sent = self.sent.wrapping_add(1);
        self.connection.flush().await
    }
}

/// Event Hubs signs with the key's text as it is handed around, not with what it stands for.
fn token(endpoint: &EventEndpoint) -> String {
    let audience = format!("sb://{}/{}", endpoint.host, endpoint.event_hub);
    let expiry = Timestamp::now().as_second().saturating_add(TOKEN_LIFE);
    Unsigned::new(&audience, expiry)
        .with_policy(endpoint.policy.as_str())
        .sign(&SymmetricKey::from_bytes(endpoint.key.as_bytes()))
}

fn read(answer: &BytesMut) -> Result<Vec<usize>, EventsError> {
    const UNREADABLE: EventsError = EventsError::Protocol("an answer cannot be read");
    let mut sections = answer.clone().freeze();
    let (mut status, mut description, mut ids) = (None, String::new(), None);
    while !sections.is_empty() {
        let Some(Value::Described(section, content)) = Value::take(&mut sections) else {
            return Err(UNREADABLE);
        };
        match section.number() {
            Some(0x74) => {
                let entry = |names: [&str; 2]| names.iter().find_map(|name| content.entry(name));
                status = entry(["status-code", "statusCode"]).and_then(Value::signed);
                let said = entry(["status-description", "statusDescription"]);
                description = said.and_then(Value::simple).unwrap_or_default();
            }
            Some(0x77) => ids = content.entry("partition_ids").cloned(),
            _ => {}
        }
    }
    if status != Some(200) {
        let status = status.unwrap_or_default();
        return Err(EventsError::Refused {
            status,
            description,
        });
    }
    let ids = ids.ok_or(UNREADABLE)?;
    let ids = ids.fields().iter().map(|id| id.text()?.parse().ok());
    ids.collect::<Option<_>>().ok_or(UNREADABLE)
}
