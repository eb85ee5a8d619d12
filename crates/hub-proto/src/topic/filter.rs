//! What a client may subscribe to. The hub knows a fixed list of filters, not wildcards.

use std::fmt;

use super::take_id;

/// A subscription. `Display` writes the usual form of its topic filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Filter<'a> {
    /// `devices/{d}/messages/devicebound/#`
    Devicebound {
        /// The device named in the filter.
        device: &'a str,
    },
    /// `devices/{d}/modules/{m}/inputs/#`, from C and C# without `inputs`.
    Inputs {
        /// The device named in the filter.
        device: &'a str,
        /// The module named in the filter.
        module: &'a str,
    },
    /// `$iothub/methods/POST/#`
    MethodRequests,
    /// `$iothub/twin/res/#`
    TwinResponses,
    /// `$iothub/twin/PATCH/properties/desired/#`
    DesiredPatches,
    /// `$dps/registrations/res/#`
    DpsResponses,
}

const METHOD_REQUESTS: &str = "$iothub/methods/POST/#";
const TWIN_RESPONSES: &str = "$iothub/twin/res/#";
const DESIRED_PATCHES: &str = "$iothub/twin/PATCH/properties/desired/#";
const DPS_RESPONSES: &str = "$dps/registrations/res/#";

impl<'a> Filter<'a> {
    /// Reads a topic filter; `None` for one that the hub does not know.
    #[must_use]
    pub fn parse(filter: &'a str) -> Option<Self> {
        match filter {
            METHOD_REQUESTS => return Some(Self::MethodRequests),
            TWIN_RESPONSES => return Some(Self::TwinResponses),
            DESIRED_PATCHES => return Some(Self::DesiredPatches),
            DPS_RESPONSES => return Some(Self::DpsResponses),
            _ => {}
        }
        let (device, rest) = take_id(filter.strip_prefix("devices/")?)?;
        if rest == "messages/devicebound/#" {
            return Some(Self::Devicebound { device });
        }
        let (module, rest) = take_id(rest.strip_prefix("modules/")?)?;
        matches!(rest, "inputs/#" | "#").then_some(Self::Inputs { device, module })
    }
}

impl fmt::Display for Filter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Devicebound { device } => write!(f, "devices/{device}/messages/devicebound/#"),
            Self::Inputs { device, module } => {
                write!(f, "devices/{device}/modules/{module}/inputs/#")
            }
            Self::MethodRequests => f.write_str(METHOD_REQUESTS),
            Self::TwinResponses => f.write_str(TWIN_RESPONSES),
            Self::DesiredPatches => f.write_str(DESIRED_PATCHES),
            Self::DpsResponses => f.write_str(DPS_RESPONSES),
        }
    }
}
