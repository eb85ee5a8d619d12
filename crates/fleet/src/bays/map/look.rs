//! What is seen of a project's bays through a frame, at a moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sqlx::Row;
use utoipa::{IntoParams, ToSchema};

use super::crowd::{Group, group};
use super::ground::{Frame, Ground, USUAL_RATIO};
use crate::app::App;
use crate::bays::bay::{Bay, Purpose};
use crate::bays::state::{Rules, Sign, State};
use crate::people::Caller;
use crate::problem::Problem;

/// Bays and groups of them that one answer has at most.
const MOST: u32 = 500;
const USUALLY: u32 = 300;
/// Bays without a place that are named.
const NAMED: usize = 100;

/// Through which frame, in the ground's measure: parts of a plan's width and height, or degrees of longitude and latitude.
/// What is not said has no bound.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct View {
    /// `plan` or `earth`; the plan, unless it is said.
    #[serde(default)]
    #[param(inline)]
    ground: Ground,
    /// The left edge; on the earth the western one.
    left: Option<f64>,
    /// The upper edge; on the earth the northern one.
    top: Option<f64>,
    /// The right edge; on the earth the eastern one.
    right: Option<f64>,
    /// The lower edge; on the earth the southern one.
    bottom: Option<f64>,
    /// Bays nearer to each other than this part of the frame's width are shown as one; 0, and none, unless it is said.
    apart: Option<f64>,
    /// How many bays and groups of bays fit, 1 to 500; 300 unless it is said. Where there are more, they are grouped.
    most: Option<u32>,
}

/// What is seen.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Seen {
    /// Bays that have their place in the frame, each by itself.
    pub(super) bays: Vec<Marker>,
    /// Bays of the frame that are shown as one, being too many or too close.
    clusters: Vec<Cluster>,
    /// Bays that have no place on this ground yet; a hundred of them at most.
    pub(super) unplaced: Vec<Marker>,
    /// How many bays of the whole project show what.
    counts: Counts,
}

/// How many bays show each sign.
pub(crate) type Counts = BTreeMap<&'static str, usize>;

/// A bay on a map.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Marker {
    /// Which one.
    pub(super) id: String,
    /// The number painted on it.
    number: String,
    /// What it is for.
    kind: Purpose,
    /// The one word that matters most.
    sign: Sign,
    /// Whether the caller has booked it.
    is_mine: bool,
    /// Counts what people change of it.
    version: i64,
    /// Where it is drawn, in the ground's measure.
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<f64>,
    /// Where it is drawn, in the ground's measure.
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<f64>,
}

/// Bays that are shown as one.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct Cluster {
    /// Their middle, in the ground's measure.
    x: f64,
    /// Their middle, in the ground's measure.
    y: f64,
    /// How many they are.
    count: usize,
    /// How many of them show what.
    signs: Counts,
}

/// A view that can be looked through.
#[derive(Debug, Clone)]
pub(super) struct Through {
    project_id: String,
    ground: Ground,
    frame: Frame,
    apart: f64,
    most: usize,
    ratio: f64,
}

impl View {
    /// Checks what was asked. `ratio` is the plan's height in parts of its width.
    ///
    /// # Errors
    /// 400 for a frame without inside, and for numbers out of their range.
    pub(super) fn through(&self, project_id: &str, ratio: f64) -> Result<Through, Problem> {
        let whole = match self.ground {
            Ground::Plan => [-1.0, -1.0, 2.0, 2.0],
            Ground::Earth => [-180.0, 90.0, 180.0, -90.0],
        };
        let edges = [
            ("left", self.left),
            ("top", self.top),
            ("right", self.right),
            ("bottom", self.bottom),
        ];
        let mut bounds = whole;
        for (bound, (field, edge)) in bounds.iter_mut().zip(edges) {
            let Some(edge) = edge else { continue };
            if !(-1e6..=1e6).contains(&edge) {
                return Err(Problem::field(
                    field,
                    "must be a number of the ground's measure",
                ));
            }
            *bound = edge;
        }
        let [left, top, right, bottom] = bounds;
        let (upper, lower) = (
            self.ground.flat(left, top, ratio),
            self.ground.flat(right, bottom, ratio),
        );
        let frame = Frame {
            left: upper.x,
            top: upper.y,
            right: lower.x,
            bottom: lower.y,
        };
        if frame.width() <= 0.0 {
            return Err(Problem::field("right", "must be right of the left edge"));
        }
        if frame.height() <= 0.0 {
            return Err(Problem::field("bottom", "must be below the upper edge"));
        }
        let apart = self.apart.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&apart) {
            return Err(Problem::field("apart", "must be 0 to 1"));
        }
        let most = match self.most.unwrap_or(USUALLY) {
            most @ 1..=MOST => most as usize,
            _ => return Err(Problem::field("most", format!("must be 1 to {MOST}"))),
        };
        Ok(Through {
            project_id: project_id.to_owned(),
            ground: self.ground,
            apart: apart * frame.width(),
            frame,
            most,
            ratio,
        })
    }
}

