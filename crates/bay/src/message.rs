//! The bodies of messages and methods, exactly as they are on the wire: JSON, quantities with their
//! unit in the name, times RFC 3339 in UTC.
//!
//! A field that has no value is there as `null`, so that a reader can tell "nothing" from "an older
//! sender".

mod identity;
mod lamp;
mod level;
mod measurement;
mod occupancy;
mod part_test;
mod refusal;

pub use identity::{
    ChangeAnswer, ChangeKind, ChangeOutcome, ChangeReport, IdentityReport, IdentityStatus, Mode,
    SecretText, SetupRequest, Step,
};
pub use lamp::{
    Asked, BookRequest, BookingAnswer, Cause, IdentifyRequest, LampReport, ReleaseRequest,
    SetLightRequest,
};
pub use level::LevelReport;
pub use measurement::{Calibration, DistanceReport, MeasureRequest, Measurement};
pub use occupancy::{OccupancyReport, Previous};
pub use part_test::{PartReport, TestReport};
pub use refusal::MethodRefusal;

/// The name of the application property that says what a message is about, for routes.
pub const KIND: &str = "kind";
