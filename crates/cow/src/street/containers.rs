//! The street's modules as containers: the engine for as long as the street runs, and what a module's container is made of.
//!
//! Everything a module needs to be itself is in its create options and environment, as on a device. What differs is only
//! where the hub is: this machine's address in the engine's network, by the name [`EDGE_HUB`].

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use hub_proto::identity::Identity;
use runner::{Absent, ContainerSpec, Credentials, DesiredStatus, Engine, Mount, Session, Wishes};
use simulator::Bridge;

use super::disk::Disk;
use super::edge_daemon::{EdgeDaemon, Equipment};
use super::surroundings;
use crate::commands::module::Name;
use crate::deployment::Module;
use crate::place::{self, Place};
use crate::program::{self, Means};

/// What modules in containers call the hub.
pub(super) const EDGE_HUB: &str = "edgehub";

/// A module's workload socket, in its container.
const WORKLOAD: &str = "/run/iotedge/workload.sock";

/// This very program, even where its file has been replaced since it was started.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Opens the engine for one street, and removes what killed ones have left there.
pub(super) async fn open(place: &Place) -> anyhow::Result<Engine> {
    let owner = place.private().to_owned();
    let name = owner.file_name().unwrap_or_default();
    let session = Session {
        name: name.to_string_lossy().into_owned(),
        owner,
        program: PathBuf::from(THIS_PROGRAM),
    };
    Ok(Engine::open(session, place::is_alive).await?)
}

/// Where the hub is for containers.
pub(super) fn bridge(engine: &Engine) -> Bridge {
    Bridge {
        address: engine.gateway(),
        host: EDGE_HUB.to_owned(),
    }
}

/// Has the images ready of what is to run, so that what is missing is said before anything else happens.
pub(super) async fn prepare(equipment: &Equipment) -> anyhow::Result<()> {
    let Some(engine) = &equipment.engine else {
        return Ok(());
    };
    let content = &equipment.deployment.content["modulesContent"]["$edgeAgent"];
    let desired = content["properties.desired"].as_object();
    let registries = desired
        .map(super::edge_agent::registries)
        .unwrap_or_default();
    for module in &equipment.deployment.modules {
        let means = equipment.programs.find(&module.name, &module.image)?;
        if let Means::Container(own) = means
            && module.status == DesiredStatus::Running
        {
            let absent = absent(module, own, &registries);
            let prepared = engine.prepare(&module.image, &absent).await;
            prepared.with_context(|| {
                let name = &module.name;
                format!(
                    "module {name} cannot be run (--exec '{name}=COMMAND' runs a program instead)"
                )
            })?;
        }
    }
    Ok(())
}

/// What a module's container is made of.
pub(super) fn spec(
    daemon: &EdgeDaemon<'_>,
    identity: &Identity,
    module: &Module,
    own: Option<Name>,
    runtime: &[(String, String)],
    registries: &[Credentials],
) -> anyhow::Result<ContainerSpec> {
    let equipment = daemon.equipment;
    let engine = equipment.engine.clone();
    let (engine, mut wishes) = engine
        .zip(daemon.surroundings.of_container.clone())
        .ok_or_else(|| anyhow!("this street has no container engine"))?;
    let workload = runtime
        .iter()
        .find(|(name, _)| name == "IOTEDGE_WORKLOADURI");
    let workload = workload.and_then(|(_, uri)| uri.strip_prefix("unix://"));
    let workload = Path::new(workload.context("the module has no workload socket")?);
    open_to_all(workload).context("cannot let the container use its workload socket")?;
    wishes.mounts.push(Mount {
        source: workload.to_owned(),
        target: WORKLOAD.to_owned(),
        read_only: false,
    });
    if program::image_name(&module.image) == "provisioning" {
        share_configuration(daemon.disk, &mut wishes);
    }
    let mut env = Vec::new();
    // The manifest's come before these two, wherever it says them.
    let said = module.create_options["Env"].as_array();
    let said = |name: &str| {
        let mut options = said.into_iter().flatten().filter_map(|one| one.as_str());
        options.any(|option| option.split('=').next() == Some(name))
    };
    let defaults = [equipment.log_level(), surroundings::board()];
    env.extend(defaults.into_iter().filter(|(name, _)| !said(name)));
    env.extend_from_slice(&module.env);
    env.extend_from_slice(runtime);
    env.push((
        "IOTEDGE_WORKLOADURI".to_owned(),
        format!("unix://{WORKLOAD}"),
    ));
    env.append(&mut wishes.env);
    wishes.env = env;
    let device = identity.device_id();
    wishes.aliases.push(format!("{}.{device}", module.name));
    if equipment.is_alone {
        // As on a device, where it is the container's name. With several devices in one network it would be nobody's.
        wishes.aliases.push(module.name.clone());
    }
    Ok(ContainerSpec {
        name: name(engine.name(), device, &module.name),
        engine,
        image: module.image.clone(),
        absent: absent(module, own, registries),
        create_options: module.create_options.clone(),
        wishes,
    })
}

/// The journal of a machine's changes of identity names the configuration by its path, and the host's service, which is a
/// process of this machine, goes on where the module has left off: both have to call it the same.
fn share_configuration(disk: &Disk, wishes: &mut Wishes) {
    let path = |path: &Path| path.display().to_string();
    wishes.mounts.push(Mount {
        target: path(&disk.etc()),
        source: disk.etc(),
        read_only: false,
    });
    let configuration = path(&disk.edge_config());
    wishes
        .env
        .push(("BAY_EDGE_CONFIG".to_owned(), configuration));
}

/// A socket on a mount can be used by those who have it mounted; on this machine it lies in a directory that only its
/// owner can enter.
pub(super) fn open_to_all(socket: &Path) -> io::Result<()> {
    fs::set_permissions(socket, Permissions::from_mode(0o666))
}

fn absent(module: &Module, own: Option<Name>, registries: &[Credentials]) -> Absent {
    match own {
        Some(own) => Absent::StandIn(vec!["module".to_owned(), own.as_str().to_owned()]),
        None if module.may_pull => {
            let registry = registry(&module.image);
            let found = registries.iter().find(|known| known.address == registry);
            Absent::Pull(found.cloned())
        }
        None => Absent::Refuse,
    }
}

/// The registry an image is in: what comes before the first slash, if it can be a host.
fn registry(image: &str) -> &str {
    let first = image.split_once('/').map(|(first, _)| first);
    first
        .filter(|host| host.contains(['.', ':']) || *host == "localhost")
        .unwrap_or("docker.io")
}

/// A name as engines let it be: letters, digits, `_`, `.` and `-`.
fn name(session: &str, device: &str, module: &str) -> String {
    let allowed = |char: char| char.is_ascii_alphanumeric() || "_.-".contains(char);
    let mut name = String::new();
    for char in format!("{session}-{device}-{module}").chars() {
        if allowed(char) {
            name.push(char);
        } else {
            name.push_str(&format!("_{:x}", u32::from(char)));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_told_by_its_first_part() {
        for (image, expected) in [
            ("light:1", "docker.io"),
            ("cow-parking/light:1", "docker.io"),
            ("r.example/a/light@sha256:00", "r.example"),
            ("localhost:5000/light", "localhost:5000"),
            ("localhost/light", "localhost"),
        ] {
            assert_eq!(registry(image), expected, "{image}");
        }
    }

    #[test]
    fn any_identity_makes_a_name() {
        assert_eq!(name("cow-x", "bay-01", "light"), "cow-x-bay-01-light");
        assert_eq!(name("cow-x", "a:b", "m*'"), "cow-x-a_3ab-m_2a_27");
    }
}
