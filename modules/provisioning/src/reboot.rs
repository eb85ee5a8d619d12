//! Restarting the machine.

use std::path::Path;

use board::{Board, Logind, Power};
use hub_client::error_chain;

use crate::identity::Failure;

/// How the machine is restarted.
#[derive(Clone, Debug)]
pub enum Reboot {
    /// By systemd-logind, over the system bus.
    Logind(Logind),
    /// By the board's power port.
    Board(Board),
    /// Not at all: what was applied is in force.
    None,
}

impl Reboot {
    /// Reads what the environment says; `bus` is the system bus's socket where it is not the usual one.
    ///
    /// # Errors
    ///
    /// A sentence about what is wrong.
    pub fn read(
        text: &str,
        bus: Option<&Path>,
        board: Option<Board>,
    ) -> Result<Self, &'static str> {
        match (text, board) {
            ("logind", _) => Ok(Self::logind(bus)),
            ("board", Some(board)) => Ok(Self::Board(board)),
            ("board", None) => Err("needs BAY_BOARD to name the board"),
            ("none", _) => Ok(Self::None),
            _ => Err("must be logind, board or none"),
        }
    }

    /// By logind, over the bus at `bus` or at the usual place.
    pub fn logind(bus: Option<&Path>) -> Self {
        Self::Logind(bus.map_or_else(Logind::default, Logind::new))
    }

    /// Has the machine restart; says whether it will.
    ///
    /// # Errors
    ///
    /// Nobody could be asked, or they refused.
    pub async fn run(&self) -> Result<bool, Failure> {
        let asked = match self {
            Self::Logind(logind) => logind.clone().reboot().await,
            Self::Board(board) => board.power().reboot().await,
            Self::None => return Ok(false),
        };
        asked.map(|()| true).map_err(|error| {
            let why = error_chain(&error);
            Failure::new(
                500,
                "reboot-failed",
                format!("the machine does not restart: {why}"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use board::simulated::SimulatedBoard;

    use super::*;

    #[tokio::test]
    async fn a_simulated_board_restarts() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let socket = directory.path().join("board.sock");
        let bay = SimulatedBoard::new(1);
        let server = tokio::spawn(bay.listen(&socket).expect("a free socket").run());
        let board = Board::open(&format!("sim:{}", socket.display())).expect("a board");
        let reboot = Reboot::read("board", None, Some(board)).expect("a way to restart");

        assert_eq!(reboot.run().await, Ok(true));
        assert_eq!(bay.state().restarts, 1);
        server.abort();
        let _ = server.await;
        assert_eq!(
            reboot.run().await.expect_err("no board").reason,
            "reboot-failed"
        );
    }

    #[tokio::test]
    async fn a_machine_that_nobody_restarts_goes_on() {
        let reboot = Reboot::read("none", None, None).expect("a way not to");
        assert_eq!(reboot.run().await, Ok(false));
        assert!(Reboot::read("board", None, None).is_err());
        assert!(Reboot::read("soon", None, None).is_err());
    }
}
