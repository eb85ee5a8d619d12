//! Settings: writable desired properties, judged one by one and together, put in force, and
//! answered.
//!
//! A module lists its settings in a [`Table`]: name, how to read the value in force, how to write a
//! wish. [`InForce`] does the rest, the same way for every module: it takes what is good, refuses
//! what is not and says why, answers every wish with an
//! [`Acknowledgement`](crate::Acknowledgement), and returns to the start value when a wish is
//! withdrawn.
//!
//! Wishes are plain values, as the Plug and Play convention has it; the older wrapped form
//! `{"value": 5}` is understood too.

mod documented;
mod in_force;
mod value;

pub use documented::{answers, disagreements};
pub use in_force::{Answers, InForce, Memory};
pub use value::{Refusal, number, seconds, text, whole, word, words, yes_or_no};

use serde_json::Value;

/// One setting of a module's settings `S`.
pub struct Setting<S: 'static> {
    /// The property's name in the twin and in the DTDL interface.
    pub name: &'static str,
    /// The value in force, as JSON.
    pub read: fn(&S) -> Value,
    /// Puts a wish into the settings, or leaves them alone and says why. It must accept whatever
    /// `read` returned.
    pub write: fn(&mut S, &Value) -> Result<(), Refusal>,
}

impl<S> std::fmt::Debug for Setting<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setting")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The settings of one module.
pub trait Table: Clone + 'static {
    /// Every setting there is.
    const SETTINGS: &'static [Setting<Self>];

    /// Whether the values agree with one another; each alone was judged by its `write`.
    ///
    /// # Errors
    ///
    /// The settings that disagree, and why.
    fn check(&self) -> Result<(), Clash>;
}

/// Settings that are good alone and bad together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The settings involved.
    pub settings: Vec<&'static str>,
    /// What is wrong, as a clause: "freeWithinMm has to be less than occupiedNearerMm".
    pub reason: String,
}

/// The values of all settings, by name: for the log at start, and for tests.
pub fn snapshot<S: Table>(settings: &S) -> serde_json::Map<String, Value> {
    S::SETTINGS
        .iter()
        .map(|setting| (setting.name.to_owned(), (setting.read)(settings)))
        .collect()
}
