use std::ffi::OsString;
use std::process::ExitCode;

use bay::model::{self, Model};
use clap::ValueEnum;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "It reads its identity and settings from the environment, as in its container; its README lists them."
)]
pub(crate) struct Args {
    /// Which module
    pub(crate) name: Name,
}

/// Runs as the module's own program does, up to the exit code: 0 stopped as asked, 1 failed, 2 set up wrongly.
pub(crate) fn run(name: Name) -> ExitCode {
    match name {
        Name::HcSr04 => hc_sr04::entry(),
        Name::Light => light::entry(),
        Name::Battery => battery::entry(),
        Name::Provisioning => provisioning::entry(),
    }
}

/// The module that `cow module NAME` asks for, when that is all that was said. It is how `cow up` starts modules, and
/// the parser for everything else is larger than a module.
pub(crate) fn only_argument(mut args: impl Iterator<Item = OsString>) -> Option<Name> {
    match (args.nth(1)?.to_str()?, args.next()?.to_str()?, args.next()) {
        ("module", name, None) => Name::of_image(name),
        _ => None,
    }
}

/// The modules this binary holds, by the name of their image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    HcSr04,
    Light,
    Battery,
    Provisioning,
}

impl Name {
    pub(crate) const ALL: [Self; 4] =
        [Self::HcSr04, Self::Light, Self::Battery, Self::Provisioning];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::HcSr04 => "hc-sr04",
            Self::Light => "light",
            Self::Battery => "battery",
            Self::Provisioning => "provisioning",
        }
    }

    /// The interface it announces.
    pub(crate) fn model(self) -> Model {
        match self {
            Self::HcSr04 => model::HC_SR04,
            Self::Light => model::LIGHT,
            Self::Battery => model::BATTERY,
            Self::Provisioning => model::PROVISIONING,
        }
    }

    /// The module an image holds, by the last segment of the image's repository.
    pub(crate) fn of_image(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_alone_needs_no_parser() {
        let asked = |line: &str| only_argument(line.split(' ').map(OsString::from));
        assert_eq!(asked("cow module light"), Some(Name::Light));
        for line in [
            "cow",
            "cow module",
            "cow module other",
            "cow module light --help",
            "cow up light",
        ] {
            assert_eq!(asked(line), None, "{line}");
        }
    }

    #[test]
    fn names_are_those_of_the_parser() {
        for name in Name::ALL {
            let known = name.to_possible_value().expect("none is hidden");
            assert_eq!(known.get_name(), name.as_str());
        }
    }
}
