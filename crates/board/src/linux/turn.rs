//! Rangers beside one another take turns, or each would hear the other's burst.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::BoardError;

/// Between two attempts at the turn.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// Longest wait: a dozen rangers, each for its whole cycle.
const PATIENCE: Duration = Duration::from_secs(1);

/// A lock on a file that every ranger of the board names.
#[derive(Debug, Clone)]
pub(crate) struct Turns {
    path: PathBuf,
}

/// Held while a burst and its echo are under way.
#[derive(Debug)]
pub(crate) struct Turn {
    _lock: File,
}

impl Turns {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Waits for this ranger's turn.
    pub(crate) async fn take(&self) -> Result<Turn, BoardError> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)
            .map_err(|error| self.fault(&error.to_string()))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Turn { _lock: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    sleep(ASK_AGAIN).await;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(self.fault("another ranger has held it for a second"));
                }
                Err(TryLockError::Error(error)) => return Err(self.fault(&error.to_string())),
            }
        }
    }

    fn fault(&self, why: &str) -> BoardError {
        BoardError::Fault {
            reason: format!("no turn to measure by {}: {why}", self.path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time() {
        let directory = tempfile::tempdir().expect("a directory");
        let turns = Turns::new(directory.path().join("turns"));
        let first = turns.take().await.expect("it is free");
        assert!(turns.take().await.is_err(), "the first still has it");
        drop(first);
        turns.take().await.expect("it is free again");
    }

    #[tokio::test]
    async fn a_place_that_cannot_be_locked_is_named() {
        let error = Turns::new(PathBuf::from("/nonexistent/turns"))
            .take()
            .await
            .expect_err("no such directory");
        assert!(error.to_string().contains("/nonexistent/turns"), "{error}");
    }
}
