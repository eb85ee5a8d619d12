//! One word for all that is known of a bay: for people, and for who reads what is published.

use bay::Occupancy;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Admission, Health, State};

/// What a bay shows, on a map or a list: the one word that matters most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sign {
    /// Drive in.
    Free,
    /// Empty, and soon somebody's.
    ReservedSoon,
    /// Empty, and somebody's.
    Reserved,
    /// Taken.
    Occupied,
    /// Taken by who may not.
    Conflict,
    /// Nobody can say.
    Unknown,
    /// Nobody can say, and somebody has to look at the sensor.
    Fault,
    /// Nobody may.
    Closed,
    /// Being mended.
    OutOfService,
}

impl Sign {
    /// Every sign, in the order a legend shows them.
    pub const ALL: [Self; 9] = [
        Self::Free,
        Self::Occupied,
        Self::ReservedSoon,
        Self::Reserved,
        Self::Conflict,
        Self::Unknown,
        Self::Fault,
        Self::Closed,
        Self::OutOfService,
    ];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::ReservedSoon => "reserved-soon",
            Self::Reserved => "reserved",
            Self::Occupied => "occupied",
            Self::Conflict => "conflict",
            Self::Unknown => "unknown",
            Self::Fault => "fault",
            Self::Closed => "closed",
            Self::OutOfService => "out-of-service",
        }
    }

    /// A shape beside each colour, so that nobody has to tell colours apart.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Free => "P",
            Self::ReservedSoon => "◔",
            Self::Reserved => "R",
            Self::Occupied => "■",
            Self::Conflict => "!",
            Self::Unknown => "?",
            Self::Fault => "⚠",
            Self::Closed => "×",
            Self::OutOfService => "⁄",
        }
    }

    /// The name of its words.
    #[must_use]
    pub fn key(self) -> String {
        format!("sign.{}", self.as_str())
    }
}

/// The status of open data: NGSI-LD's `ParkingSpot` knows these four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Anybody may drive in.
    Free,
    /// Something stands there.
    Occupied,
    /// Empty or not, it is not for everybody: closed, being mended, reserved.
    Closed,
    /// Nobody can say.
    Unknown,
}

impl Status {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Occupied => "occupied",
            Self::Closed => "closed",
            Self::Unknown => "unknown",
        }
    }
}

pub(super) fn sign(state: &State) -> Sign {
    match (state.admission, state.occupancy) {
        (Admission::OutOfService, _) => Sign::OutOfService,
        (Admission::Closed, _) => Sign::Closed,
        (_, Occupancy::Unknown) if state.health == Health::Fault => Sign::Fault,
        (_, Occupancy::Unknown) => Sign::Unknown,
        (_, Occupancy::Occupied) if state.conflict.is_some() => Sign::Conflict,
        (_, Occupancy::Occupied) => Sign::Occupied,
        (Admission::Reserved, Occupancy::Free) => Sign::Reserved,
        (Admission::ReservedSoon, Occupancy::Free) => Sign::ReservedSoon,
        (Admission::Open, Occupancy::Free) => Sign::Free,
    }
}

/// A bay that is reserved is not offered to everybody, so it is never published as free.
pub(super) fn status(state: &State) -> Status {
    match (state.admission, state.occupancy) {
        (Admission::OutOfService | Admission::Closed, _) => Status::Closed,
        (_, Occupancy::Unknown) => Status::Unknown,
        (_, Occupancy::Occupied) => Status::Occupied,
        (Admission::Reserved | Admission::ReservedSoon, Occupancy::Free) => Status::Closed,
        (Admission::Open, Occupancy::Free) => Status::Free,
    }
}
