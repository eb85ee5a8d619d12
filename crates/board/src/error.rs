use std::{io, path::PathBuf, time::Duration};

use thiserror::Error;

/// Why a part of the board could not be used this time.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BoardError {
    /// The simulated board's socket cannot be reached: it is not running, or is starting again.
    #[error("the simulated board at {} cannot be reached", socket.display())]
    Connect {
        /// The socket of the specification.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The machine's system bus cannot be reached.
    #[error("the system bus at {} cannot be reached: is its socket mounted here?", socket.display())]
    Bus {
        /// Its socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The connection to the board broke in the middle of a question, twice running.
    #[error("the board hung up")]
    HungUp {
        /// What the system said.
        source: io::Error,
    },
    /// The board took the question and did not answer it.
    #[error("the board gave no answer within {} ms", waited.as_millis())]
    Silent {
        /// How long the port waited.
        waited: Duration,
    },
    /// The answer is not one this port understands.
    #[error("the board's answer is not understood")]
    Answer {
        /// Where the answer stopped making sense.
        source: serde_json::Error,
    },
    /// The board is there and the part is not: a cut cable, a bus that failed.
    #[error("{reason}")]
    Fault {
        /// What the board said, a sentence fit for a log.
        reason: String,
    },
}
