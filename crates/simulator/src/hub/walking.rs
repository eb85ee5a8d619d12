//! The registry's devices, gone through a slice of time at a time: there may be very many, and the hub waits meanwhile.
//!
//! Whoever goes through them gives way between two slices ([`Hub::give_way`](super::Hub::give_way)). What was there
//! when they began, and stays, is seen once; what changes meanwhile may be seen as it was before or after.

use std::ops::{Bound, ControlFlow, RangeBounds};
use std::time::{Duration, Instant};

use query::Query;

use super::Core;
use crate::registry::Device;

/// How long one may look at devices before others have their turn.
const SLICE: Duration = Duration::from_micros(500);
/// Devices between two looks at the clock.
pub(super) const STRIDE: usize = 16;

impl Core {
    /// Shows devices from a place on, in the order of their ids, for a slice of time. Returns the last one that was
    /// seen, or nothing when there are no more or no more are wanted. Those that a condition rules out by their ids are
    /// passed by.
    pub(super) fn walk<'c>(
        &'c self,
        condition: Option<&'c Query>,
        from: Bound<&'c str>,
        mut see: impl FnMut(&'c str, &'c Device) -> ControlFlow<()>,
    ) -> Option<String> {
        let begun = Instant::now();
        for (looked, (id, device)) in self.devices_of(condition, from).enumerate() {
            if see(id, device).is_break() {
                return None;
            }
            if looked % STRIDE == STRIDE - 1 && begun.elapsed() > SLICE {
                return Some(id.to_owned());
            }
        }
        None
    }

    fn devices_of<'c>(
        &'c self,
        condition: Option<&'c Query>,
        from: Bound<&'c str>,
    ) -> Box<dyn Iterator<Item = (&'c str, &'c Device)> + 'c> {
        let devices = &self.registry.devices;
        let range = (from, Bound::Unbounded);
        match condition.and_then(|condition| condition.values_of("deviceId")) {
            Some(ids) => Box::new(
                ids.into_iter()
                    .filter(move |id| RangeBounds::<str>::contains(&range, *id))
                    .filter_map(|id| devices.get(id).map(|device| (id, &**device))),
            ),
            None => {
                let devices = devices.range::<str, _>(range);
                Box::new(devices.map(|(id, device)| (id.as_str(), &**device)))
            }
        }
    }
}

/// Where to go on behind a device that was seen, or where to begin.
pub(super) fn behind(seen: Option<&str>) -> Bound<&str> {
    seen.map_or(Bound::Unbounded, Bound::Excluded)
}
