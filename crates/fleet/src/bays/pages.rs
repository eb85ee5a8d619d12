//! The pages of bays: one bay, alarms, commissioning. The map has a module of its own.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use sqlx::Row;

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
        .route("/commission", get(commission))
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

#[derive(Template)]
#[template(path = "commission.html")]
struct CommissionPage {
    page: Frame,
    serial: String,
    /// How far a board with that serial number is; `None` where there is none.
    lifecycle: Option<String>,
    is_stock: bool,
    projects: Vec<(String, String)>,
    bay: Option<BayView>,
    is_operator: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Board {
    #[serde(default)]
    device: String,
}

async fn commission(
    caller: Caller,
    State(app): State<App>,
    Query(board): Query<Board>,
) -> Result<Response, Problem> {
    caller.at_least(Role::Installer)?;
    // A code may hold an address that ends with the serial number.
    let serial = board.device.trim().rsplit(['/', '=', ':']).next();
    let serial = serial.unwrap_or_default().to_ascii_lowercase();
    let row = sqlx::query(
        "SELECT d.lifecycle, p.customer_id FROM devices d LEFT JOIN projects p ON p.id = d.project_id WHERE d.id = $1",
    )
    .bind(serial.clone())
    .fetch_optional(app.store.reader())
    .await?;
    let mut lifecycle = None;
    if let Some(row) = row {
        let customer_id: Option<String> = row.try_get("customer_id")?;
        if customer_id.is_none_or(|id| caller.sees(&id)) {
            lifecycle = Some(row.try_get("lifecycle")?);
        }
    }
    let projects = sqlx::query_as(
        "SELECT id, name FROM projects WHERE closed_at IS NULL AND ($1 = '' OR customer_id = $1) ORDER BY name, id",
    )
    .bind(caller.customer_id.clone().unwrap_or_default())
    .fetch_all(app.store.reader())
    .await?;
    let bay = app.lot().find(&app, "", 1, |bay| {
        bay.device_id.as_deref() == Some(serial.as_str()) && caller.sees(&bay.site.customer_id)
    });
    let bay = bay
        .await?
        .pop()
        .map(|bay| BayView::now(&bay, &caller, &app));
    Ok(show(&CommissionPage {
        page: Frame::of(&caller, "commission"),
        serial,
        is_stock: lifecycle.as_deref() == Some("stock"),
        lifecycle,
        projects,
        bay,
        is_operator: caller.role >= Role::Operator,
    }))
}
