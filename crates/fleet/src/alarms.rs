//! What somebody should look at: a battery that is low, a device that is silent, a sensor that fails, a wrong car.
//!
//! Of each kind a device has one at most. It is raised once, however often its cause is told, and stays until the cause
//! is gone; that somebody has seen it is another matter.

mod silence;

use crate::app::new_id;
use crate::store::{Kind, StoreError, Transaction};
use crate::webhooks::reports::{self, AlarmNews};

pub(crate) use self::silence::work;

/// Why somebody should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlarmKind {
    /// The charge is low or critical.
    Battery,
    /// The device has not been heard of for too long.
    Silence,
    /// The sensor gives nothing that can be used.
    Fault,
    /// Somebody stands where another has booked.
    Conflict,
}

impl AlarmKind {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Battery => "battery",
            Self::Silence => "silence",
            Self::Fault => "fault",
            Self::Conflict => "conflict",
        }
    }
}

/// Raises an alarm, or says more precisely what the one that stands is about.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn raise(
    tx: &mut Transaction,
    device_id: &str,
    bay_id: Option<&str>,
    kind: AlarmKind,
    detail: &str,
    at: i64,
) -> Result<(), StoreError> {
    let id = new_id();
    let raised = sqlx::query(
        "INSERT INTO alarms (id, device_id, bay_id, kind, detail, raised_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT DO NOTHING",
    )
    .bind(id.clone())
    .bind(device_id.to_owned())
    .bind(bay_id.map(str::to_owned))
    .bind(kind.as_str())
    .bind(detail.to_owned())
    .bind(at)
    .execute(&mut **tx)
    .await?;
    if raised.rows_affected() > 0 {
        return tell(tx, AlarmNews::Raised, id, at).await;
    }
    let changed: Option<(String,)> = sqlx::query_as(
        "UPDATE alarms SET detail = $3 WHERE device_id = $1 AND kind = $2 AND cleared_at IS NULL AND detail <> $3
         RETURNING id",
    )
    .bind(device_id.to_owned())
    .bind(kind.as_str())
    .bind(detail.to_owned())
    .fetch_optional(&mut **tx)
    .await?;
    match changed {
        Some((id,)) => tell(tx, AlarmNews::Changed, id, at).await,
        None => Ok(()),
    }
}

/// Ends an alarm, if one of this kind stands.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn clear(
    tx: &mut Transaction,
    device_id: &str,
    kind: AlarmKind,
    at: i64,
) -> Result<(), StoreError> {
    let cleared: Option<(String,)> = sqlx::query_as(
        "UPDATE alarms SET cleared_at = $3 WHERE device_id = $1 AND kind = $2 AND cleared_at IS NULL RETURNING id",
    )
    .bind(device_id.to_owned())
    .bind(kind.as_str())
    .bind(at)
    .fetch_optional(&mut **tx)
    .await?;
    match cleared {
        Some((id,)) => tell(tx, AlarmNews::Ended, id, at).await,
        None => Ok(()),
    }
}

async fn tell(
    tx: &mut Transaction,
    news: AlarmNews,
    id: String,
    at: i64,
) -> Result<(), StoreError> {
    reports::alarm(tx, news, &id, at).await?;
    tx.tell(Kind::Alarm, id);
    Ok(())
}
