//! A board that exists only on a desk.
//!
//! # The wire between a port and the simulated board
//!
//! A Unix stream socket; each side writes one JSON object a line, and every request has one answer,
//! in order. A port may hang up at any time; a board that was restarted is simply connected again.
//!
//! | Request | Answer |
//! |---|---|
//! | `{"do":"measure"}` | `{"echo":"returned","roundTripNs":13994169}`, `{"echo":"none"}` or `{"echo":"stuck"}` |
//! | `{"do":"setLamp","red":255,"green":0,"blue":0}` | `{"lamp":"set"}` |
//! | `{"do":"readGauge"}` | `{"voltageMv":7420,"currentMa":-310,"chargePercent":87,"minutesToEmpty":412}` |
//! | `{"do":"readThermometer"}` | `{"celsius":18.5}` |
//!
//! A part that cannot answer says why: `{"fault":"the ranger does not answer: is its cable cut?"}`.
//! So does the board, to a request it does not understand.

mod line;
mod wire;

pub(crate) use line::Line;
