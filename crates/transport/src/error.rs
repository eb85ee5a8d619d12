//! Why there is no connection, one variant for each thing a caller could do something about.

use std::io;
use std::path::PathBuf;

/// Why there is no connection, or no longer one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There are no certificates to trust.
    #[error(
        "no certificate authorities to trust: install the system's, or name a file in SSL_CERT_FILE"
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
        /// The server's name.
        host: String,
        /// The port.
        port: u16,
        /// What the attempt met.
        #[source]
        source: io::Error,
    },
    /// Nobody answered in time, be it TCP, TLS, MQTT or HTTP.
    #[error("{host}:{port} did not answer in time")]
    TimedOut {
        /// The server's name.
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
    /// The server refuses the client certificate, or wants one where none was given.
    #[error("{host} refused the client certificate, or wants one")]
    ClientCertificateRefused {
        /// The name that was connected to.
        host: String,
        /// The alert that says why.
        #[source]
        source: rustls::Error,
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
    /// CONNACK 4 or 5. Wrong key, expired token, disabled or unknown identity: servers do not tell them apart.
    #[error(
        "the server refused the credentials: wrong key or certificate, wrong clock, or the identity is disabled or unknown"
    )]
    CredentialsRefused,
    /// CONNACK 3: the server is busy or throttles.
    #[error("the server is busy")]
    ServerBusy,
    /// CONNACK 1, 2 or one that MQTT 3.1.1 does not have: the protocol or the client id is refused.
    #[error("the server refused the connection with return code {0}")]
    ProtocolRefused(u8),
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
    /// The other side does not speak MQTT 3.1.1 as it should.
    #[error("the other side broke the protocol: {0}")]
    Protocol(String),
}

impl Error {
    /// Whether trying again is unlikely to help until somebody mends a setting, an identity or a certificate.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::NoTrustAnchors
                | Self::TrustFile { .. }
                | Self::WrongHostName { .. }
                | Self::UntrustedCertificate { .. }
                | Self::ExpiredCertificate { .. }
                | Self::ClientCertificateRefused { .. }
                | Self::CredentialsRefused
                | Self::ProtocolRefused(_)
        )
    }
}
