//! From edges of the echo line to what became of a burst.

use std::time::Duration;

use super::sensor::Profile;
use crate::Echo;

/// One change of the echo line, as the kernel saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) rising: bool,
    /// The kernel's time stamp, in nanoseconds of some clock that only goes forward.
    pub(crate) at_ns: u64,
    /// Counted by the kernel for this line; a gap is an edge that was lost.
    pub(crate) number: u32,
}

/// An edge is missing, or two have changed places: nothing can be said of this burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost;

/// One burst's echo, edge by edge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listening {
    profile: Profile,
    rose: Option<Edge>,
}

impl Listening {
    pub(crate) const fn new(profile: Profile) -> Self {
        Self {
            profile,
            rose: None,
        }
    }

    /// Takes the next edge, and returns the outcome when it was the last one of this burst.
    pub(crate) fn handle_edge(&mut self, edge: Edge) -> Option<Result<Echo, Lost>> {
        match (self.rose, edge.rising) {
            (None, true) => {
                self.rose = Some(edge);
                None
            }
            // The end of an echo that began before this burst.
            (None, false) => None,
            (Some(_), true) => Some(Err(Lost)),
            (Some(rose), false) => Some(self.judge(rose, edge)),
        }
    }

    fn judge(&self, rose: Edge, fell: Edge) -> Result<Echo, Lost> {
        let in_order = fell.number == rose.number.wrapping_add(1) && fell.at_ns >= rose.at_ns;
        if !in_order {
            return Err(Lost);
        }
        let round_trip = Duration::from_nanos(fell.at_ns - rose.at_ns);
        let heard = (self.profile.shortest..=self.profile.longest).contains(&round_trip);
        Ok(if heard {
            Echo::Returned { round_trip }
        } else {
            Echo::NoEcho
        })
    }

    /// No edge came any more; `high` is the line's level now.
    pub(crate) const fn handle_silence(&self, high: bool) -> Result<Echo, Lost> {
        match (self.rose, high) {
            (_, true) => Ok(Echo::Stuck),
            (None, false) => Ok(Echo::NoEcho),
            // It rose and is low: its fall is missing.
            (Some(_), false) => Err(Lost),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sensor::Sensor;
    use super::*;

    const US: u64 = 1000;

    fn listening() -> Listening {
        Listening::new(Sensor::HcSr04.profile())
    }

    fn edge(rising: bool, at_ns: u64, number: u32) -> Edge {
        Edge {
            rising,
            at_ns,
            number,
        }
    }

    fn pulse(width_ns: u64) -> Result<Echo, Lost> {
        let mut listening = listening();
        assert_eq!(listening.handle_edge(edge(true, 450 * US, 7)), None);
        listening
            .handle_edge(edge(false, 450 * US + width_ns, 8))
            .expect("the echo has ended")
    }

    #[test]
    fn the_time_between_the_edges_is_the_round_trip() {
        for width in [117 * US, 5831 * US, 23_324 * US] {
            assert_eq!(
                pulse(width),
                Ok(Echo::Returned {
                    round_trip: Duration::from_nanos(width)
                })
            );
        }
    }

    /// 38 ms is how most clones say that they heard nothing; 12 µs is what a JSN-SR04T answers to a short trigger.
    #[test]
    fn what_is_no_echo_gives_no_distance() {
        for width in [0, 12 * US, 38_000 * US, 200_000 * US] {
            assert_eq!(pulse(width), Ok(Echo::NoEcho), "{width} ns");
        }
        assert_eq!(listening().handle_silence(false), Ok(Echo::NoEcho));
    }

    #[test]
    fn a_line_that_stays_high_is_stuck() {
        let mut listening = listening();
        assert_eq!(listening.handle_silence(true), Ok(Echo::Stuck));
        listening.handle_edge(edge(true, 0, 1));
        assert_eq!(listening.handle_silence(true), Ok(Echo::Stuck));
    }

    #[test]
    fn a_missing_edge_is_noticed() {
        let mut gap = listening();
        gap.handle_edge(edge(true, 0, 1));
        assert_eq!(gap.handle_edge(edge(false, 5 * US, 4)), Some(Err(Lost)));
        let mut twice = listening();
        twice.handle_edge(edge(true, 0, 1));
        assert_eq!(twice.handle_edge(edge(true, 5 * US, 2)), Some(Err(Lost)));
        let mut unfinished = listening();
        unfinished.handle_edge(edge(true, 0, 1));
        assert_eq!(unfinished.handle_silence(false), Err(Lost));
    }

    #[test]
    fn the_end_of_an_earlier_echo_is_passed_over() {
        let mut listening = listening();
        assert_eq!(listening.handle_edge(edge(false, 0, 1)), None);
        assert_eq!(listening.handle_edge(edge(true, 450 * US, 2)), None);
        assert!(matches!(
            listening.handle_edge(edge(false, 1450 * US, 3)),
            Some(Ok(Echo::Returned { .. }))
        ));
    }

    proptest! {
        /// Whatever edges come, a distance is only told of two that belong together.
        #[test]
        fn no_echo_is_invented(edges in prop::collection::vec((any::<bool>(), any::<u64>(), any::<u32>()), 0..6)) {
            let mut listening = listening();
            let mut rose: Option<Edge> = None;
            for (rising, at_ns, number) in edges {
                let edge = edge(rising, at_ns, number);
                if let Some(outcome) = listening.handle_edge(edge) {
                    if let Ok(Echo::Returned { round_trip }) = outcome {
                        let rose = rose.expect("it rose");
                        prop_assert!(!rising && number == rose.number.wrapping_add(1));
                        prop_assert_eq!(u128::from(at_ns - rose.at_ns), round_trip.as_nanos());
                    }
                    break;
                }
                rose = if rising { Some(edge) } else { rose };
            }
        }
    }
}
