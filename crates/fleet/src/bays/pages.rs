//! The pages of bays: the map, one bay, alarms, commissioning.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use sqlx::Row;

use super::alarms::{self, AlarmFilter, AlarmView};
use super::bay::{Bay, Purpose, Site};
use super::change::find;
use super::past::{self, Stretch, stretches};
use super::state::{Opening, Rules, Sign};
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

/// The map's own measure: its width, and its height where no plan has another.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 560.0;
const DAY: i64 = 24 * 3_600_000;

/// The routes.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/map", get(map))
        .route("/bays/{id}", get(bay))
        .route("/alarms", get(alarms_page))
        .route("/commission", get(commission))
}

/// A bay on the map.
struct Marker {
    view: BayView,
    x: f64,
    y: f64,
}

impl Marker {
    fn label(&self, page: &Frame) -> String {
        let sign = page.text(&self.view.sign.key());
        format!("{} {}: {sign}", page.text("bays.bay"), self.view.number)
    }
}

#[derive(Template)]
#[template(path = "map.html")]
struct MapPage {
    page: Frame,
    sites: Vec<Arc<Site>>,
    site: Option<Arc<Site>>,
    plan: Option<i64>,
    height: f64,
    size: f64,
    markers: Vec<Marker>,
    free: usize,
    mine: Vec<BookingView>,
}

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    project: Option<String>,
}

async fn map(
    caller: Caller,
    State(app): State<App>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let every = app.lot().find(&app, "", usize::MAX, |bay| {
        caller.sees(&bay.site.customer_id)
    });
    let every = every.await?;
    let mut sites: Vec<Arc<Site>> = Vec::new();
    for bay in &every {
        if !sites.iter().any(|site| site.id == bay.site.id) {
            sites.push(Arc::clone(&bay.site));
        }
    }
    sites.sort_by(|a, b| a.name.cmp(&b.name));
    let site = match &wanted.project {
        Some(id) => sites.iter().find(|site| site.id == *id).cloned(),
        None => sites.first().cloned(),
    };
    let bays: Vec<Arc<Bay>> = every
        .into_iter()
        .filter(|bay| site.as_ref().is_some_and(|site| site.id == bay.site.id))
        .collect();
    let (plan, height) = match &site {
        Some(site) => plan(&app, &site.id).await?,
        None => (None, HEIGHT),
    };
    let size = (420.0 / (bays.len().max(1) as f64).sqrt()).clamp(12.0, 64.0);
    let places = places(&bays, height, size);
    let markers: Vec<Marker> = bays
        .iter()
        .zip(places)
        .map(|(bay, (x, y))| Marker {
            view: BayView::now(bay, &caller, &app),
            x,
            y,
        })
        .collect();
    let free = markers
        .iter()
        .filter(|marker| marker.view.sign == Sign::Free)
        .count();
    let page = Frame::of(&caller, "map");
    Ok(show(&MapPage {
        page,
        sites,
        site,
        plan,
        height,
        size,
        markers,
        free,
        mine: mine(&app, &caller).await?,
    }))
}

async fn plan(app: &App, project_id: &str) -> Result<(Option<i64>, f64), sqlx::Error> {
    let row = sqlx::query("SELECT version, width, height FROM plans WHERE project_id = $1")
        .bind(project_id.to_owned())
        .fetch_optional(app.store.reader())
        .await?;
    let Some(row) = row else {
        return Ok((None, HEIGHT));
    };
    let (width, height): (i64, i64) = (row.try_get("width")?, row.try_get("height")?);
    let height = WIDTH * height as f64 / width.max(1) as f64;
    Ok((Some(row.try_get("version")?), height))
}

/// Where bays are drawn: as they were put on the plan; else as they lie on the earth; else side by side.
fn places(bays: &[Arc<Bay>], height: f64, size: f64) -> Vec<(f64, f64)> {
    let located: Vec<(f64, f64)> = bays
        .iter()
        .filter_map(|bay| Some((bay.longitude?, bay.latitude?)))
        .collect();
    let bounds = |of: fn(&(f64, f64)) -> f64| {
        let all = || located.iter().map(of);
        (
            all().fold(f64::MAX, f64::min),
            all().fold(f64::MIN, f64::max),
        )
    };
    let (west, east) = bounds(|point| point.0);
    let (south, north) = bounds(|point| point.1);
    // A degree of longitude is shorter the farther it is from the equator.
    let shrink = f64::midpoint(south, north).to_radians().cos();
    let span = ((east - west) * shrink / WIDTH)
        .max((north - south) / height)
        .max(1e-7)
        * 1.25;
    let mut beside = 0.0;
    let step = size * 1.5;
    let columns = (WIDTH / step - 1.0).floor().max(1.0);
    bays.iter()
        .map(
            |bay| match (bay.plan_x, bay.plan_y, bay.longitude, bay.latitude) {
                (Some(x), Some(y), ..) => (x * WIDTH, y * height),
                (.., Some(longitude), Some(latitude)) => (
                    WIDTH / 2.0 + (longitude - f64::midpoint(west, east)) * shrink / span,
                    height / 2.0 - (latitude - f64::midpoint(south, north)) / span,
                ),
                _ => {
                    let (row, column) = ((beside / columns).floor(), beside % columns);
                    beside += 1.0;
                    (
                        step * (column + 1.0),
                        (step * (row + 1.0)).min(height - step / 2.0),
                    )
                }
            },
        )
        .collect()
}

/// What somebody has booked and what is to be said of it.
async fn mine(app: &App, caller: &Caller) -> Result<Vec<BookingView>, Problem> {
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
