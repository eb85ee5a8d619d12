//! The last few measurements, and what they say together.

use std::collections::VecDeque;

use bay::{Distance, Moment};

/// The last measurements, good and bad, oldest first.
///
/// Bad ones take a place too: a median of three echoes is worth nothing when they are the only
/// three of the last minute.
#[derive(Clone, Debug)]
pub struct Window {
    size: usize,
    slots: VecDeque<(Moment, Option<Distance>)>,
}

/// What the measurements of a window say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Fewer than half of the window are echoes.
    Nothing,
    /// There is a median, and the echoes lie too far apart to trust it for long.
    Noisy(Distance),
    /// There is a median to decide by.
    Good(Distance),
}

impl Window {
    /// An empty window for `size` measurements.
    pub fn new(size: usize) -> Self {
        Self {
            size,
            slots: VecDeque::with_capacity(size),
        }
    }

    /// Takes the newest measurement in and lets the oldest go.
    pub fn push(&mut self, distance: Option<Distance>, at: Moment) {
        self.slots.push_back((at, distance));
        self.shrink();
    }

    /// Makes room for `size` measurements; the newest stay.
    pub fn resize(&mut self, size: usize) {
        self.size = size;
        self.shrink();
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.slots.clear();
    }

    /// What the measurements say together, when echoes may lie `max_spread` apart.
    pub fn reading(&self, max_spread: Distance) -> Reading {
        let mut echoes: Vec<_> = self
            .slots
            .iter()
            .filter_map(|(_, distance)| *distance)
            .collect();
        if echoes.len() * 2 <= self.size {
            return Reading::Nothing;
        }
        echoes.sort_unstable();
        let median = median(&echoes);
        if spread(&echoes) > max_spread {
            Reading::Noisy(median)
        } else {
            Reading::Good(median)
        }
    }

    /// When the oldest echo for which `agrees` holds was taken.
    pub fn earliest(&self, agrees: impl Fn(Distance) -> bool) -> Option<Moment> {
        self.slots
            .iter()
            .find(|(_, distance)| distance.is_some_and(&agrees))
            .map(|(at, _)| *at)
    }

    fn shrink(&mut self) {
        while self.slots.len() > self.size {
            self.slots.pop_front();
        }
    }
}

impl Reading {
    /// The median, trusted or not.
    pub fn median(self) -> Option<Distance> {
        match self {
            Self::Nothing => None,
            Self::Noisy(median) | Self::Good(median) => Some(median),
        }
    }

    /// The median, if it can be trusted.
    pub fn trusted(self) -> Option<Distance> {
        match self {
            Self::Nothing | Self::Noisy(_) => None,
            Self::Good(median) => Some(median),
        }
    }
}

/// The middle of sorted distances, one at least; of two in the middle the nearer, because it is the
/// farther one that would call a bay free.
pub(crate) fn median(sorted: &[Distance]) -> Distance {
    sorted[(sorted.len() - 1) / 2]
}

/// How far sorted distances lie apart, without the outermost quarter at either end: one stray echo
/// in five is not noise.
pub(crate) fn spread(sorted: &[Distance]) -> Distance {
    let strays = sorted.len() / 4;
    match &sorted[strays..sorted.len() - strays] {
        [nearest, .., farthest] => farthest.saturating_sub(*nearest),
        _ => Distance::default(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;

    fn at(ms: u64) -> Moment {
        Moment {
            elapsed: Duration::from_millis(ms),
            wall: Timestamp::UNIX_EPOCH,
        }
    }

    fn window(size: usize, values: &[u32]) -> Window {
        let mut window = Window::new(size);
        for (index, value) in values.iter().enumerate() {
            window.push(
                (*value > 0).then_some(Distance::from_mm(*value)),
                at(index as u64),
            );
        }
        window
    }

    /// 0 stands for a measurement without an echo.
    #[test]
    fn readings() {
        let good = |mm| Reading::Good(Distance::from_mm(mm));
        let noisy = |mm| Reading::Noisy(Distance::from_mm(mm));
        for (values, expected) in [
            (&[][..], Reading::Nothing),
            (&[2500, 2500], Reading::Nothing),
            (&[2500, 2502, 2498], good(2500)),
            (&[2500, 2502, 2498, 2510], good(2500)),
            (&[700, 2502, 2498, 2500, 2504], good(2500)),
            (&[700, 2502, 2498, 2500, 4000], good(2500)),
            (&[700, 900, 2498, 2500, 2502], noisy(2498)),
            (&[700, 702, 698, 2500, 2502], noisy(702)),
            (&[0, 0, 2500, 2500, 2500], good(2500)),
            (&[0, 0, 0, 2500, 2500], Reading::Nothing),
            (&[700, 700, 700, 700, 700, 0, 0, 0], Reading::Nothing),
        ] {
            assert_eq!(
                window(5, values).reading(Distance::from_mm(300)),
                expected,
                "{values:?}"
            );
        }
    }

    #[test]
    fn a_window_of_one_is_the_measurement_itself() {
        assert_eq!(
            window(1, &[700, 2500]).reading(Distance::from_mm(20)),
            Reading::Good(Distance::from_mm(2500))
        );
    }

    #[test]
    fn the_earliest_that_agrees() {
        let window = window(5, &[700, 2500, 2500, 690, 0, 710]);

        assert_eq!(
            window.earliest(|distance| distance.mm() < 1000),
            Some(at(3))
        );
        assert_eq!(window.earliest(|distance| distance.mm() > 3000), None);
    }

    #[test]
    fn a_smaller_window_keeps_the_newest() {
        let mut window = window(5, &[1, 2, 3, 4, 5]);
        window.resize(3);

        assert_eq!(
            window.reading(Distance::from_mm(20)),
            Reading::Good(Distance::from_mm(4))
        );
    }
}
