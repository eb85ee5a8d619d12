use bay::settings::Table;

use crate::environment::{Environment, Lookup, Problems, Station};

/// What a module is given from outside.
#[derive(Debug)]
pub struct Config<S> {
    /// Who it is, its board, its state directory.
    pub station: Station,
    /// The settings it starts with.
    pub settings: S,
}

impl<S: Table + Default> Config<S> {
    /// Reads the environment.
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
