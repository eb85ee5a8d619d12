//! The load: clients that publish at QoS 1 with a window, over TLS, and count acknowledgements.
//!
//! Packets are encoded once and written many at a time, so that the load costs less than the server it measures.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::servers::Server;

/// What a client says of itself.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) client_id: String,
    pub(super) user_name: Option<String>,
    pub(super) password: Option<String>,
}

/// What a round of load came to.
pub(super) struct Round {
    pub(super) messages: u64,
    pub(super) seconds: f64,
    /// From write to acknowledgement, microseconds, sorted.
    latencies: Vec<u32>,
}

impl Round {
    pub(super) fn per_second(&self) -> f64 {
        self.messages as f64 / self.seconds
    }

    /// The latency that this share of messages stayed within.
    pub(super) fn latency(&self, share: f64) -> Duration {
        let at = ((self.latencies.len() as f64 - 1.0) * share).max(0.0) as usize;
        Duration::from_micros(self.latencies.get(at).copied().unwrap_or_default().into())
    }
}

/// Publishes from every login at once, `window` messages unacknowledged each, for `length`.
pub(super) async fn publish(
    server: &Server,
    logins: &[Login],
    window: usize,
    body: usize,
    length: Duration,
) -> Result<Round> {
    let mut clients = Vec::with_capacity(logins.len());
    for login in logins {
        clients.push(connect(server, login).await?);
    }
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for (stream, login) in clients.into_iter().zip(logins) {
        tasks.spawn(client(
            stream,
            publish_packet(&login.client_id, body),
            window,
            begun + length,
        ));
    }
    let (mut messages, mut latencies) = (0, Vec::new());
    while let Some(done) = tasks.join_next().await {
        let (count, mut seen) = done??;
        messages += count;
        latencies.append(&mut seen);
    }
    let seconds = begun.elapsed().as_secs_f64();
    latencies.sort_unstable();
    Ok(Round {
        messages,
        seconds,
        latencies,
    })
}

/// Connects every login and holds the connections.
pub(super) async fn hold(server: &Server, logins: &[Login]) -> Result<Vec<TlsStream<TcpStream>>> {
    let mut held = Vec::with_capacity(logins.len());
    for login in logins {
        held.push(connect(server, login).await?);
    }
    Ok(held)
}

async fn connect(server: &Server, login: &Login) -> Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server.address).await?;
    stream.set_nodelay(true)?;
    let connector = TlsConnector::from(server.tls.clone());
    let mut stream = connector.connect(server.host.clone(), stream).await?;
    stream.write_all(&connect_packet(login)).await?;
    let mut answer = [0; 4];
    stream
        .read_exact(&mut answer)
        .await
        .with_context(|| format!("{} ended the connection", server.name))?;
    if answer[0] != 0x20 || answer[3] != 0 {
        bail!(
            "{} refused {} with {}",
            server.name,
            login.client_id,
            answer[3]
        );
    }
    Ok(stream)
}

async fn client(
    mut stream: TlsStream<TcpStream>,
    packet: (Vec<u8>, usize),
    window: usize,
    until: Instant,
) -> Result<(u64, Vec<u32>)> {
    let (mut packet, id_at) = packet;
    let mut sent: VecDeque<Instant> = VecDeque::with_capacity(window);
    let (mut out, mut input) = (Vec::with_capacity(window * packet.len()), vec![0; 16 << 10]);
    let (mut next_id, mut held, mut messages, mut latencies) = (1u16, 0, 0u64, Vec::new());
    loop {
        let now = Instant::now();
        if now < until {
            out.clear();
            while sent.len() < window {
                packet[id_at..id_at + 2].copy_from_slice(&next_id.to_be_bytes());
                out.extend_from_slice(&packet);
                next_id = next_id.checked_add(1).unwrap_or(1);
                sent.push_back(now);
            }
            stream.write_all(&out).await?;
            stream.flush().await?;
        } else if sent.is_empty() {
            return Ok((messages, latencies));
        }
        let read = stream.read(&mut input[held..]).await?;
        if read == 0 {
            bail!("the server ended a connection under load");
        }
        held += read;
        let now = Instant::now();
        // Acknowledgements come in order and are all alike: four bytes each.
        for _ in 0..held / 4 {
            let begun = sent
                .pop_front()
                .context("more acknowledgements than messages")?;
            latencies.push(u32::try_from((now - begun).as_micros()).unwrap_or(u32::MAX));
            messages += 1;
        }
        input.copy_within(held / 4 * 4..held, 0);
        held %= 4;
    }
}

fn connect_packet(login: &Login) -> Vec<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4];
    // Clean session for a broker, which would otherwise collect sessions; a hub's clients keep theirs.
    body.push(if login.password.is_some() {
        0b1100_0000
    } else {
        0b0000_0010
    });
    body.extend_from_slice(&600u16.to_be_bytes());
    for text in [
        Some(&login.client_id),
        login.user_name.as_ref(),
        login.password.as_ref(),
    ]
    .into_iter()
    .flatten()
    {
        body.extend_from_slice(&(text.len() as u16).to_be_bytes());
        body.extend_from_slice(text.as_bytes());
    }
    framed(0x10, &body).0
}

/// A PUBLISH with a property bag as an SDK sends it, and where its packet id is.
fn publish_packet(client_id: &str, body: usize) -> (Vec<u8>, usize) {
    let bag = "%24.mid=0f8fad5b&%24.ct=application%2Fjson&%24.ce=utf-8&kind=occupancy";
    let topic = format!("devices/{client_id}/messages/events/{bag}");
    let mut packet = (topic.len() as u16).to_be_bytes().to_vec();
    packet.extend_from_slice(topic.as_bytes());
    let id_at = packet.len();
    packet.extend_from_slice(&[0, 0]);
    packet.resize(packet.len() + body, b'x');
    let (framed, header) = framed(0x32, &packet);
    (framed, header + id_at)
}

fn framed(kind: u8, body: &[u8]) -> (Vec<u8>, usize) {
    let mut packet = vec![kind];
    let mut length = body.len();
    while length >= 128 {
        packet.push((length % 128) as u8 | 0x80);
        length /= 128;
    }
    packet.push(length as u8);
    let header = packet.len();
    packet.extend_from_slice(body);
    (packet, header)
}
