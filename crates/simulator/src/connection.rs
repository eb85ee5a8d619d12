//! One client's connection: bytes in, decisions by the hub, bytes out.
//!
//! What is readable is decoded, up to a round of it, handed to the hub under one lock, written to the journal with one call,
//! and answered with one write. A client that does not read its answers is not read from either.

mod link;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};

pub(crate) use self::link::Link;
use crate::certificates::PeerCertificates;
use crate::dps::{self, Dps};
use crate::hub::{Attached, Face, Hub, Refusal};
use crate::mailbox::{self, Delivery, EndReason, Settles};
use crate::wire::{self, Packet, QoS, ReturnCode};

/// A client that has connected must say who it is within a minute (edgeHub's figure).
const CONNECT_WITHIN: Duration = Duration::from_secs(60);
/// The hub's cap on 1.5 times the keep-alive interval.
const LONGEST_SILENCE: Duration = Duration::from_secs(1767);
/// Packets handled in one round. Each may be answered by a delivery, and what others send at the same time must find room
/// in the mailbox too.
const ROUND: usize = mailbox::CAPACITY / 2;
/// While this many acknowledgements are held back by a lever, nothing more is read.
const HELD_ACKS: usize = 512;

/// Who answers on a listener: which of them a client means, it says in its user name.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    pub(crate) hub: Arc<Hub>,
    pub(crate) dps: Arc<Dps>,
}

/// Serves one client until either side ends it.
///
/// This is no async function, which would keep its arguments beside what it makes of them: a TLS stream is most of what a
/// connection costs, and idle connections are the many.
pub(crate) fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    Services { hub, dps }: Services,
    stream: S,
    face: Option<Face>,
    peer: Option<PeerCertificates>,
) -> impl Future<Output = ()> {
    let mut link = Link::new(stream);
    async move {
        let connect = match timeout(CONNECT_WITHIN, link.read_connect()).await {
            Ok(Ok(connect)) => connect,
            Ok(Err(reason)) => return hub.note_stranger(&reason),
            Err(_) => return hub.note_stranger("no CONNECT within a minute"),
        };
        if dps::is_meant(&connect) {
            // Boxed, so that the hub's connections do not carry its size.
            return Box::pin(dps::serve(dps, link, connect, peer)).await;
        }
        drop(dps);
        let attached = match hub.connect(&connect, face, peer.as_ref()) {
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
        // Who the client is does not depend on this any more.
        drop(peer);
        wire::connack(
            &mut link.out,
            ReturnCode::Accepted,
            attached.session_present,
        );
        let mut session = Session {
            hub: &hub,
            attached: &attached,
            packets: Vec::new(),
            deliveries: Vec::new(),
            unacknowledged: Vec::new(),
            held: VecDeque::new(),
            next_packet_id: 1,
            heard: Instant::now(),
            silence: silence_of(connect.keep_alive),
        };
        let end = session.run(&mut link).await;
        hub.detach(&attached, &end, connect.will.as_ref());
        link.close().await;
    }
}

/// How long a client that promised to be heard every so many seconds may be silent.
pub(crate) fn silence_of(keep_alive: u16) -> Duration {
    match keep_alive {
        0 => LONGEST_SILENCE,
        seconds => Duration::from_millis(u64::from(seconds) * 1500).min(LONGEST_SILENCE),
    }
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
            let has_more = match self.answer(link) {
                Ok(has_more) => has_more,
                Err(end) => {
                    // Answers to what came before the violation are still due.
                    let _ = link.flush().await;
                    return end;
                }
            };
            if let Err(error) = link.flush().await {
                return End::Lost(error);
            }
            if has_more {
                continue;
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

    /// Handles what was read, at most a round of it, and writes what is due into the output buffer. Says whether whole
    /// packets may be left.
    fn answer<S>(&mut self, link: &mut Link<S>) -> Result<bool, End> {
        // A connection that was taken over or cut has no say any more, whatever it still sent.
        self.attached
            .mailbox
            .take(&mut self.deliveries)
            .map_err(End::Hub)?;
        let decoded = self.decode(link);
        if !self.packets.is_empty() {
            self.handle(&mut link.out)?;
        }
        let has_more = decoded.map_err(End::Violation)?;
        self.release_held(&mut link.out);
        self.attached
            .mailbox
            .take(&mut self.deliveries)
            .map_err(End::Hub)?;
        for delivery in self.deliveries.drain(..) {
            let packet_id = delivery.settles.map(|settles| {
                let id = free_packet_id(self.next_packet_id, &self.unacknowledged);
                self.next_packet_id = after(id);
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
        self.deliveries.shrink_to(16);
        Ok(has_more)
    }

    /// Takes whole packets out of the receive buffer; says whether the round ended before the buffer did.
    fn decode<S>(&mut self, link: &mut Link<S>) -> Result<bool, String> {
        while self.packets.len() < ROUND {
            match link.reader.next(&mut link.inbox) {
                Ok(Some(packet)) => self.packets.push(packet),
                Ok(None) => return Ok(false),
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(true)
    }

    fn handle(&mut self, out: &mut BytesMut) -> Result<(), End> {
        let mut hub = self.hub.batch(self.attached);
        // While this waited for the lock the hub may have ended the connection, and have nothing left that it is about.
        if let Some(reason) = self.attached.mailbox.ended() {
            return Err(End::Hub(reason));
        }
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

/// The first packet id from `next` on that stands for nothing the client has yet to acknowledge.
fn free_packet_id(mut next: u16, taken: &[(u16, Settles)]) -> u16 {
    while taken.iter().any(|(id, _)| *id == next) {
        next = after(next);
    }
    next
}

/// Packet ids go round, past 0.
fn after(id: u16) -> u16 {
    id.checked_add(1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;
    use tokio_rustls::server::TlsStream;

    use super::*;

    #[test]
    fn a_connection_costs_little_more_than_its_stream() {
        fn size<F>(_: impl Fn(Services, TlsStream<TcpStream>) -> F) -> usize {
            size_of::<F>()
        }
        let size = size(|services, stream| serve(services, stream, None, None));
        assert!(size < 2 * size_of::<TlsStream<TcpStream>>(), "{size} bytes");
    }
}
