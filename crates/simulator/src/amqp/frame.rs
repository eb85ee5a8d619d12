//! Frames: how bytes are cut into performatives, and the headers that come before them.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

/// The largest frame this side takes, as the real service has it.
pub(crate) const MAX_FRAME: u32 = 65_536;
/// The smallest limit a peer may have for the frames it takes.
pub(crate) const MIN_MAX_FRAME: u32 = 512;

const HEADER_BYTES: usize = 8;

/// A protocol's header: `AMQP`, which protocol, and version 1.0.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Amqp = 0,
    Sasl = 3,
}

impl Protocol {
    pub(crate) const fn header(self) -> [u8; HEADER_BYTES] {
        [b'A', b'M', b'Q', b'P', self as u8, 1, 0, 0]
    }

    fn of(header: [u8; HEADER_BYTES]) -> Option<Self> {
        [Self::Amqp, Self::Sasl]
            .into_iter()
            .find(|protocol| protocol.header() == header)
    }
}

/// One frame without its header; an empty body keeps a connection alive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Protocol,
    pub(crate) channel: u16,
    pub(crate) body: Bytes,
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum FrameError {
    #[error("a frame of {0} bytes is more than {MAX_FRAME}, or less than its header")]
    Size(u32),
    #[error("a frame's body begins beyond its end")]
    Offset,
    #[error("there is no frame of type {0}")]
    Type(u8),
}

/// Takes a protocol's header from the front, if it is there as a whole: which protocol it asks for, if it is one
/// spoken here.
pub(crate) fn take_header(input: &mut BytesMut) -> Option<Option<Protocol>> {
    let header = *input.first_chunk()?;
    input.advance(HEADER_BYTES);
    Some(Protocol::of(header))
}

/// Takes one frame from the front, if it is there as a whole.
pub(crate) fn take_frame(input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
    let Some(&[s0, s1, s2, s3, offset, kind, c0, c1]) = input.first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let size = u32::from_be_bytes([s0, s1, s2, s3]);
    if size > MAX_FRAME || (size as usize) < HEADER_BYTES {
        return Err(FrameError::Size(size));
    }
    let offset = usize::from(offset) * 4;
    if offset < HEADER_BYTES || offset > size as usize {
        return Err(FrameError::Offset);
    }
    let kind = match kind {
        0 => Protocol::Amqp,
        1 => Protocol::Sasl,
        other => return Err(FrameError::Type(other)),
    };
    if input.len() < size as usize {
        return Ok(None);
    }
    let mut frame = input.split_to(size as usize);
    frame.advance(offset);
    Ok(Some(Frame {
        kind,
        channel: u16::from_be_bytes([c0, c1]),
        body: frame.freeze(),
    }))
}

/// Writes one frame around what `body` writes.
pub(crate) fn put_frame(
    out: &mut BytesMut,
    kind: Protocol,
    channel: u16,
    body: impl FnOnce(&mut BytesMut),
) {
    let start = out.len();
    let kind = match kind {
        Protocol::Amqp => 0,
        Protocol::Sasl => 1,
    };
    out.put_u32(0);
    out.put_slice(&[2, kind]);
    out.put_u16(channel);
    body(out);
    let size = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}
