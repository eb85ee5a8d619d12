//! Who came and who left, numbered and lately: for those who ask whether somebody did since.
//!
//! In memory only: a connection does not outlive the process either.

use std::collections::VecDeque;

use hub_proto::identity::Identity;
use jiff::Timestamp;

/// How many are remembered.
const KEPT: usize = 1024;

/// What one client did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Coming {
    Came,
    /// And why its connection ended.
    Left(String),
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Noted {
    pub(super) number: u64,
    pub(super) at: Timestamp,
    pub(super) who: Identity,
    pub(super) what: Coming,
}

/// The newest, oldest first. Numbers begin at 1 and never come again.
#[derive(Debug, Default)]
pub(super) struct Comings {
    noted: u64,
    newest: VecDeque<Noted>,
}

impl Comings {
    pub(super) fn note(&mut self, who: &Identity, what: Coming) {
        self.noted += 1;
        if self.newest.len() == KEPT {
            self.newest.pop_front();
        }
        self.newest.push_back(Noted {
            number: self.noted,
            at: Timestamp::now(),
            who: who.clone(),
            what,
        });
    }

    /// The number the next one gets.
    pub(super) fn next(&self) -> u64 {
        self.noted + 1
    }

    /// Those from `number` on; nothing when some of them are forgotten, or the number is of a process before this one.
    pub(super) fn since(&self, number: u64) -> Option<impl Iterator<Item = &Noted>> {
        let oldest = self
            .newest
            .front()
            .map_or(self.next(), |noted| noted.number);
        let all = (oldest..=self.next()).contains(&number);
        all.then(|| {
            self.newest
                .iter()
                .skip_while(move |noted| noted.number < number)
        })
    }

    /// The newest of one client.
    pub(super) fn last_of(&self, who: &Identity) -> Option<&Noted> {
        self.newest.iter().rev().find(|noted| noted.who == *who)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_is_not_passed_over_in_silence() {
        let mut comings = Comings::default();
        let who = Identity::device("pump7").expect("an id");
        for _ in 0..=KEPT {
            comings.note(&who, Coming::Came);
        }
        assert!(comings.since(1).is_none());
        assert_eq!(comings.since(2).map(Iterator::count), Some(KEPT));
        let next = comings.next();
        assert_eq!(comings.since(next).map(Iterator::count), Some(0));
        assert!(
            comings.since(next + 1).is_none(),
            "it is of a process before this one"
        );
    }
}
