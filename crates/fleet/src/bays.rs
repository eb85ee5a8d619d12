//! Bays: where they are, what is known of them, and who may use them.
//!
//! - [`state`] derives what a bay is at a moment from what is kept. It is told the time.

pub mod state;
