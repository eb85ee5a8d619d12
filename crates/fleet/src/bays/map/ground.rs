//! What bays lie on: a project's plan, or the earth.
//!
//! Both are made flat here: a plan is one wide and as high as its picture, the earth is web mercator, one wide and one
//! high. Clients speak of parts of a plan's width and height, and of degrees.

use std::f64::consts::PI;
use std::sync::Arc;

use serde::Deserialize;
use utoipa::ToSchema;

use crate::bays::bay::Bay;

/// The height of a plan nobody has uploaded, in parts of its width.
pub(crate) const USUAL_RATIO: f64 = 0.56;
/// Where web mercator ends, in degrees of latitude.
pub(crate) const NORTHERNMOST: f64 = 85.051_128_779_806_59;

/// On what bays are to be shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ground {
    /// The project's plan: places are parts of its width and height, 0 to 1.
    #[default]
    Plan,
    /// The earth: places are degrees of longitude and latitude (WGS 84).
    Earth,
}

/// A place on flat ground.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// A rectangle of flat ground.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Frame {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

impl Frame {
    pub(crate) fn holds(&self, at: Point) -> bool {
        (self.left..=self.right).contains(&at.x) && (self.top..=self.bottom).contains(&at.y)
    }

    pub(crate) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(crate) fn height(&self) -> f64 {
        self.bottom - self.top
    }
}

impl Ground {
    /// As clients speak of it, made flat. `ratio` is the plan's height in parts of its width.
    pub(crate) fn flat(self, x: f64, y: f64, ratio: f64) -> Point {
        match self {
            Self::Plan => Point { x, y: y * ratio },
            Self::Earth => {
                let sin = y.clamp(-NORTHERNMOST, NORTHERNMOST).to_radians().sin();
                Point {
                    x: x / 360.0 + 0.5,
                    y: 0.5 - ((1.0 + sin) / (1.0 - sin)).ln() / (4.0 * PI),
                }
            }
        }
    }

    /// The other way round: `x` and `y` as clients speak of them.
    pub(crate) fn told(self, at: Point, ratio: f64) -> (f64, f64) {
        match self {
            Self::Plan => (at.x, at.y / ratio),
            Self::Earth => {
                let latitude = (PI * (1.0 - 2.0 * at.y)).sinh().atan().to_degrees();
                ((at.x - 0.5) * 360.0, latitude)
            }
        }
    }

    /// Where bays lie; `None` where nobody has said it. On a plan every bay has a place: as it was put there, else as it
    /// lies on the earth among the others, else beside the one before.
    pub(crate) fn places(self, bays: &[Arc<Bay>], ratio: f64) -> Vec<Option<Point>> {
        match self {
            Self::Plan => on_plan(bays, ratio).into_iter().map(Some).collect(),
            Self::Earth => {
                let place = |bay: &Arc<Bay>| Some(self.flat(bay.longitude?, bay.latitude?, ratio));
                bays.iter().map(place).collect()
            }
        }
    }
}

/// How wide a bay is drawn on a plan with so many, in parts of its width.
pub(crate) fn size(count: usize) -> f64 {
    (0.38 / (count.max(1) as f64).sqrt()).clamp(0.002, 0.064)
}

fn on_plan(bays: &[Arc<Bay>], ratio: f64) -> Vec<Point> {
    let size = size(bays.len());
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
    let span = ((east - west) * shrink)
        .max((north - south) / ratio)
        .max(1e-4)
        * 1.25;
    let step = size * 1.5;
    let columns = (1.0 / step - 1.0).floor().max(1.0);
    let mut beside = 0.0;
    let place = |bay: &Arc<Bay>| match (bay.plan_x, bay.plan_y, bay.longitude, bay.latitude) {
        (Some(x), Some(y), ..) => Point { x, y: y * ratio },
        (.., Some(longitude), Some(latitude)) => Point {
            x: 0.5 + (longitude - f64::midpoint(west, east)) * shrink / span,
            y: ratio / 2.0 - (latitude - f64::midpoint(south, north)) / span,
        },
        _ => {
            let (row, column) = ((beside / columns).floor(), beside % columns);
            beside += 1.0;
            Point {
                x: step * (column + 1.0),
                y: (step * (row + 1.0)).min(ratio - step / 2.0),
            }
        }
    };
    bays.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earth_is_flat_there_and_back() {
        // EPSG:3857, by n·(1 − asinh(tan φ)/π)/2: Liège is in tile 16/33783/22045.
        let place = Ground::Earth.flat(5.5797, 50.6326, 1.0);
        let tile = |part: f64| (part * 65536.0).floor();
        assert_eq!((tile(place.x), tile(place.y)), (33783.0, 22045.0));
        let (longitude, latitude) = Ground::Earth.told(place, 1.0);
        assert!((longitude - 5.5797).abs() < 1e-9 && (latitude - 50.6326).abs() < 1e-9);
        let pole = Ground::Earth.flat(180.0, 90.0, 1.0);
        assert!(
            (pole.x - 1.0).abs() < 1e-9 && pole.y.abs() < 1e-9,
            "{pole:?}"
        );
    }

    #[test]
    fn a_plan_is_as_high_as_its_picture() {
        let place = Ground::Plan.flat(0.25, 0.5, 0.4);
        assert_eq!(place, Point { x: 0.25, y: 0.2 });
        assert_eq!(Ground::Plan.told(place, 0.4), (0.25, 0.5));
    }
}
