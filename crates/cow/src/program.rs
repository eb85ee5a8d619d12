//! What runs for a module's image: a program as a process, or a container.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::commands::module;
use crate::output::UsedWrongly;

/// `--exec MODULE=COMMAND`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exec {
    module: String,
    command: String,
}

impl FromStr for Exec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((module, command)) if !module.is_empty() && !command.trim().is_empty() => {
                Ok(Self {
                    module: module.into(),
                    command: command.into(),
                })
            }
            _ => Err("write it as MODULE=COMMAND".into()),
        }
    }
}

/// What to execute for one module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) args: Vec<OsString>,
    /// Which of this binary's own modules it is, if it is one.
    pub(crate) own: Option<module::Name>,
}

impl Program {
    fn own(own: module::Name, cow: &Path) -> Self {
        Self {
            path: cow.to_owned(),
            args: vec!["module".into(), own.as_str().into()],
            own: Some(own),
        }
    }
}

/// What runs for one module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    /// A program of this machine.
    Process(Program),
    /// Its image; which of this binary's own modules that holds, if it holds one.
    Container(Option<module::Name>),
}

impl Means {
    /// Which of this binary's own modules it is, if it is one.
    pub(crate) fn own(&self) -> Option<module::Name> {
        match self {
            Self::Process(program) => program.own,
            Self::Container(own) => *own,
        }
    }
}

/// What runs for modules: what `--exec` says; else a container where there are to be containers, and this very binary for
/// the images it holds where not.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    cow: PathBuf,
    execs: Vec<Exec>,
    in_containers: bool,
}

impl Programs {
    /// Those of a manifest, whose modules are given as name and image.
    pub(crate) fn of<'m>(
        modules: impl Iterator<Item = (&'m str, &'m str)> + Clone,
        cow: &Path,
        execs: &[Exec],
        in_containers: bool,
    ) -> Result<Self, UsedWrongly> {
        // A misspelt name would else go unnoticed.
        let unknown = execs
            .iter()
            .find(|exec| !modules.clone().any(|(name, _)| name == exec.module));
        if let Some(Exec { module, .. }) = unknown {
            let names: Vec<_> = modules.map(|(name, _)| name).collect();
            return Err(UsedWrongly(format!(
                "--exec is for module {module}, which is not in the manifest (it has {})",
                names.join(", ")
            )));
        }
        let programs = Self {
            cow: cow.to_owned(),
            execs: execs.to_owned(),
            in_containers,
        };
        for (name, image) in modules {
            programs.find(name, image)?;
        }
        Ok(programs)
    }

    /// What runs for a module of this name and image.
    pub(crate) fn find(&self, module: &str, image: &str) -> Result<Means, UsedWrongly> {
        let has_exec = self.execs.iter().any(|exec| exec.module == module);
        if self.in_containers && !has_exec {
            return Ok(Means::Container(module::Name::of_image(image_name(image))));
        }
        find_one(module, image, &self.cow, &self.execs).map(Means::Process)
    }

    /// What the host runs as its provisioning service: what runs as the module, for they share their files, or this
    /// binary's own where there is no such module.
    pub(crate) fn service(&self) -> Program {
        let own = module::Name::Provisioning;
        let module = find_one(own.as_str(), own.as_str(), &self.cow, &self.execs);
        module.unwrap_or_else(|_| Program::own(own, &self.cow))
    }
}

fn find_one(module: &str, image: &str, cow: &Path, execs: &[Exec]) -> Result<Program, UsedWrongly> {
    if let Some(exec) = execs.iter().find(|exec| exec.module == module) {
        // The shell splits and expands the command as its user is used to; run for one command, it becomes it.
        return Ok(Program {
            path: "/bin/sh".into(),
            args: vec!["-c".into(), exec.command.clone().into()],
            own: None,
        });
    }
    match module::Name::of_image(image_name(image)) {
        Some(own) => Ok(Program::own(own, cow)),
        None => Err(UsedWrongly(format!(
            "module {module} has the image {image}, which cow does not hold (it holds {}): \
             say what to run instead with --exec '{module}=COMMAND', or run images with --containers",
            module::Name::ALL.map(module::Name::as_str).join(", ")
        ))),
    }
}

/// The last segment of an image's repository: `light` of `registry:5000/parking/light:0.1.0-amd64@sha256:…`.
pub(crate) fn image_name(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split(':').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(module: &str, image: &str, execs: &[&str]) -> Result<Vec<String>, String> {
        let execs: Vec<Exec> = execs
            .iter()
            .map(|exec| exec.parse().expect("well-formed"))
            .collect();
        let modules = [(module, image)].into_iter();
        let programs = Programs::of(modules, Path::new("/bin/cow"), &execs, false);
        let means = programs
            .map_err(|error| error.to_string())?
            .find(module, image)
            .expect("it was found before");
        let Means::Process(program) = means else {
            panic!("{means:?} is no process");
        };
        let args = program
            .args
            .iter()
            .map(|arg| arg.to_string_lossy().into_owned());
        Ok([program.path.display().to_string()]
            .into_iter()
            .chain(args)
            .collect())
    }

    #[test]
    fn own_images_are_this_binary_wherever_they_are_kept() {
        for image in [
            "light",
            "light:0.1.0-amd64",
            "localhost:5000/light:1",
            "r.example/a/light@sha256:00",
        ] {
            let program = find("lamp", image, &[]).expect("an own image");
            assert_eq!(program, ["/bin/cow", "module", "light"], "{image}");
        }
    }

    #[test]
    fn exec_comes_before_everything() {
        let program = find("light", "light:1", &["light=python3 -m lamp"]).expect("given");
        assert_eq!(program, ["/bin/sh", "-c", "python3 -m lamp"]);
    }

    #[test]
    fn a_foreign_image_needs_exec() {
        let error = find("sensor", "acme/sensor:1", &[]).expect_err("not ours");
        assert_eq!(
            error,
            "module sensor has the image acme/sensor:1, which cow does not hold (it holds hc-sr04, light, battery, provisioning): \
             say what to run instead with --exec 'sensor=COMMAND', or run images with --containers"
        );
    }

    #[test]
    fn among_containers_only_exec_is_a_process() {
        let modules = [("light", "r.example/light:1"), ("sensor", "acme/sensor:1")];
        let execs = ["sensor=true".parse().expect("well-formed")];
        let programs = Programs::of(modules.into_iter(), Path::new("/bin/cow"), &execs, true);
        let programs = programs.expect("any image will do");
        let find = |module, image| programs.find(module, image).expect("it was found before");
        let light = find("light", "r.example/light:1");
        assert_eq!(light, Means::Container(Some(module::Name::Light)));
        assert_eq!(find("other", "acme/other"), Means::Container(None));
        assert!(matches!(find("sensor", "acme/sensor:1"), Means::Process(_)));
    }

    #[test]
    fn exec_for_nobody_is_a_mistake() {
        let error = find("light", "light:1", &["ligth=true"]).expect_err("misspelt");
        assert_eq!(
            error,
            "--exec is for module ligth, which is not in the manifest (it has light)"
        );
    }

    #[test]
    fn exec_has_both_sides() {
        for text in ["", "a", "=b", "a=", "a= "] {
            assert!(text.parse::<Exec>().is_err(), "{text}");
        }
    }
}
