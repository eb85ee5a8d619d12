use std::time::Duration;

use anyhow::Context;
use bay::Distance;
use board::{Board, BoardError, Echo, Ranger};
use clap::Subcommand;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use crate::output::{self, BAD, FAINT, GOOD, JsonArgs, paint};
use crate::stop::Stop;

/// One cell of the bar is this far.
const CELL_MM: u32 = 100;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List what this machine has for a bay, and what to do about what is missing
    Probe(Probe),
    /// Show the ranger's echoes as they come, for aiming it
    Watch(Watch),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Probe {
    #[command(flatten)]
    json: JsonArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cow board watch linux:trigger=GPIO23,echo=GPIO24
  cow board watch sim:/run/bay/board.sock --count 10 --json")]
pub(crate) struct Watch {
    /// The board, as BAY_BOARD has it
    #[arg(value_name = "BOARD", env = "BAY_BOARD")]
    board: String,
    /// Stop after this many measurements
    #[arg(long)]
    count: Option<u64>,
    /// From one measurement to the next, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 200, value_parser = clap::value_parser!(u64).range(60..))]
    every: u64,
    /// Temperature of the air, in degrees Celsius
    #[arg(
        long,
        value_name = "CELSIUS",
        default_value_t = 20.0,
        allow_negative_numbers = true
    )]
    temperature: f32,
    #[command(flatten)]
    json: JsonArgs,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Probe(args) => probe(args.json),
        Command::Watch(args) => watch(args).await,
    }
}

fn probe(json: JsonArgs) -> anyhow::Result<()> {
    for finding in board::probe() {
        if json.json {
            output::line(&serde_json::to_string(&finding)?)?;
        } else {
            let (style, mark) = if finding.found {
                (GOOD, "found")
            } else {
                (FAINT, "none ")
            };
            output::line(&format!(
                "{} {:<11} {}",
                paint(mark, style),
                finding.part,
                finding.text
            ))?;
        }
    }
    Ok(())
}

async fn watch(args: Watch) -> anyhow::Result<()> {
    let mut ranger = Board::open(&args.board)
        .with_context(|| format!("the board {:?}", args.board))?
        .ranger();
    let mut stop = Stop::listen().context("cannot listen for signals")?;
    let mut ticks = interval(Duration::from_millis(args.every));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        left -= 1;
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.asked() => break,
        }
        let measured = ranger.measure().await;
        output::line(&shown(&measured, args.temperature, args.json))?;
    }
    Ok(())
}

/// One measurement as a line: the distance with a bar, or what came instead of an echo.
fn shown(measured: &Result<Echo, BoardError>, celsius: f32, json: JsonArgs) -> String {
    let distance = match measured {
        Ok(Echo::Returned { round_trip }) => {
            Some(Distance::from_round_trip(*round_trip, celsius).mm())
        }
        _ => None,
    };
    let outcome = match measured {
        Ok(Echo::Returned { .. }) => "echo".to_owned(),
        Ok(Echo::NoEcho) => {
            "no echo: nothing within reach, or the sensor is not connected".to_owned()
        }
        Ok(Echo::Stuck) => "stuck: the echo line stays high".to_owned(),
        Err(error) => error.to_string(),
    };
    if json.json {
        return json!({"distanceMm": distance, "outcome": outcome}).to_string();
    }
    match distance {
        Some(mm) => format!("{mm:>5} mm {}", "▏".repeat((mm / CELL_MM) as usize)),
        None => format!("    - mm {}", paint(&outcome, BAD)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_every_outcome() {
        let person = JsonArgs { json: false };
        let program = JsonArgs { json: true };
        let echo = Ok(Echo::Returned {
            round_trip: Duration::from_micros(5831),
        });
        assert!(shown(&echo, 20.0, person).starts_with(" 1001 mm ▏"));
        assert_eq!(
            shown(&echo, 20.0, program),
            r#"{"distanceMm":1001,"outcome":"echo"}"#
        );
        assert!(shown(&Ok(Echo::NoEcho), 20.0, person).contains("no echo"));
        let stuck = shown(&Ok(Echo::Stuck), 20.0, program);
        assert!(
            stuck.contains(r#""distanceMm":null"#) && stuck.contains("stuck"),
            "{stuck}"
        );
    }
}
