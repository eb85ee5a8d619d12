//! What was, for the person who asks why: who came, went and was refused, and how each twin became what it is.
//!
//! In memory only, and bounded: so much of each identity, so much of all. An identity that nothing happens to costs
//! nothing. It is *not* what the hub decides by: forgetting all of it changes nothing but what can be looked up.
//!
//! **Invariant:** no key and no token is ever in it.

mod cause;
mod connections;
mod revisions;
mod ring;

pub(crate) use cause::{Cause, lasted};
pub(crate) use connections::ConnectionLog;
pub use connections::{ConnectionEvent, ConnectionState};
pub(crate) use revisions::TwinHistory;
pub use revisions::{PropertyChange, Revision, RevisionSection, TwinRevisions};
