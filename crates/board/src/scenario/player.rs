use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{Action, Scenario, Step, When, Who};
use crate::simulated::Command;

/// A scenario being played: told the time, it says what is due.
#[derive(Debug)]
pub struct Player {
    scenario: Scenario,
    bays: usize,
    cycle: u64,
    cycle_began: Instant,
    /// What the current cycle still has in store, by time.
    ahead: VecDeque<(Instant, Cue)>,
    due: VecDeque<Cue>,
}

/// Something happens to a bay now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cue {
    /// Which one, from 0.
    pub bay: usize,
    /// What.
    pub command: Command,
}

impl Player {
    /// Starts `scenario` at `now`, for a street of `bays`. Lines for bays it does not have are
    /// left out.
    pub fn new(scenario: Scenario, bays: usize, now: Instant) -> Self {
        let mut player = Self {
            scenario,
            bays,
            cycle: 0,
            cycle_began: now,
            ahead: VecDeque::new(),
            due: VecDeque::new(),
        };
        player.begin_cycle(0, now);
        player
    }

    /// When [`Player::handle_timeout`] wants to be called next; `None` when the scenario is over.
    /// May change with each call of it.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.ahead
            .front()
            .map(|(at, _)| *at)
            .or_else(|| self.next_cycle())
    }

    /// Makes everything due that happens until `now`. A player held up for longer than a cycle
    /// leaves out the cycles it slept through, but the one it wakes in.
    pub fn handle_timeout(&mut self, now: Instant) {
        loop {
            while let Some((_, cue)) = self.ahead.pop_front_if(|(at, _)| *at <= now) {
                self.due.push_back(cue);
            }
            match (self.next_cycle(), self.scenario.repeat) {
                (Some(next), Some(repeat)) if self.ahead.is_empty() && next <= now => {
                    let slept = (now - next).as_nanos() / repeat.as_nanos();
                    let slept = u32::try_from(slept).unwrap_or(u32::MAX);
                    self.begin_cycle(self.cycle + 1 + u64::from(slept), next + repeat * slept);
                }
                _ => return,
            }
        }
    }

    /// The next thing that is due, in the order of time and, at the same time, of the file.
    pub fn poll_output(&mut self) -> Option<Cue> {
        self.due.pop_front()
    }

    /// A street without any bay of the scenario has nothing to wait for.
    fn next_cycle(&self) -> Option<Instant> {
        let plays = self
            .scenario
            .steps
            .iter()
            .any(|step| self.speaks_to(step).next().is_some());
        self.scenario
            .repeat
            .filter(|_| plays)
            .map(|repeat| self.cycle_began + repeat)
    }

    fn begin_cycle(&mut self, number: u64, now: Instant) {
        self.cycle = number;
        self.cycle_began = now;
        // Each cycle has a fate of its own, so that one slept through does not change the next.
        let seed = self.scenario.seed.unwrap_or_default();
        let mut random = fastrand::Rng::with_seed(seed ^ number.rotate_left(32));
        let mut cues = Vec::new();
        for step in &self.scenario.steps {
            for bay in self.speaks_to(step) {
                // A fork for each line, so that a new line does not move those before it.
                step.when.times(&mut random.fork(), |after| {
                    let Action { command, then } = step.action;
                    let at = now + after;
                    cues.push((at, Cue { bay, command }));
                    if let Some((length, command)) = then {
                        cues.push((at + length, Cue { bay, command }));
                    }
                });
            }
        }
        cues.sort_by_key(|(at, _)| *at);
        self.ahead = cues.into();
    }

    fn speaks_to(&self, step: &Step) -> std::ops::Range<usize> {
        match step.who {
            Who::EveryBay => 0..self.bays,
            Who::Bay(number) if number.get() <= self.bays => number.get() - 1..number.get(),
            Who::Bay(_) => 0..0,
        }
    }
}

