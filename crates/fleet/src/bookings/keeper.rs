//! What happens to bookings by themselves: who came, who did not, whose time is over; conflicts; and what lamps are told.
//!
//! Every step is a transaction of its own and is decided by what is in the database, so several instances may do this on
//! one database, and one that ends in the middle leaves nothing behind but work for the next.

use std::collections::HashSet;
use std::time::Duration;

use bay::message::{BookRequest, ReleaseRequest};
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::Row;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::booking::{Booking, Seen, Turn};
use super::lamp::Answer;
use super::{conflicts, kept};
use crate::app::App;
use crate::audit::{self, Action};
use crate::bays::adopt;
use crate::bays::bay::Bay;
use crate::bays::state::{Rules, arrivals_from};
use crate::hub::Call;
use crate::store::{Kind, StoreError};
use crate::webhooks::reports;

/// Lamps that are told at once.
const AT_ONCE: usize = 16;
/// The longest time nobody looks.
const LONGEST: Duration = Duration::from_secs(30);
/// The pause after the database failed.
const PAUSE: Duration = Duration::from_secs(1);
/// Changes are gathered for so long: a whole street that changes at once is one look.
const GATHER: Duration = Duration::from_millis(20);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Looks after bookings until it is dropped.
pub async fn run(app: App) {
    let mut changes = app.store.changes();
    let mut lamps = JoinSet::new();
    loop {
        let wake_in = match look(&app, &mut lamps).await {
            Ok(next) => {
                let ms = next.map(|at| u64::try_from(at - app.now()).unwrap_or_default());
                ms.map_or(LONGEST, Duration::from_millis)
            }
            Err(error) => {
                tracing::warn!(%error, "bookings cannot be looked after; trying again");
                PAUSE
            }
        };
        let wake_at = Instant::now() + wake_in.clamp(GATHER, LONGEST);
        loop {
            tokio::select! {
                change = changes.next() => match change.map(|change| change.kind) {
                    None => return,
                    // Who is signed in makes no difference to a booking, and neither does an alarm.
                    Some(Kind::User | Kind::Alarm) => {}
                    Some(_) => {
                        tokio::time::sleep(GATHER).await;
                        while changes.try_next().is_some() {}
                        break;
                    }
                },
                Some(_) = lamps.join_next() => break,
                () = sleep_until(wake_at) => break,
            }
        }
    }
}

/// One look at everything; when to look again at the latest.
async fn look(app: &App, lamps: &mut JoinSet<()>) -> Result<Option<i64>, StoreError> {
    adopt::adopt(app).await?;
    let settled = settle(app).await?;
    let room = AT_ONCE.saturating_sub(lamps.len());
    for booking in take_up_lamps(app, room).await? {
        let app = app.clone();
        lamps.spawn(async move { tell_lamp(&app, booking).await });
    }
    let rules = Rules::from(&app.settings);
    let until = app.now() + rules.reserved_soon;
    let mut connection = app.store.reader().acquire().await?;
    let (begins_at, lamp_at) = kept::next_times(&mut connection, until).await?;
    // A lamp that waits for room is told when another is done, not by the clock.
    let lamp_at = lamp_at.filter(|_| lamps.len() < AT_ONCE);
    let begins_at = begins_at.map(|at| at - rules.reserved_soon);
    Ok([settled, begins_at, lamp_at].into_iter().flatten().min())
}

/// Lets time and what is seen decide about every booking that is on; when time decides next.
///
/// # Errors
/// When the database fails.
pub(crate) async fn settle(app: &App) -> Result<Option<i64>, StoreError> {
    let rules = Rules::from(&app.settings);
    let now = app.now();
    let mut connection = app.store.reader().acquire().await?;
    let bookings = kept::current(&mut connection, now + rules.reserved_soon).await?;
    drop(connection);
    let mut next = None::<i64>;
    let mut bays = HashSet::new();
    for booking in bookings {
        let Some(bay) = app.lot().get(app, &booking.bay_id).await? else {
            continue;
        };
        let Some(seen) = seen(&bay, &booking.id, &rules, now) else {
            continue;
        };
        let mut after = booking.clone();
        let at = if after.handle_seen(&seen, &rules, now).is_some() {
            turn(app, &booking.id, &bay, &seen, &rules, now).await?
        } else {
            after.poll_timeout(&rules, now)
        };
        next = next.into_iter().chain(at).min();
        bays.insert(bay.id.clone());
    }
    conflicts::settle(app, bays.into_iter().collect(), &rules, now).await?;
    Ok(next)
}

fn seen(bay: &Bay, booking_id: &str, rules: &Rules, now: i64) -> Option<Seen> {
    let held = bay.bookings.iter().find(|held| held.id == booking_id)?;
    let state = bay.state(rules, now);
    Some(Seen {
        occupancy: state.occupancy,
        since: state.since,
        arrivals_from: arrivals_from(held, &bay.bookings, rules),
    })
}

