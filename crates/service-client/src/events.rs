//! Events of a hub, from its Event Hubs-compatible endpoint, over AMQP 1.0.
//!
//! It signs in with the policy's key (SASL PLAIN), gives credit as events are taken, and takes each delivery as settled:
//! how far a partition was read is the caller's to keep, as [`Event::offset`].

mod connection;
mod encoding;
mod endpoint;
mod error;
mod event;
mod management;
mod value;

use bytes::{Bytes, BytesMut};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use transport::Trust;

use self::connection::{ATTACH, CLOSE, Connection, DETACH, END, FLOW, Frame, TRANSFER};
use self::encoding::{Field, frame};
use self::value::Value;

pub use self::endpoint::{EndpointError, EventEndpoint};
pub use self::error::EventsError;
pub use self::event::Event;

/// Deliveries the other side may send ahead, of one partition. Given anew when half of them have come.
const CREDIT: u32 = 4_000;
/// Frames the other side may send ahead.
const WINDOW: u32 = 0x7fff_ffff;
/// The largest message: Event Hubs takes 1 MiB, and properties come on top.
const MAX_MESSAGE: usize = 2 << 20;
const SELECTOR: &str = "apache.org:selector-filter:string";
const EPOCH: &str = "com.microsoft:epoch";

/// Where reading a partition begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// At the oldest event there is.
    Earliest,
    /// At the first event that is yet to come.
    Latest,
    /// Behind the event with this [`Event::offset`].
    Behind(String),
}

/// A delivery that came whole, not yet taken apart.
#[derive(Debug)]
pub struct Delivery {
    /// The partition it came from.
    pub partition: usize,
    message: Bytes,
}

impl Delivery {
    /// Takes it apart.
    ///
    /// # Errors
    /// [`EventsError::Protocol`] when it is no event.
    pub fn read(&self) -> Result<Event, EventsError> {
        event::read(self.partition, self.message.clone())
            .ok_or(EventsError::Protocol("a message is no event"))
    }
}

/// A connection that reads partitions for one consumer group.
#[derive(Debug)]
pub struct EventReader {
    connection: Connection,
    event_hub: String,
    group: String,
    links: Vec<Link>,
    next_handle: u32,
    /// Frames with messages, both ways.
    received: u32,
    sent: u32,
}

/// One partition that is read.
#[derive(Debug)]
struct Link {
    name: String,
    handle: u32,
    /// What the other side calls it, once it has answered.
    theirs: Option<u64>,
    partition: usize,
    /// Deliveries so far, as both sides count them.
    count: u32,
    credit: u32,
    /// What has come of a delivery in several frames.
    coming: BytesMut,
}

impl EventReader {
    /// Connects as a reader of a consumer group, which begins with no partition.
    ///
    /// # Errors
    /// When there is nobody, nobody who can be trusted, or the key opens nothing.
    pub async fn connect(
        endpoint: &EventEndpoint,
        trust: &Trust,
        group: &str,
    ) -> Result<Self, EventsError> {
        let stream = connection::dial(&endpoint.host, endpoint.port, trust).await?;
        Self::over(stream, endpoint, group).await
    }

    /// The same over a connection that was made elsewhere.
    ///
    /// # Errors
    /// As [`EventReader::connect`].
    pub async fn over(
        stream: TlsStream<TcpStream>,
        endpoint: &EventEndpoint,
        group: &str,
    ) -> Result<Self, EventsError> {
        Ok(Self {
            connection: Connection::begin(stream, endpoint).await?,
            event_hub: endpoint.event_hub.clone(),
            group: group.to_owned(),
            links: Vec::new(),
            next_handle: 0,
            received: 0,
            sent: 0,
        })
    }

    /// Reads a partition as well. With an epoch it reads alone: it ends every reader of this group with a lower one or
    /// none, and comes to an end by itself when one with a higher comes. That an attach is refused is said by
    /// [`EventReader::next`].
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn attach(
        &mut self,
        partition: usize,
        position: &Position,
        epoch: Option<i64>,
    ) -> Result<(), EventsError> {
        let handle = self.next_handle;
        self.next_handle += 1;
        let link = Link {
            name: format!("reader-{handle}"),
            handle,
            theirs: None,
            partition,
            count: 0,
            credit: 0,
            coming: BytesMut::new(),
        };
        let (hub, group) = (&self.event_hub, &self.group);
        let address = format!("{hub}/ConsumerGroups/{group}/Partitions/{partition}");
        let offset = match position {
            Position::Earliest => "-1",
            Position::Latest => "@latest",
            Position::Behind(offset) => offset,
        };
        let selector = format!("amqp.annotation.x-opt-offset > '{offset}'");
        let filter = Field::Map(&[(
            Field::Symbol(SELECTOR),
            Field::Named(SELECTOR, &Field::Text(&selector)),
        )]);
        let mut source = vec![Field::Text(&address)];
        source.extend(std::iter::repeat_with(|| Field::Null).take(6));
        source.push(filter);
        let target = [Field::Text("events")];
        let mut attach = vec![
            Field::Text(&link.name),
            Field::Uint(handle),
            Field::Bool(true),
            Field::Ubyte(1),
            Field::Ubyte(0),
            Field::Described(0x28, &source),
            Field::Described(0x29, &target),
        ];
        let epoch = epoch.map(|epoch| [(Field::Symbol(EPOCH), Field::Long(epoch))]);
        if let Some(epoch) = &epoch {
            attach.extend(std::iter::repeat_with(|| Field::Null).take(6));
            attach.push(Field::Map(epoch));
        }
        frame(self.connection.out(), 0, ATTACH, &attach);
        self.links.push(link);
        self.connection.flush().await
    }

