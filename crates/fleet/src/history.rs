//! What was: every change of occupancy for as long as it is kept, then the hours' sums; and the charge.

mod api;
mod hours;
mod retention;

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyPool, Row as _};

use crate::moment::Moment;

pub(crate) use self::api::router;
pub(crate) use self::retention::work;

/// Rows of one answer at most; a reader goes on from the last one's time.
const LONGEST: i64 = 5_000;

/// A change of occupancy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = OccupancyChange)]
pub struct Change {
    /// Since when.
    pub at: Moment,
    /// `free`, `occupied` or `unknown`.
    pub occupancy: String,
}

/// How an hour was used, once its changes are kept no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hour {
    /// Its begin.
    pub at: Moment,
    /// Milliseconds for which something stood there.
    pub occupied_ms: i64,
    /// Milliseconds for which nobody could say.
    pub unknown_ms: i64,
    /// How often something came.
    pub arrivals: i64,
}

/// A charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Charge {
    /// When it was measured.
    pub at: Moment,
    /// 0 to 100.
    pub charge_percent: Option<i64>,
    /// Of the whole pack.
    pub voltage_mv: Option<i64>,
}

/// The changes in `[from, to)`, oldest first, led by the one that held at `from` if it is known.
///
/// # Errors
/// When the database fails.
pub async fn changes(
    from_store: &AnyPool,
    device_id: &str,
    from: i64,
    to: i64,
) -> Result<Vec<Change>, sqlx::Error> {
    let sql =
        "SELECT at, occupancy FROM occupancy_history WHERE device_id = $1 AND at < $3 AND at >= COALESCE(
             (SELECT MAX(at) FROM occupancy_history WHERE device_id = $1 AND at <= $2), $2)
         ORDER BY at, sequence LIMIT $4";
    let rows = between(from_store, sql, device_id, from, to).await?;
    let changes = rows.iter().map(|row| {
        Ok(Change {
            at: Moment(row.try_get(0)?),
            occupancy: row.try_get(1)?,
        })
    });
    changes.collect()
}

/// The hours whose changes are kept no more, in `[from, to)`, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn hours(
    from_store: &AnyPool,
    device_id: &str,
    from: i64,
    to: i64,
) -> Result<Vec<Hour>, sqlx::Error> {
    let sql = "SELECT hour, occupied_ms, unknown_ms, arrivals FROM occupancy_hours
         WHERE device_id = $1 AND hour >= $2 AND hour < $3 ORDER BY hour LIMIT $4";
    let rows = between(from_store, sql, device_id, from, to).await?;
    let hours = rows.iter().map(|row| {
        Ok(Hour {
            at: Moment(row.try_get(0)?),
            occupied_ms: row.try_get(1)?,
            unknown_ms: row.try_get(2)?,
            arrivals: row.try_get(3)?,
        })
    });
    hours.collect()
}

/// The charges measured in `[from, to)`, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn charges(
    from_store: &AnyPool,
    device_id: &str,
    from: i64,
    to: i64,
) -> Result<Vec<Charge>, sqlx::Error> {
    let sql = "SELECT at, charge_percent, voltage_mv FROM battery_history
         WHERE device_id = $1 AND at >= $2 AND at < $3 ORDER BY at LIMIT $4";
    let rows = between(from_store, sql, device_id, from, to).await?;
    let charges = rows.iter().map(|row| {
        Ok(Charge {
            at: Moment(row.try_get(0)?),
            charge_percent: row.try_get(1)?,
            voltage_mv: row.try_get(2)?,
        })
    });
    charges.collect()
}

/// What a statement finds for a device (`$1`) between two times (`$2`, `$3`), the longest answer (`$4`) at most.
async fn between(
    from_store: &AnyPool,
    sql: &'static str,
    device_id: &str,
    from: i64,
    to: i64,
) -> Result<Vec<AnyRow>, sqlx::Error> {
    let query = sqlx::query(sql).bind(device_id.to_owned());
    let query = query.bind(from).bind(to).bind(LONGEST);
    query.fetch_all(from_store).await
}
