//! How often anybody may ask: a pure count of what happened when, told the time.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::problem::Problem;

/// Requests of one address: so many at once, and so many a second from then on.
const AT_ONCE: f64 = 2000.0;
const A_SECOND: f64 = 500.0;
/// Failures that cost nothing: everybody mistypes. An office may share its address.
const FREE_OF_ACCOUNT: u32 = 5;
const FREE_OF_ADDRESS: u32 = 20;
/// From there on each costs twice the wait of the one before, up to this.
const FIRST_WAIT_MS: i64 = 2000;
const LONGEST_WAIT_MS: i64 = 15 * 60 * 1000;
/// After so long without a failure it is forgotten.
const FORGOTTEN_AFTER_MS: i64 = 60 * 60 * 1000;
/// Whom to remember at most: an attacker with many addresses must not fill the memory.
const REMEMBERED: usize = 20_000;

/// Counts for this instance of the service.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    requests: Mutex<HashMap<IpAddr, Bucket>>,
    accounts: Mutex<HashMap<String, Failures>>,
    addresses: Mutex<HashMap<IpAddr, Failures>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: i64,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    at: i64,
    /// Nothing is tried before.
    until: i64,
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

    /// Whether a secret may be tried now. It counts as failed until [`Limits::succeeded`]: a thousand at once are a
    /// thousand tries.
    pub(crate) fn try_secret(
        &self,
        address: IpAddr,
        account: &str,
        now: i64,
    ) -> Result<(), Problem> {
        let address = network(address);
        let account = account.trim().to_lowercase();
        let (mut accounts, mut addresses) = (locked(&self.accounts), locked(&self.addresses));
        let wait = wait(&accounts, &account, now).max(wait(&addresses, &address, now));
        if wait > 0 {
            let wait = Duration::from_millis(wait.unsigned_abs());
            return Err(Problem::too_often(wait));
        }
        fail(&mut accounts, account, FREE_OF_ACCOUNT, now);
        fail(&mut addresses, address, FREE_OF_ADDRESS, now);
        Ok(())
    }

    /// Takes back what [`Limits::try_secret`] counted. The account is clean; of the address only this one try is
    /// forgotten, so that nobody covers guesses at others by signing in at their own account.
    pub(crate) fn succeeded(&self, address: IpAddr, account: &str) {
        locked(&self.accounts).remove(&account.trim().to_lowercase());
        let mut addresses = locked(&self.addresses);
        if let Some(failures) = addresses.get_mut(&network(address)) {
            failures.count = failures.count.saturating_sub(1);
            failures.until = failures.at;
        }
    }
}

/// Whoever has one IPv6 address has its whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => IpAddr::V4(four),
            None => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() >> 64 << 64)),
        },
        four @ IpAddr::V4(_) => four,
    }
}

fn wait<K: Hash + Eq>(all: &HashMap<K, Failures>, key: &K, now: i64) -> i64 {
    all.get(key).map_or(0, |failures| failures.until - now)
}

fn fail<K: Hash + Eq>(all: &mut HashMap<K, Failures>, key: K, free: u32, now: i64) {
    make_room(all, |failures| now - failures.at > FORGOTTEN_AFTER_MS);
    let none = Failures {
        count: 0,
        at: now,
        until: now,
    };
    let failures = all.entry(key).or_insert(none);
    if now - failures.at > FORGOTTEN_AFTER_MS {
        *failures = none;
    }
    failures.count += 1;
    failures.at = now;
    if failures.count >= free {
        let doublings = (failures.count - free).min(20);
        failures.until = now + (FIRST_WAIT_MS << doublings).min(LONGEST_WAIT_MS);
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
    fn guessing_at_one_account_waits_longer_each_time_from_wherever_it_is_done() {
        let limits = Limits::default();
        let mut now = 1_000_000;
        for guess in 0..5 {
            let from = address(&format!("10.0.0.{guess}"));
            limits
                .try_secret(from, "A@town.example", now)
                .expect("a free try");
        }
        let mut waits = Vec::new();
        for guess in 0..12 {
            let from = address(&format!("10.0.1.{guess}"));
            let wait = wait_of(limits.try_secret(from, "a@TOWN.example ", now));
            waits.push(wait);
            now += wait as i64;
            limits
                .try_secret(from, "a@town.example", now)
                .expect("waited");
        }
        assert_eq!(waits[..4], [2000, 4000, 8000, 16000]);
        assert_eq!(waits[11], 900_000);
        let own = address("10.9.9.9");
        limits
            .try_secret(own, "b@town.example", now)
            .expect("another account");
        let later = now + FORGOTTEN_AFTER_MS + LONGEST_WAIT_MS + 1;
        limits
            .try_secret(own, "a@town.example", later)
            .expect("forgotten");
        limits
            .try_secret(own, "a@town.example", later)
            .expect("free again");
    }

    #[test]
    fn guessing_at_many_accounts_from_one_network_waits_too() {
        let limits = Limits::default();
        for guess in 0..20 {
            let from = address(&format!("2001:db8::{guess:x}"));
            limits
                .try_secret(from, &format!("{guess}@town.example"), 0)
                .expect("a free try");
        }
        let from = address("2001:db8::ffff");
        assert_eq!(
            wait_of(limits.try_secret(from, "new@town.example", 0)),
            2000
        );
        limits
            .try_secret(address("2001:db8:0:1::1"), "new@town.example", 0)
            .expect("another network");
    }

    #[test]
    fn signing_in_costs_nothing_and_hides_nothing() {
        let limits = Limits::default();
        let from = address("10.0.0.1");
        for _ in 0..100 {
            limits.try_secret(from, "own", 0).expect("the right one");
            limits.succeeded(from, "own");
        }
        for guess in 0..19 {
            limits
                .try_secret(from, &format!("{guess}"), 0)
                .expect("a free try");
            limits.try_secret(from, "own", 0).expect("the right one");
            limits.succeeded(from, "own");
        }
        limits.try_secret(from, "one more", 0).expect("the last");
        wait_of(limits.try_secret(from, "and more", 0));
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
