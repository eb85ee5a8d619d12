//! What the lamp says: a pure function of what is known, and of whether the bay is kept for
//! somebody.

use bay::{Occupancy, Sign, UnknownReason};

/// What is known of a bay, as the lamp needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// Nothing stands in it.
    Free,
    /// Something does.
    Occupied,
    /// Nobody can say, for this reason.
    Unknown(UnknownReason),
}

impl Knowledge {
    /// What a report of the bay's sensor amounts to. An unknown bay without a reason is one nobody
    /// has heard of.
    pub fn new(occupancy: Occupancy, reason: Option<UnknownReason>) -> Self {
        match occupancy {
            Occupancy::Free => Self::Free,
            Occupancy::Occupied => Self::Occupied,
            Occupancy::Unknown => Self::Unknown(reason.unwrap_or(UnknownReason::Stale)),
        }
    }

    /// Why nobody can say; nothing when somebody can.
    pub fn reason(self) -> Option<UnknownReason> {
        match self {
            Self::Free | Self::Occupied => None,
            Self::Unknown(reason) => Some(reason),
        }
    }
}

/// What the lamp says.
///
/// | | not booked | booked |
/// |---|---|---|
/// | free | free | booked |
/// | occupied | occupied | occupied while booked: nobody can tell the guest from a stranger |
/// | unknown, nothing broken | unknown | unknown while booked: still kept, perhaps not empty |
/// | unknown, sensor at fault | fault | unknown while booked: the guest matters more than the repair |
pub fn sign(knowledge: Knowledge, booked: bool) -> Sign {
    match (knowledge, booked) {
        (Knowledge::Free, false) => Sign::Free,
        (Knowledge::Free, true) => Sign::Booked,
        (Knowledge::Occupied, false) => Sign::Occupied,
        (Knowledge::Occupied, true) => Sign::OccupiedWhileBooked,
        (Knowledge::Unknown(reason), false) if reason.is_fault() => Sign::Fault,
        (Knowledge::Unknown(_), false) => Sign::Unknown,
        (Knowledge::Unknown(_), true) => Sign::UnknownWhileBooked,
    }
}
