//! Maps: a project's bays on its plan, or on the earth where tiles are configured.
//!
//! A page has no bay in it: what is seen is asked for by [`look`], a frame at a time, and followed by [`live`], so that
//! ten thousand bays cost a browser what a screenful does. Bays that are too many for a screen are [groups](crowd).

mod crowd;
mod ground;
mod live;
mod look;

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::ground::{Ground, size};
use self::look::{Counts, Seen, View, around, counts, plan};
use super::bay::Site;
use super::state::{Rules, Sign};
use crate::app::App;
use crate::bookings::view::BookingView;
use crate::people::Caller;
use crate::problem::Problem;
use crate::tiles::Tiles;
use crate::web::body::{Json, Path, Query};
use crate::web::page::{Frame, show};

/// Projects that are chosen by a press each; more are a list to choose from.
const CHIPS: usize = 8;

/// The routes of the API.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(look))
        .routes(routes!(live::follow))
}

/// The bays of a project that are seen through a frame, as they are now.
#[utoipa::path(get, path = "/api/projects/{id}/map", tag = "bays", params(("id" = String, Path), View), responses(
    (status = 200, body = Seen),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn look(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    Query(view): Query<View>,
) -> Result<Json<Seen>, Problem> {
    check_seen(&app, &caller, &id).await?;
    let (_, ratio) = plan(&app, &id).await?;
    let seen = view.through(&id, ratio)?.look(&app, &caller).await?;
    Ok(Json(seen))
}

/// 404 for a project that is not there, or not the caller's.
async fn check_seen(app: &App, caller: &Caller, id: &str) -> Result<(), Problem> {
    super::plan::customer_of(app, caller, id).await.map(drop)
}

#[derive(Template)]
#[template(path = "map.html")]
struct MapPage {
    page: Frame,
    sites: Vec<Arc<Site>>,
    site: Option<Arc<Site>>,
    /// The tile server, when the bays are shown on the earth.
    tiles: Option<Tiles>,
    /// Whether there is another ground to change to.
    has_both: bool,
    plan: Option<i64>,
    ratio: f64,
    size: f64,
    /// What to show first on the earth: west, south, east, north.
    home: String,
    /// The bay to begin with.
    bay: String,
    counts: Counts,
    mine: Vec<BookingView>,
}

impl MapPage {
    fn count(&self, sign: &Sign) -> usize {
        self.counts.get(sign.as_str()).copied().unwrap_or_default()
    }

    fn free(&self) -> usize {
        self.count(&Sign::Free)
    }

    fn is_list(&self) -> bool {
        self.sites.len() > CHIPS
    }

    fn is_chosen(&self, site: &Site) -> bool {
        self.site
            .as_ref()
            .is_some_and(|chosen| chosen.id == site.id)
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    project: Option<String>,
    ground: Option<Ground>,
    bay: Option<String>,
}

pub(super) async fn page(
    caller: Caller,
    State(app): State<App>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let every = app.lot().find(&app, "", usize::MAX, |bay| {
        caller.sees(&bay.site.customer_id)
    });
    let mut every = every.await?;
    let sites: BTreeMap<&str, &Arc<Site>> = every
        .iter()
        .map(|bay| (bay.site.id.as_str(), &bay.site))
        .collect();
    let mut sites: Vec<Arc<Site>> = sites.into_values().cloned().collect();
    sites.sort_by(|a, b| a.name.cmp(&b.name));
    let site = match &wanted.project {
        Some(id) => sites.iter().find(|site| site.id == *id).cloned(),
        None => sites.first().cloned(),
    };
    every.retain(|bay| site.as_ref().is_some_and(|site| site.id == bay.site.id));
    let (plan, ratio) = match &site {
        Some(site) => plan(&app, &site.id).await?,
        None => (None, ground::USUAL_RATIO),
    };
    let (rules, now) = (Rules::from(&app.settings), app.now());
    let states: Vec<_> = every.iter().map(|bay| bay.state(&rules, now)).collect();
    let place = site.as_ref().and_then(|site| {
        let (longitude, latitude) = site.longitude.zip(site.latitude)?;
        Some([longitude, latitude, longitude, latitude])
    });
    let home = around(&every).or(place);
    // Where nobody has said where anything is, there is nothing to see on the earth until somebody asks for it.
    let is_earth = wanted
        .ground
        .map_or(home.is_some(), |ground| ground == Ground::Earth);
    let home = home.map(|edges| edges.map(|edge| edge.to_string()).join(","));
    Ok(show(&MapPage {
        page: Frame::of(&caller, "map"),
        sites,
        site,
        has_both: app.settings.tiles.is_some(),
        tiles: app.settings.tiles.clone().filter(|_| is_earth),
        plan,
        ratio,
        size: size(every.len()),
        home: home.unwrap_or_default(),
        bay: wanted.bay.unwrap_or_default(),
        counts: counts(&states),
        mine: super::pages::mine(&app, &caller).await?,
    }))
}

#[cfg(test)]
mod tests;
