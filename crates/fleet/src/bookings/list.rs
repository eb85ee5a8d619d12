//! Which bookings there are.

use serde::Deserialize;
use utoipa::IntoParams;

use super::booking::{Booking, Stage};
use super::desk::may;
use super::kept;
use super::view::BookingView;
use crate::app::App;
use crate::bays::bay::{Which, read};
use crate::paging::{Page, Paging};
use crate::people::{Caller, Role};
use crate::problem::Problem;

/// Which bookings.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct BookingFilter {
    /// Of this bay only.
    pub bay_id: Option<String>,
    /// Of this project only.
    pub project_id: Option<String>,
    /// In this state only.
    pub state: Option<Stage>,
}

/// The bookings the caller may see, the newest first: drivers and installers their own, operators those of every bay they
/// see.
///
/// # Errors
/// 400 for a page that cannot be.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &BookingFilter,
    paging: &Paging,
) -> Result<Page<BookingView>, Problem> {
    let limit = paging.limit()?;
    let own = (caller.role < Role::Operator).then(|| caller.user_id.clone());
    let rows = sqlx::query(
        "SELECT k.* FROM bookings k JOIN bays b ON b.id = k.bay_id JOIN projects p ON p.id = b.project_id
         WHERE ($1 = '' OR k.id < $1) AND ($2 IS NULL OR k.user_id = $2) AND ($3 IS NULL OR p.customer_id = $3)
             AND ($4 IS NULL OR k.bay_id = $4) AND ($5 IS NULL OR p.id = $5) AND ($6 IS NULL OR k.state = $6)
         ORDER BY k.id DESC LIMIT $7",
    )
    .bind(paging.after().to_owned())
    .bind(own)
    .bind(caller.customer_id.clone())
    .bind(filter.bay_id.clone())
    .bind(filter.project_id.clone())
    .bind(filter.state.map(Stage::as_str))
    .bind(limit + 1)
    .fetch_all(app.store.reader())
    .await?;
    let bookings = rows.iter().map(kept::booking);
    let bookings = bookings.collect::<Result<Vec<_>, _>>()?;
    let views = views(app, &bookings).await?;
    Ok(Page::cut(views, limit, |booking| booking.id.clone()))
}

/// One booking.
///
/// # Errors
/// 404 for one that is not there or not the caller's.
pub async fn get(app: &App, caller: &Caller, id: &str) -> Result<BookingView, Problem> {
    let row = sqlx::query("SELECT * FROM bookings WHERE id = $1")
        .bind(id.to_owned())
        .fetch_optional(app.store.reader())
        .await?;
    let booking = row.as_ref().map(kept::booking).transpose()?;
    let booking = booking.ok_or_else(|| Problem::not_found("booking"))?;
    let bay = crate::bays::bay::read_one(app.store.reader(), &booking.bay_id).await?;
    bay.filter(|bay| may(caller, &booking, bay))
        .map(|bay| BookingView::now(&booking, &bay, app))
        .ok_or_else(|| Problem::not_found("booking"))
}

/// Bookings with what is to be said of them.
///
/// # Errors
/// When the database fails.
pub async fn views(app: &App, bookings: &[Booking]) -> Result<Vec<BookingView>, sqlx::Error> {
    let mut ids: Vec<String> = bookings
        .iter()
        .map(|booking| booking.bay_id.clone())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let bays = read(app.store.reader(), Which::Ids(&ids)).await?;
    let views = bookings.iter().filter_map(|booking| {
        let at = bays
            .binary_search_by(|bay| bay.id.cmp(&booking.bay_id))
            .ok()?;
        Some(BookingView::now(booking, &bays[at], app))
    });
    Ok(views.collect())
}
