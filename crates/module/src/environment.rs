//! Settings from outside: read once, at start, with every mistake collected before anything fails.
//!
//! | variable | what it sets |
//! |---|---|
//! | `BAY_BOARD` | the board, as `board` names it: `sim:/run/bay/board.sock` |
//! | `BAY_STATE_DIR` | the directory for what a restart must find again; without it nothing is kept |
//! | `BAY_LOG` | error, warn, info, debug or trace; without it the runtime's `RuntimeLogLevel` counts |
//! | `BAY_…` | the start value of a setting: `BAY_HOLD_OFF_MS` for `holdOffMs` |
//!
//! Who the module is and where its hub is comes from the variables that `hub_client::Source` lists.

use std::fmt::{self, Display};
use std::path::PathBuf;

use bay::settings::Table;
use board::Board;
use hub_client::Source;
use serde_json::Value;

/// Gives the value of a variable: the process's environment, or a test's.
pub type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The variables of a process, and what is wrong with them so far.
pub struct Environment<'a> {
    lookup: &'a Lookup<'a>,
    problems: Vec<String>,
}

/// What every module is given.
#[derive(Debug)]
pub struct Station {
    /// Who it is, and how it reaches its hub.
    pub source: Source,
    /// The board it measures and shines with.
    pub board: Board,
    /// The board as it was named, for the log.
    pub board_spec: String,
    /// Where it keeps what a restart must find again.
    pub state_dir: Option<PathBuf>,
}

/// Everything that is wrong with an environment, one line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(Vec<String>);

impl Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl<'a> Environment<'a> {
    /// Variables as `lookup` gives them. A variable that is set to nothing counts as not set.
    pub fn new(lookup: &'a Lookup<'a>) -> Self {
        Self {
            lookup,
            problems: Vec::new(),
        }
    }

    /// A variable that may be missing.
    pub fn optional<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(name)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => self.problem(format!("{name} is {text:?}: {error}")),
        }
    }

    /// A variable that may be missing, and must not be repeated when it is wrong.
    pub fn secret<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(name)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => self.problem(format!("{name} cannot be used: {error}")),
        }
    }

    /// A variable that must be there; `what` says what to write.
    pub fn required<T, E: Display>(
        &mut self,
        name: &str,
        what: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if self.text(name).is_none() {
            return self.problem(format!("{name} is not set: {what}"));
        }
        self.optional(name, parse)
    }

    /// Who the process is and how it reaches its hub, from the variables that [`Source`] lists.
    pub fn source(&mut self) -> Option<Source> {
        let source = Source::from_env(self.lookup);
        if let Err(error) = &source {
            self.problems.extend(
                error
                    .problems
                    .iter()
                    .map(|problem| format!("{} {}", problem.variable, problem.what)),
            );
        }
        source.ok()
    }

    /// What every module is given.
    pub fn station(&mut self) -> Option<Station> {
        let source = self.source();
        let board = self.required(
            "BAY_BOARD",
            "name the board, as in sim:/run/bay/board.sock",
            |spec| Board::open(spec).map(|board| (board, spec.to_owned())),
        );
        let state_dir = self.text("BAY_STATE_DIR").map(PathBuf::from);
        let (board, board_spec) = board?;
        Some(Station {
            source: source?,
            board,
            board_spec,
            state_dir,
        })
    }

    /// The values a module starts with: its defaults, and what the variables of its settings say.
    pub fn settings<S: Table + Default>(&mut self) -> Option<S> {
        let mut settings = S::default();
        let mistakes = self.problems.len();
        for setting in S::SETTINGS {
            let name = variable(setting.name);
            self.optional(&name, |text| {
                // Numbers and truth values are JSON already; a word need not be quoted.
                let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
                (setting.write)(&mut settings, &value)
            });
        }
        if self.problems.len() == mistakes
            && let Err(clash) = settings.check()
        {
            let names: Vec<_> = clash.settings.iter().map(|name| variable(name)).collect();
            return self.problem(format!("{}: {}", names.join(", "), clash.reason));
        }
        Some(settings)
    }

    /// What was read, if nothing was wrong with it.
    ///
    /// # Errors
    ///
    /// Every problem met.
    pub fn finish<T>(self, read: Option<T>) -> Result<T, Problems> {
        read.filter(|_| self.problems.is_empty())
            .ok_or(Problems(self.problems))
    }

    fn text(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    }

    fn problem<T>(&mut self, what: String) -> Option<T> {
        self.problems.push(what);
        None
    }
}

