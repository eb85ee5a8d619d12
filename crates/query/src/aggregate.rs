//! What groups are summed up to.
//!
//! A document in which the property is not there does not count. One in which it is no number spoils a sum or a mean,
//! and an object or array every aggregate: there is then no result, and the result's document does not hold it.

use std::cmp::Ordering;

use serde_json::Value as Json;

use crate::number;
use crate::value::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Count,
    Average,
    Sum,
    Least,
    Greatest,
}

/// An aggregate on its way through the documents.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    count: usize,
    sum: f64,
    extreme: Option<Json>,
    spoilt: bool,
}

impl Aggregate {
    /// By its name, in any case.
    pub(crate) fn find(name: &str) -> Option<Self> {
        const NAMES: [(&str, Aggregate); 5] = [
            ("COUNT", Aggregate::Count),
            ("AVG", Aggregate::Average),
            ("SUM", Aggregate::Sum),
            ("MIN", Aggregate::Least),
            ("MAX", Aggregate::Greatest),
        ];
        NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, aggregate)| *aggregate)
    }

    pub(crate) fn add(self, tally: &mut Tally, value: &Value<'_>) {
        match (self, value) {
            (Self::Count, _) => tally.count += 1,
            (_, Value::Undefined) => {}
            (Self::Average | Self::Sum, Value::Number(number)) => {
                tally.count += 1;
                tally.sum += number;
            }
            (Self::Least, value) if value.is_primitive() => tally.keep(value, Ordering::Less),
            (Self::Greatest, value) if value.is_primitive() => tally.keep(value, Ordering::Greater),
            _ => tally.spoilt = true,
        }
    }

    /// The result, or none when it is undefined.
    pub(crate) fn result(self, tally: Tally) -> Option<Json> {
        if tally.spoilt {
            return None;
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "nobody counts as many documents as a double has exact integers"
        )]
        let count = tally.count as f64;
        match self {
            Self::Count => Some(Json::from(tally.count)),
            Self::Average | Self::Sum if tally.count == 0 => None,
            Self::Average => number::to_json(tally.sum / count),
            Self::Sum => number::to_json(tally.sum),
            Self::Least | Self::Greatest => tally.extreme,
        }
    }
}

impl Tally {
    /// Keeps the first of the values for which every other is on the wrong side.
    fn keep(&mut self, value: &Value<'_>, wanted: Ordering) {
        let better = self
            .extreme
            .as_ref()
            .is_none_or(|kept| value.sort_order(&Value::of_json(kept)) == wanted);
        if better {
            self.extreme = value.to_json();
        }
    }
}
