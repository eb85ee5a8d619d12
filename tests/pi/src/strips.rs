//! The lamp as a strip: what its data line carries whenever the bus's clock rises.

use anyhow::{Context, Result, ensure};
use board::{Board, Colour, Lamp};

use crate::Checks;
use crate::machine::{CLOCK, DATA, Machine};
use crate::trace::Watch;

/// What the strip reads as a one and as a zero, and how many bytes of silence end a colour.
const ONE: u8 = 0xf0;
const ZERO: u8 = 0xc0;
const PAUSE: usize = 225;

pub(crate) async fn check(machine: &Machine, checks: &mut Checks) {
    checks
        .check("a strip without its bus names the parameter", missing())
        .await;
    checks
        .check("a strip shows its colours, and goes out", strip(machine))
        .await;
}

async fn missing() -> Result<()> {
    let mut lamp = Board::open("linux:strip=spidev0.0,leds=3")?.lamp();
    let error = lamp.set(Colour::RED).await.err().context("no bus yet")?;
    ensure!(error.to_string().contains("dtparam=spi=on"), "{error}");
    Ok(())
}

async fn strip(machine: &Machine) -> Result<()> {
    machine.plug_in_strip()?;
    let lines = [CLOCK, DATA].map(|line| machine.base + line);
    let mut watch = Watch::new("strip", &lines)?;
    let mut lamp = Board::open("linux:strip=spidev0.0,leds=3")?.lamp();
    for colour in [Colour::ORANGE, Colour::rgb(255, 128, 1)] {
        lamp.set(colour).await?;
        let shown = shown(&mut watch, lines)?;
        ensure!(
            shown == [[colour.red, colour.green, colour.blue]; 3],
            "{colour} is {shown:?}"
        );
    }
    drop(lamp);
    let shown = shown(&mut watch, lines)?;
    ensure!(shown == [[0; 3]; 3], "at the end it is {shown:?}");
    Ok(())
}

/// The red, green and blue of each LED, by one transfer.
fn shown(watch: &mut Watch, [clock, _]: [u32; 2]) -> Result<Vec<[u8; 3]>> {
    let (mut bits, mut data) = (Vec::new(), false);
    loop {
        let levels = watch.levels()?;
        if levels.is_empty() {
            break;
        }
        for (line, level) in levels {
            match (line == clock, level) {
                (true, true) => bits.push(data),
                (true, false) => {}
                (false, level) => data = level,
            }
        }
    }
    let bytes = packed(&bits);
    let ends = bytes.len().checked_sub(PAUSE).context("it is too short")?;
    let (before, after) = (&bytes[..PAUSE], &bytes[ends..]);
    ensure!(
        before.iter().chain(after).all(|byte| *byte == 0),
        "no silence before or after"
    );
    let bits: Vec<bool> = bytes[PAUSE..ends]
        .iter()
        .map(|byte| match *byte {
            ONE => Ok(true),
            ZERO => Ok(false),
            other => Err(anyhow::anyhow!("{other:#010b} is no bit")),
        })
        .collect::<Result<_>>()?;
    let leds = packed(&bits);
    Ok(leds
        .chunks_exact(3)
        .map(|led| [led[1], led[0], led[2]])
        .collect())
}

fn packed(bits: &[bool]) -> Vec<u8> {
    let pack = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bits.chunks_exact(8).map(pack).collect()
}
