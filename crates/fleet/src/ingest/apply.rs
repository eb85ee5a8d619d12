//! Writes down what events say.

use std::collections::BTreeMap;
use std::time::Duration;

use bay::Occupancy;
use bay::message::{IdentityStatus, LampReport, LevelReport, OccupancyReport};
use service_client::Event;
use sqlx::Row as _;
use tokio::time::Instant;

use super::leases::Leases;
use super::order::{Newest, Standing, after, judge};
use super::reading::{Reading, Said, read};
use super::{IngestError, Mine};
use crate::alarms::{self, AlarmKind};
use crate::app::App;
use crate::store::{Kind, Transaction};

/// A device as it is known here.
#[derive(Debug, Clone)]
struct Known {
    /// The board's id, by which everything is kept.
    board: String,
    bay: Option<String>,
}

/// Writes what the first of these events say and how far each partition was read, or nothing of it: as many as there is
/// time for, and one at least. How many it were.
pub(super) async fn batch(
    app: &App,
    leases: &Leases,
    mine: &Mine,
    events: &[Event],
    within: Duration,
) -> Result<usize, IngestError> {
    if events.is_empty() {
        return Ok(0);
    }
    let begun = Instant::now();
    let mut tx = app.store.begin().await?;
    let mut known = BTreeMap::new();
    let mut read_to = BTreeMap::new();
    let mut done = 0;
    for event in events {
        if done > 0 && begun.elapsed() >= within {
            break;
        }
        done += 1;
        read_to.insert(event.partition, (event.offset.as_str(), event.sequence));
        if let Some(reading) = read(event) {
            let device = know(&mut tx, &mut known, &reading).await?;
            write(&mut tx, &device, &reading).await?;
        }
    }
    for (partition, place) in read_to {
        let held = mine.get(&partition).ok_or(IngestError::TakenOver)?;
        leases
            .advance(&mut tx, partition, held.epoch, place)
            .await?;
    }
    tx.commit().await?;
    Ok(done)
}

/// The board behind a device of the hub. One that was never heard of is noted.
async fn know(
    tx: &mut Transaction,
    known: &mut BTreeMap<String, Known>,
    reading: &Reading,
) -> Result<Known, IngestError> {
    if let Some(found) = known.get(&reading.device) {
        return Ok(found.clone());
    }
    let find = "SELECT d.id, b.id FROM devices d LEFT JOIN bays b ON b.device_id = d.id
                WHERE d.device_id = $1 OR (d.device_id IS NULL AND d.id = $1)";
    let row = sqlx::query(find).bind(reading.device.clone());
    let row = row.fetch_optional(&mut **tx).await?;
    let found = if let Some(row) = row {
        Known {
            board: row.try_get(0)?,
            bay: row.try_get(1)?,
        }
    } else {
        sqlx::query(
            "INSERT INTO devices (id, device_id, first_seen_at, last_seen_at) VALUES ($1, $1, $2, $2)
             ON CONFLICT DO NOTHING",
        )
        .bind(reading.device.clone())
        .bind(reading.heard_at)
        .execute(&mut **tx)
        .await?;
        Known {
            board: reading.device.clone(),
            bay: None,
        }
    };
    known.insert(reading.device.clone(), found.clone());
    Ok(found)
}

async fn write(tx: &mut Transaction, device: &Known, reading: &Reading) -> Result<(), IngestError> {
    heard(tx, device, reading).await?;
    let newest = newest(tx, device, reading).await?;
    let standing = judge(newest.as_ref(), reading);
    if standing == Standing::News {
        note(tx, device, reading, &after(newest.as_ref(), reading)).await?;
    }
    match &reading.said {
        Said::Occupancy(report) => occupancy(tx, device, report, standing).await?,
        Said::Level(report) => level(tx, device, reading.at, report, standing).await?,
        Said::Lamp(report) if standing == Standing::News => lamp(tx, device, report).await?,
        Said::Identity(status) if standing == Standing::News => {
            identity(tx, device, status).await?;
        }
        Said::Lamp(_) | Said::Identity(_) | Said::Something => {}
    }
    match &device.bay {
        Some(bay) => tx.tell(Kind::Bay, bay.clone()),
        None => tx.tell(Kind::Device, device.board.clone()),
    }
    Ok(())
}

/// Whatever it says, it lives.
async fn heard(tx: &mut Transaction, device: &Known, reading: &Reading) -> Result<(), IngestError> {
    sqlx::query(
        "INSERT INTO device_states (device_id, heard_at) VALUES ($1, $2)
         ON CONFLICT (device_id) DO UPDATE SET heard_at = excluded.heard_at
         WHERE excluded.heard_at > device_states.heard_at",
    )
    .bind(device.board.clone())
    .bind(reading.heard_at)
    .execute(&mut **tx)
    .await?;
    alarms::clear(tx, &device.board, AlarmKind::Silence, reading.heard_at).await?;
    Ok(())
}

async fn newest(
    tx: &mut Transaction,
    device: &Known,
    reading: &Reading,
) -> Result<Option<Newest>, IngestError> {
    let row = sqlx::query(
        "SELECT message_id, sequence, at FROM message_numbers WHERE device_id = $1 AND module_id = $2",
    )
    .bind(device.board.clone())
    .bind(reading.module.clone())
    .fetch_optional(&mut **tx)
    .await?;
    let newest = row.map(|row| {
        Ok::<_, sqlx::Error>(Newest {
            message_id: row.try_get(0)?,
            sequence: row.try_get(1)?,
            at: row.try_get(2)?,
        })
    });
    Ok(newest.transpose()?)
}

