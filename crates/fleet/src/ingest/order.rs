//! Whether a message is news, was here before, or comes behind a newer one.

use super::reading::Reading;

/// The newest message of a module so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Newest {
    pub(super) message_id: Option<String>,
    /// The highest number that the module gave; 0 where it gives none.
    pub(super) sequence: i64,
    /// When it was made.
    pub(super) at: i64,
}

/// What is to be made of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Newer than all before.
    News,
    /// Older than what is known: a part of the history, but not of the state.
    Late,
    /// Here before.
    Repeated,
}

/// Judges by the module's own number where it gives one, else by when the message was made.
///
/// A lower number in a newer message is one of a module that lost its count: its card was written anew.
pub(super) fn judge(newest: Option<&Newest>, reading: &Reading) -> Standing {
    let Some(newest) = newest else {
        return Standing::News;
    };
    if reading.message_id.is_some() && reading.message_id == newest.message_id {
        return Standing::Repeated;
    }
    match reading.sequence {
        Some(sequence) if sequence > newest.sequence => Standing::News,
        Some(sequence) if reading.at > newest.at && sequence < newest.sequence => Standing::News,
        Some(sequence) if sequence == newest.sequence => Standing::Repeated,
        Some(_) => Standing::Late,
        None if reading.at < newest.at => Standing::Late,
        None => Standing::News,
    }
}

/// What the newest message is after this one.
pub(super) fn after(newest: Option<&Newest>, reading: &Reading) -> Newest {
    // A message without a number says nothing about those that have one.
    let known = newest.map_or(0, |newest| newest.sequence);
    Newest {
        message_id: reading.message_id.clone(),
        sequence: reading.sequence.unwrap_or(known),
        at: reading.at,
    }
}

#[cfg(test)]
mod tests {
    use super::super::reading::Said;
    use super::*;

    fn reading(id: &str, sequence: Option<i64>, at: i64) -> Reading {
        Reading {
            device: "bay-01".into(),
            module: "hc-sr04".into(),
            message_id: (!id.is_empty()).then(|| id.to_owned()),
            sequence,
            at,
            heard_at: at,
            said: Said::Something,
        }
    }

    #[test]
    fn every_standing() {
        let newest = after(None, &reading("b", Some(10), 1_000));
        for (id, sequence, at, expected) in [
            ("c", Some(11), 2_000, Standing::News),
            // Its clock went back, its number did not.
            ("c", Some(11), 500, Standing::News),
            ("b", Some(10), 1_000, Standing::Repeated),
            // Sent again under another id.
            ("c", Some(10), 1_000, Standing::Repeated),
            ("a", Some(9), 900, Standing::Late),
            ("a", Some(9), 1_000, Standing::Late),
            ("c", Some(1), 5_000, Standing::News),
            ("b", None, 1_000, Standing::Repeated),
            ("a", None, 900, Standing::Late),
            ("c", None, 1_000, Standing::News),
            ("", None, 1_001, Standing::News),
        ] {
            let found = judge(Some(&newest), &reading(id, sequence, at));
            assert_eq!(found, expected, "{id} {sequence:?} {at}");
        }
        assert_eq!(judge(None, &reading("a", Some(0), 0)), Standing::News);
    }

    #[test]
    fn a_message_without_a_number_keeps_the_count() {
        let newest = after(None, &reading("a", Some(10), 1_000));
        let newest = after(Some(&newest), &reading("b", None, 2_000));
        assert_eq!(newest.sequence, 10);
        let again = reading("c", Some(10), 1_000);
        assert_eq!(judge(Some(&newest), &again), Standing::Repeated);
    }
}
