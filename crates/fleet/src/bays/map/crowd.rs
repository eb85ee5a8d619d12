//! Bays that would lie upon each other on a screen, or are too many for it, are shown as one.

use std::collections::BTreeMap;

use super::ground::Point;

/// Bays that are shown as one: which of those asked about, and where their middle is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    pub(super) at: Point,
    pub(super) members: Vec<usize>,
}

/// Groups points: those of one cell of a grid are one. The grid's cells are `apart` wide or less (with 0 nothing is
/// grouped), unless there are still more than `most` groups; then cells are made larger until there are a quarter of that.
///
/// The grid lies still, so that a group is the same wherever the screen is moved.
pub(super) fn group(points: &[Point], apart: f64, most: usize) -> Vec<Group> {
    let most = most.max(1);
    if apart <= 0.0 && points.len() <= most {
        let alone = |(index, at): (usize, &Point)| Group {
            at: *at,
            members: vec![index],
        };
        return points.iter().enumerate().map(alone).collect();
    }
    let spread = spread(points);
    let mut side = if apart > 0.0 {
        power_of_two(apart)
    } else {
        power_of_two(spread / 256.0)
    };
    let mut limit = most;
    loop {
        let cells = cells(points, side);
        // Points that lie on one spot are one group however small the cells are.
        if cells.len() <= limit || side > spread * 2.0 {
            return cells
                .into_values()
                .map(|members| middle(points, members))
                .collect();
        }
        limit = (most / 4).max(1);
        // Half the limit's number of cells at the next try, when they are evenly spread.
        let factor = (cells.len() as f64 / limit as f64).sqrt();
        side *= power_of_two(factor).max(2.0);
    }
}

fn cells(points: &[Point], side: f64) -> BTreeMap<(i64, i64), Vec<usize>> {
    let mut cells: BTreeMap<(i64, i64), Vec<usize>> = BTreeMap::new();
    for (index, at) in points.iter().enumerate() {
        let cell = ((at.y / side).floor() as i64, (at.x / side).floor() as i64);
        cells.entry(cell).or_default().push(index);
    }
    cells
}

fn middle(points: &[Point], members: Vec<usize>) -> Group {
    let count = members.len() as f64;
    let sum = |of: fn(&Point) -> f64| members.iter().map(|index| of(&points[*index])).sum::<f64>();
    let at = Point {
        x: sum(|at| at.x) / count,
        y: sum(|at| at.y) / count,
    };
    Group { at, members }
}

/// The longer side of what holds them all.
fn spread(points: &[Point]) -> f64 {
    let side = |of: fn(&Point) -> f64| {
        let all = || points.iter().map(of);
        all().fold(f64::MIN, f64::max) - all().fold(f64::MAX, f64::min)
    };
    side(|at| at.x).max(side(|at| at.y)).max(1e-9)
}

/// The largest power of two that is not larger.
fn power_of_two(length: f64) -> f64 {
    length.max(1e-12).log2().floor().exp2()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(x: f64, y: f64) -> Point {
        Point { x, y }
    }

    #[test]
    fn bays_that_would_lie_upon_each_other_are_one() {
        let street = [at(0.10, 0.5), at(0.101, 0.5), at(0.4, 0.5)];
        let groups = group(&street, 0.03, 300);
        let members: Vec<_> = groups.iter().map(|group| group.members.clone()).collect();
        assert_eq!(members, [vec![0, 1], vec![2]]);
        assert!((groups[0].at.x - 0.1005).abs() < 1e-9);
        assert_eq!(group(&street, 0.0, 300).len(), 3);
    }

    #[test]
    fn ten_thousand_are_a_quarter_of_what_fits_or_less() {
        let side = 100;
        let field = |index: i32| {
            at(
                f64::from(index % side) / 100.0,
                f64::from(index / side) / 180.0,
            )
        };
        let field: Vec<Point> = (0..10_000).map(field).collect();
        for apart in [0.0, 0.001, 0.03] {
            let groups = group(&field, apart, 300);
            assert!((10..=75).contains(&groups.len()), "{}", groups.len());
        }
    }

    #[test]
    fn any_number_may_lie_on_one_spot() {
        let spot = vec![at(0.3, 0.3); 1000];
        assert_eq!(group(&spot, 0.0, 300).len(), 1);
    }

    proptest! {
        #[test]
        fn every_bay_is_in_one_group_and_there_are_not_too_many(
            places in prop::collection::vec((0.0..1.0f64, 0.0..1.0f64), 0..400),
            apart in 0.0..0.2f64,
            most in 1usize..100,
        ) {
            let points: Vec<Point> = places.iter().map(|(x, y)| at(*x, *y)).collect();
            let groups = group(&points, apart, most);
            let mut members: Vec<usize> = groups.iter().flat_map(|group| group.members.clone()).collect();
            members.sort_unstable();
            prop_assert_eq!(members, (0..points.len()).collect::<Vec<_>>());
            // A cell that is larger than all of them may still be cut by a line of the grid, once each way.
            prop_assert!(groups.len() <= most.max(4));
        }
    }
}