/// Decides once more with the booking locked, and keeps it.
async fn turn(
    app: &App,
    id: &str,
    bay: &Bay,
    seen: &Seen,
    rules: &Rules,
    now: i64,
) -> Result<Option<i64>, StoreError> {
    let mut tx = app.store.begin().await?;
    let Some(mut booking) = kept::lock(&mut tx, id).await? else {
        return Ok(None);
    };
    let Some(turn) = booking.handle_seen(seen, rules, now) else {
        return Ok(booking.poll_timeout(rules, now));
    };
    kept::update(&mut tx, &mut booking).await?;
    let action = Action {
        action: turn.action(),
        object_kind: "booking",
        object_id: &booking.id,
        customer_id: Some(&bay.site.customer_id),
        detail: json!({"bay": bay.number}),
    };
    audit::record(&mut tx, None, now, action).await?;
    reports::booking(&mut tx, turn.into(), &booking, bay.into(), now).await?;
    tx.commit().await?;
    tracing::info!(
        booking = booking.id,
        bay = bay.number,
        turn = turn.action(),
        "a booking changed"
    );
    let settles_at_once = matches!(turn, Turn::CheckedIn);
    Ok(settles_at_once
        .then(|| booking.poll_timeout(rules, now))
        .flatten())
}

/// Takes up to `limit` lamps that are due, so that nobody else does.
///
/// # Errors
/// When the database fails.
pub(crate) async fn take_up_lamps(app: &App, limit: usize) -> Result<Vec<Booking>, StoreError> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let now = app.now();
    let mut connection = app.store.reader().acquire().await?;
    let due = kept::with_lamp_due(&mut connection, now, limit as i64).await?;
    drop(connection);
    let mut taken = Vec::new();
    for mut booking in due {
        let due_at = booking.lamp.next_at;
        booking.lamp.claim(now);
        let mut tx = app.store.begin().await?;
        if kept::update_lamp(&mut tx, &booking, due_at).await? {
            tx.commit().await?;
            taken.push(booking);
        }
    }
    Ok(taken)
}

/// Tells a lamp that was taken up, and keeps what it answered.
pub(crate) async fn tell_lamp(app: &App, mut booking: Booking) {
    let releasing = !booking.stage.holds();
    let answer = match device_of(app, &booking.bay_id).await {
        Ok(Some(device_id)) => {
            let (name, payload) = request(&booking);
            let call = Call {
                device_id: &device_id,
                module_id: "light",
                name,
                payload,
                connect_within: CONNECT_WITHIN,
                answer_within: ANSWER_WITHIN,
            };
            Answer::of(app.hub.invoke(call).await, releasing)
        }
        // A bay without a board has no lamp to unlearn anything.
        Ok(None) if releasing => Answer::Done,
        Ok(None) => Answer::Not {
            problem: "the bay has no device".into(),
            retry_after: None,
        },
        Err(error) => {
            // It stays taken up until its claim is over, and is then told again.
            tracing::warn!(%error, "a lamp could not be told");
            return;
        }
    };
    let due_at = booking.lamp.next_at;
    if let Answer::Not { problem, .. } = &answer {
        tracing::warn!(
            booking = booking.id,
            problem,
            "a lamp did not do what it was told"
        );
    }
    let ends_at = booking.ends_at;
    booking
        .lamp
        .handle_answer(answer, !releasing, ends_at, app.now());
    let kept = async {
        let mut tx = app.store.begin().await?;
        if !kept::update_lamp(&mut tx, &booking, due_at).await? {
            kept::doubt_lamp(&mut tx, &booking, app.now()).await?;
        }
        tx.commit().await
    };
    if let Err(error) = kept.await {
        tracing::warn!(%error, "what a lamp answered could not be kept");
    }
}

fn request(booking: &Booking) -> (&'static str, Value) {
    let booking_id = bay::BookingId::try_from(booking.id.as_str()).ok();
    if booking.stage.holds() {
        let request = booking_id.map(|booking_id| BookRequest {
            booking_id,
            until: Timestamp::from_millisecond(booking.ends_at).ok(),
        });
        return ("book", json!(request));
    }
    ("release", json!(ReleaseRequest { booking_id }))
}

/// The name at the hub of the board that watches a bay.
async fn device_of(app: &App, bay_id: &str) -> Result<Option<String>, StoreError> {
    let row = sqlx::query(
        "SELECT COALESCE(d.device_id, d.id) FROM bays b JOIN devices d ON d.id = b.device_id WHERE b.id = $1",
    )
    .bind(bay_id.to_owned())
    .fetch_optional(app.store.reader())
    .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

#[cfg(test)]
mod tests;
