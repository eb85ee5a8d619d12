//! What a bay's machine keeps on its card: the identity it was imaged with, the Edge configuration, its modules' state.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use hub_proto::connection_string::ConnectionString;
use provisioning::edge_config::{EdgeConfig, Identity, Who};

use crate::card;
use crate::place::{Place, make_private};

/// The directories and files of one machine.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    machine: PathBuf,
    modules: PathBuf,
}

impl Disk {
    /// That of the bay `name`, made if it is not there.
    pub(super) fn open(place: &Place, name: &str) -> anyhow::Result<Self> {
        let disk = Self {
            machine: place.root().join("machines").join(name),
            modules: place.root().join("modules").join(name),
        };
        for directory in ["boot", "etc", "provisioning"] {
            make_private(&disk.machine.join(directory))?;
        }
        make_private(&disk.modules)?;
        Ok(disk)
    }

    /// Where imaging puts the machine's first identity: the boot partition.
    pub(crate) fn identity_file(&self) -> PathBuf {
        self.boot().join(card::FILE)
    }

    /// The Edge runtime's configuration.
    pub(crate) fn edge_config(&self) -> PathBuf {
        self.etc().join("config.toml")
    }

    /// State of module provisioning, the same for the host's service and the Edge module.
    pub(super) fn provisioning(&self) -> PathBuf {
        self.machine.join("provisioning")
    }

    /// What the host mounts where the Edge configuration is: the directory it lies in.
    pub(super) fn etc(&self) -> PathBuf {
        self.machine.join("etc")
    }

    /// The boot partition.
    pub(super) fn boot(&self) -> PathBuf {
        self.machine.join("boot")
    }

    /// Where its volumes' content lies when it is to be kept.
    pub(super) fn volumes(&self) -> PathBuf {
        self.machine.join("volumes")
    }

    /// State of any other module, which is the machine's and not the device's: it stays where the device changes.
    pub(super) fn module(&self, name: &str) -> anyhow::Result<PathBuf> {
        let directory = self.modules.join(name);
        make_private(&directory)?;
        Ok(directory)
    }

    /// The configuration as it is now; an empty one where there is none.
    pub(super) fn read_edge_config(&self) -> anyhow::Result<EdgeConfig> {
        let path = self.edge_config();
        match fs::read(&path) {
            Ok(content) => Ok(EdgeConfig::parse(&content, &path)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(EdgeConfig::empty(&path)),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Which device the configuration makes the machine, where nobody has to be asked.
    pub(super) fn device_by_hand(&self) -> anyhow::Result<Option<String>> {
        Ok(match self.read_edge_config()?.identity() {
            Identity::Other(Who::Other { device_id, .. }) => device_id.clone(),
            _ => None,
        })
    }

    /// Makes the machine one of a hub's devices, as an operator does by hand; leaves alone whoever it is already.
    pub(super) fn provision_manually(
        &self,
        name: &str,
        device: &ConnectionString,
    ) -> anyhow::Result<()> {
        let path = self.edge_config();
        if path.exists() {
            return Ok(());
        }
        let text = format!(
            "hostname = \"{name}\"\n\n[provisioning]\nsource = \"manual\"\nconnection_string = \"{}\"\n",
            device.to_secret_string()
        );
        write_private(&path, &text).with_context(|| format!("cannot write {}", path.display()))
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file?.write_all(text.as_bytes())
}
