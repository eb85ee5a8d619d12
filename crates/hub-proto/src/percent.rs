//! Percent coding as the hub's dialect uses it: strict on the way out, tolerant on the way in.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use thiserror::Error;

/// Everything but RFC 3986's unreserved characters is escaped, with upper-case digits: this is what
/// Python's `quote(safe="")` and .NET's `EscapeDataString` write, so signed text agrees with theirs.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The escapes in a text do not spell UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("percent-encoded text is not UTF-8")]
pub struct NotUtf8;

/// Escapes every byte that is not a letter, a digit or one of `-._~`. A space becomes `%20`.
#[must_use]
pub fn encode(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, ESCAPED).into()
}

/// Appends the escaped form of `text` to `out`.
pub fn encode_into(text: &str, out: &mut String) {
    out.extend(utf8_percent_encode(text, ESCAPED));
}

/// Resolves `%XX` in either case. A `+` stays a plus, since identifiers and signatures carry it raw,
/// and a `%` that starts no escape stays as it is, as in every SDK.
///
/// # Errors
/// [`NotUtf8`] when the resolved bytes are not UTF-8.
pub fn decode(text: &str) -> Result<Cow<'_, str>, NotUtf8> {
    if !text.as_bytes().contains(&b'%') {
        return Ok(Cow::Borrowed(text));
    }
    percent_decode_str(text).decode_utf8().map_err(|_| NotUtf8)
}
