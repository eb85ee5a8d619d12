//! Frames: `length u32 | crc32 u32 | kind u8 | payload`, little endian; length and checksum cover kind and payload.

use super::Kind;

pub(super) const HEADER: usize = 8;
/// Longest believable frame: a snapshot of a large registry. Anything above it is damage, not data.
const MAX_FRAME: usize = 512 << 20;

/// Appends a frame.
pub(super) fn push_frame(into: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    into.extend_from_slice(&header(&[&[kind as u8], payload]));
    into.push(kind as u8);
    into.extend_from_slice(payload);
}

/// Length and checksum of a frame whose kind and payload these parts are.
pub(super) fn header(parts: &[&[u8]]) -> [u8; HEADER] {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = u32::try_from(length).expect("records are far below 4 GiB");
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[4..].copy_from_slice(&hasher.finalize().to_le_bytes());
    header
}

/// Replays whole frames and returns how many bytes they took.
pub(super) fn read_frames(bytes: &[u8], replay: &mut dyn FnMut(Kind, &[u8])) -> usize {
    let mut at = 0;
    while let Some((kind, payload, next)) = frame_at(bytes, at) {
        match kind {
            // What is in a group was whole when the group was.
            Kind::Group => {
                read_frames(payload, replay);
            }
            kind => replay(kind, payload),
        }
        at = next;
    }
    at
}

/// Whether these bytes are the beginning of a frame whose rest was never written, as a kill leaves it. A frame that is
/// whole but wrong was damaged by something else, and what follows it was acknowledged.
pub(super) fn is_torn(rest: &[u8]) -> bool {
    let Some(length) = rest.first_chunk::<4>() else {
        return true;
    };
    let length = u32::from_le_bytes(*length) as usize;
    (1..=MAX_FRAME).contains(&length) && rest.len() < HEADER + length
}

pub(super) fn frame_at(bytes: &[u8], at: usize) -> Option<(Kind, &[u8], usize)> {
    let header = bytes.get(at..at + HEADER)?;
    let length = u32::from_le_bytes(header[..4].try_into().ok()?) as usize;
    let checksum = u32::from_le_bytes(header[4..].try_into().ok()?);
    if length == 0 || length > MAX_FRAME {
        return None;
    }
    let body = bytes.get(at + HEADER..at + HEADER + length)?;
    if crc32fast::hash(body) != checksum {
        return None;
    }
    let kind = match body[0] {
        0 => Kind::Snapshot,
        1 => Kind::Change,
        2 => Kind::Event,
        3 => Kind::Routed,
        4 => Kind::Group,
        5 => Kind::Restored,
        _ => return None,
    };
    Some((kind, &body[1..], at + HEADER + length))
}
