use std::fs;

use serde::{Deserialize, Serialize};

/// One run of the machine, from power on to power off.
///
/// What a module kept of the world outside is worth something after its own restart, because the
/// hub kept what was said meanwhile; after the machine's restart it is hearsay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Boot(String);

impl Boot {
    /// This run of the machine; nothing where the kernel does not number them.
    pub fn current() -> Option<Self> {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(Self(id.trim().to_owned()))
    }
}
