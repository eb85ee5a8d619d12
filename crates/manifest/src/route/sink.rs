//! The INTO of a route.

use std::fmt;

use super::Finding;
use super::parse::SinkSyntax;

/// Where a route takes messages to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sink {
    /// The hub, or the parent in a nested set-up.
    Upstream,
    /// An input of a module.
    Module {
        /// The module's id.
        module: String,
        /// The input's name.
        input: String,
    },
}

impl Sink {
    /// Follows edgeHub's endpoint factory, which looks at the second and fourth of four segments and at nothing else.
    pub(super) fn read(
        text: &str,
        syntax: &SinkSyntax,
    ) -> Result<(Self, Option<Finding>), Finding> {
        match syntax {
            SinkSyntax::System { name } if text[name.clone()].eq_ignore_ascii_case("$upstream") => {
                Ok((Self::Upstream, None))
            }
            SinkSyntax::System { name } => {
                let message = format!(
                    "System endpoint type '{}' not supported",
                    &text[name.clone()]
                );
                Err(Finding::new(name.clone(), message).help("the only one is `$upstream`"))
            }
            SinkSyntax::Function { name, .. }
                if !text[name.clone()].eq_ignore_ascii_case("BrokeredEndpoint") =>
            {
                let message = format!(
                    "Function endpoint type '{}' not supported",
                    &text[name.clone()]
                );
                Err(Finding::new(name.clone(), message)
                    .help("the only one is `BrokeredEndpoint(\"/modules/…/inputs/…\")`"))
            }
            SinkSyntax::Function { address, .. } => {
                let written = &text[address.clone()];
                let (sink, tidy) = Self::from_address(written).ok_or_else(|| {
                    let message = format!("Parameter string {written} could not be parsed");
                    Finding::new(address.clone(), message)
                        .help("write `/modules/NAME/inputs/INPUT`")
                })?;
                let warning = (!tidy).then(|| {
                    let message = format!("edgeHub takes `{written}` for {sink}");
                    Finding::new(address.clone(), message)
                        .help("write `/modules/NAME/inputs/INPUT`")
                });
                Ok((sink, warning))
            }
        }
    }

    /// The sink an address means, and whether it says `modules` and `inputs` as it should.
    fn from_address(address: &str) -> Option<(Self, bool)> {
        let path = address.trim();
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Vec<&str> = path.split('/').collect();
        let [modules, module, inputs, input] = segments[..] else {
            return None;
        };
        if module.trim().is_empty() || input.trim().is_empty() {
            return None;
        }
        let sink = Self::Module {
            module: module.to_owned(),
            input: input.to_owned(),
        };
        Some((sink, modules == "modules" && inputs == "inputs"))
    }
}

/// As it is written in a route.
impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstream => f.write_str("$upstream"),
            Self::Module { module, input } => {
                write!(f, "BrokeredEndpoint(\"/modules/{module}/inputs/{input}\")")
            }
        }
    }
}
