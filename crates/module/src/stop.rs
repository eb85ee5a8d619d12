use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::signal::unix::{SignalKind, signal};

/// Resolves when the process is asked to stop.
pub struct Stop(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Stop {
    /// Stops when `asked` resolves: for a module that runs inside another program.
    pub fn when(asked: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(asked))
    }

    /// Stops at SIGTERM, as container engines send it, and at SIGINT, as terminals do.
    ///
    /// # Errors
    ///
    /// The system has no room for another signal handler.
    pub fn at_signal() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        Ok(Self::when(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }))
    }
}

impl Future for Stop {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stop").finish_non_exhaustive()
    }
}