impl fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

/// The variable of a setting: `BAY_HOLD_OFF_MS` for `holdOffMs`.
fn variable(setting: &str) -> String {
    let mut name = String::from("BAY_");
    for letter in setting.chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use bay::settings::{Clash, Setting, whole, word};

    use super::*;

    #[derive(Clone, Debug, Default, PartialEq)]
    struct Settings {
        hold_off_ms: u32,
        mode: u32,
    }

    impl Table for Settings {
        const SETTINGS: &'static [Setting<Self>] = &[
            Setting {
                name: "holdOffMs",
                read: |settings| settings.hold_off_ms.into(),
                write: |settings, value| {
                    settings.hold_off_ms = whole(value, 0..=5000)?;
                    Ok(())
                },
            },
            Setting {
                name: "mode",
                read: |settings| settings.mode.into(),
                write: |settings, value| {
                    settings.mode = word(value, &[("fast", 1), ("slow", 2)])?;
                    Ok(())
                },
            },
        ];

        fn check(&self) -> Result<(), Clash> {
            if self.mode == 1 && self.hold_off_ms > 1000 {
                return Err(Clash {
                    settings: vec!["holdOffMs", "mode"],
                    reason: "fast cannot wait".to_owned(),
                });
            }
            Ok(())
        }
    }

    fn read(variables: &[(&str, &str)]) -> Result<Settings, Problems> {
        let lookup = |name: &str| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let mut environment = Environment::new(&lookup);
        let settings = environment.settings();
        environment.finish(settings)
    }

    #[test]
    fn start_values() {
        assert_eq!(read(&[]), Ok(Settings::default()));
        assert_eq!(
            read(&[("BAY_HOLD_OFF_MS", " 500 "), ("BAY_MODE", "fast")]),
            Ok(Settings {
                hold_off_ms: 500,
                mode: 1
            })
        );
        assert_eq!(read(&[("BAY_MODE", "")]), Ok(Settings::default()));
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let problems =
            read(&[("BAY_HOLD_OFF_MS", "soon"), ("BAY_MODE", "medium")]).expect_err("two mistakes");

        assert_eq!(
            problems.to_string(),
            "BAY_HOLD_OFF_MS is \"soon\": must be a whole number from 0 to 5000\nBAY_MODE is \"medium\": must be fast or slow"
        );
    }

    #[test]
    fn values_that_disagree_are_a_mistake() {
        let problems =
            read(&[("BAY_HOLD_OFF_MS", "2000"), ("BAY_MODE", "fast")]).expect_err("they disagree");

        assert_eq!(
            problems.to_string(),
            "BAY_HOLD_OFF_MS, BAY_MODE: fast cannot wait"
        );
    }

    #[test]
    fn a_station_without_anything_says_all_that_is_missing() {
        let mut environment = Environment::new(&|_| None);
        let station = environment.station();
        let problems = environment
            .finish(station)
            .expect_err("nothing is set")
            .to_string();

        assert!(
            problems.contains("BAY_BOARD is not set: name the board"),
            "{problems}"
        );
        assert!(
            problems.contains("IOTHUB_DEVICE_CONNECTION_STRING"),
            "{problems}"
        );
        assert_eq!(problems.lines().count(), 2, "{problems}");
    }

    #[test]
    fn a_station_of_a_plain_device() {
        let lookup = |name: &str| match name {
            "IOTHUB_DEVICE_CONNECTION_STRING" => Some(
                "HostName=hub.example;DeviceId=bay-1;ModuleId=light;SharedAccessKey=c2VjcmV0"
                    .to_owned(),
            ),
            "BAY_BOARD" => Some("sim:/run/bay/board.sock".to_owned()),
            "BAY_STATE_DIR" => Some("/var/lib/bay".to_owned()),
            _ => None,
        };
        let mut environment = Environment::new(&lookup);
        let station = environment.station();
        let station = environment.finish(station).expect("all that is needed");

        assert_eq!(
            station.source.identity().expect("given").device_id(),
            "bay-1"
        );
        assert_eq!(station.board_spec, "sim:/run/bay/board.sock");
        assert_eq!(station.state_dir, Some(PathBuf::from("/var/lib/bay")));
    }
}
