//! Who is signed in, and until when.
//!
//! Ends by sign-out, by idle time, and when more people sign in than a car park has installers. Nothing is kept over a
//! restart: sessions are numbers, and what makes a number a cookie is a secret of the process ([`super::seal`]).

use std::time::Duration;

use tokio::time::Instant;

use super::draft::Draft;
use super::pages::Notice;

/// More sessions than this, and the one unused for longest makes room.
const MOST: usize = 16;

/// The open sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    idle: Duration,
    open: Vec<Session>,
}

#[derive(Debug)]
struct Session {
    number: u64,
    used: Instant,
    draft: Draft,
    /// What the next page says first.
    notice: Option<Notice>,
}

impl Sessions {
    pub(super) fn new(idle: Duration) -> Self {
        let open = Vec::new();
        Self { idle, open }
    }

    pub(super) fn open(&mut self, number: u64, now: Instant) {
        self.expire(now);
        if self.open.len() >= MOST {
            let oldest = self.open.iter().enumerate().min_by_key(|(_, s)| s.used);
            let oldest = oldest.map_or(0, |(at, _)| at);
            self.open.swap_remove(oldest);
        }
        self.open.push(Session {
            number,
            used: now,
            draft: Draft::default(),
            notice: None,
        });
    }

    /// Whether the session goes on; asking is not using it.
    pub(super) fn is_open(&mut self, number: u64, now: Instant) -> bool {
        self.find(number, now).is_some()
    }

    /// Begins the idle time anew. False when there is no such session.
    pub(super) fn touch(&mut self, number: u64, now: Instant) -> bool {
        let session = self.find(number, now);
        session.map(|session| session.used = now).is_some()
    }

    pub(super) fn close(&mut self, number: u64) {
        self.open.retain(|session| session.number != number);
    }

    /// What the visitor has entered so far.
    pub(super) fn draft(&mut self, number: u64, now: Instant) -> Option<&mut Draft> {
        Some(&mut self.find(number, now)?.draft)
    }

    pub(super) fn notify(&mut self, number: u64, notice: Notice, now: Instant) {
        if let Some(session) = self.find(number, now) {
            session.notice = Some(notice);
        }
    }

    /// What the next page says first; once.
    pub(super) fn take_notice(&mut self, number: u64, now: Instant) -> Option<Notice> {
        self.find(number, now)?.notice.take()
    }

    fn find(&mut self, number: u64, now: Instant) -> Option<&mut Session> {
        self.expire(now);
        self.open.iter_mut().find(|s| s.number == number)
    }

    fn expire(&mut self, now: Instant) {
        let idle = self.idle;
        self.open
            .retain(|session| now.saturating_duration_since(session.used) < idle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(900);

    #[test]
    fn a_session_ends_by_idle_time_and_lives_by_use() {
        let mut now = Instant::now();
        let mut sessions = Sessions::new(IDLE);
        sessions.open(7, now);
        for _ in 0..10 {
            now += IDLE - Duration::from_millis(1);
            assert!(sessions.touch(7, now));
        }
        now += IDLE - Duration::from_millis(1);
        assert!(sessions.is_open(7, now));
        now += Duration::from_millis(1);
        assert!(!sessions.is_open(7, now), "looking must not keep it open");
        assert!(!sessions.touch(7, now));
    }

    #[test]
    fn the_one_unused_for_longest_makes_room() {
        let mut now = Instant::now();
        let mut sessions = Sessions::new(IDLE);
        for number in 0..MOST as u64 {
            now += Duration::from_secs(1);
            sessions.open(number, now);
        }
        assert!(sessions.touch(0, now + Duration::from_secs(1)));
        sessions.open(99, now + Duration::from_secs(2));
        let open = |number| sessions.open.iter().any(|s| s.number == number);
        assert!(open(0) && open(99) && !open(1) && open(2));
    }

    #[test]
    fn a_closed_session_forgets_what_was_entered() {
        let now = Instant::now();
        let mut sessions = Sessions::new(IDLE);
        sessions.open(1, now);
        sessions.draft(1, now).expect("a draft").id_scope = "0ne1".into();
        assert!(sessions.draft(2, now).is_none());
        sessions.close(1);
        sessions.open(1, now);
        assert_eq!(sessions.draft(1, now), Some(&mut Draft::default()));
    }
}
