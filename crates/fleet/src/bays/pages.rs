//! The pages of bays: one bay, and alarms. Map and commissioning have modules of their own.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::alarms::{self, AlarmFilter, AlarmView};
use super::bay::Purpose;
use super::change::find;
use super::past::{self, Stretch, stretches};
use super::state::{Opening, Rules};
use super::view::BayView;
use crate::app::App;
use crate::bookings::list::{BookingFilter, list, views};
use crate::bookings::view::BookingView;
use crate::moment::Moment;
use crate::paging::{Page, Paging};
use crate::people::{Caller, Role};
use crate::problem::Problem;
use crate::web::body::{Path, Query};
use crate::web::page::{Frame, show};

const DAY: i64 = 24 * 3_600_000;

/// The routes.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/map", get(super::map::page))
        .route("/bays/{id}", get(bay))
        .route("/alarms", get(alarms_page))
        .route("/commission", get(super::commissioning::show_board))
}

/// What somebody has booked and what is to be said of it.
pub(super) async fn mine(app: &App, caller: &Caller) -> Result<Vec<BookingView>, Problem> {
    let rows = sqlx::query(
        "SELECT * FROM bookings WHERE user_id = $1 AND (holds = 1 OR (overstay_at IS NOT NULL AND ended_at IS NULL)
             OR (state = 'no-show' AND ended_at > $2) OR (withdrawn_at IS NOT NULL AND ends_at > $3)) ORDER BY begins_at",
    )
    .bind(caller.user_id.clone())
    .bind(app.now() - DAY / 24)
    .bind(app.now())
    .fetch_all(app.store.reader())
    .await?;
    let bookings = rows.iter().map(crate::bookings::kept::booking);
    let bookings = bookings.collect::<Result<Vec<_>, _>>()?;
    Ok(views(app, &bookings).await?)
}

#[derive(Template)]
#[template(path = "bay.html")]
struct BayPage {
    page: Frame,
    bay: BayView,
    mine: Vec<BookingView>,
    bookings: Vec<BookingView>,
    past: Vec<Stretch>,
    from: Moment,
    is_operator: bool,
}

async fn bay(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let bay = find(&app, &caller, &id).await?;
    let (from, to) = (app.now() - DAY, app.now());
    let past = match &bay.device_id {
        Some(device_id) if caller.role >= Role::Installer => {
            let changes = crate::history::changes(app.store.reader(), device_id, from, to).await?;
            stretches(&past::read(&changes), from, to)
        }
        _ => Vec::new(),
    };
    let mut mine = mine(&app, &caller).await?;
    mine.retain(|booking| booking.bay_id == bay.id);
    let is_operator = caller.role >= Role::Operator;
    let bookings = if is_operator {
        let filter = BookingFilter {
            bay_id: Some(id),
            ..BookingFilter::default()
        };
        list(&app, &caller, &filter, &Paging::default())
            .await?
            .items
    } else {
        Vec::new()
    };
    Ok(show(&BayPage {
        bay: BayView::of(
            &bay,
            &bay.state(&Rules::from(&app.settings), app.now()),
            &caller,
        ),
        page: Frame::of(&caller, "map"),
        mine,
        bookings,
        past,
        from: Moment(from),
        is_operator,
    }))
}

#[derive(Template)]
#[template(path = "alarms.html")]
struct AlarmsPage {
    page: Frame,
    alarms: Page<AlarmView>,
    cleared: bool,
}

async fn alarms_page(
    caller: Caller,
    State(app): State<App>,
    Query(filter): Query<AlarmFilter>,
) -> Result<Response, Problem> {
    let alarms = alarms::list(&app, &caller, &filter, &Paging::default()).await?;
    Ok(show(&AlarmsPage {
        page: Frame::of(&caller, "alarms"),
        alarms,
        cleared: filter.cleared,
    }))
}
