//! How often anybody may ask at all: a pure count of what happened when, told the time. It guards this instance, so it
//! is this instance's own; guesses at secrets are counted for all, in `people::guesses`.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::problem::Problem;

/// Requests of one address: so many at once, and so many a second from then on.
const AT_ONCE: f64 = 2000.0;
const A_SECOND: f64 = 500.0;
/// Whom to remember at most: an attacker with many addresses must not fill the memory.
const REMEMBERED: usize = 20_000;

/// Counts for this instance of the service.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    requests: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: i64,
}

impl Limits {
    /// Counts a request.
    pub(super) fn request(&self, address: IpAddr, now: i64) -> Result<(), Problem> {
        let mut buckets = locked(&self.requests);
        let full_after_ms = (AT_ONCE / A_SECOND * 1000.0) as i64;
        make_room(&mut buckets, |bucket| now - bucket.at > full_after_ms);
        let full = Bucket {
            left: AT_ONCE,
            at: now,
        };
        let bucket = buckets.entry(network(address)).or_insert(full);
        let since = (now - bucket.at).max(0) as f64 / 1000.0;
        bucket.left = (bucket.left + since * A_SECOND).min(AT_ONCE);
        bucket.at = now;
        if bucket.left < 1.0 {
            let wait = (1.0 - bucket.left) / A_SECOND;
            return Err(Problem::too_often(Duration::from_secs_f64(wait)));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

/// Whoever has one IPv6 address has its whole /64.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => IpAddr::V4(four),
            None => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() >> 64 << 64)),
        },
        four @ IpAddr::V4(_) => four,
    }
}

/// Forgets what is over when there are too many; when that does not help, everybody, so that a flood costs no more than
/// the counts.
fn make_room<K: Hash + Eq, V>(all: &mut HashMap<K, V>, is_over: impl Fn(&V) -> bool) {
    if all.len() >= REMEMBERED {
        all.retain(|_, value| !is_over(value));
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.shrink_to(REMEMBERED / 16);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Counts are whole between two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn wait_of(result: Result<(), Problem>) -> u64 {
        let problem = result.expect_err("too often");
        assert_eq!(problem.status, 429);
        problem.retry_after.expect("a time").as_millis() as u64
    }

    #[test]
    fn requests_come_in_bursts_and_then_at_a_pace() {
        let limits = Limits::default();
        let from = address("10.0.0.1");
        for _ in 0..2000 {
            limits.request(from, 0).expect("the burst");
        }
        wait_of(limits.request(from, 0));
        limits.request(address("10.0.0.2"), 0).expect("another");
        for _ in 0..500 {
            limits.request(from, 1000).expect("a second's worth");
        }
        wait_of(limits.request(from, 1000));
    }

    #[test]
    fn a_flood_of_addresses_fills_no_memory() {
        let limits = Limits::default();
        for number in 0..60_000_u32 {
            let from = IpAddr::from(number.to_be_bytes());
            let _ = limits.request(from, 0);
        }
        assert!(locked(&limits.requests).len() <= REMEMBERED);
    }
}
