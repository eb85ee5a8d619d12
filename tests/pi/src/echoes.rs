//! The ranger: distances, load, and what clones do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use board::{Board, Echo, Ranger};
use gpiocdev::line::Value;
use gpiocdev::request::Request;

use crate::Checks;
use crate::machine::{ECHO, Machine};
use crate::sensor::{Act, LOOK, Sensor};

const SPEC: &str = "linux:trigger=GPIO23,echo=GPIO24";

/// At 20 °C.
const MM_PER_NS: f64 = 343.2e-6;

/// The distances of a bay, in millimetres.
const DISTANCES: [u32; 10] = [20, 50, 100, 200, 500, 1000, 1500, 2000, 3000, 4000];
const MEASUREMENTS: usize = 50;

pub(crate) async fn check(machine: &Machine, checks: &mut Checks) -> Result<()> {
    let sensor = Sensor::start(machine, LOOK)?;
    let mut ranger = Board::open(SPEC)?.ranger();
    checks
        .check(
            "distances from 2 to 400 cm",
            distances(&sensor, &mut ranger),
        )
        .await;
    checks
        .check(
            "fifty measurements beside a busy processor",
            under_load(&sensor, &mut ranger),
        )
        .await;
    checks
        .check(
            "what clones do is no distance",
            clones(&sensor, &mut ranger),
        )
        .await;
    drop(ranger);
    checks
        .check(
            "lines that cannot be had are named",
            lines(machine, &sensor),
        )
        .await;
    Ok(())
}

async fn distances(sensor: &Sensor, ranger: &mut impl Ranger) -> Result<()> {
    let mut errors = Vec::new();
    for distance in DISTANCES {
        let width = Duration::from_nanos((f64::from(distance) * 2.0 / MM_PER_NS) as u64);
        let mut here = Vec::new();
        for _ in 0..MEASUREMENTS {
            here.push(error_mm(sensor, ranger, width).await?);
        }
        report(&format!("{distance} mm"), &mut here);
        errors.append(&mut here);
    }
    let p95 = report("all distances", &mut errors);
    ensure!(p95 <= 5.0, "p95 of the error is {p95:.2} mm");
    Ok(())
}

async fn under_load(sensor: &Sensor, ranger: &mut impl Ranger) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let burner = thread::spawn({
        let stop = stop.clone();
        move || while !stop.load(Ordering::Relaxed) {}
    });
    let mut errors = Vec::new();
    let mut lost = 0;
    for _ in 0..MEASUREMENTS {
        match error_mm(sensor, ranger, Duration::from_micros(5831)).await {
            Ok(error) => errors.push(error),
            Err(_) => lost += 1,
        }
    }
    stop.store(true, Ordering::Relaxed);
    let _ = burner.join();
    let p95 = report(
        &format!("under load, {lost} without a reading"),
        &mut errors,
    );
    ensure!(p95 <= 5.0, "p95 of the error is {p95:.2} mm");
    ensure!(
        lost <= MEASUREMENTS / 10,
        "{lost} of {MEASUREMENTS} gave no reading"
    );
    Ok(())
}

/// How far the ranger is off what the sensor played, in millimetres of distance.
async fn error_mm(sensor: &Sensor, ranger: &mut impl Ranger, width: Duration) -> Result<f64> {
    sensor.will(Act::Echo(width));
    let echo = ranger.measure().await;
    let played = sensor.played()?;
    match echo? {
        Echo::Returned { round_trip } => {
            let off = round_trip.as_nanos() as f64 - played.as_nanos() as f64;
            Ok(off.abs() * MM_PER_NS / 2.0)
        }
        other => bail!("{other:?} of an echo of {played:?}"),
    }
}

/// Prints the distribution and returns its 95th percentile.
fn report(what: &str, errors: &mut [f64]) -> f64 {
    errors.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let last = errors.len().saturating_sub(1) as f64;
        errors
            .get((last * share) as usize)
            .copied()
            .unwrap_or(f64::NAN)
    };
    println!(
        "error, {what}: p50 {:.3} mm, p95 {:.3} mm, longest {:.3} mm",
        at(0.5),
        at(0.95),
        at(1.0)
    );
    at(0.95)
}

async fn clones(sensor: &Sensor, ranger: &mut impl Ranger) -> Result<()> {
    // Ends at 38 ms, or is the nonsense of a JSN-SR04T.
    for width in [38_000, 15] {
        sensor.will(Act::Echo(Duration::from_micros(width)));
        let echo = ranger.measure().await?;
        ensure!(echo == Echo::NoEcho, "{echo:?} of {width} µs");
        sensor.played()?;
    }
    sensor.will(Act::Silent);
    let echo = ranger.measure().await?;
    ensure!(
        echo == Echo::NoEcho,
        "{echo:?} of a sensor that does not answer"
    );
    // Held high for longer than anybody waits, and good again after.
    sensor.will(Act::Echo(Duration::from_millis(300)));
    let mut stuck = 0;
    while ranger.measure().await? == Echo::Stuck {
        stuck += 1;
        ensure!(stuck < 10, "it does not recover");
    }
    ensure!(stuck >= 2, "stuck only {stuck} times");
    sensor.played()?;
    let error = error_mm(sensor, ranger, Duration::from_micros(5831)).await?;
    ensure!(error < 1.0, "{error} mm off after all that");
    Ok(())
}

async fn lines(machine: &Machine, sensor: &Sensor) -> Result<()> {
    let mut nowhere = Board::open("linux:trigger=GPIO99,echo=GPIO24")?.ranger();
    let error = nowhere
        .measure()
        .await
        .err()
        .context("there is no GPIO99")?;
    ensure!(error.to_string().contains("GPIO99"), "{error}");

    let other = Request::builder()
        .on_chip(&machine.chip)
        .with_consumer("somebody else")
        .with_line(ECHO)
        .as_output(Value::Inactive)
        .request()?;
    let mut ranger = Board::open(SPEC)?.ranger();
    let error = ranger.measure().await.err().context("the line is taken")?;
    ensure!(error.to_string().contains("somebody else"), "{error}");
    drop(other);
    let error = error_mm(sensor, &mut ranger, Duration::from_micros(5831)).await?;
    ensure!(error < 1.0, "{error} mm off once the line is free");
    Ok(())
}
