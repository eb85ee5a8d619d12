//! The container engine of this machine, as one run of a street uses it: a network of its own, and whatever is made there
//! marked as that street's, so that nothing outlasts it unnoticed.
//!
//! It is asked through its Unix socket and has to be on this machine: containers are handed sockets and directories of
//! it. What a killed run left behind is found by its mark when the next one opens the engine; see `sweep`.

mod connection;
mod fault;
mod image;
mod sweep;
mod tar;
mod usage;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::Docker;
use bollard::models::{NetworkCreateRequest, VolumeCreateRequest};
use tokio::sync::Mutex;

pub use fault::EngineError;
pub(crate) use fault::{has_status, is_missing, reason};
pub use image::{Absent, Credentials, ImageError};
pub use usage::Usage;

/// The label that says whose a thing at the engine is: the private directory of the street that made it.
const OWNER: &str = "cow.street";

/// Who uses the engine.
#[derive(Clone, Debug)]
pub struct Session {
    /// Begins the name of everything that is made; nobody else's may be the same.
    pub name: String,
    /// A directory that is there and locked for as long as the session is alive.
    pub owner: PathBuf,
    /// A static program that can stand in for images, see [`Absent::StandIn`].
    pub program: PathBuf,
}

/// An open engine, cheap to clone. [`Self::close`] removes everything that was made through it.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    docker: Docker,
    session: Session,
    gateway: IpAddr,
    /// Whom files of this process belong to as containers see them, where that is not root.
    keeper: Option<(u32, u32)>,
    /// The image made from the session's program, once it has been.
    stand_in: Mutex<Option<String>>,
}

impl PartialEq for Engine {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Engine {}

impl Engine {
    /// Connects, removes what dead sessions have left, and makes the session's network. `is_alive` tells of the owner of
    /// another session whether that still runs.
    ///
    /// # Errors
    /// Why there is no engine to use, with the cure.
    pub async fn open(
        session: Session,
        is_alive: impl Fn(&Path) -> bool,
    ) -> Result<Self, EngineError> {
        let connected = connection::connect().await?;
        let docker = connected.docker;
        sweep::sweep(&docker, |owner| !is_alive(owner)).await;
        let gateway = make_network(&docker, &session).await?;
        Ok(Self(Arc::new(Inner {
            docker,
            session,
            gateway,
            keeper: connected.keeper,
            stand_in: Mutex::default(),
        })))
    }

    /// This machine's address in the session's network.
    pub fn gateway(&self) -> IpAddr {
        self.0.gateway
    }

    /// Removes everything the session made: containers that are left, volumes, the network, the image made here.
    pub async fn close(&self) {
        let own = &self.0.session.owner;
        sweep::sweep(&self.0.docker, |owner| owner == own).await;
    }

    /// The name of the session's network, which its containers' names begin with.
    pub fn name(&self) -> &str {
        &self.0.session.name
    }

    pub(crate) fn docker(&self) -> &Docker {
        &self.0.docker
    }

    pub(crate) fn keeper(&self) -> Option<(u32, u32)> {
        self.0.keeper
    }

    pub(crate) fn labels(&self) -> HashMap<String, String> {
        labels(&self.0.session)
    }

    /// Makes a volume unless it is there. With `device` its content lies in that directory.
    pub(crate) async fn make_volume(
        &self,
        name: &str,
        device: Option<&Path>,
    ) -> Result<(), bollard::errors::Error> {
        let options = device.map(|device| {
            HashMap::from([
                ("type".to_owned(), "none".to_owned()),
                ("o".to_owned(), "bind".to_owned()),
                ("device".to_owned(), device.display().to_string()),
            ])
        });
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            driver_opts: options,
            labels: Some(self.labels()),
            ..VolumeCreateRequest::default()
        };
        self.0.docker.create_volume(request).await.map(drop)
    }
}

async fn make_network(docker: &Docker, session: &Session) -> Result<IpAddr, EngineError> {
    let name = session.name.as_str();
    let asked = |source| EngineError::Asked {
        what: format!("make the network {name}"),
        source,
    };
    let request = NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        labels: Some(labels(session)),
        ..NetworkCreateRequest::default()
    };
    docker.create_network(request).await.map_err(asked)?;
    let network = docker.inspect_network(name, None).await.map_err(asked)?;
    let pools = network.ipam.and_then(|ipam| ipam.config);
    let gateways = pools.into_iter().flatten().filter_map(|pool| pool.gateway);
    // Some engines give it with the length of its prefix.
    let mut gateways = gateways.filter_map(|text| text.split('/').next()?.parse().ok());
    match gateways.find(IpAddr::is_ipv4) {
        Some(gateway) => Ok(gateway),
        None => {
            // Nobody else would before the next start.
            let _ = docker.remove_network(name).await;
            Err(EngineError::NoGateway(name.to_owned()))
        }
    }
}

fn labels(session: &Session) -> HashMap<String, String> {
    HashMap::from([(OWNER.to_owned(), session.owner.display().to_string())])
}
