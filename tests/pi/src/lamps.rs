//! The lamp: what is on its lines.

use anyhow::{Context, Result, ensure};
use board::{Board, Colour, Lamp};

use crate::Checks;
use crate::machine::Machine;

const GREEN: u32 = 17;
const RED: u32 = 27;

pub(crate) async fn check(machine: &Machine, checks: &mut Checks) {
    checks
        .check("two LEDs show the lamp's colours", two_leds(machine))
        .await;
    checks
        .check("a lamp may be lit by a low line", active_low(machine))
        .await;
    checks
        .check("a lamp whose lines are missing says so", missing())
        .await;
}

fn levels(machine: &Machine) -> Result<(u8, u8)> {
    Ok((machine.level(RED)?, machine.level(GREEN)?))
}

async fn two_leds(machine: &Machine) -> Result<()> {
    let mut lamp = Board::open("linux:green=GPIO17,red=GPIO27")?.lamp();
    for (colour, wanted) in [
        (Colour::GREEN, (0, 1)),
        (Colour::RED, (1, 0)),
        (Colour::ORANGE, (1, 1)),
        (Colour::OFF, (0, 0)),
        (Colour::RED, (1, 0)),
    ] {
        lamp.set(colour).await?;
        let shown = levels(machine)?;
        ensure!(shown == wanted, "{colour} is {shown:?}");
    }
    drop(lamp);
    ensure!(levels(machine)? == (0, 0), "it goes out with its module");
    Ok(())
}

async fn active_low(machine: &Machine) -> Result<()> {
    let mut lamp = Board::open("linux:green=GPIO17,red=GPIO27,active-low=yes")?.lamp();
    lamp.set(Colour::RED).await?;
    let shown = levels(machine)?;
    ensure!(shown == (0, 1), "red is {shown:?}");
    Ok(())
}

async fn missing() -> Result<()> {
    let mut lamp = Board::open("linux:green=GPIO98,red=GPIO27")?.lamp();
    let error = lamp
        .set(Colour::RED)
        .await
        .err()
        .context("there is no GPIO98")?;
    ensure!(error.to_string().contains("GPIO98"), "{error}");
    Ok(())
}
