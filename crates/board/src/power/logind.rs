//! Restarting a Linux machine: systemd-logind's `Reboot`, asked over the system bus.
//!
//! This speaks just enough D-Bus for two method calls and their replies. A library would do: zbus 6 with
//! nothing but its tokio feature brings a dozen crates, two procedural macros among them, and an object
//! server that nobody here needs, into every module's process. `systemctl` and `busctl` would need no code
//! at all, but there is no program to start in a module's container, which holds nothing but the module.
//!
//! Sources: D-Bus specification 0.43, "Message Protocol" and "Authentication Protocol";
//! org.freedesktop.login1(5).

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

use super::Power;
use crate::BoardError;

/// logind answers at once, but it may have to be started, and it waits for nobody's inhibitor lock here.
const PATIENCE: Duration = Duration::from_secs(20);
/// Far more than any message of this conversation.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;

// The header fields of a message.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// The machine's session manager, by the system bus.
#[derive(Debug, Clone)]
pub struct Logind {
    bus: PathBuf,
}

/// A method call.
struct Call {
    destination: &'static str,
    path: &'static str,
    interface: &'static str,
    member: &'static str,
    /// The one argument, if there is one.
    argument: Option<bool>,
}

const HELLO: Call = Call {
    destination: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
    member: "Hello",
    argument: None,
};

const REBOOT: Call = Call {
    destination: "org.freedesktop.login1",
    path: "/org/freedesktop/login1",
    interface: "org.freedesktop.login1.Manager",
    member: "Reboot",
    // Whether to ask a person for a password: there is none.
    argument: Some(false),
};

/// What came back for a call.
#[derive(Debug, PartialEq, Eq)]
struct Reply {
    to: u32,
    /// The error's name and what it says, if it is one.
    error: Option<(String, String)>,
}

impl Logind {
    /// Where the system bus listens on every distribution.
    pub const SYSTEM_BUS: &'static str = "/run/dbus/system_bus_socket";

    /// Reaches logind by the bus that listens on `socket`.
    pub fn new(socket: &Path) -> Self {
        Self {
            bus: socket.to_owned(),
        }
    }

    async fn ask(&self) -> Result<Reply, BoardError> {
        let broken = |source| BoardError::HungUp { source };
        let mut stream =
            UnixStream::connect(&self.bus)
                .await
                .map_err(|source| BoardError::Bus {
                    socket: self.bus.clone(),
                    source,
                })?;
        authenticate(&mut stream).await.map_err(broken)?;
        for (serial, call) in [(1, HELLO), (2, REBOOT)] {
            stream
                .write_all(&call.encode(serial))
                .await
                .map_err(broken)?;
        }
        loop {
            // The reply to the greeting, and signals, are not what is waited for; a refused greeting is.
            match read_reply(&mut stream).await.map_err(broken)? {
                Some(reply) if reply.to == 2 || reply.error.is_some() => return Ok(reply),
                _ => {}
            }
        }
    }
}

impl Default for Logind {
    fn default() -> Self {
        Self::new(Path::new(Self::SYSTEM_BUS))
    }
}

impl Power for Logind {
    async fn reboot(&mut self) -> Result<(), BoardError> {
        let reply = timeout(PATIENCE, self.ask())
            .await
            .map_err(|_| BoardError::Silent { waited: PATIENCE })??;
        match reply.error {
            None => Ok(()),
            Some((name, message)) => Err(BoardError::Fault {
                reason: format!("logind does not restart the machine: {message} ({name})"),
            }),
        }
    }
}

/// Signs in as whoever this process runs as, which the bus sees by the socket.
async fn authenticate(stream: &mut UnixStream) -> io::Result<()> {
    stream.write_all(b"\0AUTH EXTERNAL\r\nDATA\r\n").await?;
    let mut line = Vec::new();
    loop {
        line.clear();
        while !line.ends_with(b"\r\n") {
            if line.len() > 256 {
                return Err(nonsense("the bus's greeting has no end"));
            }
            line.push(stream.read_u8().await?);
        }
        if line.starts_with(b"OK") {
            return stream.write_all(b"BEGIN\r\n").await;
        }
        if !line.starts_with(b"DATA") {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the bus does not let this process in",
            ));
        }
    }
}

