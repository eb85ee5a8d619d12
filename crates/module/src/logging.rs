//! Log lines on the standard error stream, which is where container engines look for them.

use std::io::IsTerminal;

use tracing::Level;

use crate::environment::Environment;

/// How much is logged: `BAY_LOG`, else what the Edge runtime was asked for, else `info`.
pub(crate) fn level(environment: &mut Environment<'_>) -> Level {
    let ours = environment.optional("BAY_LOG", |text| {
        parse(text).ok_or("must be error, warn, info, debug or trace")
    });
    // The runtime's own words are not ours to judge, so one it does not know means nothing.
    let runtime = environment.optional("RuntimeLogLevel", |text| Ok::<_, &str>(parse(text)));
    ours.or(runtime.flatten()).unwrap_or(Level::INFO)
}

/// Our levels, and those of edgeAgent and edgeHub: fatal, error, warning, information, debug,
/// verbose.
fn parse(text: &str) -> Option<Level> {
    match text.to_ascii_lowercase().as_str() {
        "fatal" | "error" | "err" => Some(Level::ERROR),
        "warn" | "warning" => Some(Level::WARN),
        "info" | "information" => Some(Level::INFO),
        "debug" => Some(Level::DEBUG),
        "trace" | "verbose" => Some(Level::TRACE),
        _ => None,
    }
}

/// Starts to log. A program that logs already, and runs a module inside, keeps its own way.
pub(crate) fn start(level: Level) {
    let lines = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let _ = lines.try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        for (bay_log, runtime, expected) in [
            (None, None, Level::INFO),
            (Some("debug"), None, Level::DEBUG),
            (None, Some("Verbose"), Level::TRACE),
            (None, Some("Information"), Level::INFO),
            (Some("warn"), Some("debug"), Level::WARN),
            (None, Some("chatty"), Level::INFO),
        ] {
            let lookup = |name: &str| match name {
                "BAY_LOG" => bay_log.map(str::to_owned),
                "RuntimeLogLevel" => runtime.map(str::to_owned),
                _ => None,
            };
            let mut environment = Environment::new(&lookup);
            assert_eq!(level(&mut environment), expected);
            assert!(environment.finish(Some(())).is_ok());
        }
    }

    #[test]
    fn a_level_that_is_none_is_a_mistake() {
        let lookup = |name: &str| (name == "BAY_LOG").then(|| "loud".to_owned());
        let mut environment = Environment::new(&lookup);
        level(&mut environment);

        let problems = environment
            .finish(Some(()))
            .expect_err("no such level")
            .to_string();
        assert_eq!(
            problems,
            "BAY_LOG is \"loud\": must be error, warn, info, debug or trace"
        );
    }
}
