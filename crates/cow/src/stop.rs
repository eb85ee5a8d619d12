use std::io;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals this close together are one wish: `timeout`, for one, sends its signal to the program and to its group.
const ONE_WISH: Duration = Duration::from_millis(500);

/// SIGINT and SIGTERM, from the moment this is made.
#[derive(Debug)]
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Resolves when somebody asks.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Resolves when somebody who has asked loses patience and asks again.
    pub(crate) async fn insisted(&mut self) {
        tokio::time::sleep(ONE_WISH).await;
        while self.asked().now_or_never().is_some() {}
        self.asked().await;
    }
}
