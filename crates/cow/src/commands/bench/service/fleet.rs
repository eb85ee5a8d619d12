//! Memory per 100,000 devices.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::requests::{bulk, id, populate};
use super::{Args, Running};

/// Weighs a fleet of bare devices, then one with small twins, which is left running.
pub(super) async fn weigh(args: &Args, state: &Path) -> Result<Running> {
    args.heading("Resident memory of the process")?;
    let bare = state.with_extension("bare");
    fill(args, &bare, "bare", |from, count| {
        let item = |number| json!({"id": id(number), "importMode": "create"});
        (from..from + count).map(item).collect()
    })
    .await?
    .stop()
    .await?;
    fill(
        args,
        state,
        "with two tags and two desired properties",
        bulk,
    )
    .await
}

async fn fill(
    args: &Args,
    state: &Path,
    kind: &str,
    request: fn(u64, u64) -> Value,
) -> Result<Running> {
    let hub = Running::start(state).await?;
    let before = hub.resident_kib()?;
    let took = populate(&hub.place, args.devices as u64, request).await?;
    let after = hub.resident_kib()?;
    let grown = after.saturating_sub(before) as f64;
    let (mib, each) = (grown / 1024.0, grown * 1024.0 / args.devices.max(1) as f64);
    let seconds = took.as_secs_f64();
    let figures = json!({
        "measure": "memory", "what": kind, "devices": args.devices, "residentKibBefore": before,
        "residentKibAfter": after, "bytesPerDevice": each, "filledInSeconds": seconds,
    });
    let words = format!(
        "{} devices, {kind}: {mib:.1} MiB, {each:.0} bytes each (made in {seconds:.1} s)",
        args.devices
    );
    args.print(&figures, &words)?;
    Ok(hub)
}
