//! Bookings as they are kept: every statement about them stands here.
//!
//! **Invariant:** whoever writes a booking has locked its bay first. The constraint that nobody books what is booked makes
//! PostgreSQL wait for other bookings of the bay whenever one is written, whatever was changed of it; without an order two
//! would wait for each other.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::booking::Booking;
use super::lamp::Lamp;
use crate::bays::bay::word;
use crate::store::{Kind, StoreError, Transaction};

/// Reads one, and lets nobody else change it until the transaction is over.
///
/// # Errors
/// When the database fails.
pub async fn lock(tx: &mut Transaction, id: &str) -> Result<Option<Booking>, StoreError> {
    // Both engines know no common way to lock what is read, but both lock what is written.
    sqlx::query(
        "UPDATE bays SET version = version WHERE id = (SELECT bay_id FROM bookings WHERE id = $1)",
    )
    .bind(id.to_owned())
    .execute(&mut **tx)
    .await?;
    let row = sqlx::query("UPDATE bookings SET version = version WHERE id = $1 RETURNING *")
        .bind(id.to_owned())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.as_ref().map(booking).transpose()?)
}

/// Lets nobody else book a bay, or change its bookings, until the transaction is over.
///
/// # Errors
/// When the database fails.
pub async fn lock_bay(tx: &mut Transaction, bay_id: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE bays SET version = version WHERE id = $1")
        .bind(bay_id.to_owned())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Keeps a new one of a bay that was locked.
///
/// # Errors
/// [`StoreError::is_double_booking`] when the bay is booked for some of that time.
pub async fn insert(tx: &mut Transaction, booking: &Booking) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO bookings
             (id, bay_id, user_id, plate, begins_at, ends_at, state, holds, lamp, lamp_next_at, created_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(booking.id.clone())
    .bind(booking.bay_id.clone())
    .bind(booking.user_id.clone())
    .bind(booking.plate.clone())
    .bind(booking.begins_at)
    .bind(booking.ends_at)
    .bind(booking.stage.as_str())
    .bind(booking.stage.holds().then_some(1_i64))
    .bind(booking.lamp.told.as_str())
    .bind(booking.lamp.next_at)
    .bind(booking.created_at)
    .bind(booking.version)
    .execute(&mut **tx)
    .await?;
    tell(tx, booking);
    Ok(())
}

/// Keeps what has become of one that was [`lock`]ed; its version counts on.
///
/// # Errors
/// [`StoreError::is_double_booking`] when it was moved to where there is no room.
pub async fn update(tx: &mut Transaction, booking: &mut Booking) -> Result<(), StoreError> {
    booking.version += 1;
    sqlx::query(
        "UPDATE bookings SET ends_at = $1, state = $2, checked_in_at = $3, ended_at = $4, overstay_at = $5, holds = $6,
             lamp = $7, lamp_problem = $8, lamp_attempts = $9, lamp_next_at = $10, version = $11, withdrawn_at = $12
         WHERE id = $13",
    )
    .bind(booking.ends_at)
    .bind(booking.stage.as_str())
    .bind(booking.checked_in_at)
    .bind(booking.ended_at)
    .bind(booking.overstay_at)
    .bind(booking.stage.holds().then_some(1_i64))
    .bind(booking.lamp.told.as_str())
    .bind(booking.lamp.problem.clone())
    .bind(booking.lamp.attempts)
    .bind(booking.lamp.next_at)
    .bind(booking.version)
    .bind(booking.withdrawn_at)
    .bind(booking.id.clone())
    .execute(&mut **tx)
    .await?;
    tell(tx, booking);
    Ok(())
}

/// Keeps what a lamp was told or answered, unless somebody has changed the booking since it was `due_at` then. Whether it
/// was kept.
///
/// # Errors
/// When the database fails.
pub async fn update_lamp(
    tx: &mut Transaction,
    booking: &Booking,
    due_at: Option<i64>,
) -> Result<bool, StoreError> {
    lock_bay(tx, &booking.bay_id).await?;
    let updated = sqlx::query(
        "UPDATE bookings SET lamp = $1, lamp_problem = $2, lamp_attempts = $3, lamp_next_at = $4
         WHERE id = $5 AND lamp_next_at = $6 AND version = $7",
    )
    .bind(booking.lamp.told.as_str())
    .bind(booking.lamp.problem.clone())
    .bind(booking.lamp.attempts)
    .bind(booking.lamp.next_at)
    .bind(booking.id.clone())
    .bind(due_at)
    .bind(booking.version)
    .execute(&mut **tx)
    .await?;
    tell(tx, booking);
    Ok(updated.rows_affected() == 1)
}

/// Has a lamp told once more that was told something else meanwhile: nobody knows which it heard last. One that is to be
/// told in any case is left alone.
///
/// # Errors
/// When the database fails.
pub async fn doubt_lamp(
    tx: &mut Transaction,
    booking: &Booking,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE bookings SET lamp = CASE WHEN holds = 1 THEN lamp ELSE 'releasing' END, lamp_next_at = $1
         WHERE id = $2 AND lamp_next_at IS NULL AND ends_at > $1",
    )
    .bind(now)
    .bind(booking.id.clone())
    .execute(&mut **tx)
    .await?;
    tell(tx, booking);
    Ok(())
}

