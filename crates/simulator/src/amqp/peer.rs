//! One peer's connection as a state machine: bytes in, bytes out, told the time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use tokio::sync::Notify;

use super::claims::Claims;
use super::device::{Devices, Due};
use super::frame::{self, Frame, MAX_FRAME, MIN_MAX_FRAME, Protocol};
use super::link::MAX_MESSAGE;
use super::performative::{self, Fault, Open, Performative};
use super::sasl::{self, Mechanism};
use super::session::{Around, Session};
use crate::certificates::PeerCertificates;
use crate::connection::End;
use crate::hub::{Face, Hub};

/// The highest channel; a client has one session for each thing it does.
pub(crate) const CHANNEL_MAX: u16 = 255;
/// The highest handle in a session: a gateway may have all the links of many devices in one.
pub(crate) const HANDLE_MAX: u32 = 1023;
/// The links of a peer that has not shown who it is. An SDK needs two to do so.
const STRANGER_LINKS: usize = 16;
/// Silence after which this side takes the peer for dead, as the real service has it.
pub(crate) const IDLE: Duration = Duration::from_secs(240);

/// What a session needs of its peer, while the sessions are in use themselves.
macro_rules! around {
    ($peer:ident, $now:ident) => {
        Around {
            hub: &$peer.hub,
            claims: &mut $peer.claims,
            devices: &mut $peer.devices,
            wake: &$peer.wake,
            out: &mut $peer.out,
            now: $now,
        }
    };
}

/// Where in its life a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The first header is awaited: SASL's, or at once AMQP's.
    Start,
    /// The choice of a mechanism is awaited.
    Sasl,
    /// AMQP's header is awaited.
    Header,
    /// The peer's `open` is awaited.
    Opening,
    Open,
    Over,
}

/// One peer.
#[derive(Debug)]
pub(crate) struct Peer {
    hub: Arc<Hub>,
    stage: Stage,
    claims: Claims,
    devices: Devices,
    /// Wakes this connection.
    pub(crate) wake: Arc<Notify>,
    /// What was read and not yet handled.
    pub(crate) inbox: BytesMut,
    /// What is to be written.
    pub(crate) out: BytesMut,
    /// The largest frame the peer takes.
    max_frame: usize,
    /// How long this side may be silent.
    pub(crate) silence: Option<Duration>,
    sessions: BTreeMap<u16, Session>,
}

