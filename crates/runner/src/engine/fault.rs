use std::io;

use bollard::errors::Error;

/// Why the engine cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// `DOCKER_HOST` names an engine that is not reached by a Unix socket.
    #[error(
        "DOCKER_HOST is {0}, and containers need an engine on this machine: unset it, or give a socket as in unix:///run/user/1000/docker.sock"
    )]
    Elsewhere(String),
    /// There is no socket.
    #[error(
        "there is no container engine at {0}: install one (on Debian: sudo apt-get install docker.io iptables) and start it, or name its socket with DOCKER_HOST=unix://PATH"
    )]
    Absent(String),
    /// There is a socket, and nobody behind it.
    #[error("no container engine listens at {0}: start it (sudo systemctl start docker)")]
    Stopped(String),
    /// This user may not use the socket.
    #[error(
        "you may not use the container engine at {0}: run as root, or join the socket's group (sudo usermod -aG docker $USER) and log in again"
    )]
    Forbidden(String),
    /// The socket cannot be used for another reason.
    #[error("cannot reach the container engine at {0}")]
    Unreachable(String, #[source] io::Error),
    /// It does not do what it was asked.
    #[error("the container engine could not {what}: {}", reason(source))]
    Asked {
        /// What it was asked.
        what: String,
        /// What became of it; what it says is in the text already.
        source: Error,
    },
    /// Its network has no IPv4 address for this machine.
    #[error(
        "the container engine's network {0} has no IPv4 gateway by which this machine could be reached"
    )]
    NoGateway(String),
}

/// What the engine said, without what the client puts around it.
pub(crate) fn reason(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        Error::RequestTimeoutError => "it does not answer".to_owned(),
        Error::HyperLegacyError { .. } | Error::IOError { .. } => {
            format!("it cannot be reached ({error})")
        }
        error => error.to_string(),
    }
}

/// Whether what was asked about is not there.
pub(crate) fn is_missing(error: &Error) -> bool {
    has_status(error, 404)
}

pub(crate) fn has_status(error: &Error, status: u16) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code, .. } if *status_code == status)
}
