//! The attempts at the gauge, one at a time.

use board::{Gauge, GaugeReading};
use module::error_chain;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{debug, trace, warn};

/// Asks the gauge when told to, in a task of its own, so that a bus that hangs holds nobody up.
#[derive(Debug)]
pub struct Prober {
    orders: mpsc::Sender<()>,
    answers: mpsc::Receiver<Attempt>,
    task: JoinHandle<()>,
}

/// What the gauge said, or why it said nothing.
pub type Attempt = Result<GaugeReading, String>;

impl Prober {
    /// Waits to be told.
    pub fn start(gauge: impl Gauge + 'static) -> Self {
        // The charge wants one attempt at a time, so there is never a second one to keep.
        let (orders, order_receiver) = mpsc::channel(1);
        let (answer_sender, answers) = mpsc::channel(1);
        Self {
            orders,
            answers,
            task: tokio::spawn(probe(gauge, order_receiver, answer_sender)),
        }
    }

    /// Asks the gauge once.
    pub fn attempt(&self) {
        if self.orders.try_send(()).is_err() {
            warn!("the gauge was asked while it was being asked");
        }
    }

    /// What the next attempt gave; `None` when the task has ended, which it does not by itself. Nothing is lost when the
    /// future is dropped.
    pub async fn next(&mut self) -> Option<Attempt> {
        self.answers.recv().await
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn probe(
    mut gauge: impl Gauge,
    mut orders: mpsc::Receiver<()>,
    answers: mpsc::Sender<Attempt>,
) {
    while orders.recv().await.is_some() {
        let attempt = gauge.read().await.map_err(|error| error_chain(&error));
        match &attempt {
            Ok(registers) => trace!(?registers, "the gauge answered"),
            // Single failures are this bus's habit, and counted; a gauge that cannot be read at all
            // is news elsewhere.
            Err(error) => debug!(error, "the gauge did not answer"),
        }
        if answers.send(attempt).await.is_err() {
            return;
        }
    }
}
