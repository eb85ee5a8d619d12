//! What drivers and operators ask for: to book, to change, to give up.

use bay::Occupancy;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::Row;
use utoipa::ToSchema;

use super::booking::{Booking, Refusal, Stage};
use super::kept;
use super::lamp::Lamp;
use crate::app::{App, new_id};
use crate::audit::{self, Action};
use crate::bays::bay::Bay;
use crate::bays::state::{Admission, Rules, arrivals_from};
use crate::entity_tag::IfMatch;
use crate::moment::Moment;
use crate::people::{Caller, Role};
use crate::problem::Problem;
use crate::store::{StoreError, Transaction};
use crate::webhooks::reports::{self, BookingNews, Ending};

const MINUTE: i64 = 60_000;
/// A booking that says it begins a moment ago begins now: clocks differ.
const LEEWAY: i64 = 2 * MINUTE;
const SHORTEST: i64 = 5 * MINUTE;
const LONGEST: i64 = 24 * 60 * MINUTE;
const HOW_FAR_AHEAD: i64 = 30 * 24 * 60 * MINUTE;
/// A driver with more than these would keep bays from others.
const MOST_OF_A_DRIVER: i64 = 3;
const LONGEST_PLATE: usize = 16;

/// A booking to be made.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wish {
    /// Which bay.
    pub bay_id: String,
    /// From when; now, unless it is said. Up to 30 days ahead.
    pub begins_at: Option<Moment>,
    /// Until when: 5 minutes to 24 hours later.
    pub ends_at: Option<Moment>,
    /// For how long, in place of `endsAt`: 5 to 1440 minutes.
    #[schema(minimum = 5, maximum = 1440)]
    pub minutes: Option<u32>,
    /// The car's number plate, up to 16 characters.
    #[serde(default)]
    #[schema(max_length = 16)]
    pub plate: String,
}

/// What somebody wants of a booking there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Give it up before it is used.
    Cancel,
    /// Give the bay back before its end.
    Release,
    /// Say that one is here.
    CheckIn,
    /// Have it end at another time.
    MoveEnd(i64),
}

impl Step {
    const fn action(self) -> &'static str {
        match self {
            Self::Cancel => "booking.cancel",
            Self::Release => "booking.release",
            Self::CheckIn => "booking.check-in",
            Self::MoveEnd(_) => "booking.extend",
        }
    }

    const fn news(self) -> BookingNews {
        match self {
            Self::Cancel => BookingNews::Ended(Ending::Cancelled),
            Self::Release => BookingNews::Ended(Ending::Released),
            Self::CheckIn => BookingNews::CheckedIn,
            Self::MoveEnd(_) => BookingNews::Changed,
        }
    }
}

/// Books a bay for the caller. The database decides who is first.
///
/// # Errors
/// 400 for times that cannot be; 404 for a bay that is not there or not the caller's; 409 `bay-is-booked`,
/// `bay-is-closed`, `bay-is-occupied`, `bay-is-unknown`, `too-many-bookings`.
pub async fn book(app: &App, caller: &Caller, wish: Wish) -> Result<Booking, Problem> {
    let now = app.now();
    let (begins_at, ends_at) = times(&wish, now)?;
    let plate = plate(&wish.plate)?;
    let bay = app.lot().get(app, &wish.bay_id).await?;
    let bay = bay
        .filter(|bay| caller.sees(&bay.site.customer_id))
        .ok_or_else(|| Problem::not_found("bay"))?;
    let rules = Rules::from(&app.settings);
    check_bay(&bay, &rules, begins_at, now)?;
    let mut tx = app.store.begin().await?;
    // Whoever books this bay waits here for one another, so that who comes second is told so in place of who was first.
    kept::lock_bay(&mut tx, &bay.id).await?;
    check_driver(&mut tx, caller).await?;
    let before = sqlx::query(
        "SELECT MAX(ends_at) FROM bookings WHERE bay_id = $1 AND holds = 1 AND ends_at <= $2",
    )
    .bind(bay.id.clone())
    .bind(begins_at)
    .fetch_one(&mut *tx)
    .await?;
    let before: Option<i64> = before.try_get(0)?;
    // The lamp knows one booking at a time.
    let shows_at = (begins_at - rules.reserved_soon).max(before.unwrap_or(now));
    let booking = Booking {
        id: new_id(),
        bay_id: bay.id.clone(),
        user_id: caller.user_id.clone(),
        plate,
        begins_at,
        ends_at,
        stage: Stage::Booked,
        checked_in_at: None,
        ended_at: None,
        overstay_at: None,
        withdrawn_at: None,
        lamp: Lamp::due(shows_at.max(now)),
        created_at: now,
        version: 1,
    };
    match kept::insert(&mut tx, &booking).await {
        Err(error) if error.is_double_booking() => return Err(booked()),
        Err(error) if error.is_missing_reference() => return Err(Problem::not_found("bay")),
        other => other?,
    }
    let detail =
        json!({"bay": bay.number, "beginsAt": Moment(begins_at), "endsAt": Moment(ends_at)});
    record(
        &mut tx,
        caller,
        now,
        "booking.create",
        &booking,
        &bay,
        detail,
    )
    .await?;
    reports::booking(&mut tx, BookingNews::Made, &booking, (&*bay).into(), now).await?;
    tx.commit().await?;
    Ok(booking)
}