impl Peer {
    /// A peer that asked for a face of the hub, if it did, and presented certificates, if it did.
    pub(crate) fn new(
        hub: Arc<Hub>,
        face: Option<Face>,
        certificates: Option<PeerCertificates>,
    ) -> Self {
        Self {
            hub,
            stage: Stage::Start,
            claims: Claims::default(),
            devices: Devices::new(face, certificates),
            wake: Arc::new(Notify::new()),
            inbox: BytesMut::new(),
            out: BytesMut::new(),
            max_frame: MIN_MAX_FRAME as usize,
            silence: None,
            sessions: BTreeMap::new(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    pub(crate) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Whether new events concern it.
    pub(crate) fn reads_events(&self) -> bool {
        self.sessions.values().any(Session::reads_events)
    }

    /// Handles all of what was read that is whole.
    pub(crate) fn handle(&mut self, now: Timestamp) {
        // Those whose connection has ended have no say any more, whatever they still sent.
        self.collect(now);
        while self.stage != Stage::Over {
            match self.step(now) {
                Ok(true) => {}
                Ok(false) => return,
                Err(fault) => return self.close(Some(&fault)),
            }
        }
    }

    /// Takes a header or a frame; says whether there was one.
    fn step(&mut self, now: Timestamp) -> Result<bool, Fault> {
        if matches!(self.stage, Stage::Start | Stage::Header) {
            let Some(asked) = frame::take_header(&mut self.inbox) else {
                return Ok(false);
            };
            self.header(asked);
            return Ok(true);
        }
        let framing = |error: frame::FrameError| {
            Fault::new("amqp:connection:framing-error", error.to_string())
        };
        let Some(frame) = frame::take_frame(&mut self.inbox).map_err(framing)? else {
            return Ok(false);
        };
        match (self.stage, frame.kind) {
            (Stage::Sasl, Protocol::Sasl) => self.sign_in(&frame.body, now),
            (Stage::Opening | Stage::Open, Protocol::Amqp) => self.frame(frame, now)?,
            _ => self.stage = Stage::Over,
        }
        Ok(true)
    }

    fn header(&mut self, asked: Option<Protocol>) {
        match (self.stage, asked) {
            (Stage::Start, Some(Protocol::Sasl)) => {
                self.out.extend_from_slice(&Protocol::Sasl.header());
                sasl::mechanisms(&mut self.out, self.devices.has_certificate());
                self.stage = Stage::Sasl;
            }
            (_, Some(Protocol::Amqp)) => {
                self.out.extend_from_slice(&Protocol::Amqp.header());
                self.stage = Stage::Opening;
            }
            _ => {
                // A peer that wants something else is told what there is.
                self.out.extend_from_slice(&Protocol::Sasl.header());
                self.stage = Stage::Over;
            }
        }
    }

    fn sign_in(&mut self, body: &Bytes, now: Timestamp) {
        let outcome = match sasl::init(body) {
            Ok(Mechanism::Later) => Ok(()),
            Ok(Mechanism::Plain { user, password }) => {
                let said = (user.as_str(), password.as_str());
                self.claims.sign_in(&self.hub, &mut self.devices, said, now)
            }
            // Whose it is, is said by the links.
            Ok(Mechanism::External) if self.devices.has_certificate() => Ok(()),
            Ok(Mechanism::External) => Err("no certificate was presented".to_owned()),
            Ok(Mechanism::Unknown) => Err("the mechanism is none of those offered".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        sasl::outcome(&mut self.out, outcome.is_ok());
        self.stage = match outcome {
            Ok(()) => Stage::Header,
            Err(reason) => {
                tracing::debug!(reason, "an AMQP client was refused");
                Stage::Over
            }
        };
    }

    fn frame(&mut self, frame: Frame, now: Timestamp) -> Result<(), Fault> {
        if frame.body.is_empty() {
            return Ok(());
        }
        let performative = Performative::decode(&frame.body)
            .map_err(|error| Fault::new("amqp:decode-error", error.to_string()))?;
        let channel = frame.channel;
        if self.stage == Stage::Opening {
            return match performative {
                Performative::Open(open) => self.open(&open),
                _ => Err(Fault::new(
                    "amqp:not-allowed",
                    "A connection begins with open.",
                )),
            };
        }
        let mut around = around!(self, now);
        match performative {
            Performative::Open(_) => {
                return Err(Fault::new("amqp:not-allowed", "The connection is open."));
            }
            Performative::Begin(begin) => {
                if channel > CHANNEL_MAX || self.sessions.contains_key(&channel) {
                    return Err(Fault::new("amqp:not-allowed", "The channel is not free."));
                }
                let session = Session::begin(channel, &begin, around.out);
                self.sessions.insert(channel, session);
                return Ok(());
            }
            Performative::Close => {
                self.close(None);
                return Ok(());
            }
            _ => {}
        }
        let session = self
            .sessions
            .get_mut(&channel)
            .ok_or_else(|| Fault::new("amqp:not-allowed", "There is no session on the channel."))?;
        match performative {
            Performative::Attach(attach) => session.attach(&attach, &mut around)?,
            Performative::Flow(flow) => session.flow(&flow, around.out),
            Performative::Transfer(transfer) => session.transfer(transfer, &mut around)?,
            Performative::Disposition(told) => session.disposition(&told, &mut around),
            Performative::Detach { handle, closed } => {
                session.detach(handle, closed, &mut around);
            }
            Performative::End => {
                performative::end(around.out, channel);
                session.close(&mut around);
                self.sessions.remove(&channel);
            }
            Performative::Open(_) | Performative::Begin(_) | Performative::Close => {}
        }
        self.limit_strangers(now)
    }

    /// Whoever has not shown who they are has the room to do so, and no more.
    fn limit_strangers(&self, now: Timestamp) -> Result<(), Fault> {
        if self.claims.allow_something(now) || self.devices.has_proof() {
            return Ok(());
        }
        let links: usize = self.sessions.values().map(Session::link_count).sum();
        let bytes: usize = self.sessions.values().map(Session::unfinished).sum();
        if links <= STRANGER_LINKS && bytes <= MAX_MESSAGE {
            return Ok(());
        }
        Err(Fault::new(
            "amqp:resource-limit-exceeded",
            format!(
                "Without a token there are {STRANGER_LINKS} links and {MAX_MESSAGE} bytes of unfinished messages."
            ),
        ))
    }

    fn open(&mut self, open: &Open) -> Result<(), Fault> {
        performative::open(
            &mut self.out,
            &self.hub.names.hub,
            MAX_FRAME,
            IDLE.as_millis() as u32,
        );
        self.stage = Stage::Open;
        self.devices.host.clone_from(&open.hostname);
        if open.max_frame_size < MIN_MAX_FRAME {
            return Err(Fault::new(
                "amqp:invalid-field",
                "max-frame-size is less than 512.",
            ));
        }
        self.max_frame = open.max_frame_size as usize;
        // Half of what the peer bears leaves room for a slow network.
        self.silence = (open.idle_time_out > 0)
            .then(|| Duration::from_millis(u64::from(open.idle_time_out / 2).max(100)));
        Ok(())
    }

    /// Detaches what has lost its right, and writes what links have to send; says whether there is more once that is
    /// out.
    pub(crate) fn pump(&mut self, now: Timestamp) -> bool {
        self.collect(now);
        if self.stage != Stage::Open {
            return false;
        }
        let mut more = false;
        let mut around = around!(self, now);
        for session in self.sessions.values_mut() {
            session.review(&mut around);
            more |= session.pump(&mut around, self.max_frame);
        }
        let sessions = &self.sessions;
        self.devices.review_links(&self.hub, |owner| {
            let sessions = sessions.values();
            sessions
                .flat_map(|session| session.links_of(owner))
                .collect()
        });
        more
    }

    /// Takes what has come for devices, to their links.
    fn collect(&mut self, now: Timestamp) {
        if self.devices.is_empty() {
            return;
        }
        let due = self.devices.collect(&self.hub, now);
        if self.devices.is_cut() {
            return self.vanish();
        }
        let mut around = around!(self, now);
        for due in due {
            match due {
                Due::Message(owner, filter, parcel) => {
                    let mut sessions = self.sessions.values_mut();
                    let outlet = sessions.find_map(|session| session.outlet_of(&owner, filter));
                    if outlet.is_some_and(|outlet| !outlet.push(parcel)) {
                        around.devices.overrun(&owner);
                    }
                }
                Due::End(owner, fault) => {
                    for session in self.sessions.values_mut() {
                        session.end_links_of(&owner, &fault, &mut around);
                    }
                }
            }
        }
    }

    /// Is gone without a word, as over a cable that was pulled.
    fn vanish(&mut self) {
        self.out.clear();
        self.leave(
            &End::Lost("the link was cut by a lever".to_owned()),
            Timestamp::now(),
        );
        self.stage = Stage::Over;
    }

    /// The connection is over: whoever was on it has left.
    pub(crate) fn leave(&mut self, end: &End, now: Timestamp) {
        let mut around = around!(self, now);
        for session in self.sessions.values_mut() {
            session.close(&mut around);
        }
        self.sessions.clear();
        self.devices.leave_all(&self.hub, end);
    }

    /// Writes an empty frame: this side is still there.
    pub(crate) fn keep_alive(&mut self) {
        frame::put_frame(&mut self.out, Protocol::Amqp, 0, |_| {});
    }

    /// How long until a token ends, or an acknowledgement is due that a lever holds back.
    pub(crate) fn next_end(&self, now: Timestamp) -> Option<Duration> {
        let claims = self.claims.next_end(now);
        let claims = claims.and_then(|second| Timestamp::from_second(second).ok());
        let held = self.sessions.values().filter_map(Session::next_held).min();
        let ends = [claims, self.devices.next_end(), held];
        let end = ends.into_iter().flatten().min()?;
        let left = Duration::try_from(end.duration_since(now));
        // What is over already is dealt with in the next round.
        Some(left.unwrap_or_default())
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self, fault: Option<&Fault>) {
        if let Some(fault) = fault {
            tracing::debug!(
                condition = fault.condition,
                description = fault.description,
                "an AMQP connection is ended"
            );
        }
        if matches!(self.stage, Stage::Opening | Stage::Open) {
            if self.stage == Stage::Opening {
                // There is no close without an open.
                performative::open(
                    &mut self.out,
                    &self.hub.names.hub,
                    MAX_FRAME,
                    IDLE.as_millis() as u32,
                );
            }
            performative::close(&mut self.out, fault);
        }
        self.stage = Stage::Over;
    }
}
