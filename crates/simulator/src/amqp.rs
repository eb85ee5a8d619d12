//! AMQP 1.0, the service's side: events out through the Event Hubs-compatible endpoint, cloud-to-device messages in, and
//! all that devices and modules do.
//!
//! A server for known nodes, not a broker: `$cbs` takes tokens, `$management` tells of partitions, a partition is read,
//! `messages/devicebound` is written to, notices are taken from `messages/servicebound`, and each device has its own below
//! `devices/{d}`.
//!
//! `value`, `encoding`, `frame`, `performative`, `message` and `properties` are the protocol's forms; `peer`, `session` and `link` its
//! state machines, told the time and without sockets; the rest is what the nodes do. This file owns the socket.

mod address;
mod claims;
mod device;
mod devicebound;
mod encoding;
mod frame;
mod link;
mod management;
mod message;
mod peer;
mod performative;
mod properties;
mod readers;
mod sasl;
mod servicebound;
mod session;
mod stream;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

pub(crate) use self::address::EVENT_HUB;
use self::peer::{IDLE, Peer};
pub(crate) use self::readers::EventEndpoint;
use crate::certificates::PeerCertificates;
use crate::connection::End;
use crate::hub::{Face, Hub};

/// A peer that has not opened its connection by then is no client.
const OPEN_WITHIN: Duration = Duration::from_secs(60);
/// Room for one read.
const READ: usize = 4 << 10;
/// A peer that takes nothing for this long is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(30);

/// Serves one client until either side ends it.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    hub: Arc<Hub>,
    mut stream: S,
    face: Option<Face>,
    certificates: Option<PeerCertificates>,
) {
    let mut peer = Peer::new(hub.clone(), face, certificates);
    let end = converse(&hub, &mut stream, &mut peer).await;
    peer.leave(&end, Timestamp::now());
}

/// Carries bytes both ways until either side ends that; says why it did.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    hub: &Hub,
    stream: &mut S,
    peer: &mut Peer,
) -> End {
    let wake = peer.wake.clone();
    let begun = Instant::now();
    let (mut heard, mut said) = (begun, begun);
    loop {
        // Taken before looking, so that an event in between is not slept through.
        let grown = hub.new_events.notified();
        let now = Timestamp::now();
        peer.handle(now);
        let more = peer.pump(now);
        if !peer.out.is_empty() {
            match timeout(WRITE_WITHIN, write(stream, &peer.out)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return End::Lost(error.to_string()),
                Err(_) => return End::Lost("the client takes no data".to_owned()),
            }
            peer.out.clear();
            said = Instant::now();
        }
        if peer.is_over() {
            // The peer may be gone already; there is nothing left to tell it.
            let _ = timeout(WRITE_WITHIN, stream.shutdown()).await;
            return End::Disconnect;
        }
        if more {
            // Others want their turn too, whether or not there was anything to write.
            tokio::task::yield_now().await;
            continue;
        }
        let dead = if peer.is_open() {
            // A peer is to speak at least every `IDLE`; the network may take its time.
            heard + 2 * IDLE
        } else {
            begun + OPEN_WITHIN
        };
        let due = peer.silence.map(|silence| said + silence);
        let ends = peer.next_end(now).map(|left| Instant::now() + left);
        let next = [due, ends].into_iter().flatten().fold(dead, Instant::min);
        let reads = peer.reads_events();
        peer.inbox.reserve(READ);
        tokio::select! {
            read = stream.read_buf(&mut peer.inbox) => match read {
                Ok(1..) => heard = Instant::now(),
                Ok(0) => return End::Lost("the client closed the connection without close".to_owned()),
                Err(error) => return End::Lost(error.to_string()),
            },
            () = grown, if reads => {}
            () = wake.notified() => {}
            () = sleep_until(next) => {
                let now = Instant::now();
                if now >= dead {
                    return End::Lost("nothing was heard for too long".to_owned());
                }
                if due.is_some_and(|due| now >= due) {
                    peer.keep_alive();
                }
            }
        }
    }
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}