/// Does something with a booking there is.
///
/// # Errors
/// 404 for one that is not there or not the caller's; 409 `booking-is-over`, `booking-not-begun`, `booking-in-use`,
/// `bay-is-booked`; 412 when it is not the version that was read.
pub async fn change(
    app: &App,
    caller: &Caller,
    id: &str,
    if_match: IfMatch,
    step: Step,
) -> Result<Booking, Problem> {
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let booking = kept::lock(&mut tx, id).await?;
    let mut booking = booking.ok_or_else(|| Problem::not_found("booking"))?;
    let bay = app.lot().get(app, &booking.bay_id).await?;
    let bay = bay
        .filter(|bay| may(caller, &booking, bay))
        .ok_or_else(|| Problem::not_found("booking"))?;
    if_match.check(booking.version)?;
    let before = booking.clone();
    let done = match step {
        Step::Cancel => booking.cancel(now),
        Step::Release => booking.release(now),
        Step::CheckIn => {
            let rules = Rules::from(&app.settings);
            let held = bay.bookings.iter().find(|held| held.id == booking.id);
            let from = held.map_or(booking.begins_at, |held| {
                arrivals_from(held, &bay.bookings, &rules)
            });
            booking.check_in(from, now)
        }
        Step::MoveEnd(ends_at) => {
            check_length("endsAt", booking.begins_at, ends_at)?;
            if ends_at <= now {
                return Err(Problem::field("endsAt", "must be in the future"));
            }
            booking.move_end(ends_at, now)
        }
    };
    done.map_err(refused)?;
    if booking == before {
        return Ok(booking);
    }
    match kept::update(&mut tx, &mut booking).await {
        Err(error) if error.is_double_booking() => return Err(booked()),
        other => other?,
    }
    let detail = json!({"bay": bay.number, "endsAt": Moment(booking.ends_at)});
    record(&mut tx, caller, now, step.action(), &booking, &bay, detail).await?;
    reports::booking(&mut tx, step.news(), &booking, (&*bay).into(), now).await?;
    tx.commit().await?;
    Ok(booking)
}

/// Whether this caller may see and change a booking: their own, or as an operator whichever of a bay they see.
#[must_use]
pub fn may(caller: &Caller, booking: &Booking, bay: &Bay) -> bool {
    caller.sees(&bay.site.customer_id)
        && (booking.user_id == caller.user_id || caller.role >= Role::Operator)
}

