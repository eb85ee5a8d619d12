//! One client's connection: bytes in, decisions by the hub, bytes out.
//!
//! Everything readable is decoded at once, handed to the hub under one lock, written to the journal with one call,
//! and answered with one write. A client that does not read its answers is not read from either.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::io::poll_read_buf;

use crate::hub::{Attached, Face, Hub, Refusal};
use crate::mailbox::{Delivery, EndReason, Settles};
use crate::wire::{self, Connect, Packet, QoS, Reader, ReturnCode};

/// A client that has connected must say who it is within a minute (edgeHub's figure).
const CONNECT_WITHIN: Duration = Duration::from_secs(60);
/// A peer that takes nothing for this long is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(30);
/// A peer that was told goodbye has this long to say so too.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// The hub's cap on 1.5 times the keep-alive interval.
const LONGEST_SILENCE: Duration = Duration::from_secs(1767);
const GONE: &str = "the client closed the connection without DISCONNECT";
const SMALL_READ: usize = 512;
const LARGE_READ: usize = 64 << 10;
/// While this many acknowledgements are held back by a lever, nothing more is read.
const HELD_ACKS: usize = 512;

/// Serves one client until either side ends it.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    hub: Arc<Hub>,
    stream: S,
    face: Option<Face>,
) {
    let mut link = Link {
        stream,
        reader: Reader::new(),
        inbox: BytesMut::new(),
        out: BytesMut::new(),
        read: SMALL_READ,
    };
    let connect = match timeout(CONNECT_WITHIN, link.read_connect()).await {
        Ok(Ok(connect)) => connect,
        Ok(Err(reason)) => return hub.note_stranger(&reason),
        Err(_) => return hub.note_stranger("no CONNECT within a minute"),
    };
    let attached = match hub.connect(&connect, face) {
        Ok(attached) => attached,
        Err(Refusal { code, .. }) => {
            if let Some(code) = code {
                wire::connack(&mut link.out, code, false);
                // The client may be gone already; it was going to be refused anyway.
                let _ = link.flush().await;
            }
            return link.close().await;
        }
    };
    wire::connack(
        &mut link.out,
        ReturnCode::Accepted,
        attached.session_present,
    );
    let silence = match connect.keep_alive {
        0 => LONGEST_SILENCE,
        seconds => Duration::from_millis(u64::from(seconds) * 1500).min(LONGEST_SILENCE),
    };
    let mut session = Session {
        hub: &hub,
        attached: &attached,
        packets: Vec::new(),
        deliveries: Vec::new(),
        unacknowledged: Vec::new(),
        held: VecDeque::new(),
        next_packet_id: 1,
        heard: Instant::now(),
        silence,
    };
    let end = session.run(&mut link).await;
    hub.detach(&attached, &end, connect.will.as_ref());
    link.close().await;
}

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The client said goodbye.
    Disconnect,
    /// The hub ended it.
    Hub(EndReason),
    /// The network, or the client's process, is gone.
    Lost(String),
    /// The client did what a hub does not take.
    Violation(String),
}

struct Link<S> {
    stream: S,
    reader: Reader,
    inbox: BytesMut,
    out: BytesMut,
    /// How much room the next read gets: grows with bursts, shrinks with silence.
    read: usize,
}

struct Session<'a> {
    hub: &'a Hub,
    attached: &'a Attached,
    packets: Vec<Packet>,
    deliveries: Vec<Delivery>,
    /// Packet ids of ours that the client has to acknowledge, oldest first.
    unacknowledged: Vec<(u16, Settles)>,
    /// Acknowledgements a lever holds back.
    held: VecDeque<(Instant, u16)>,
    next_packet_id: u16,
    heard: Instant,
    silence: Duration,
}

