//! `cow bench lamp`: how long the way takes from the sensor's first sample of a car to the red lamp.
//!
//! Everything on the way is real: the module's processes, TLS, MQTT, the edge hub's route, the board's socket. The
//! hold-off is the driver's time to settle, not the system's; it is taken off.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use bay::Colour;
use board::simulated::{Command, SimulatedBoard, Vehicle};
use hub_proto::identity::Identity;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::commands::up;
use crate::output::{JsonArgs, line};
use crate::street::Running;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Cars to park
    #[arg(long, default_value_t = 20)]
    cars: usize,
    /// The sensor's hold-off for the measurement, in milliseconds
    #[arg(long, default_value_t = 500)]
    hold_off_ms: u64,
    #[command(flatten)]
    json: JsonArgs,
}

/// How long a step may take beyond the hold-off before something is wrong.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) async fn run(args: Args) -> Result<()> {
    let (mut running, lines) = Running::start(up::desk_plan()?).await?;
    drop(lines);
    running.serve(Router::new());
    running.ready(|_| {}).await;
    let measured = measure(&running, &args).await;
    running.shutdown().await;
    let mut ways = measured?;
    ways.sort_unstable();
    let at = |share: f64| ways[((ways.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    if args.json.json {
        let figures = json!({
            "cars": ways.len(), "holdOffMs": args.hold_off_ms,
            "p50Ms": at(0.5), "p99Ms": at(0.99), "maxMs": at(1.0),
        });
        return line(&figures.to_string());
    }
    line(&format!(
        "From the first sample of a car to the red lamp, less the hold-off of {} ms, {} cars:\n\
         p50 {:.1} ms   p99 {:.1} ms   longest {:.1} ms",
        args.hold_off_ms,
        ways.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    ))
}

async fn measure(running: &Running, args: &Args) -> Result<Vec<Duration>> {
    let bay = running
        .street
        .bays
        .first()
        .context("the street has no bay")?;
    let sensor = Identity::module(bay.name.as_str(), "hc-sr04")?;
    let desired = json!({"properties": {"desired": {"holdOffMs": args.hold_off_ms}}});
    running.street.simulator.patch_twin(&sensor, desired)?;
    let hold_off = Duration::from_millis(args.hold_off_ms);
    let mut ways = Vec::with_capacity(args.cars);
    lamp_is(&bay.board, Colour::GREEN)
        .await
        .context("the empty bay's lamp")?;
    for _ in 0..args.cars {
        bay.board.command(Command::CarArrives {
            vehicle: Vehicle::Car,
            over_seconds: 0.0,
        });
        lamp_is(&bay.board, Colour::RED)
            .await
            .context("the lamp after a car came")?;
        let marks = bay.board.marks();
        let seen = marks
            .vehicle_first_measured
            .context("the ranger never saw the car")?;
        let shown = marks.lamp_changed.context("the lamp never changed")?;
        ways.push(shown.duration_since(seen).saturating_sub(hold_off));
        bay.board.command(Command::CarLeaves { over_seconds: 0.0 });
        lamp_is(&bay.board, Colour::GREEN)
            .await
            .context("the lamp after the car left")?;
    }
    Ok(ways)
}

/// Waits until the lamp shows a colour.
async fn lamp_is(board: &SimulatedBoard, colour: Colour) -> Result<()> {
    let mut changes = board.changes();
    let give_up = Instant::now() + PATIENCE;
    while board.state().lamp.colour != colour {
        let left = give_up.saturating_duration_since(Instant::now());
        // Falling behind is no failure: the state is asked for again.
        if timeout(left, changes.recv()).await.is_err() {
            bail!(
                "is still {}, not {colour}, after {} s",
                board.state().lamp.colour,
                PATIENCE.as_secs()
            );
        }
    }
    Ok(())
}
