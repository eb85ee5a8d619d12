//! The way to the engine: which socket, and what to say where it cannot be used.

use std::io::{self, ErrorKind};

use bollard::{API_DEFAULT_VERSION, Docker};
use rustix::process::{getegid, geteuid};
use tokio::net::UnixStream;

use super::EngineError;

const SOCKET: &str = "/var/run/docker.sock";

/// Engines answer in milliseconds, but for one that removes or makes much at the same time on a slow disk.
const ANSWER_SECONDS: u64 = 60;

pub(super) struct Connected {
    pub(super) docker: Docker,
    pub(super) keeper: Option<(u32, u32)>,
}

pub(super) async fn connect() -> Result<Connected, EngineError> {
    let path = socket(std::env::var("DOCKER_HOST").ok())?;
    // The client tells less of why a socket cannot be used.
    if let Err(error) = UnixStream::connect(&path).await {
        return Err(explain(path, error));
    }
    let asked = |source| EngineError::Asked {
        what: "say what it is".to_owned(),
        source,
    };
    let docker =
        Docker::connect_with_unix(&path, ANSWER_SECONDS, API_DEFAULT_VERSION).map_err(asked)?;
    // An older engine is spoken to as it understands.
    let docker = docker.negotiate_version().await.map_err(asked)?;
    let info = docker.info().await.map_err(asked)?;
    let options = info.security_options.unwrap_or_default();
    let is_rootless = options.iter().any(|option| option.contains("rootless"));
    // The root of a rootless engine's containers is the user who runs it.
    let is_root = geteuid().is_root() || is_rootless;
    Ok(Connected {
        docker,
        keeper: (!is_root).then(|| (geteuid().as_raw(), getegid().as_raw())),
    })
}

fn socket(host: Option<String>) -> Result<String, EngineError> {
    match host.filter(|host| !host.is_empty()) {
        None => Ok(SOCKET.to_owned()),
        Some(host) => match host.strip_prefix("unix://") {
            Some(path) => Ok(path.to_owned()),
            None => Err(EngineError::Elsewhere(host)),
        },
    }
}

fn explain(path: String, error: io::Error) -> EngineError {
    match error.kind() {
        ErrorKind::NotFound => EngineError::Absent(path),
        ErrorKind::ConnectionRefused => EngineError::Stopped(path),
        ErrorKind::PermissionDenied => EngineError::Forbidden(path),
        _ => EngineError::Unreachable(path, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_engine_on_this_machine_will_do() {
        let of = |host: &str| socket(Some(host.to_owned())).ok();
        assert_eq!(socket(None).ok().as_deref(), Some(SOCKET));
        assert_eq!(of("").as_deref(), Some(SOCKET));
        assert_eq!(of("unix:///run/e.sock").as_deref(), Some("/run/e.sock"));
        assert_eq!(of("tcp://192.0.2.7:2375"), None);
    }

    #[test]
    fn every_refusal_of_a_socket_has_a_cure() {
        for (kind, cure) in [
            (ErrorKind::NotFound, "apt-get install"),
            (ErrorKind::ConnectionRefused, "systemctl start"),
            (ErrorKind::PermissionDenied, "usermod"),
        ] {
            let said = explain("/run/e.sock".to_owned(), kind.into()).to_string();
            assert!(
                said.contains("/run/e.sock") && said.contains(cure),
                "{said}"
            );
        }
    }
}
