use std::time::Duration;

/// How long to wait before restarting a module that ended, and when to give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Delay that is doubled with every restart in a row.
    pub unit: Duration,
    /// No delay is longer than this.
    pub longest: Duration,
    /// Whether the first restart in a row comes at once, before doubling starts.
    pub first_at_once: bool,
    /// After this many restarts in a row the module has failed. `None`: never give up.
    pub max_restarts: Option<u32>,
    /// A module that ran this long is taken to be well: earlier restarts no longer count.
    pub healthy_after: Duration,
}

impl Backoff {
    /// edgeAgent's own figures: 10 s, 20 s, 40 s … up to 5 min, 20 restarts, forgiven after 10 min.
    pub const EDGE_AGENT: Self = Self {
        unit: Duration::from_secs(10),
        longest: Duration::from_secs(300),
        first_at_once: false,
        max_restarts: Some(20),
        healthy_after: Duration::from_secs(600),
    };

    /// For a desk, where a person waits and nothing is worn out by trying: at once, then 200 ms, 400 ms … up to
    /// 10 s, without end, forgiven after 10 s.
    pub const DESK: Self = Self {
        unit: Duration::from_millis(200),
        longest: Duration::from_secs(10),
        first_at_once: true,
        max_restarts: None,
        healthy_after: Duration::from_secs(10),
    };

    /// The wait before the next restart after `restarts` in a row, or `None` when there have been enough.
    pub fn delay(&self, restarts: u32) -> Option<Duration> {
        if self.max_restarts.is_some_and(|max| restarts >= max) {
            return None;
        }
        if self.first_at_once && restarts == 0 {
            return Some(Duration::ZERO);
        }
        let doublings = restarts - u32::from(self.first_at_once);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        Some(self.unit.saturating_mul(factor).min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(backoff: Backoff, count: u32) -> Vec<Option<u128>> {
        (0..count)
            .map(|n| backoff.delay(n).map(|delay| delay.as_millis()))
            .collect()
    }

    #[test]
    fn edge_agent_doubles_from_ten_seconds_and_gives_up_after_twenty() {
        let seconds: Vec<_> = delays(Backoff::EDGE_AGENT, 22)
            .into_iter()
            .map(|delay| delay.map(|ms| ms / 1000))
            .collect();
        assert_eq!(
            seconds[..7],
            [
                Some(10),
                Some(20),
                Some(40),
                Some(80),
                Some(160),
                Some(300),
                Some(300)
            ]
        );
        assert_eq!(seconds[19..], [Some(300), None, None]);
    }

    #[test]
    fn a_desk_restarts_at_once_then_doubles_and_never_gives_up() {
        assert_eq!(
            delays(Backoff::DESK, 8),
            [0, 200, 400, 800, 1600, 3200, 6400, 10_000].map(Some)
        );
        assert_eq!(Backoff::DESK.delay(u32::MAX), Some(Duration::from_secs(10)));
    }
}