    /// Stops reading a partition.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn detach(&mut self, partition: usize) -> Result<(), EventsError> {
        let (gone, kept) = std::mem::take(&mut self.links)
            .into_iter()
            .partition(|link| link.partition == partition);
        self.links = kept;
        self.end(gone).await
    }

    /// Ends all links, so that partitions can be read anew.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn detach_all(&mut self) -> Result<(), EventsError> {
        let links = std::mem::take(&mut self.links);
        self.end(links).await
    }

    async fn end(&mut self, links: Vec<Link>) -> Result<(), EventsError> {
        for link in links {
            let fields = [Field::Uint(link.handle), Field::Bool(true)];
            frame(self.connection.out(), 0, DETACH, &fields);
        }
        self.connection.flush().await
    }

    /// The next event, whenever it comes. Safe to drop and ask again.
    ///
    /// # Errors
    /// When the connection or a link ends; [`EventsError::Link`] says which partition's.
    pub async fn next(&mut self) -> Result<Event, EventsError> {
        self.delivery().await?.read()
    }

    /// The next event as it came. Safe to drop and ask again.
    ///
    /// # Errors
    /// As [`EventReader::next`].
    pub async fn delivery(&mut self) -> Result<Delivery, EventsError> {
        loop {
            let frame = self.connection.next_frame().await?;
            match frame.code {
                ATTACH => self.attached(&frame).await?,
                TRANSFER => {
                    if let Some(delivery) = self.transferred(frame)? {
                        return Ok(delivery);
                    }
                }
                DETACH => self.detached(&frame)?,
                END | CLOSE => return Err(EventsError::ended(frame.fields.first())),
                _ => {}
            }
        }
    }

    /// The other side has made its half of a link, or says by a missing source that it is about to refuse it.
    async fn attached(&mut self, frame: &Frame) -> Result<(), EventsError> {
        let name = frame.fields.first().and_then(Value::text);
        let mut links = self.links.iter_mut();
        let Some(link) = links.find(|link| Some(link.name.as_str()) == name) else {
            return Ok(());
        };
        link.theirs = frame.number(1);
        link.count = frame.number(9).unwrap_or_default() as u32;
        if frame
            .fields
            .get(5)
            .is_none_or(|source| *source == Value::Null)
        {
            return Ok(());
        }
        link.credit = CREDIT;
        let flow = flow(link, self.received, self.sent);
        self::frame(self.connection.out(), 0, FLOW, &flow);
        self.connection.flush().await
    }

    fn detached(&mut self, frame: &Frame) -> Result<(), EventsError> {
        let theirs = frame.number(0);
        // What this side has ended is still answered.
        let Some(place) = self.links.iter().position(|link| link.theirs == theirs) else {
            return Ok(());
        };
        let link = self.links.swap_remove(place);
        Err(EventsError::link(link.partition, frame.fields.get(2)))
    }

    fn transferred(&mut self, frame: Frame) -> Result<Option<Delivery>, EventsError> {
        self.received = self.received.wrapping_add(1);
        let theirs = frame.number(0);
        let is = |field: usize| matches!(frame.fields.get(field), Some(Value::Bool(true)));
        let (more, aborted) = (is(5), is(9));
        let mut links = self.links.iter_mut();
        let Some(link) = links.find(|link| link.theirs == theirs) else {
            return Ok(None);
        };
        if more || !link.coming.is_empty() {
            link.coming.extend_from_slice(&frame.payload);
        }
        if link.coming.len() > MAX_MESSAGE {
            return Err(EventsError::Protocol("a message is too large"));
        }
        if more && !aborted {
            return Ok(None);
        }
        let message = match link.coming.is_empty() {
            true => frame.payload,
            false => link.coming.split().freeze(),
        };
        link.count = link.count.wrapping_add(1);
        link.credit = link.credit.saturating_sub(1);
        let partition = link.partition;
        if link.credit <= CREDIT / 2 {
            link.credit = CREDIT;
            let flow = flow(link, self.received, self.sent);
            self::frame(self.connection.out(), 0, FLOW, &flow);
            // What is waiting to be written is written when more is read: nothing here may be lost by being dropped.
        }
        Ok((!aborted).then_some(Delivery { partition, message }))
    }
}

/// Tells the sender of a link how much it may send.
fn flow(link: &Link, received: u32, sent: u32) -> [Field<'static>; 7] {
    [
        Field::Uint(received),
        Field::Uint(WINDOW),
        Field::Uint(sent),
        Field::Uint(WINDOW),
        Field::Uint(link.handle),
        Field::Uint(link.count),
        Field::Uint(link.credit),
    ]
}
