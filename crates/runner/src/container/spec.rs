use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::{Absent, Engine};

/// A container to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSpec {
    /// Where it runs.
    pub engine: Engine,
    /// What it is called there: unique, and what the engine lets a name be.
    pub name: String,
    /// Its image, as the manifest names it.
    pub image: String,
    /// What to do when that is not on this machine.
    pub absent: Absent,
    /// The manifest's create options: the engine's own document for creating a container.
    pub create_options: Value,
    /// What it has beside them.
    pub wishes: Wishes,
}

/// What a module's container has beside what its create options say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Set on top of the image's and the create options' environment; of a name given twice the later value holds.
    pub env: Vec<(String, String)>,
    /// What it finds mounted beside what the create options say.
    pub mounts: Vec<Mount>,
    /// What stands for the host that the create options speak of.
    pub host: Host,
    /// Names that lead to an address, beside what the network knows.
    pub names: Vec<(String, IpAddr)>,
    /// What it is called by the other containers of the network.
    pub aliases: Vec<String>,
}

/// Something of this machine at a path in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Here.
    pub source: PathBuf,
    /// In the container. What the create options have there comes before this.
    pub target: String,
    /// Whether the container may not write there.
    pub read_only: bool,
}

/// What stands for the host that create options speak of: a machine that is played on this one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Paths of that machine, and what is here in their place and in place of everything below. Any other path is this
    /// machine's own.
    pub paths: Vec<(PathBuf, Stand)>,
    /// Begins the engine's names of that machine's volumes.
    pub volume_prefix: String,
    /// Where the volumes' content lies; without it the engine keeps it for as long as the session lives.
    pub volumes: Option<PathBuf>,
}

/// What is here in the place of a path of another machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// A path that anybody may use who has it mounted.
    Shared(PathBuf),
    /// A path that is root's on that machine, and belongs to whoever runs this.
    Private(PathBuf),
    /// The machine has no such thing: nothing is mounted.
    Nothing,
}

impl Host {
    /// What stands for a path of the machine; nothing where this machine's own is meant.
    pub(crate) fn stand(&self, path: &Path) -> Option<Stand> {
        let below = self.paths.iter().filter_map(|(place, stand)| {
            let rest = path.strip_prefix(place).ok()?;
            let within = |base: &PathBuf| match rest.as_os_str().is_empty() {
                true => base.clone(),
                false => base.join(rest),
            };
            let stand = match stand {
                Stand::Shared(base) => Stand::Shared(within(base)),
                Stand::Private(base) => Stand::Private(within(base)),
                Stand::Nothing => Stand::Nothing,
            };
            Some((place.components().count(), stand))
        });
        below
            .max_by_key(|(depth, _)| *depth)
            .map(|(_, stand)| stand)
    }
}

impl ContainerSpec {
    /// The time its create options give it to end.
    pub(crate) fn stop_grace(&self) -> Option<Duration> {
        let seconds = self.create_options.get("StopTimeout")?.as_u64()?;
        Some(Duration::from_secs(seconds))
    }
}
