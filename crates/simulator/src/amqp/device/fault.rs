//! Refusals and ends of the hub's, as AMQP tells them.

use std::io;

use crate::amqp::performative::Fault;
use crate::history::Cause;
use crate::hub::Refusal;
use crate::mailbox::EndReason;
use crate::wire::ReturnCode;

pub(super) const UNAUTHORIZED: &str = "amqp:unauthorized-access";

/// What a client hears when the journal has not what it asked for.
pub(super) fn kept(committed: io::Result<()>) -> Result<(), Fault> {
    committed.map_err(|error| {
        let text = format!("the journal cannot be written: {error}");
        Fault::new("amqp:internal-error", text)
    })
}

/// Why the hub lets nobody in, as `$cbs` tells it.
pub(super) fn status(refusal: &Refusal) -> i32 {
    match refusal.code {
        _ if refusal.cause == Cause::Unknown => 404,
        None | Some(ReturnCode::ServerUnavailable) => 503,
        Some(_) => 401,
    }
}

/// The same, as a link is told it.
pub(super) fn refused(refusal: &Refusal) -> &'static str {
    match refusal.code {
        _ if refusal.cause == Cause::Unknown => "amqp:not-found",
        None => "amqp:link:detach-forced",
        Some(ReturnCode::ServerUnavailable) => "amqp:internal-error",
        Some(_) => UNAUTHORIZED,
    }
}

/// Why the hub ended a connection, as links are told it.
pub(super) fn condition(reason: EndReason) -> &'static str {
    match reason {
        EndReason::TakenOver => "amqp:link:stolen",
        EndReason::Removed => "amqp:not-found",
        EndReason::Disabled | EndReason::ProofChanged | EndReason::TokenExpired => UNAUTHORIZED,
        EndReason::Overrun => "amqp:resource-limit-exceeded",
        EndReason::LinkCut
        | EndReason::CapabilityChanged
        | EndReason::Replaced
        | EndReason::ShuttingDown => "amqp:link:detach-forced",
    }
}
