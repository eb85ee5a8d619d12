//! How well the gauge can be read.

/// The last attempts at the gauge, [`Quality::WINDOW`] at most: the newest in the lowest bit, set
/// when it gave a plausible reading.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quality {
    attempts: u128,
    count: u32,
}

impl Quality {
    /// How many attempts are remembered.
    pub const WINDOW: u32 = 100;

    /// Remembers one attempt.
    pub fn record(&mut self, plausible: bool) {
        self.attempts = (self.attempts << 1 | u128::from(plausible)) & ((1 << Self::WINDOW) - 1);
        self.count = (self.count + 1).min(Self::WINDOW);
    }

    /// The share of plausible readings, 0 to 1, to three places; 0 when nothing was tried.
    pub fn share(&self) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        (f64::from(self.attempts.count_ones()) / f64::from(self.count) * 1000.0).round() / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        let mut quality = Quality::default();
        assert_eq!(quality.share(), 0.0);
        quality.record(true);
        assert_eq!(quality.share(), 1.0);
        quality.record(false);
        quality.record(false);
        assert_eq!(quality.share(), 0.333);
    }

    #[test]
    fn old_attempts_are_forgotten() {
        let mut quality = Quality::default();
        (0..1000).for_each(|_| quality.record(false));
        (0..75).for_each(|_| quality.record(true));
        assert_eq!(quality.share(), 0.75);
        (0..100).for_each(|_| quality.record(true));
        assert_eq!(quality.share(), 1.0);
    }
}
