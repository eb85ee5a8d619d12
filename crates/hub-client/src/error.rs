//! What can go wrong, one variant for each thing a caller could do something about.

use std::io;
use std::path::PathBuf;

use dps_client::RegisterError;
use thiserror::Error;
use transport::CertificateError;

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The runtime's socket is not there or nobody answers on it.
    #[error(
        "the Edge runtime does not answer on {uri}: is it running, and is the socket mounted here?"
    )]
    WorkloadUnreachable {
        /// `IOTEDGE_WORKLOADURI`
        uri: String,
        /// What the attempt met.
        #[source]
        source: io::Error,
    },
    /// The runtime answered that it will not: for another module's process, or an unknown one.
    #[error("the Edge runtime refused to {what}: {status} {message}")]
    WorkloadRefused {
        /// `sign` or `give the trust bundle`.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// What the runtime said.
        message: String,
    },
    /// The runtime's answer makes no sense.
    #[error("the Edge runtime's answer cannot be read: {0}")]
    WorkloadMalformed(&'static str),
    /// The file of the client certificate or of its key went away or cannot be read.
    #[error("{path} cannot be read")]
    CertificateFile {
        /// Which file.
        path: PathBuf,
        /// What reading it met.
        #[source]
        source: io::Error,
    },
    /// The files hold no client certificate, or the key of another.
    #[error("the client certificate cannot be used")]
    Certificate(#[source] CertificateError),
    /// The provisioning service gives this device no hub.
    #[error(transparent)]
    Provisioning(#[from] RegisterError),
    /// There is no connection to the hub or gateway, or no longer one.
    #[error(transparent)]
    Connection(#[from] transport::Error),
    /// The hub will not let this client receive.
    #[error("the hub refused a subscription")]
    SubscriptionRefused,
    /// A message was not acknowledged in time.
    #[error("a message was not acknowledged in time")]
    Unacknowledged,
}

impl LinkError {
    /// Whether trying again is unlikely to help until somebody mends a setting, an identity or a certificate.
    ///
    /// The client tries again all the same: the mending may happen on the other side.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        match self {
            Self::WorkloadRefused { .. } | Self::CertificateFile { .. } | Self::Certificate(_) => {
                true
            }
            Self::Provisioning(error) => error.is_permanent(),
            Self::Connection(error) => error.is_permanent(),
            Self::WorkloadUnreachable { .. }
            | Self::WorkloadMalformed(_)
            | Self::SubscriptionRefused
            | Self::Unacknowledged => false,
        }
    }
}

/// Why a message was not taken into the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendError {
    /// The hub would close the connection upon it.
    #[error("message takes {bytes} bytes, more than the hub's 262144")]
    TooLarge {
        /// Body plus properties.
        bytes: usize,
    },
    /// The properties do not fit into a topic.
    #[error("properties take {bytes} bytes when encoded, more than a topic's 65535")]
    PropertiesTooLarge {
        /// The topic with its properties.
        bytes: usize,
    },
    /// The outbox is full and its policy refuses the newest.
    #[error("outbox is full")]
    OutboxFull,
    /// The client has been closed.
    #[error("client is closed")]
    Closed,
}

/// Why a message that was taken will never be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReceiptError {
    /// It gave way to newer messages in a full outbox.
    #[error("message was dropped from a full outbox")]
    Dropped,
    /// The client was closed first.
    #[error("client was closed before the message was acknowledged")]
    Closed,
}

/// Why a twin was not read or reported properties were not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TwinError {
    /// The hub said no: 400 for a bad patch, 429 when throttled, 5xx for its own troubles.
    #[error("the hub answered {status}: {message}")]
    Refused {
        /// Its status.
        status: u16,
        /// Its reason.
        message: String,
    },
    /// No answer came. A report may have been taken all the same.
    #[error("the hub did not answer")]
    TimedOut,
    /// The answer makes no sense.
    #[error("the hub's answer is not a twin")]
    Malformed,
    /// The patch is not a JSON object.
    #[error("reported properties must be a JSON object")]
    NotAnObject,
    /// The patch is larger than any message may be.
    #[error("reported properties take {bytes} bytes, more than the hub's 262144")]
    TooLarge {
        /// Its JSON text.
        bytes: usize,
    },
    /// Too many requests wait already.
    #[error("too many twin requests wait already")]
    TooMany,
    /// The client has been closed.
    #[error("client is closed")]
    Closed,
}

/// Why a client could not be closed cleanly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CloseError {
    /// The deadline came before everything was acknowledged.
    #[error("{messages} messages were not acknowledged before the deadline")]
    Undelivered {
        /// How many.
        messages: usize,
    },
}

/// Why a method of another module gave no answer.
#[derive(Debug, Error)]
pub enum InvokeError {
    /// The request is out of bounds.
    #[error("the method request cannot be sent")]
    Invalid(#[source] hub_proto::method::MethodError),
    /// The provisioning service has not said yet who this device is.
    #[error("this device has no hub yet")]
    Unassigned,
    /// The gateway could not be reached.
    #[error("the gateway's HTTPS port cannot be used")]
    Link(#[from] LinkError),
    /// The exchange broke off.
    #[error("the exchange with the gateway broke off")]
    Exchange(#[source] hyper::Error),
    /// The gateway did not answer within the method's own time-outs.
    #[error("the gateway did not answer")]
    TimedOut,
    /// The target is not connected, or has no methods.
    #[error("target not found: {0}")]
    NotFound(String),
    /// The target did not answer.
    #[error("target did not answer: {0}")]
    NoAnswer(String),
    /// The gateway refused.
    #[error("the gateway answered {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its reason.
        message: String,
    },
    /// The gateway's answer makes no sense.
    #[error("the gateway's answer cannot be read")]
    Malformed,
}

/// An error with its causes on one line, for a log.
#[must_use]
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
