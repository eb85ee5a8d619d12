//! What stands in a bay that is not as it was agreed: an alarm for who runs the bay, and a word to who booked it.

use std::collections::HashMap;

use bay::Occupancy;
use serde_json::json;
use sqlx::Row;

use super::kept;
use crate::alarms::{self, AlarmKind};
use crate::app::App;
use crate::audit::{self, Action};
use crate::bays::bay::Bay;
use crate::bays::state::{Conflict, Phase, Rules, State};
use crate::store::{Kind, StoreError};
use crate::webhooks::reports::{self, BookingNews};

/// Raises an alarm where what stands in one of these bays is not as it was agreed, and clears those that are settled,
/// wherever they are.
pub(super) async fn settle(
    app: &App,
    mut ids: Vec<String>,
    rules: &Rules,
    now: i64,
) -> Result<(), StoreError> {
    let open = sqlx::query(
        "SELECT bay_id, device_id, detail FROM alarms WHERE kind = 'conflict' AND cleared_at IS NULL",
    )
    .fetch_all(app.store.reader())
    .await?;
    let mut raised = HashMap::new();
    for row in &open {
        let bay_id: Option<String> = row.try_get("bay_id")?;
        let bay_id = bay_id.unwrap_or_default();
        let (device_id, detail): (String, String) =
            (row.try_get("device_id")?, row.try_get("detail")?);
        ids.push(bay_id.clone());
        raised.insert(bay_id, (device_id, detail));
    }
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let bay = app.lot().get(app, &id).await?;
        let state = bay.as_ref().map(|bay| bay.state(rules, now));
        let conflict = state.and_then(|state| state.conflict);
        let alarm = raised.get(&id);
        match (conflict, bay) {
            (Some(conflict), Some(bay)) => {
                if alarm.is_none_or(|(_, detail)| detail != word(conflict)) {
                    raise(app, &bay, conflict, now).await?;
                }
                if conflict == Conflict::WrongCar {
                    note(app, &bay, now).await?;
                }
            }
            (_, bay) => {
                if let Some((device_id, _)) = alarm
                    && is_settled(bay.as_deref(), state.as_ref(), now)
                {
                    clear(app, device_id, &id, now).await?;
                }
            }
        }
    }
    Ok(())
}

const fn word(conflict: Conflict) -> &'static str {
    match conflict {
        Conflict::WrongCar => "wrong-car",
        Conflict::Overstay => "overstay",
    }
}

/// That nobody can see it any more does not settle a conflict, as long as there is something to be in conflict with.
fn is_settled(bay: Option<&Bay>, state: Option<&State>, now: i64) -> bool {
    let (Some(bay), Some(state)) = (bay, state) else {
        return true;
    };
    let could_be = bay.bookings.iter().any(|held| {
        held.phase == Phase::Overstaying || (held.phase == Phase::Booked && held.is_on(now))
    });
    state.occupancy != Occupancy::Unknown || !could_be
}

async fn raise(app: &App, bay: &Bay, conflict: Conflict, now: i64) -> Result<(), StoreError> {
    let Some(device_id) = &bay.device_id else {
        return Ok(());
    };
    let detail = word(conflict);
    let mut tx = app.store.begin().await?;
    let kind = AlarmKind::Conflict;
    alarms::raise(&mut tx, device_id, Some(&bay.id), kind, detail, now).await?;
    tx.tell(Kind::Bay, &bay.id);
    tx.commit().await?;
    tracing::info!(bay = bay.number, detail, "a conflict was seen");
    Ok(())
}

async fn clear(app: &App, device_id: &str, bay_id: &str, now: i64) -> Result<(), StoreError> {
    let mut tx = app.store.begin().await?;
    alarms::clear(&mut tx, device_id, AlarmKind::Conflict, now).await?;
    tx.tell(Kind::Bay, bay_id);
    tx.commit().await
}

/// Writes down, once, that the booking that is on has its bay taken by another. A car that stays is a conflict of each
/// booking it is in the way of, though it is one alarm.
async fn note(app: &App, bay: &Bay, now: i64) -> Result<(), StoreError> {
    let mut on = bay.bookings.iter();
    let Some(held) = on.find(|held| held.phase == Phase::Booked && held.is_on(now)) else {
        return Ok(());
    };
    let noted = sqlx::query("SELECT 1 FROM bookings WHERE id = $1 AND conflict_at IS NOT NULL")
        .bind(held.id.clone())
        .fetch_optional(app.store.reader())
        .await?;
    if noted.is_some() {
        return Ok(());
    }
    let mut tx = app.store.begin().await?;
    let Some(booking) = kept::lock(&mut tx, &held.id).await? else {
        return Ok(());
    };
    let noted = sqlx::query(
        "UPDATE bookings SET conflict_at = $1 WHERE id = $2 AND conflict_at IS NULL AND state = 'booked'",
    )
    .bind(now)
    .bind(held.id.clone())
    .execute(&mut *tx)
    .await?;
    if noted.rows_affected() == 0 {
        return Ok(());
    }
    let action = Action {
        action: "booking.conflict",
        object_kind: "booking",
        object_id: &booking.id,
        customer_id: Some(&bay.site.customer_id),
        detail: json!({"bay": bay.number}),
    };
    audit::record(&mut tx, None, now, action).await?;
    reports::booking(&mut tx, BookingNews::Conflict, &booking, bay.into(), now).await?;
    tx.commit().await
}
