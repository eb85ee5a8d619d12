use std::io::{self, IsTerminal};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How much is logged to standard error.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct LogArgs {
    /// Log what happens; given twice, why. RUST_LOG (`info,runner=debug`) overrules it for cow itself
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

impl LogArgs {
    /// The level's name, as `RUST_LOG` and modules know it.
    pub(crate) fn level(self) -> &'static str {
        match self.verbose {
            0 => "warn",
            1 => "info",
            _ => "debug",
        }
    }

    /// Logs from here on.
    pub(crate) fn init(self) {
        // Levels by target are all that is wanted: filters by field would bring a whole regular expression engine,
        // whose pages every module of this binary would carry.
        let wanted = std::env::var("RUST_LOG")
            .ok()
            .and_then(|text| text.parse().ok());
        let default = || self.level().parse().unwrap_or_default();
        let filter: Targets = wanted.unwrap_or_else(default);
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(io::stderr().is_terminal())
            .with_writer(io::stderr);
        tracing_subscriber::registry()
            .with(lines)
            .with(filter)
            .init();
    }
}