/// Those whose lamp is to be told by now, the longest waiting first.
///
/// # Errors
/// When the database fails.
pub async fn with_lamp_due(
    connection: &mut AnyConnection,
    now: i64,
    limit: i64,
) -> Result<Vec<Booking>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM bookings WHERE lamp_next_at <= $1 ORDER BY lamp_next_at, id LIMIT $2",
    )
    .bind(now)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows.iter().map(booking).collect::<Result<_, _>>()?)
}

/// Those that something may become of: begun or about to begin by `until` and holding their bay, or overstayed.
///
/// # Errors
/// When the database fails.
pub async fn current(
    connection: &mut AnyConnection,
    until: i64,
) -> Result<Vec<Booking>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM bookings WHERE (holds = 1 AND begins_at <= $1) OR (overstay_at IS NOT NULL AND ended_at IS NULL)
         ORDER BY begins_at, id",
    )
    .bind(until)
    .fetch_all(connection)
    .await?;
    Ok(rows.iter().map(booking).collect::<Result<_, _>>()?)
}

/// When, after `until`, the next one is about to begin, and when the next lamp is to be told.
///
/// # Errors
/// When the database fails.
pub async fn next_times(
    connection: &mut AnyConnection,
    until: i64,
) -> Result<(Option<i64>, Option<i64>), StoreError> {
    let row = sqlx::query(
        "SELECT (SELECT MIN(begins_at) FROM bookings WHERE holds = 1 AND begins_at > $1),
                (SELECT MIN(lamp_next_at) FROM bookings WHERE lamp_next_at IS NOT NULL)",
    )
    .bind(until)
    .fetch_one(connection)
    .await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

fn tell(tx: &mut Transaction, booking: &Booking) {
    tx.tell(Kind::Booking, &booking.id);
    tx.tell(Kind::Bay, &booking.bay_id);
}

/// One row of `bookings`, whole.
pub(crate) fn booking(row: &AnyRow) -> Result<Booking, sqlx::Error> {
    Ok(Booking {
        id: row.try_get("id")?,
        bay_id: row.try_get("bay_id")?,
        user_id: row.try_get("user_id")?,
        plate: row.try_get("plate")?,
        begins_at: row.try_get("begins_at")?,
        ends_at: row.try_get("ends_at")?,
        stage: word(row, "state")?,
        checked_in_at: row.try_get("checked_in_at")?,
        ended_at: row.try_get("ended_at")?,
        overstay_at: row.try_get("overstay_at")?,
        withdrawn_at: row.try_get("withdrawn_at")?,
        lamp: Lamp {
            told: word(row, "lamp")?,
            problem: row.try_get("lamp_problem")?,
            attempts: row.try_get("lamp_attempts")?,
            next_at: row.try_get("lamp_next_at")?,
        },
        created_at: row.try_get("created_at")?,
        version: row.try_get("version")?,
    })
}
