//! The bursts, one after the other, for as long as the module runs.

use std::time::Duration;

use bay::Moment;
use board::{BoardError, Echo, Ranger, Thermometer};
use module::Clock;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{debug, info, warn};

/// Late reflections of one burst are taken for the echo of the next one before this has passed
/// (HC-SR04 data sheet, page 2).
pub const SHORTEST_PAUSE: Duration = Duration::from_millis(60);

/// Air changes its temperature slowly, and a thermometer that is not there will not be there at
/// once.
const BETWEEN_TEMPERATURES: Duration = Duration::from_secs(10);
const AFTER_NO_TEMPERATURE: Duration = Duration::from_secs(60);

/// Sends bursts at a pace, in a task of its own that ends with this.
#[derive(Debug)]
pub struct Sampler {
    bursts: mpsc::Receiver<Burst>,
    interval: watch::Sender<Duration>,
    task: JoinHandle<()>,
}

/// One burst, when it had been answered or given up.
#[derive(Debug)]
pub struct Burst {
    /// What the board measured.
    pub measured: Result<Echo, BoardError>,
    /// The temperature of the air, when a thermometer told it.
    pub celsius: Option<f32>,
    /// When.
    pub at: Moment,
}

impl Sampler {
    /// Starts with a burst at once, then one every `interval`.
    pub fn start(
        ranger: impl Ranger + 'static,
        thermometer: impl Thermometer + 'static,
        interval: Duration,
        clock: Clock,
    ) -> Self {
        // One burst may wait for a loop that is busy. More would only grow old.
        let (sender, bursts) = mpsc::channel(1);
        let (interval, pace) = watch::channel(interval);
        let air = Air {
            thermometer,
            celsius: None,
            next: None,
        };
        let task = tokio::spawn(sample(ranger, air, pace, sender, clock));
        Self {
            bursts,
            interval,
            task,
        }
    }

    /// The next burst; `None` when the task has ended, which it does not by itself. Nothing is lost
    /// when the future is dropped.
    pub async fn next(&mut self) -> Option<Burst> {
        self.bursts.recv().await
    }

    /// Changes the pace, from the last burst on.
    pub fn pace(&self, interval: Duration) {
        self.interval
            .send_if_modified(|current| std::mem::replace(current, interval) != interval);
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn sample(
    mut ranger: impl Ranger,
    mut air: Air<impl Thermometer>,
    mut pace: watch::Receiver<Duration>,
    bursts: mpsc::Sender<Burst>,
    clock: Clock,
) {
    let mut works = true;
    loop {
        air.refresh().await;
        let begun = Instant::now();
        let measured = ranger.measure().await;
        if works != measured.is_ok() {
            works = measured.is_ok();
            match &measured {
                Ok(_) => info!("the ranger can be used again"),
                Err(error) => warn!(%error, "the ranger cannot be used"),
            }
        }
        let burst = Burst {
            measured,
            celsius: air.celsius,
            at: clock.now(),
        };
        if bursts.send(burst).await.is_err() {
            return;
        }

        let ended = Instant::now();
        loop {
            let interval = *pace.borrow_and_update();
            let next = (begun + interval).max(ended + SHORTEST_PAUSE.min(interval));
            tokio::select! {
                () = tokio::time::sleep_until(next) => break,
                changed = pace.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// The air between sensor and floor.
struct Air<T> {
    thermometer: T,
    celsius: Option<f32>,
    next: Option<Instant>,
}

impl<T: Thermometer> Air<T> {
    async fn refresh(&mut self) {
        let now = Instant::now();
        if self.next.is_some_and(|next| now < next) {
            return;
        }
        let known = self.celsius.is_some();
        let first = self.next.is_none();
        match self.thermometer.celsius().await {
            Ok(celsius) => {
                self.celsius = Some(celsius);
                self.next = Some(now + BETWEEN_TEMPERATURES);
                if !known {
                    debug!(celsius, "the thermometer answers");
                }
            }
            Err(error) => {
                self.celsius = None;
                self.next = Some(now + AFTER_NO_TEMPERATURE);
                if known || first {
                    warn!(%error, "no thermometer answers, so the assumed temperature counts");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A ranger that takes as long as it is told to, then as long as the last time.
    struct Slow(VecDeque<Duration>);

    impl Ranger for Slow {
        async fn measure(&mut self) -> Result<Echo, BoardError> {
            let takes = if self.0.len() > 1 {
                self.0.pop_front()
            } else {
                self.0.front().copied()
            };
            tokio::time::sleep(takes.unwrap_or_default()).await;
            Ok(Echo::NoEcho)
        }
    }

    struct Warm(Option<f32>);

    impl Thermometer for Warm {
        async fn celsius(&mut self) -> Result<f32, BoardError> {
            self.0.take().ok_or_else(|| BoardError::Fault {
                reason: "the thermometer does not answer".to_owned(),
            })
        }
    }

    fn sampler(takes: &[u64], celsius: Option<f32>) -> Sampler {
        let takes = takes.iter().copied().map(Duration::from_millis).collect();
        Sampler::start(
            Slow(takes),
            Warm(celsius),
            Duration::from_millis(100),
            Clock::start(),
        )
    }

    async fn times(sampler: &mut Sampler, count: usize) -> Vec<u128> {
        let mut times = Vec::new();
        for _ in 0..count {
            times.push(
                sampler
                    .next()
                    .await
                    .expect("a burst")
                    .at
                    .elapsed
                    .as_millis(),
            );
        }
        times
    }

    #[tokio::test(start_paused = true)]
    async fn one_burst_every_interval_however_long_its_echo() {
        assert_eq!(
            times(&mut sampler(&[15, 5, 30, 15], None), 5).await,
            [15, 105, 230, 315, 415]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_board_that_hangs_is_not_hurried_afterwards() {
        assert_eq!(
            times(&mut sampler(&[10, 1000, 10], None), 4).await,
            [10, 1100, 1170, 1270]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_pace_counts_from_the_last_burst() {
        let mut sampler = sampler(&[10], None);
        assert_eq!(times(&mut sampler, 2).await, [10, 110]);
        sampler.pace(Duration::from_millis(60));
        assert_eq!(times(&mut sampler, 2).await, [180, 250]);
    }

    #[tokio::test(start_paused = true)]
    async fn temperatures_ride_along_while_there_is_a_thermometer() {
        let mut sampler = sampler(&[10], Some(-5.0));
        let mut seen = Vec::new();
        for _ in 0..150 {
            seen.push(sampler.next().await.expect("a burst").celsius);
        }

        assert_eq!(seen[..100], [Some(-5.0); 100]);
        assert_eq!(seen[101..], [None; 49]);
    }
}