impl When {
    fn times(self, random: &mut fastrand::Rng, mut each: impl FnMut(Duration)) {
        match self {
            Self::At(at) => each(at),
            Self::Between(earliest, latest) => {
                each(earliest + (latest - earliest).mul_f64(random.f64()));
            }
            Self::Every {
                period,
                from,
                until,
            } => {
                let mut at = from;
                while at < until {
                    each(at);
                    at += period;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays `text` for `length`, waking exactly when asked to, and tells what happened when.
    fn played(text: &str, bays: usize, length: Duration) -> Vec<(u128, Cue)> {
        let scenario: Scenario = text.parse().expect(text);
        let start = Instant::now();
        let mut player = Player::new(scenario, bays, start);
        let mut told = Vec::new();
        while let Some(at) = player.poll_timeout().filter(|at| *at <= start + length) {
            player.handle_timeout(at);
            while let Some(cue) = player.poll_output() {
                told.push(((at - start).as_millis(), cue));
            }
        }
        told
    }

    fn times(told: &[(u128, Cue)]) -> Vec<u128> {
        told.iter().map(|(at, _)| *at).collect()
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn lines_happen_in_time_order_whatever_their_order_in_the_file() {
        let told = played(
            "at 30s car leaves\nat 2s car arrives\nat 2s rain light",
            1,
            MINUTE,
        );
        assert_eq!(times(&told), [2000, 2000, 30_000]);
        assert_eq!(told[0].1.command, Command::car_arrives());
        assert_eq!(told[2].1.command, Command::car_leaves());
    }

    #[test]
    fn what_lasts_is_undone() {
        let told = played(
            "at 40s rain heavy for 20s\nat 1s sensor stuck for 5s",
            1,
            MINUTE,
        );
        assert_eq!(times(&told), [1000, 6000, 40_000, 60_000]);
        assert_eq!(told[1].1.command, Command::SensorStuck { on: false });
    }

    #[test]
    fn cycles_repeat_without_drift() {
        let told = played(
            "at 2s car arrives\nrepeat every 20s\nat 20s car leaves",
            1,
            MINUTE,
        );
        assert_eq!(times(&told), [2000, 20_000, 22_000, 40_000, 42_000, 60_000]);
        let told = played("every 10s from 5s until 30s pedestrian passes", 1, MINUTE);
        assert_eq!(times(&told), [5000, 15_000, 25_000]);
        let told = played("repeat every 30s\nevery 20s pedestrian passes", 1, MINUTE);
        assert_eq!(times(&told), [20_000, 50_000]);
    }

    #[test]
    fn bays_are_spoken_to_by_number_or_all_at_once() {
        let text = "bay 2: at 1s car arrives\nevery bay: at 2s car leaves\nat 3s floor 2000 mm\nbay 9: at 4s cable cut";
        let bays: Vec<usize> = played(text, 2, MINUTE)
            .iter()
            .map(|(_, cue)| cue.bay)
            .collect();
        assert_eq!(bays, [1, 0, 1, 0]);
        assert_eq!(text.parse::<Scenario>().expect(text).bays(), 9);
    }

    #[test]
    fn chance_is_bounded_and_the_same_each_time() {
        let text = "seed 7\nrepeat every 30s\nbetween 5s and 10s car arrives";
        let told = times(&played(text, 1, 4 * MINUTE));
        assert_eq!(told.len(), 8);
        for (cycle, at) in told.iter().enumerate() {
            let within = at - cycle as u128 * 30_000;
            assert!((5000..=10_000).contains(&within), "{within} ms");
        }
        assert_eq!(told, times(&played(text, 1, 4 * MINUTE)));
        assert_ne!(told, times(&played(&text.replace('7', "8"), 1, 4 * MINUTE)));
        let longer = format!("{text}\nbetween 0s and 1s cable cut");
        let arrivals: Vec<u128> = played(&longer, 1, 4 * MINUTE)
            .iter()
            .filter(|(_, cue)| cue.command == Command::car_arrives())
            .map(|(at, _)| *at)
            .collect();
        assert_eq!(arrivals, told, "a new line moved the old one");
    }

    #[test]
    fn an_hour_of_sleep_costs_one_cycle() {
        let scenario: Scenario = "repeat every 10s\nat 5s car arrives"
            .parse()
            .expect("sound");
        let start = Instant::now();
        let mut player = Player::new(scenario, 1, start);
        player.handle_timeout(start + 60 * MINUTE + Duration::from_secs(6));
        let due = std::iter::from_fn(|| player.poll_output()).count();
        assert_eq!(
            due, 2,
            "the cycle it fell asleep in, and the one it woke in"
        );
        assert_eq!(
            player.poll_timeout(),
            Some(start + 60 * MINUTE + Duration::from_secs(10))
        );
    }

    #[test]
    fn nothing_to_do_is_the_end() {
        for text in [
            "",
            "# only words",
            "seed 3",
            "repeat every 5s",
            "repeat every 5s\nbay 2: at 1s cable cut",
        ] {
            let player = Player::new(text.parse().expect(text), 1, Instant::now());
            assert_eq!(player.poll_timeout(), None, "{text}");
        }
    }
}
