//! Environment → what the module needs, or every mistake at once.

use module::{Environment, Lookup, Problems, Station};

use crate::settings::Settings;

/// What battery is given from outside.
#[derive(Debug)]
pub struct Config {
    /// Who it is, its board, its state directory.
    pub station: Station,
    /// The settings it starts with.
    pub settings: Settings,
}

impl Config {
    /// Reads the environment; the variables are those of the crate `module`.
    ///
    /// # Errors
    ///
    /// Everything that is missing or wrong.
    pub fn from_env(lookup: &Lookup<'_>) -> Result<Self, Problems> {
        let mut environment = Environment::new(lookup);
        let station = environment.station();
        let settings = environment.settings();
        let config = station
            .zip(settings)
            .map(|(station, settings)| Self { station, settings });
        environment.finish(config)
    }
}
