//! What can go wrong, one variant for each thing a caller could do something about.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

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
    /// There are no certificates to trust.
    #[error(
        "no certificate authorities to trust: set SSL_CERT_FILE or EdgeModuleCACertificateFile"
    )]
    NoTrustAnchors,
    /// The file of certificates to trust went away or bad.
    #[error("{path} holds no certificates that can be read")]
    TrustFile {
        /// Which file.
        path: PathBuf,
    },
    /// The name does not resolve, the port is closed, or there is no route.
    #[error("{host}:{port} cannot be reached")]
    Unreachable {
        /// The gateway's or hub's name.
        host: String,
        /// The port.
        port: u16,
        /// What the attempt met.
        #[source]
        source: io::Error,
    },
    /// Nobody answered in time, be it TCP, TLS or MQTT.
    #[error("{host}:{port} did not answer in time")]
    TimedOut {
        /// The gateway's or hub's name.
        host: String,
        /// The port.
        port: u16,
    },
    /// The certificate is for another host.
    #[error(
        "the server's certificate is not for {host}: connect by a name it holds, or give it this one"
    )]
    WrongHostName {
        /// The name that was connected to.
        host: String,
    },
    /// The certificate comes from an authority that is not trusted here.
    #[error("the certificate of {host} comes from an authority that is not trusted here")]
    UntrustedCertificate {
        /// The name that was connected to.
        host: String,
    },
    /// The certificate's time has passed or not come; or this clock is wrong.
    #[error("the certificate of {host} is not valid now: expired, or this clock is wrong")]
    ExpiredCertificate {
        /// The name that was connected to.
        host: String,
    },
    /// TLS failed otherwise.
    #[error("TLS with {host} failed")]
    Tls {
        /// The name that was connected to.
        host: String,
        /// What rustls says.
        #[source]
        source: rustls::Error,
    },
    /// Wrong key, expired token, disabled or unknown identity: the hub does not tell them apart.
    #[error(
        "the hub refused the credentials: wrong key, wrong clock, or the identity is disabled or unknown"
    )]
    CredentialsRefused,
    /// The hub is busy or throttles.
    #[error("the hub is busy")]
    ServerBusy,
    /// The hub refused the protocol or the client id.
    #[error("the hub refused the connection with return code {0}")]
    ProtocolRefused(u8),
    /// The hub will not let this client receive.
    #[error("the hub refused a subscription")]
    SubscriptionRefused,
    /// The other side closed: it restarts, the token expired, or the same identity connected elsewhere.
    #[error(
        "the connection was closed by the other side: a restart, or a second connection of this identity"
    )]
    Closed,
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    /// The other side no longer answers.
    #[error("the other side no longer answers")]
    Silent,
    /// A message was not acknowledged in time.
    #[error("a message was not acknowledged in time")]
    Unacknowledged,
    /// The other side does not speak MQTT 3.1.1 as it should.
    #[error("the other side broke the protocol: {0}")]
    Protocol(String),
}

impl LinkError {
    /// Whether trying again is unlikely to help until somebody mends a setting, an identity or a certificate.
    ///
    /// The client tries again all the same: the mending may happen on the other side.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::WorkloadRefused { .. }
                | Self::NoTrustAnchors
                | Self::TrustFile { .. }
                | Self::WrongHostName { .. }
                | Self::UntrustedCertificate { .. }
                | Self::ExpiredCertificate { .. }
                | Self::CredentialsRefused
                | Self::ProtocolRefused(_)
        )
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