fn times(wish: &Wish, now: i64) -> Result<(i64, i64), Problem> {
    let begins_at = wish.begins_at.map_or(now, |moment| moment.0);
    if begins_at < now - LEEWAY {
        return Err(Problem::field("beginsAt", "must not be in the past"));
    }
    if begins_at > now + HOW_FAR_AHEAD {
        return Err(Problem::field(
            "beginsAt",
            "must be within 30 days from now",
        ));
    }
    let begins_at = begins_at.max(now);
    let (field, ends_at) = match (wish.ends_at, wish.minutes) {
        (Some(moment), None) => ("endsAt", moment.0),
        (None, Some(minutes)) => ("minutes", begins_at + i64::from(minutes) * MINUTE),
        (None, None) => {
            return Err(Problem::field(
                "endsAt",
                "is missing: say endsAt or minutes",
            ));
        }
        (Some(_), Some(_)) => {
            return Err(Problem::field("minutes", "must not stand beside endsAt"));
        }
    };
    check_length(field, begins_at, ends_at)?;
    Ok((begins_at, ends_at))
}

fn check_length(field: &'static str, begins_at: i64, ends_at: i64) -> Result<(), Problem> {
    if (SHORTEST..=LONGEST).contains(&(ends_at.saturating_sub(begins_at))) {
        return Ok(());
    }
    let detail = "a booking lasts 5 minutes to 24 hours";
    Err(Problem::field(field, detail))
}

fn plate(text: &str) -> Result<String, Problem> {
    let text = text.trim().to_uppercase();
    let is_plate = text.chars().count() <= LONGEST_PLATE
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '·'));
    if is_plate {
        return Ok(text);
    }
    let detail = "a number plate has up to 16 letters, digits, blanks and hyphens";
    Err(Problem::field("plate", detail))
}

/// What stands there now matters to what begins now, and only to that.
fn check_bay(bay: &Bay, rules: &Rules, begins_at: i64, now: i64) -> Result<(), Problem> {
    let state = bay.state(rules, now);
    match (state.admission, state.occupancy) {
        (Admission::Closed | Admission::OutOfService, _) => Err(Problem::conflict(
            "bay-is-closed",
            "The bay is closed, or being mended.",
        )),
        (_, Occupancy::Occupied) if begins_at <= now && state.admission == Admission::Open => {
            Err(Problem::conflict(
                "bay-is-occupied",
                "Something stands in the bay. Book it for later, or another one.",
            ))
        }
        (_, Occupancy::Unknown) if begins_at <= now && state.admission == Admission::Open => {
            Err(Problem::conflict(
                "bay-is-unknown",
                "Nobody can say whether the bay is free. Book it for later, or another one.",
            ))
        }
        // Where it is booked already, the database says so.
        _ => Ok(()),
    }
}

async fn check_driver(tx: &mut Transaction, caller: &Caller) -> Result<(), Problem> {
    if caller.role > Role::Driver {
        return Ok(());
    }
    sqlx::query("UPDATE users SET version = version WHERE id = $1")
        .bind(caller.user_id.clone())
        .execute(&mut **tx)
        .await?;
    let held = sqlx::query("SELECT COUNT(*) FROM bookings WHERE user_id = $1 AND holds = 1")
        .bind(caller.user_id.clone())
        .fetch_one(&mut **tx)
        .await?;
    if held.try_get::<i64, _>(0)? >= MOST_OF_A_DRIVER {
        return Err(Problem::conflict(
            "too-many-bookings",
            format!("You have {MOST_OF_A_DRIVER} bookings: cancel one first."),
        ));
    }
    Ok(())
}

fn booked() -> Problem {
    Problem::conflict(
        "bay-is-booked",
        "The bay is booked for some of that time. Choose another time or bay.",
    )
}

fn refused(refusal: Refusal) -> Problem {
    let code = match refusal {
        Refusal::Over => "booking-is-over",
        Refusal::NotBegun => "booking-not-begun",
        Refusal::InUse => "booking-in-use",
    };
    Problem::conflict(code, format!("Nothing was changed: {refusal}."))
}

async fn record(
    tx: &mut Transaction,
    caller: &Caller,
    now: i64,
    action: &'static str,
    booking: &Booking,
    bay: &Bay,
    detail: Value,
) -> Result<(), StoreError> {
    let action = Action {
        action,
        object_kind: "booking",
        object_id: &booking.id,
        customer_id: Some(&bay.site.customer_id),
        detail,
    };
    audit::record(tx, Some(caller), now, action).await
}