async fn note(
    tx: &mut Transaction,
    device: &Known,
    reading: &Reading,
    newest: &Newest,
) -> Result<(), IngestError> {
    sqlx::query(
        "INSERT INTO message_numbers (device_id, module_id, sequence, message_id, at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (device_id, module_id) DO UPDATE
         SET sequence = excluded.sequence, message_id = excluded.message_id, at = excluded.at",
    )
    .bind(device.board.clone())
    .bind(reading.module.clone())
    .bind(newest.sequence)
    .bind(newest.message_id.clone())
    .bind(newest.at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn occupancy(
    tx: &mut Transaction,
    device: &Known,
    report: &OccupancyReport,
    standing: Standing,
) -> Result<(), IngestError> {
    let sequence = i64::try_from(report.sequence).unwrap_or(i64::MAX);
    let since = report.since.as_millisecond();
    let was: Option<(String,)> =
        sqlx::query_as("SELECT occupancy FROM device_states WHERE device_id = $1")
            .bind(device.board.clone())
            .fetch_optional(&mut **tx)
            .await?;
    // A heartbeat that says something else than is known tells of a change whose own message was lost.
    let is_change = !report.heartbeat
        || standing == Standing::News && was.is_none_or(|(was,)| was != report.occupancy.as_str());
    let is_new = match standing {
        Standing::News => true,
        Standing::Repeated => false,
        // Its time may be when it came, which is another each time.
        Standing::Late => !is_kept(tx, device, sequence).await?,
    };
    if is_change && is_new {
        sqlx::query(
            "INSERT INTO occupancy_history (device_id, at, occupancy, sequence) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
        )
        .bind(device.board.clone())
        .bind(since)
        .bind(report.occupancy.as_str())
        .bind(sequence)
        .execute(&mut **tx)
        .await?;
    }
    if standing != Standing::News {
        return Ok(());
    }
    sqlx::query(
        "UPDATE device_states
         SET occupancy = $2, reason = $3, occupancy_since = $4, distance_mm = $5, sequence = $6 WHERE device_id = $1",
    )
    .bind(device.board.clone())
    .bind(report.occupancy.as_str())
    .bind(report.reason.map(bay::UnknownReason::as_str))
    .bind(since)
    .bind(report.distance_mm.map(|distance| i64::from(distance.mm())))
    .bind(sequence)
    .execute(&mut **tx)
    .await?;
    match report.reason.filter(|reason| reason.is_fault()) {
        Some(reason) => {
            let (board, bay) = (&device.board, device.bay.as_deref());
            alarms::raise(tx, board, bay, AlarmKind::Fault, reason.as_str(), since).await?;
        }
        // A sensor that has not decided yet says nothing about what was wrong with it.
        None if report.occupancy == Occupancy::Unknown => {}
        None => alarms::clear(tx, &device.board, AlarmKind::Fault, since).await?,
    }
    Ok(())
}

/// Whether the history has this number of the module already.
async fn is_kept(tx: &mut Transaction, device: &Known, sequence: i64) -> Result<bool, IngestError> {
    let find = "SELECT 1 FROM occupancy_history WHERE device_id = $1 AND sequence = $2 LIMIT 1";
    let found = sqlx::query(find).bind(device.board.clone()).bind(sequence);
    Ok(found.fetch_optional(&mut **tx).await?.is_some())
}

async fn level(
    tx: &mut Transaction,
    device: &Known,
    at: i64,
    report: &LevelReport,
    standing: Standing,
) -> Result<(), IngestError> {
    if standing == Standing::Repeated {
        return Ok(());
    }
    let charge = report.charge_percent.map(i64::from);
    let voltage = report.voltage_mv.map(i64::from);
    sqlx::query(
        "INSERT INTO battery_history (device_id, at, charge_percent, voltage_mv) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
    )
    .bind(device.board.clone())
    .bind(at)
    .bind(charge)
    .bind(voltage)
    .execute(&mut **tx)
    .await?;
    if standing == Standing::Late {
        return Ok(());
    }
    sqlx::query(
        "UPDATE device_states SET charge_percent = $2, voltage_mv = $3, battery_alarm = $4, battery_at = $5
         WHERE device_id = $1",
    )
    .bind(device.board.clone())
    .bind(charge)
    .bind(voltage)
    .bind(report.alarm.as_str())
    .bind(at)
    .execute(&mut **tx)
    .await?;
    match report.alarm {
        bay::Alarm::None => alarms::clear(tx, &device.board, AlarmKind::Battery, at).await?,
        alarm => {
            let (board, bay) = (&device.board, device.bay.as_deref());
            alarms::raise(tx, board, bay, AlarmKind::Battery, alarm.as_str(), at).await?;
        }
    }
    Ok(())
}

async fn lamp(
    tx: &mut Transaction,
    device: &Known,
    report: &LampReport,
) -> Result<(), IngestError> {
    sqlx::query(
        "UPDATE device_states SET lamp_colour = $2, lamp_pattern = $3, lamp_cause = $4 WHERE device_id = $1",
    )
    .bind(device.board.clone())
    .bind(report.colour.to_string())
    .bind(report.pattern.as_str())
    .bind(report.cause.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn identity(
    tx: &mut Transaction,
    device: &Known,
    status: &IdentityStatus,
) -> Result<(), IngestError> {
    let reported = serde_json::to_string(status).unwrap_or_else(|_| "{}".to_owned());
    sqlx::query("UPDATE devices SET reported = $2 WHERE id = $1")
        .bind(device.board.clone())
        .bind(reported)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
