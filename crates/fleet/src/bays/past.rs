//! What stood in a bay, as its page draws it.

use bay::Occupancy;

use crate::history::Change;

/// A change as a drawing wants it. A word this release does not know is unknown.
#[must_use]
pub fn read(changes: &[Change]) -> Vec<(i64, Occupancy)> {
    let occupancy = |change: &Change| match change.occupancy.as_str() {
        "free" => Occupancy::Free,
        "occupied" => Occupancy::Occupied,
        _ => Occupancy::Unknown,
    };
    changes
        .iter()
        .map(|change| (change.at.0, occupancy(change)))
        .collect()
}

/// A stretch of a drawing: from where to where, as parts of its width, and what stood there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// Where it begins, 0 to 1.
    pub x: f64,
    /// How wide it is, 0 to 1.
    pub width: f64,
    /// What stood there.
    pub occupancy: Occupancy,
}

/// Stretches of one occupancy from `from` until `to`. What is before the first change is unknown.
#[must_use]
pub fn stretches(changes: &[(i64, Occupancy)], from: i64, to: i64) -> Vec<Stretch> {
    let span = (to - from).max(1) as f64;
    let mut found: Vec<Stretch> = Vec::new();
    let before = (from, Occupancy::Unknown);
    let mut begins = std::iter::once(&before).chain(changes).peekable();
    while let Some((at, occupancy)) = begins.next() {
        let begin = (*at).clamp(from, to);
        let end = begins.peek().map_or(to, |(at, _)| (*at).clamp(from, to));
        if end <= begin {
            continue;
        }
        let width = (end - begin) as f64 / span;
        match found.last_mut() {
            Some(last) if last.occupancy == *occupancy => last.width += width,
            _ => found.push(Stretch {
                x: (begin - from) as f64 / span,
                width,
                occupancy: *occupancy,
            }),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_drawn_without_gaps() {
        use Occupancy::{Free, Occupied, Unknown};
        let changes = [(-50, Free), (25, Occupied), (30, Occupied), (50, Free)];
        let drawn = stretches(&changes, 0, 100);
        let parts: Vec<_> = drawn.iter().map(|s| (s.x, s.occupancy)).collect();
        assert_eq!(parts, [(0.0, Free), (0.25, Occupied), (0.5, Free)]);
        let width: f64 = drawn.iter().map(|stretch| stretch.width).sum();
        assert!((width - 1.0).abs() < 1e-9, "{drawn:?}");
        let empty = stretches(&[], 0, 100);
        assert_eq!(empty.len(), 1);
        assert_eq!(empty[0].occupancy, Unknown, "nothing known is not free");
        assert_eq!(stretches(&[(40, Free)], 0, 100)[0].occupancy, Unknown);
    }
}
