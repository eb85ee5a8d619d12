//! Topics, in both directions.
//!
//! | direction | parse | write |
//! |---|---|---|
//! | client to service | [`Inbound`] | [`telemetry`], [`twin_get`], [`reported_patch`], [`method_response`], [`dps_register`], [`dps_operation_status`] |
//! | service to client | [`Delivery`] | [`devicebound`], [`input`], [`method_request`], [`twin_response`], [`desired_patch`], [`dps_response`] |
//! | subscription | [`Filter::parse`] | [`Filter`]'s `Display` |
//!
//! The ids in a topic are what the peer claims: comparing them with who is connected is the caller's part.
//! Bags stay encoded here, see [`crate::property_bag`].

mod delivery;
mod filter;
mod inbound;

pub use delivery::{
    Delivery, desired_patch, devicebound, dps_response, input, method_request, twin_response,
};
pub use filter::Filter;
pub use inbound::{
    Inbound, dps_operation_status, dps_register, method_response, reported_patch, telemetry,
    twin_get,
};

/// Splits `head/tail` into the id and what follows its slash.
fn take_id(text: &str) -> Option<(&str, &str)> {
    text.split_once('/').filter(|(id, _)| !id.is_empty())
}

/// The raw value of `name` in the `?name=value&…` that ends a topic.
///
/// It stays as it was written, since a request id is handed back untouched.
fn query_value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let query = query.strip_prefix('?').unwrap_or(query);
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}
