//! What becomes of a bay's bookings when whoever runs it takes it away: gives its device back, closes it, ends its
//! project.
//!
//! **Invariant:** no bay is taken from who booked it without somebody having said so: either the bookings stay, because
//! there will be a bay for them, or they are cancelled and their drivers are told.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::booking::Stage;
use super::kept;
use crate::app::App;
use crate::audit::{self, Action};
use crate::moment::Moment;
use crate::people::Caller;
use crate::problem::Problem;
use crate::store::Transaction;
use crate::webhooks::reports::{self, BookingNews, Ending, Place};

/// So many are named in a refusal.
const NAMED: usize = 50;

/// What becomes of the open bookings of a bay that is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OpenBookings {
    /// They stay: the bay is back before they begin, or gets another device.
    Keep,
    /// They are cancelled, and their drivers told.
    Cancel,
}

/// A booking that is in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InTheWay {
    /// Which one.
    pub id: String,
    /// Of which bay.
    pub bay_id: String,
    /// That bay's number.
    pub bay: String,
    /// From when.
    pub begins_at: Moment,
    /// Until when.
    pub ends_at: Moment,
    /// How far it is.
    pub state: Stage,
}

/// Which bays are taken away.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Taken<'a> {
    /// This one.
    Bay(&'a str),
    /// The one that this device watches.
    WatchedBy(&'a str),
    /// Every one of the project.
    AllOf(&'a str),
}

impl Taken<'_> {
    const fn condition(&self) -> &'static str {
        match self {
            Self::Bay(_) => "UPDATE bays SET version = version WHERE id = $1 RETURNING id, number",
            Self::WatchedBy(_) => {
                "UPDATE bays SET version = version WHERE device_id = $1 RETURNING id, number"
            }
            Self::AllOf(_) => {
                "UPDATE bays SET version = version WHERE project_id = $1 RETURNING id, number"
            }
        }
    }

    const fn id(&self) -> &str {
        match self {
            Self::Bay(id) | Self::WatchedBy(id) | Self::AllOf(id) => id,
        }
    }
}

/// The open bookings of these bays. Whoever books one of them waits until the transaction is over.
///
/// # Errors
/// When the database fails.
pub(crate) async fn open(tx: &mut Transaction, taken: Taken<'_>) -> Result<Vec<InTheWay>, Problem> {
    let bays: Vec<(String, String)> = sqlx::query_as(taken.condition())
        .bind(taken.id().to_owned())
        .fetch_all(&mut **tx)
        .await?;
    let mut open = Vec::new();
    for (bay_id, bay) in bays {
        let rows = sqlx::query(
            "SELECT * FROM bookings WHERE bay_id = $1 AND holds = 1 ORDER BY begins_at",
        )
        .bind(bay_id)
        .fetch_all(&mut **tx)
        .await?;
        for row in &rows {
            let booking = kept::booking(row)?;
            open.push(InTheWay {
                id: booking.id,
                bay_id: booking.bay_id,
                bay: bay.clone(),
                begins_at: Moment(booking.begins_at),
                ends_at: Moment(booking.ends_at),
                state: booking.stage,
            });
        }
    }
    Ok(open)
}

/// Does with open bookings what was said, if there are any. `whose` says whose they are; each names its own bay.
///
/// # Errors
/// 409 `bookings-are-open`, which names them, when nothing was said.
pub(crate) async fn settle(
    app: &App,
    caller: &Caller,
    tx: &mut Transaction,
    whose: Place<'_>,
    open: Vec<InTheWay>,
    wish: Option<OpenBookings>,
) -> Result<(), Problem> {
    if open.is_empty() || wish == Some(OpenBookings::Keep) {
        return Ok(());
    }
    if wish.is_none() {
        return Err(refused(open));
    }
    let now = app.now();
    for one in open {
        let Some(mut booking) = kept::lock(tx, &one.id).await? else {
            continue;
        };
        if !booking.withdraw(now) {
            continue;
        }
        kept::update(tx, &mut booking).await?;
        let action = Action {
            action: "booking.withdraw",
            object_kind: "booking",
            object_id: &booking.id,
            customer_id: Some(whose.customer_id),
            detail: json!({"bay": one.bay}),
        };
        audit::record(tx, Some(caller), now, action).await?;
        let news = BookingNews::Ended(Ending::Withdrawn);
        let place = Place {
            bay: &one.bay,
            ..whose
        };
        reports::booking(tx, news, &booking, place, now).await?;
    }
    Ok(())
}

/// Why a bay with open bookings is not taken away.
pub(crate) fn refused(mut open: Vec<InTheWay>) -> Problem {
    let count = open.len();
    let bays: Vec<&str> = open.iter().map(|one| one.bay.as_str()).collect();
    let first = bays.first().copied().unwrap_or_default();
    let detail = if count == 1 {
        format!(
            "Bay {first} is booked. Say what becomes of the booking: cancel it, which its driver is told, or keep it."
        )
    } else {
        format!(
            "{count} bookings are open, the first of them of bay {first}. Say what becomes of them: cancel them, which \
             their drivers are told, or keep them."
        )
    };
    open.truncate(NAMED);
    Problem {
        field: Some("bookings".into()),
        bookings: open,
        ..Problem::conflict("bookings-are-open", detail)
    }
}

#[cfg(test)]
mod tests;
