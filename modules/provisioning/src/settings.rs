//! What can be set while the module runs: each field is a writable property of the DTDL interface.

use std::time::Duration;

use bay::settings::{Clash, Setting, Table, seconds};

/// The settings of provisioning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long each part may take to answer a test.
    pub test_deadline: Duration,
    /// How long a test has the lamp blink.
    pub test_identify: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            test_deadline: Duration::from_secs(10),
            test_identify: Duration::from_secs(5),
        }
    }
}

impl Table for Settings {
    const SETTINGS: &'static [Setting<Self>] = &[
        Setting {
            name: "testDeadlineSeconds",
            read: |settings| settings.test_deadline.as_secs().into(),
            write: |settings, value| {
                settings.test_deadline = seconds(value, 1..=60)?;
                Ok(())
            },
        },
        Setting {
            name: "testIdentifySeconds",
            read: |settings| settings.test_identify.as_secs().into(),
            write: |settings, value| {
                settings.test_identify = seconds(value, 1..=60)?;
                Ok(())
            },
        },
    ];

    fn check(&self) -> Result<(), Clash> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bay::model;
    use bay::settings::disagreements;

    use super::*;

    #[test]
    fn interface_and_readme_tell_of_every_setting() {
        let readme = include_str!("../README.md");
        assert_eq!(
            disagreements(&Settings::default(), &model::PROVISIONING, readme),
            Vec::<String>::new()
        );
    }
}
