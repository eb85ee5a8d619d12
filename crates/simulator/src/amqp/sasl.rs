//! SASL: who the peer says it is before AMQP begins (part 5 of the specification).
//!
//! Most clients say nothing here (ANONYMOUS, or MSSBCBS, which announces tokens) and put tokens to `$cbs` afterwards;
//! PLAIN carries a policy and its key, or a device and its token; EXTERNAL points at the certificate of the connection.

use bytes::{Bytes, BytesMut};

use super::encoding;
use super::frame::{Protocol, put_frame};
use super::value::{DecodeError, Value};

const MECHANISMS: u8 = 0x40;
const INIT: u64 = 0x41;
const OUTCOME: u8 = 0x44;

/// What a peer signs in with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// Nothing yet: tokens follow.
    Later,
    Plain {
        user: String,
        password: String,
    },
    /// The certificate that the connection was made with.
    External,
    /// Something this side never offers.
    Unknown,
}

/// What this side offers, to a peer with a certificate or without.
pub(crate) fn mechanisms(out: &mut BytesMut, has_certificate: bool) {
    let external = has_certificate.then_some("EXTERNAL");
    let names = ["MSSBCBS", "PLAIN", "ANONYMOUS"]
        .into_iter()
        .chain(external);
    let names = names.map(|name| Value::Symbol(name.to_owned())).collect();
    put_frame(out, Protocol::Sasl, 0, |out| {
        encoding::composite(out, MECHANISMS, &[Value::Array(names)]);
    });
}

/// Whether the peer may go on.
pub(crate) fn outcome(out: &mut BytesMut, welcome: bool) {
    let code = Value::Ubyte(if welcome { 0 } else { 1 });
    put_frame(out, Protocol::Sasl, 0, |out| {
        encoding::composite(out, OUTCOME, &[code, Value::Null]);
    });
}

/// Reads the peer's choice.
pub(crate) fn init(body: &Bytes) -> Result<Mechanism, DecodeError> {
    let wrong = DecodeError::Field("sasl-init");
    let Value::Described(descriptor, fields) = Value::decode(&mut &body[..])? else {
        return Err(wrong);
    };
    let Value::List(fields) = *fields else {
        return Err(wrong);
    };
    if *descriptor != Value::Ulong(INIT) {
        return Err(wrong);
    }
    let name = fields.first().and_then(Value::as_text).ok_or(wrong)?;
    Ok(match (name, fields.get(1)) {
        ("ANONYMOUS" | "MSSBCBS", _) => Mechanism::Later,
        ("EXTERNAL", _) => Mechanism::External,
        ("PLAIN", Some(Value::Binary(response))) => plain(response).ok_or(wrong)?,
        _ => Mechanism::Unknown,
    })
}

/// `{whom to act for} NUL {user} NUL {password}` (RFC 4616).
fn plain(response: &[u8]) -> Option<Mechanism> {
    let mut parts = std::str::from_utf8(response).ok()?.split('\0').skip(1);
    let (user, password) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    Some(Mechanism::Plain { user, password })
}
