//! What stored configurations mean for one twin: which of them count, and what they make of its desired properties.
//!
//! Pure: no clock, no registry. The hub (`hub/assigning.rs`) says which conditions a twin fulfils and carries out what
//! follows.

mod layers;
mod targets;

pub(crate) use layers::{Layers, parts, path_of, set, stack, unset};
pub(crate) use targets::{Kind, Ranking, Target, Whom};