impl Through {
    pub(super) fn is_of(&self, bay: &Bay) -> bool {
        bay.site.id == self.project_id
    }

    /// Whether a bay may be in the frame: for sure only when somebody has said where it is.
    pub(super) fn may_hold(&self, bay: &Bay) -> bool {
        let at = match self.ground {
            Ground::Plan => bay.plan_x.zip(bay.plan_y),
            Ground::Earth => bay.longitude.zip(bay.latitude),
        };
        at.is_none_or(|(x, y)| self.frame.holds(self.ground.flat(x, y, self.ratio)))
    }

    /// What is seen now.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn look(&self, app: &App, caller: &Caller) -> Result<Seen, Problem> {
        let bays = self.bays(app, caller).await?;
        let (rules, now) = (Rules::from(&app.settings), app.now());
        let states: Vec<State> = bays.iter().map(|bay| bay.state(&rules, now)).collect();
        let places = self.ground.places(&bays, self.ratio);
        let (mut seen, mut points, mut unplaced) = (Vec::new(), Vec::new(), Vec::new());
        for (index, place) in places.iter().enumerate() {
            match place {
                Some(at) if self.frame.holds(*at) => {
                    seen.push(index);
                    points.push(*at);
                }
                Some(_) => {}
                None if unplaced.len() < NAMED => {
                    unplaced.push(Marker::new(&bays[index], &states[index], caller));
                }
                None => {}
            }
        }
        let (mut markers, mut clusters) = (Vec::new(), Vec::new());
        for Group { at, members } in group(&points, self.apart, self.most) {
            let (x, y) = self.ground.told(at, self.ratio);
            match members[..] {
                [only] => {
                    let index = seen[only];
                    let marker = Marker::new(&bays[index], &states[index], caller);
                    markers.push(marker.at(Some((x, y))));
                }
                _ => clusters.push(Cluster {
                    x,
                    y,
                    count: members.len(),
                    signs: counts(members.iter().map(|member| &states[seen[*member]])),
                }),
            }
        }
        Ok(Seen {
            bays: markers,
            clusters,
            unplaced,
            counts: counts(&states),
        })
    }

    /// How many bays of the project show what.
    pub(super) async fn counts(&self, app: &App, caller: &Caller) -> Result<Counts, Problem> {
        let bays = self.bays(app, caller).await?;
        let (rules, now) = (Rules::from(&app.settings), app.now());
        let states: Vec<State> = bays.iter().map(|bay| bay.state(&rules, now)).collect();
        Ok(counts(&states))
    }

    async fn bays(&self, app: &App, caller: &Caller) -> Result<Vec<Arc<Bay>>, Problem> {
        let bays = app.lot().find(app, "", usize::MAX, |bay| {
            self.is_of(bay) && caller.sees(&bay.site.customer_id)
        });
        Ok(bays.await?)
    }
}

impl Marker {
    pub(super) fn new(bay: &Bay, state: &State, caller: &Caller) -> Self {
        Self {
            id: bay.id.clone(),
            number: bay.number.clone(),
            kind: bay.purpose,
            sign: state.sign,
            is_mine: bay.is_of(caller),
            version: bay.version,
            x: None,
            y: None,
        }
    }

    pub(super) fn at(self, place: Option<(f64, f64)>) -> Self {
        Self {
            x: place.map(|(x, _)| x),
            y: place.map(|(_, y)| y),
            ..self
        }
    }

    pub(super) fn place(&self) -> Option<(f64, f64)> {
        self.x.zip(self.y)
    }
}

pub(super) fn counts<'a>(states: impl IntoIterator<Item = &'a State>) -> Counts {
    let mut counts = Counts::new();
    for state in states {
        *counts.entry(state.sign.as_str()).or_default() += 1;
    }
    counts
}

/// A project's plan: its version, if somebody has uploaded one, and its height in parts of its width.
pub(super) async fn plan(app: &App, project_id: &str) -> Result<(Option<i64>, f64), sqlx::Error> {
    let row = sqlx::query("SELECT version, width, height FROM plans WHERE project_id = $1")
        .bind(project_id.to_owned())
        .fetch_optional(app.store.reader())
        .await?;
    let Some(row) = row else {
        return Ok((None, USUAL_RATIO));
    };
    let (width, height): (i64, i64) = (row.try_get("width")?, row.try_get("height")?);
    let ratio = height.max(1) as f64 / width.max(1) as f64;
    Ok((Some(row.try_get("version")?), ratio))
}

/// The edges of where bays are, as far as it is known: west, south, east, north, in degrees.
pub(super) fn around(bays: &[Arc<Bay>]) -> Option<[f64; 4]> {
    let places = || {
        bays.iter()
            .filter_map(|bay| bay.longitude.zip(bay.latitude))
    };
    let begin = places().next()?;
    let begin = [begin.0, begin.1, begin.0, begin.1];
    Some(places().fold(begin, |[west, south, east, north], (x, y)| {
        [west.min(x), south.min(y), east.max(x), north.max(y)]
    }))
}
