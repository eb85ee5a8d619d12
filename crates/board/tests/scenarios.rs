//! Scenario files: what is refused and how, and that the shipped ones parse and play.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use board::{
    scenario::{Player, Scenario, play},
    simulated::{Command, Motion, SimulatedBoard},
};
use proptest::prelude::*;

fn problems(text: &str) -> String {
    text.parse::<Scenario>().expect_err(text).to_string()
}

#[test]
fn problems_say_where_they_are_and_what_to_write() {
    for (text, expected) in [
        (
            "at 2s cars arrive",
            "line 1, column 7: write car, van, motorcycle, pedestrian, rain, sensor, cable, temperature, battery or floor instead of \"cars\"",
        ),
        (
            "at 2s car",
            "line 1, column 10: write arrives or leaves here",
        ),
        (
            "at 2 car arrives",
            "line 1, column 4: write a time like 2s, 500ms, 1m30s or 2h instead of \"2\"",
        ),
        (
            "\n  when 2s car arrives",
            "line 2, column 3: write at, between or every instead of \"when\"",
        ),
        (
            "bay zero: at 2s car arrives",
            "line 1, column 5: write a bay's number, from 1 instead of \"zero\"",
        ),
        (
            "bay 2 at 2s car arrives",
            "line 1, column 7: write : instead of \"at\"",
        ),
        (
            "at 2s car arrives quickly",
            "line 1, column 19: \"quickly\" is too much: end the line before it, or put a # in front",
        ),
        (
            "at 80s temperature ramp to -5",
            "line 1, column 30: write over here",
        ),
        (
            "at 80s temperature 100",
            "line 1, column 20: write a number from -60 to 80 °C instead of \"100\"",
        ),
        (
            "at 1s battery low",
            "line 1, column 15: write a charge like 9%, current or reads instead of \"low\"",
        ),
        (
            "between 5s and 5s car arrives",
            "line 1, column 16: write a time later than the first one",
        ),
        (
            "every 5s car arrives",
            "line 1, column 1: say how long: write `until TIME` after the period, or a line `repeat every TIME`",
        ),
        (
            "every 1ms until 1h car arrives",
            "line 1, column 1: write a longer period: this is more than 10000 times",
        ),
        (
            "every 5s from 9s until 9s car arrives",
            "line 1, column 1: this never happens: write an earlier `from`, or a later `until`",
        ),
        (
            "at 90s car arrives\nrepeat every 1m",
            "line 1, column 1: this is not over when the cycle ends: write earlier times, or `repeat every 90s`",
        ),
        (
            "repeat every 1m\nat 50s rain heavy for 20s",
            "line 2, column 1: this is not over when the cycle ends: write earlier times, or `repeat every 70s`",
        ),
        (
            "seed x",
            "line 1, column 6: write a whole number instead of \"x\"",
        ),
        (
            "seed 1\nseed 2",
            "line 2, column 6: the seed is given twice: keep one of them",
        ),
        (
            "repeat every 1s\nrepeat every 2s",
            "line 2, column 14: the cycle is given twice: keep one of them",
        ),
        (
            "repeat every 5ms",
            "line 1, column 14: write a cycle of at least 1s",
        ),
    ] {
        assert_eq!(problems(text), expected, "for {text:?}");
    }
}

#[test]
fn every_problem_is_reported_at_once() {
    let text =
        "at 2s cat arrives\nat 3s car arrives\nat 200s car leaves\nrepeat every 1m\nat x car";
    let error = text.parse::<Scenario>().expect_err("three mistakes");
    let lines: Vec<usize> = error.problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 3, 5]);
}

#[test]
fn every_statement_of_the_page_is_read() {
    let page = std::fs::read_to_string(repository().join("docs/scenarios.md")).expect("the page");
    let examples: Vec<&str> = page
        .split("```scenario\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(examples.len() > 3, "the page has examples");
    for example in examples {
        if let Err(error) = example.parse::<Scenario>() {
            panic!("{error}\nin:\n{example}");
        }
    }
}

#[test]
fn the_shipped_scenarios_play() {
    for name in ["busy-street", "wet-morning", "broken-sensor"] {
        let path = repository().join(format!("scenarios/{name}.scenario"));
        let text = std::fs::read_to_string(&path).expect(name);
        let scenario: Scenario = text
            .parse()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(scenario.seed().is_some(), "{name} is the same each time");
        let cycle = scenario.repeat().expect("a shipped scenario goes on");

        let commands = play_cycles(&scenario, 3, cycle);
        for bay in 0..scenario.bays() {
            let arrivals = commands.iter().filter(|(of, command)| {
                *of == bay && matches!(command, Command::CarArrives { .. })
            });
            assert!(
                arrivals.count() >= 3,
                "{name}: no car comes to bay {}",
                bay + 1
            );
        }
        // Each cycle begins with the world the first one began with, or the second differs.
        let boards: Vec<SimulatedBoard> = (0..scenario.bays() as u64)
            .map(SimulatedBoard::new)
            .collect();
        for (bay, command) in &commands {
            boards[*bay].command(*command);
        }
        for board in &boards {
            let state = board.state();
            assert!(
                !state.cable_cut && !state.sensor_stuck,
                "{name} leaves a fault behind"
            );
            let parked = state
                .vehicle
                .is_some_and(|vehicle| vehicle.motion != Motion::Leaving);
            assert!(!parked, "{name} leaves a car behind");
        }
    }
}

fn play_cycles(scenario: &Scenario, cycles: u32, cycle: Duration) -> Vec<(usize, Command)> {
    let start = Instant::now();
    let mut player = Player::new(scenario.clone(), scenario.bays(), start);
    let mut commands = Vec::new();
    while let Some(at) = player
        .poll_timeout()
        .filter(|at| *at <= start + cycle * cycles)
    {
        player.handle_timeout(at);
        commands
            .extend(std::iter::from_fn(|| player.poll_output()).map(|cue| (cue.bay, cue.command)));
    }
    commands
}

#[test]
fn playing_drives_boards() {
    let boards = [SimulatedBoard::new(1), SimulatedBoard::new(2)];
    let scenario: Scenario = "at 0s van arrives over 0s\nbay 2: at 20ms cable cut"
        .parse()
        .expect("sound");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime
        .block_on(async {
            tokio::time::timeout(Duration::from_secs(5), play(scenario, &boards)).await
        })
        .expect("it ends");
    assert!(boards[0].state().vehicle.is_some());
    assert!(boards[1].state().cable_cut);
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = text.parse::<Scenario>();
    }

    /// Words of the language in any order: deeper into the parser than letters get.
    #[test]
    fn any_words_are_read_or_refused(words in proptest::collection::vec(
        prop_oneof![
            Just("at"), Just("every"), Just("bay"), Just(":"), Just("between"), Just("and"),
            Just("until"), Just("from"), Just("for"), Just("over"), Just("repeat"), Just("seed"),
            Just("car"), Just("arrives"), Just("rain"), Just("heavy"), Just("battery"),
            Just("temperature"), Just("ramp"), Just("to"), Just("2s"), Just("0s"), Just("168h"),
            Just("1"), Just("-5"), Just("9%"), Just("\n"), Just("#"),
        ], 0..40)
    ) {
        if let Ok(scenario) = words.join(" ").parse::<Scenario>() {
            let start = Instant::now();
            let mut player = Player::new(scenario, 2, start);
            for _ in 0..20 {
                let Some(at) = player.poll_timeout() else { break };
                prop_assert!(at >= start);
                player.handle_timeout(at);
                while player.poll_output().is_some() {}
            }
        }
    }
}
