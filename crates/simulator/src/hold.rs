//! How long somebody holds a message that was handed out: the lock of a peek-lock queue. Told the time.
//!
//! Kept in memory only: whoever held a message before a restart has lost its connection, and gets it again.

use std::time::Duration;

use uuid::Uuid;

/// What the hub gives a receiver to settle a message: `lockDurationAsIso8601`, one minute unless it is set.
pub(crate) const LOCK: Duration = Duration::from_secs(60);
/// How often a message is handed out before it is given up: `maxDeliveryCount`, 10 unless it is set.
pub(crate) const MAX_DELIVERIES: u32 = 10;

/// Who holds one message, and how often it was handed out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hold {
    deliveries: u32,
    lock: Option<Lock>,
}

#[derive(Debug, Clone, Copy)]
struct Lock {
    token: Uuid,
    until_ms: i64,
}

impl Hold {
    /// How often the message was handed out, this time included.
    pub(crate) fn deliveries(&self) -> u32 {
        self.deliveries
    }

    /// Whether somebody holds it now.
    pub(crate) fn is_held(&self, now_ms: i64) -> bool {
        self.lock.is_some_and(|lock| now_ms < lock.until_ms)
    }

    /// Whether `token` holds it now.
    pub(crate) fn is_held_by(&self, token: Uuid, now_ms: i64) -> bool {
        self.is_held(now_ms) && self.lock.is_some_and(|lock| lock.token == token)
    }

    /// Hands it out: from here on `token` holds it.
    pub(crate) fn take(&mut self, token: Uuid, now_ms: i64) {
        let until_ms = now_ms.saturating_add(LOCK.as_millis() as i64);
        self.deliveries += 1;
        self.lock = Some(Lock { token, until_ms });
    }

    /// Gives it back, to be handed out again.
    pub(crate) fn release(&mut self) {
        self.lock = None;
    }

    /// Gives it back if its time is over; says whether that was so.
    pub(crate) fn lapse(&mut self, now_ms: i64) -> bool {
        self.lock.take_if(|lock| now_ms >= lock.until_ms).is_some()
    }

    /// Whether it was handed out as often as it may be, and nobody holds it.
    pub(crate) fn is_spent(&self, now_ms: i64) -> bool {
        self.deliveries >= MAX_DELIVERIES && !self.is_held(now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_by_itself() {
        let (token, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut hold = Hold::default();
        hold.take(token, 1000);
        assert!(hold.is_held_by(token, 60_999));
        assert!(!hold.is_held_by(other, 1000));
        assert!(!hold.is_held(61_000));
        assert!(!hold.lapse(60_999));
        assert!(hold.lapse(61_000));
        assert!(!hold.lapse(61_000));
    }

    #[test]
    fn a_message_is_handed_out_ten_times() {
        let mut hold = Hold::default();
        for delivery in 1..=MAX_DELIVERIES {
            assert!(!hold.is_spent(0));
            hold.take(Uuid::from_u128(1), 0);
            assert_eq!(hold.deliveries(), delivery);
            assert!(!hold.is_spent(0), "it is held");
            hold.release();
        }
        assert!(hold.is_spent(0));
    }
}
