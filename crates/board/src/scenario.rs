//! Scenario files: what happens to the bays of a simulated street, and when.
//!
//! A scenario is lines like `at 30s car leaves` and `at 40s rain heavy for 20s`; `docs/scenarios.md`
//! describes every one of them. [`Scenario`] is the file, read; [`Player`] turns it into commands as
//! time passes; [`play`] hands them to simulated boards.
//!
//! Nothing here measures or decides: a scenario only moves the world a bay stands in.
//!
//! **Invariant:** a file and its seed are a fate. Played twice, they give the same commands at the
//! same times.

mod action;
mod parse;
mod player;
mod problem;
mod quantity;
mod words;

use std::{num::NonZeroUsize, str::FromStr, time::Duration};

pub use player::{Cue, Player};
pub use problem::{Problem, ScenarioError};

use crate::simulated::{Command, SimulatedBoard};

/// A scenario file, read and found to be sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    seed: Option<u64>,
    repeat: Option<Duration>,
    steps: Vec<Step>,
}

/// One line of a scenario.
#[derive(Debug, Clone, PartialEq)]
struct Step {
    who: Who,
    when: When,
    action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Bay(NonZeroUsize),
    EveryBay,
}

/// Times from the start of a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    At(Duration),
    /// Once, at a time the seed picks anew in each cycle.
    Between(Duration, Duration),
    /// At `from` and each `period` after it, before `until`.
    Every {
        period: Duration,
        from: Duration,
        until: Duration,
    },
}

/// What happens, and what undoes it if the line says for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Action {
    command: Command,
    then: Option<(Duration, Command)>,
}

impl Scenario {
    /// The seed of the file, which also seeds the noise of its boards.
    pub fn seed(&self) -> Option<u64> {
        self.seed
    }

    /// The length of a cycle; `None` when the scenario ends with its last line.
    pub fn repeat(&self) -> Option<Duration> {
        self.repeat
    }

    /// The highest bay a line speaks to. A street with fewer bays plays the lines it has bays for.
    pub fn bays(&self) -> usize {
        let named = self.steps.iter().map(|step| match step.who {
            Who::Bay(number) => number.get(),
            Who::EveryBay => 1,
        });
        named.max().unwrap_or(0)
    }
}

impl FromStr for Scenario {
    type Err = ScenarioError;

    /// Reads a scenario file's text.
    ///
    /// # Errors
    /// [`ScenarioError`] with every problem of the file, each with its place.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse::parse(text)
    }
}

/// Plays a scenario on a street's boards until its end; a repeating one never ends.
pub async fn play(scenario: Scenario, boards: &[SimulatedBoard]) {
    let now = || tokio::time::Instant::now().into_std();
    let mut player = Player::new(scenario, boards.len(), now());
    while let Some(at) = player.poll_timeout() {
        tokio::time::sleep_until(at.into()).await;
        player.handle_timeout(now());
        while let Some(Cue { bay, command }) = player.poll_output() {
            boards[bay].command(command);
        }
    }
}
