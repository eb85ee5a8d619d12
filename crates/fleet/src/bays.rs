//! Bays: where they are, what is known of them, and who may use them.
//!
//! - [`state`] derives what a bay is at a moment from what is kept. It is told the time.
//! - [`bay`] is how they are kept, [`lot`] all of them in memory.
//! - [`adopt`] makes a bay of every device that comes into a project.

pub mod adopt;
pub mod bay;
pub mod lot;
pub mod state;
#[cfg(test)]
pub(crate) mod testing;
