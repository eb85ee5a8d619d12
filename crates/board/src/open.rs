use std::path::PathBuf;

use thiserror::Error;

use crate::{Gauge, Lamp, Power, Ranger, Thermometer, simulated::Line};

/// A board, found by its specification.
///
/// | Specification | Board |
/// |---|---|
/// | `sim:PATH` | the simulated board listening on the Unix socket `PATH` |
///
/// Opening touches nothing: a port connects when it is first used, and again whenever the board
/// went away in between, so a module may start before its board.
#[derive(Debug, Clone)]
pub struct Board {
    adapter: Adapter,
}

/// One variant for each kind of board. The ports below are the only code that looks inside.
#[derive(Debug, Clone)]
enum Adapter {
    Simulated { socket: PathBuf },
}

impl Board {
    /// Reads a specification.
    ///
    /// # Errors
    /// [`OpenError`] when no adapter answers to it.
    pub fn open(spec: &str) -> Result<Self, OpenError> {
        match spec.split_once(':') {
            Some(("sim", "")) => Err(OpenError::NoSocket),
            Some(("sim", path)) => Ok(Self {
                adapter: Adapter::Simulated {
                    socket: PathBuf::from(path),
                },
            }),
            _ => Err(OpenError::Unknown {
                spec: spec.to_owned(),
            }),
        }
    }

    /// The ultrasonic ranger.
    pub fn ranger(&self) -> impl Ranger + use<> {
        match &self.adapter {
            Adapter::Simulated { socket } => Line::new(socket),
        }
    }

    /// The lamp.
    pub fn lamp(&self) -> impl Lamp + use<> {
        match &self.adapter {
            Adapter::Simulated { socket } => Line::new(socket),
        }
    }

    /// The fuel gauge.
    pub fn gauge(&self) -> impl Gauge + use<> {
        match &self.adapter {
            Adapter::Simulated { socket } => Line::new(socket),
        }
    }

    /// The machine's power.
    pub fn power(&self) -> impl Power + use<> {
        match &self.adapter {
            Adapter::Simulated { socket } => Line::new(socket),
        }
    }

    /// The thermometer.
    pub fn thermometer(&self) -> impl Thermometer + use<> {
        match &self.adapter {
            Adapter::Simulated { socket } => Line::new(socket),
        }
    }
}

/// Why a specification names no board.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The kind before the colon is not known.
    #[error(
        "no board is called {spec:?}: write sim:PATH with the socket of a simulated board, as in sim:/run/bay/board.sock"
    )]
    Unknown {
        /// What was asked for.
        spec: String,
    },
    /// `sim:` without a path.
    #[error("sim: needs the path of the simulated board's socket, as in sim:/run/bay/board.sock")]
    NoSocket,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_board_is_named_by_its_socket() {
        let board = Board::open("sim:/run/board.sock").expect("a valid specification");
        assert!(format!("{board:?}").contains("/run/board.sock"));
    }

    #[test]
    fn an_unknown_board_is_told_what_to_write() {
        for spec in ["", "gpio", "gpio:4", "/run/board.sock"] {
            let error = Board::open(spec).expect_err("no such board").to_string();
            assert!(error.contains("sim:/run/bay/board.sock"), "{error}");
        }
        assert_eq!(Board::open("sim:").err(), Some(OpenError::NoSocket));
    }
}