async fn read_reply(stream: &mut UnixStream) -> io::Result<Option<Reply>> {
    let mut start = [0; 16];
    stream.read_exact(&mut start).await?;
    if start[0] != b'l' && start[0] != b'B' {
        return Err(nonsense("a message has no byte order"));
    }
    let big_endian = start[0] == b'B';
    let kind = start[1];
    let mut lengths = Reader::new(&start, big_endian, 4);
    let (Some(body), Some(_serial), Some(fields)) = (lengths.u32(), lengths.u32(), lengths.u32())
    else {
        return Err(nonsense("a message has no length"));
    };
    let fields_padded = (fields as usize).saturating_add(7) & !7;
    let rest = fields_padded.saturating_add(body as usize);
    if rest > MAX_MESSAGE_BYTES {
        return Err(nonsense("a message is too long"));
    }
    let mut message = start.to_vec();
    message.resize(16 + rest, 0);
    stream.read_exact(&mut message[16..]).await?;
    if kind != METHOD_RETURN && kind != ERROR {
        return Ok(None);
    }
    decode(&message, big_endian, fields as usize, fields_padded)
        .map(Some)
        .ok_or_else(|| nonsense("a reply cannot be read"))
}

fn decode(message: &[u8], big_endian: bool, fields: usize, fields_padded: usize) -> Option<Reply> {
    let mut reader = Reader::new(message.get(..16 + fields)?, big_endian, 16);
    let mut to = None;
    let mut name = None;
    while !reader.is_at_end() {
        reader.align(8);
        let code = reader.u8()?;
        let signature = reader.signature()?;
        match (code, signature.as_str()) {
            (REPLY_SERIAL, "u") => to = Some(reader.u32()?),
            (ERROR_NAME, "s") => name = Some(reader.string()?),
            (_, "s" | "o") => drop(reader.string()?),
            (_, "g") => drop(reader.signature()?),
            (_, "u") => drop(reader.u32()?),
            _ => return None,
        }
    }
    let is_error = message.get(1) == Some(&ERROR);
    let said = Reader::new(message, big_endian, 16 + fields_padded).string();
    Some(Reply {
        to: to?,
        error: is_error.then(|| (name.unwrap_or_default(), said.unwrap_or_default())),
    })
}

fn nonsense(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Call {
    fn encode(&self, serial: u32) -> Vec<u8> {
        let body = self
            .argument
            .map(|argument| u32::from(argument).to_le_bytes());
        let mut message = vec![b'l', METHOD_CALL, 0, 1];
        message.extend((body.map_or(0, |body| body.len() as u32)).to_le_bytes());
        message.extend(serial.to_le_bytes());
        message.extend([0; 4]);
        let fields_at = message.len();
        for (code, signature, text) in [
            (PATH, "o", self.path),
            (INTERFACE, "s", self.interface),
            (MEMBER, "s", self.member),
            (DESTINATION, "s", self.destination),
        ] {
            pad(&mut message, 8);
            message.push(code);
            put_signature(&mut message, signature);
            pad(&mut message, 4);
            message.extend((text.len() as u32).to_le_bytes());
            message.extend(text.as_bytes());
            message.push(0);
        }
        if body.is_some() {
            pad(&mut message, 8);
            message.push(SIGNATURE);
            put_signature(&mut message, "g");
            put_signature(&mut message, "b");
        }
        let fields = (message.len() - fields_at) as u32;
        message[12..16].copy_from_slice(&fields.to_le_bytes());
        pad(&mut message, 8);
        message.extend(body.into_iter().flatten());
        message
    }
}

fn pad(message: &mut Vec<u8>, to: usize) {
    message.resize(message.len().next_multiple_of(to), 0);
}

fn put_signature(message: &mut Vec<u8>, signature: &str) {
    message.push(signature.len() as u8);
    message.extend(signature.as_bytes());
    message.push(0);
}

/// Values of a message, from some place on; nothing when it is cut off there.
struct Reader<'a> {
    message: &'a [u8],
    big_endian: bool,
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(message: &'a [u8], big_endian: bool, at: usize) -> Self {
        Self {
            message,
            big_endian,
            at,
        }
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.message.len()
    }

    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let bytes = self.message.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    fn u32(&mut self) -> Option<u32> {
        self.align(4);
        let bytes = self.bytes(4)?.try_into().ok()?;
        Some(if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    fn string(&mut self) -> Option<String> {
        let length = self.u32()?;
        self.text(length as usize)
    }

    fn signature(&mut self) -> Option<String> {
        let length = self.u8()?;
        self.text(length.into())
    }

    fn text(&mut self, length: usize) -> Option<String> {
        let text = String::from_utf8(self.bytes(length)?.to_vec()).ok()?;
        self.bytes(1)?;
        Some(text)
    }
}

#[cfg(test)]
mod tests;
