//! The newest entries: so many of each identity, so many bytes of all.

use std::collections::{BTreeMap, VecDeque};

use hub_proto::identity::Identity;

/// What an entry costs beside what it says: its number, its name, and their places.
const OVERHEAD: usize = 256;

/// Whom an entry is about; nobody, when the client gave no name that could be an identity's.
pub(super) type About = Option<Identity>;

#[derive(Debug)]
pub(super) struct Ring<T> {
    entries: BTreeMap<u64, Entry<T>>,
    of: BTreeMap<About, VecDeque<u64>>,
    next: u64,
    bytes: usize,
    most_bytes: usize,
    most_of_each: usize,
}

#[derive(Debug)]
struct Entry<T> {
    about: About,
    bytes: usize,
    value: T,
}

impl<T> Ring<T> {
    pub(super) fn new(most_bytes: usize, most_of_each: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            of: BTreeMap::new(),
            next: 0,
            bytes: 0,
            most_bytes,
            most_of_each,
        }
    }

    /// Keeps an entry whose texts take so many bytes, and forgets what is then too much: the identity's own oldest
    /// first, so that one that does not rest leaves room to the others.
    pub(super) fn push(&mut self, about: About, bytes: usize, value: T) {
        let bytes = bytes + OVERHEAD;
        let own = self.of.entry(about.clone()).or_default();
        own.push_back(self.next);
        let surplus = (own.len() > self.most_of_each)
            .then(|| own.pop_front())
            .flatten();
        self.bytes += bytes;
        let entry = Entry {
            about,
            bytes,
            value,
        };
        self.entries.insert(self.next, entry);
        self.next += 1;
        if let Some(gone) = surplus.and_then(|number| self.entries.remove(&number)) {
            self.bytes -= gone.bytes;
        }
        while self.bytes > self.most_bytes && self.entries.len() > 1 {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((_, gone)) = self.entries.pop_first() else {
            return;
        };
        self.bytes -= gone.bytes;
        if let Some(own) = self.of.get_mut(&gone.about) {
            own.pop_front();
            if own.is_empty() {
                self.of.remove(&gone.about);
            }
        }
    }

    /// The newest entry about somebody.
    pub(super) fn newest_mut(&mut self, about: &About) -> Option<&mut T> {
        let newest = self.of.get(about)?.back()?;
        let entry = self.entries.get_mut(newest)?;
        Some(&mut entry.value)
    }

    /// Everything about one, newest first.
    pub(super) fn about(&self, about: &About) -> impl Iterator<Item = &T> {
        let numbers = self.of.get(about).into_iter().flatten().rev();
        numbers.filter_map(|number| Some(&self.entries.get(number)?.value))
    }

    /// Everything about a device and its modules, newest first.
    pub(super) fn of_device(&self, device: &Identity) -> Vec<(&About, &T)> {
        let mut numbers: Vec<u64> = self
            .of
            .range(Some(device.clone())..)
            .take_while(|(about, _)| {
                about
                    .as_ref()
                    .is_some_and(|about| about.device_id() == device.device_id())
            })
            .flat_map(|(_, numbers)| numbers.iter().copied())
            .collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        numbers
            .iter()
            .filter_map(|number| self.entries.get(number))
            .map(|entry| (&entry.about, &entry.value))
            .collect()
    }

    /// Everything, newest first.
    pub(super) fn all(&self) -> impl Iterator<Item = (&About, &T)> {
        self.entries
            .values()
            .rev()
            .map(|entry| (&entry.about, &entry.value))
    }

    /// Forgets one, and with a device its modules.
    pub(super) fn forget(&mut self, gone: &Identity) {
        let names: Vec<About> = self
            .of
            .range(Some(gone.clone())..)
            .map(|(about, _)| about)
            .take_while(|about| {
                about.as_ref().is_some_and(|about| {
                    about == gone || (gone.module_id().is_none() && about.parent() == *gone)
                })
            })
            .cloned()
            .collect();
        for name in names {
            for number in self.of.remove(&name).unwrap_or_default() {
                if let Some(entry) = self.entries.remove(&number) {
                    self.bytes -= entry.bytes;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> About {
        name.parse().ok()
    }

    #[test]
    fn one_that_does_not_rest_leaves_room_to_the_others() {
        let mut ring = Ring::new(usize::MAX, 3);
        ring.push(of("quiet"), 1, 0);
        for n in 1..100 {
            ring.push(of("loud"), 1, n);
        }
        assert_eq!(
            ring.about(&of("loud")).copied().collect::<Vec<_>>(),
            [99, 98, 97]
        );
        assert_eq!(ring.about(&of("quiet")).copied().collect::<Vec<_>>(), [0]);
        assert_eq!(ring.all().count(), 4);
    }

    #[test]
    fn memory_is_bounded_whatever_strangers_call_themselves() {
        let mut ring = Ring::new(50 * OVERHEAD, 10);
        for n in 0..10_000 {
            ring.push(of(&format!("stranger{n}")), 0, n);
        }
        assert_eq!((ring.entries.len(), ring.of.len()), (50, 50));
        assert_eq!(ring.bytes, 50 * OVERHEAD);
        ring.push(of("long"), 1 << 30, 0);
        assert_eq!(ring.entries.len(), 1, "the newest stays, however long");
    }

    #[test]
    fn a_device_is_forgotten_with_its_modules_and_nobody_else() {
        let mut ring = Ring::new(usize::MAX, 9);
        for name in ["d", "d/a", "d/b", "d2", "c"] {
            ring.push(of(name), 0, name);
        }
        ring.push(None, 0, "nobody");
        let device = Identity::device("d").expect("an id");
        let found: Vec<_> = ring
            .of_device(&device)
            .iter()
            .map(|(_, name)| **name)
            .collect();
        assert_eq!(found, ["d/b", "d/a", "d"]);
        ring.forget(&Identity::module("d", "a").expect("ids"));
        assert_eq!(ring.about(&of("d")).count(), 1);
        ring.forget(&device);
        let left: Vec<_> = ring.all().map(|(_, name)| *name).collect();
        assert_eq!(left, ["nobody", "c", "d2"]);
        assert_eq!(ring.bytes, 3 * OVERHEAD);
    }
}
