//! What runs on each bay: a deployment manifest, as this machine is to run it.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, bail};
use manifest::template::{self, Expansion, Platform, Surroundings};
use manifest::{ImagePullPolicy, Problem, Reading, Status};
use runner::{DesiredStatus, RestartPolicy};
use serde_json::Value;

use crate::commands::manifest::read;
use crate::output;

/// Deployed when no other is named and the current directory has it.
const TEMPLATE: &str = "deployment.template.json";

/// A manifest.
#[derive(Debug)]
pub(crate) struct Deployment {
    /// The whole of it, as the hub is given it: `{"modulesContent":{…}}`.
    pub(crate) content: Value,
    /// Its modules in the order of the document, without the Edge runtime's own.
    pub(crate) modules: Vec<Module>,
}

/// One module of a manifest.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) image: String,
    /// Whether the image may be pulled where it is not on this machine.
    pub(crate) may_pull: bool,
    pub(crate) create_options: Value,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) startup_order: u32,
    pub(crate) restart_policy: RestartPolicy,
    pub(crate) status: DesiredStatus,
}

/// Reads a template or a manifest: the one named, else the template of the current directory, else the built-in one.
pub(crate) fn load(path: Option<&Path>) -> anyhow::Result<Deployment> {
    if let Some(path) = path {
        let text = fs::read_to_string(path);
        return of_file(
            path,
            &text.with_context(|| format!("cannot read the manifest {}", path.display()))?,
        );
    }
    match fs::read_to_string(TEMPLATE) {
        Ok(text) => of_file(Path::new(TEMPLATE), &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => built_in(),
        Err(error) => {
            Err(error).with_context(|| format!("cannot read {TEMPLATE} of this directory"))
        }
    }
}

/// This repository's own template, as it was when this was built.
pub(crate) fn built_in() -> anyhow::Result<Deployment> {
    let text = include_str!("../../../deployment.template.json");
    of_expansion(
        "the built-in manifest",
        template::expand(text, platform(), &BuiltIn),
    )
}

fn of_file(path: &Path, text: &str) -> anyhow::Result<Deployment> {
    of_expansion(&path.display().to_string(), read(text, path, platform())?)
}

/// This machine's: its images are what containers are made of, and for processes any would do.
fn platform() -> Platform {
    match std::env::consts::ARCH {
        "aarch64" => Platform::Arm64v8,
        "arm" => Platform::Arm32v7,
        _ => Platform::Amd64,
    }
}

fn of_expansion(name: &str, expansion: Expansion) -> anyhow::Result<Deployment> {
    let Expansion {
        document,
        reading: Reading { manifest, problems },
    } = expansion;
    let (Some(mut content), Some(manifest)) = (document, manifest) else {
        let errors = problems.iter().filter(|problem| problem.is_error());
        let errors: Vec<_> = errors.map(|error| format!("{name}:{error}")).collect();
        bail!(
            "{name} cannot be deployed; `cow manifest check` shows more\n{}",
            errors.join("\n")
        );
    };
    for warning in problems
        .iter()
        .filter(|problem| !Problem::is_error(problem))
    {
        output::note(&format!("{name}:{warning}"));
    }
    // Automatic deployments have it one level down.
    if let Some(inner) = content.get_mut("content") {
        content = inner.take();
    }
    let modules = manifest
        .agent
        .modules
        .into_iter()
        .filter(|module| !module.is_system);
    Ok(Deployment {
        content,
        modules: modules.map(Module::from).collect(),
    })
}

impl From<manifest::Module> for Module {
    fn from(module: manifest::Module) -> Self {
        Self {
            name: module.name,
            image: module.image,
            may_pull: module.image_pull_policy == ImagePullPolicy::OnCreate,
            create_options: module.create_options,
            env: module.env,
            startup_order: module.startup_order,
            restart_policy: match module.restart_policy {
                manifest::RestartPolicy::Never => RestartPolicy::Never,
                manifest::RestartPolicy::OnFailure => RestartPolicy::OnFailure,
                manifest::RestartPolicy::OnUnhealthy => RestartPolicy::OnUnhealthy,
                manifest::RestartPolicy::Always => RestartPolicy::Always,
            },
            status: match module.status {
                Status::Running => DesiredStatus::Running,
                Status::Stopped => DesiredStatus::Stopped,
            },
        }
    }
}

/// The files the built-in template asks for.
struct BuiltIn;

impl Surroundings for BuiltIn {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn module_json(&self, directory: &str) -> io::Result<String> {
        let text = match directory {
            "modules/battery" => include_str!("../../../modules/battery/module.json"),
            "modules/hc-sr04" => include_str!("../../../modules/hc-sr04/module.json"),
            "modules/light" => include_str!("../../../modules/light/module.json"),
            "modules/provisioning" => include_str!("../../../modules/provisioning/module.json"),
            _ => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::module::Name;
    use crate::program::Programs;

    #[test]
    fn the_built_in_manifest_is_of_images_this_binary_holds() {
        let deployment = built_in().expect("it is sound");
        let modules = deployment.modules.iter();
        let images = modules.map(|module| (module.name.as_str(), module.image.as_str()));
        let programs =
            Programs::of(images.clone(), Path::new("cow"), &[], false).expect("they are held");
        let mut held: Vec<_> = images
            .filter_map(|(name, image)| programs.find(name, image).ok()?.own())
            .collect();
        held.sort_unstable_by_key(|own| own.as_str());
        assert_eq!(
            held,
            [Name::Battery, Name::HcSr04, Name::Light, Name::Provisioning]
        );
        assert!(deployment.content["modulesContent"]["$edgeHub"].is_object());
    }

    #[test]
    fn mistakes_are_told_with_their_places() {
        let text = "{\"modulesContent\": {\"$edgeAgent\": {}}}";
        let error = of_file(Path::new("x.json"), text).expect_err("it lacks nearly everything");
        let error = error.to_string();
        assert!(
            error.starts_with(
                "x.json cannot be deployed; `cow manifest check` shows more\nx.json:1:"
            ),
            "{error}"
        );
    }
}