impl Session<'_> {
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(&mut self, link: &mut Link<S>) -> End {
        let timer = sleep_until(self.deadline());
        tokio::pin!(timer);
        loop {
            // What came with CONNECT in one packet is already in the buffer; so answer before waiting.
            if let Err(end) = self.answer(link) {
                // Answers to what came before the violation are still due.
                let _ = link.flush().await;
                return end;
            }
            if let Err(error) = link.flush().await {
                return End::Lost(error);
            }
            let deadline = self.deadline();
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            tokio::select! {
                biased;
                () = self.attached.mailbox.changed() => {}
                () = &mut timer => {
                    if let Some(end) = self.overdue() {
                        return end;
                    }
                }
                read = link.read(), if self.held.len() < HELD_ACKS => match read {
                    Ok(()) => self.heard = Instant::now(),
                    Err(reason) => return End::Lost(reason),
                },
            }
        }
    }

    /// Handles what was read and writes what is due into the output buffer.
    fn answer<S>(&mut self, link: &mut Link<S>) -> Result<(), End> {
        // A connection that was taken over or cut has no say any more, whatever it still sent.
        self.attached
            .mailbox
            .take(&mut self.deliveries)
            .map_err(End::Hub)?;
        let violation = self.decode(link);
        if !self.packets.is_empty() {
            self.handle(&mut link.out)?;
        }
        if let Some(reason) = violation {
            return Err(End::Violation(reason));
        }
        self.release_held(&mut link.out);
        self.attached
            .mailbox
            .take(&mut self.deliveries)
            .map_err(End::Hub)?;
        for delivery in self.deliveries.drain(..) {
            let packet_id = delivery.settles.map(|settles| {
                let id = self.next_packet_id;
                self.next_packet_id = id.checked_add(1).unwrap_or(1);
                self.unacknowledged.push((id, settles));
                id
            });
            wire::publish(
                &mut link.out,
                &delivery.topic,
                &delivery.payload,
                packet_id,
                delivery.duplicate,
            );
        }
        Ok(())
    }

    fn decode<S>(&mut self, link: &mut Link<S>) -> Option<String> {
        loop {
            match link.reader.next(&mut link.inbox) {
                Ok(Some(packet)) => self.packets.push(packet),
                Ok(None) => return None,
                Err(error) => return Some(error.to_string()),
            }
        }
    }

    fn handle(&mut self, out: &mut BytesMut) -> Result<(), End> {
        let mut hub = self.hub.batch(self.attached);
        let acks = hub.ack_policy();
        let mut drop_next = acks.drop_next;
        let mut end = None;
        // Answers go out only if the commit below succeeds.
        let answered = out.len();
        for packet in self.packets.drain(..) {
            let handled = match packet {
                Packet::Publish {
                    qos: QoS::ExactlyOnce,
                    ..
                } => Err("QoS 2 is not supported".to_owned()),
                Packet::Publish {
                    topic,
                    payload,
                    retain,
                    packet_id,
                    ..
                } => hub.publish(&topic, &payload, retain).map(|()| {
                    let Some(id) = packet_id else { return };
                    if std::mem::take(&mut drop_next) {
                        hub.note_dropped_ack();
                    } else if acks.delay.is_zero() && self.held.is_empty() {
                        wire::puback(out, id.get());
                    } else {
                        self.held.push_back((Instant::now() + acks.delay, id.get()));
                    }
                }),
                Packet::PubAck(id) => {
                    if let Some(at) = self
                        .unacknowledged
                        .iter()
                        .position(|(packet_id, _)| *packet_id == id)
                    {
                        hub.acknowledged(self.unacknowledged.remove(at).1);
                    }
                    Ok(())
                }
                Packet::Subscribe { packet_id, filters } => {
                    hub.subscribe(&filters).map(|granted| {
                        wire::suback(out, packet_id, &granted);
                    })
                }
                Packet::Unsubscribe { packet_id, filters } => {
                    hub.unsubscribe(&filters);
                    wire::unsuback(out, packet_id);
                    Ok(())
                }
                Packet::PingReq => {
                    wire::pingresp(out);
                    Ok(())
                }
                Packet::Disconnect => {
                    end = Some(End::Disconnect);
                    break;
                }
                Packet::Connect(_) => Err("a second CONNECT on one connection".to_owned()),
            };
            if let Err(reason) = handled {
                end = Some(End::Violation(reason));
                break;
            }
        }
        self.packets.clear();
        self.packets.shrink_to(64);
        if let Err(error) = hub.commit() {
            out.truncate(answered);
            self.held.clear();
            return Err(End::Lost(format!("the journal cannot be written: {error}")));
        }
        end.map_or(Ok(()), Err)
    }

    fn release_held(&mut self, out: &mut BytesMut) {
        let now = Instant::now();
        while let Some((_, id)) = self.held.pop_front_if(|(due, _)| *due <= now) {
            wire::puback(out, id);
        }
    }

    fn deadline(&self) -> Instant {
        let silence = self.heard + self.silence;
        let held = self.held.front().map(|(due, _)| *due);
        [self.attached.expires, held]
            .into_iter()
            .flatten()
            .fold(silence, Instant::min)
    }

    fn overdue(&self) -> Option<End> {
        let now = Instant::now();
        if self.attached.expires.is_some_and(|expires| expires <= now) {
            return Some(End::Hub(EndReason::TokenExpired));
        }
        (self.heard + self.silence <= now)
            .then(|| End::Lost("nothing heard for 1.5 keep-alive intervals".to_owned()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    async fn read_connect(&mut self) -> Result<Connect, String> {
        // Told by its first byte, a client of another protocol need not be waited for. The reader may take that byte
        // before the packet is whole, so it is looked at once.
        self.read().await?;
        if self.inbox.first() != Some(&wire::CONNECT) {
            return Err("the first packet is not CONNECT".to_owned());
        }
        loop {
            match self.reader.next(&mut self.inbox) {
                Ok(Some(Packet::Connect(connect))) => return Ok(*connect),
                Ok(Some(_)) => return Err("the first packet is not CONNECT".to_owned()),
                Ok(None) => self.read().await?,
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Reads once. While nothing comes, an empty buffer is given back: idle connections are the many.
    async fn read(&mut self) -> Result<(), String> {
        let count = poll_fn(|context| {
            self.inbox.reserve(self.read);
            let polled = poll_read_buf(Pin::new(&mut self.stream), context, &mut self.inbox);
            if polled.is_pending() && self.inbox.is_empty() {
                self.inbox = BytesMut::new();
            }
            polled
        })
        .await
        .map_err(|error| lost(&error))?;
        if count == 0 {
            return Err(GONE.to_owned());
        }
        if count >= self.read {
            self.read = (self.read * 4).min(LARGE_READ);
        } else if count < self.read / 8 {
            self.read = (self.read / 2).max(SMALL_READ);
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), String> {
        if self.out.is_empty() {
            return Ok(());
        }
        let written = timeout(WRITE_WITHIN, async {
            self.stream.write_all(&self.out).await?;
            self.stream.flush().await
        })
        .await;
        self.out = BytesMut::new();
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(lost(&error)),
            Err(_) => Err("the client takes no data".to_owned()),
        }
    }

    /// Says goodbye, and takes in what is still under way until the peer has closed too. Closing over unread bytes
    /// resets the connection, which takes back what was written last, and some clients' loops die of writing to it.
    async fn close(mut self) {
        let goodbye = async {
            self.stream.shutdown().await?;
            loop {
                self.inbox.clear();
                if self.stream.read_buf(&mut self.inbox).await? == 0 {
                    return std::io::Result::Ok(());
                }
            }
        };
        // Whether it was heard matters to nobody any more.
        let _ = timeout(CLOSE_WITHIN, goodbye).await;
    }
}

/// Says how a connection was lost. An end without TLS's goodbye is the most common way, and no error of anybody's.
fn lost(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => GONE.to_owned(),
        _ => error.to_string(),
    }
}
