//! Where a board of the street is, and what follows from that: what it is called, and where its own page is.

use crate::card::Serial;
use crate::ports::Ports;

/// Spare boards are numbered from here: there are 99 bays at most.
const SPARES_FROM: usize = 100;

/// Where a board is when the street begins. Numbers are from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    /// Above a bay.
    Bay(usize),
    /// In stock: it is known to the provisioning service, and waits for somebody to order it. It has a name, a number
    /// and a serial that no bay has, so that more bays of the next start find nobody in their places.
    Spare(usize),
}

impl Spot {
    /// So many bays, then so many spare boards.
    pub(super) fn all(bays: usize, spares: usize) -> impl Iterator<Item = Self> {
        (1..=bays)
            .map(Self::Bay)
            .chain((1..=spares).map(Self::Spare))
    }

    pub(crate) const fn is_spare(self) -> bool {
        matches!(self, Self::Spare(_))
    }

    /// What the street calls it, whichever device its machine is.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Bay(number) => format!("bay-{number:02}"),
            Self::Spare(number) => format!("board-{number:02}"),
        }
    }

    /// No two boards of a street have the same.
    pub(super) const fn number(self) -> usize {
        match self {
            Self::Bay(number) => number,
            Self::Spare(number) => SPARES_FROM + number,
        }
    }

    pub(super) fn serial(self) -> anyhow::Result<Serial> {
        let text = format!("10000000b0b{:05}", self.number());
        text.parse().map_err(anyhow::Error::msg)
    }

    /// The port of its own page; 0 for any.
    pub(super) fn portal(self, ports: &Ports) -> u16 {
        ports.portal(self.number())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_boards_are_taken_for_one_another() {
        let ports = Ports::from_base(65_400);
        let spots: Vec<_> = Spot::all(99, 20).collect();
        let names: BTreeSet<_> = spots.iter().map(|spot| spot.name()).collect();
        let portals: BTreeSet<_> = spots.iter().map(|spot| spot.portal(&ports)).collect();
        let serials = spots.iter().map(|spot| spot.serial().expect("a serial"));
        let serials: BTreeSet<_> = serials.map(|serial| serial.as_str().to_owned()).collect();
        assert_eq!([names.len(), portals.len(), serials.len()], [119; 3]);
        assert_eq!(Spot::Bay(1).name(), "bay-01");
        assert_eq!(Spot::Spare(3).name(), "board-03");
        assert!(serials.contains("10000000b0b00103"));
    }
}
