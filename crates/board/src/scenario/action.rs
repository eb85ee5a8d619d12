//! The part of a line that says what happens.

use std::time::Duration;

use super::{
    Action,
    problem::Problem,
    quantity::{duration, number},
    words::Words,
};
use crate::simulated::{Command, Rain, Vehicle};

type Reader = fn(&mut Words<'_>) -> Result<Action, Problem>;

pub(super) fn action(words: &mut Words<'_>) -> Result<Action, Problem> {
    let subjects: [(&str, Reader); 10] = [
        ("car", |words| traffic(Vehicle::Car, words)),
        ("van", |words| traffic(Vehicle::Van, words)),
        ("motorcycle", |words| traffic(Vehicle::Motorcycle, words)),
        ("pedestrian", pedestrian),
        ("rain", rain),
        ("sensor", sensor),
        ("cable", cable),
        ("temperature", temperature),
        ("battery", battery),
        ("floor", floor),
    ];
    words.choose(&subjects)?(words)
}

fn traffic(vehicle: Vehicle, words: &mut Words<'_>) -> Result<Action, Problem> {
    let arrives = words.choose(&[("arrives", true), ("leaves", false)])?;
    let over_seconds = if words.take("over") {
        duration(words)?.as_secs_f64()
    } else {
        Command::DRIVE_SECONDS
    };
    Ok(Action::once(if arrives {
        Command::CarArrives {
            vehicle,
            over_seconds,
        }
    } else {
        Command::CarLeaves { over_seconds }
    }))
}

fn pedestrian(words: &mut Words<'_>) -> Result<Action, Problem> {
    words.expect("passes")?;
    let seconds = match length(words)? {
        Some(length) => length.as_secs_f64(),
        None => Command::PEDESTRIAN_SECONDS,
    };
    Ok(Action::once(Command::Pedestrian { seconds }))
}

fn rain(words: &mut Words<'_>) -> Result<Action, Problem> {
    let level = words.choose(&[
        ("none", Rain::None),
        ("light", Rain::Light),
        ("heavy", Rain::Heavy),
    ])?;
    Action::undone(
        Command::Rain { level },
        words,
        Command::Rain { level: Rain::None },
    )
}

fn sensor(words: &mut Words<'_>) -> Result<Action, Problem> {
    match words.choose(&[("stuck", true), ("works", false)])? {
        true => Action::undone(
            Command::SensorStuck { on: true },
            words,
            Command::SensorStuck { on: false },
        ),
        false => Ok(Action::once(Command::SensorStuck { on: false })),
    }
}

fn cable(words: &mut Words<'_>) -> Result<Action, Problem> {
    match words.choose(&[("cut", true), ("mended", false)])? {
        true => Action::undone(
            Command::CableCut { on: true },
            words,
            Command::CableCut { on: false },
        ),
        false => Ok(Action::once(Command::CableCut { on: false })),
    }
}

fn temperature(words: &mut Words<'_>) -> Result<Action, Problem> {
    let ramps = words.take("ramp");
    if ramps {
        words.expect("to")?;
    }
    let celsius = number(words, -60.0..=80.0, &["°C", "C"])?;
    let over_seconds = if ramps {
        words.expect("over")?;
        duration(words)?.as_secs_f64()
    } else {
        0.0
    };
    Ok(Action::once(Command::Temperature {
        celsius,
        over_seconds,
    }))
}

fn battery(words: &mut Words<'_>) -> Result<Action, Problem> {
    let percent = |words: &mut Words<'_>| number(words, 0.0..=100.0, &["%", "percent"]);
    let [mut charge_percent, mut current_ma, mut failing, mut lying] = [None; 4];
    if words.take("current") {
        current_ma = Some(number(words, -20_000.0..=20_000.0, &["mA"])?);
    } else if words.take("reads") {
        let fail = words.choose(&[("fail", true), ("lie", false)])?;
        *(if fail { &mut failing } else { &mut lying }) = Some(percent(words)?);
    } else if words
        .peek()
        .is_some_and(|word| word.text.starts_with(|c: char| c.is_ascii_digit()))
    {
        charge_percent = Some(percent(words)?);
    } else {
        return Err(words.expected("a charge like 9%, current or reads"));
    }
    Ok(Action::once(Command::Battery {
        charge_percent,
        current_ma: current_ma.map(|current| current as i32),
        failing_reads_percent: failing.map(|percent| percent as u8),
        nonsense_reads_percent: lying.map(|percent| percent as u8),
    }))
}

fn floor(words: &mut Words<'_>) -> Result<Action, Problem> {
    let mm = number(words, 300.0..=6000.0, &["mm"])? as u32;
    Ok(Action::once(Command::FloorDistance { mm }))
}

/// `for TIME`, which may be left out.
fn length(words: &mut Words<'_>) -> Result<Option<Duration>, Problem> {
    if words.take("for") {
        duration(words).map(Some)
    } else {
        Ok(None)
    }
}

impl Action {
    fn once(command: Command) -> Self {
        Self {
            command,
            then: None,
        }
    }

    fn undone(command: Command, words: &mut Words<'_>, after: Command) -> Result<Self, Problem> {
        let then = length(words)?.map(|length| (length, after));
        Ok(Self { command, then })
    }
}
