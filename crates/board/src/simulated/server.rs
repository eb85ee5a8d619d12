use std::{
    io,
    os::unix::net::UnixStream as BlockingStream,
    path::{Path, PathBuf},
    time::Instant,
};

use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    task::JoinSet,
};
use tracing::{debug, warn};

use super::{
    Change, SimulatedBoard,
    pack::GaugeRead,
    wire::{Answer, EchoAnswer, LampAnswer, MAX_LINE_BYTES, PowerAnswer, Request},
    world::Measured,
};

/// The socket ports reach a simulated board by. Dropping it hangs up on every port and removes
/// the socket.
#[derive(Debug)]
pub struct BoardServer {
    board: SimulatedBoard,
    listener: UnixListener,
    socket: PathBuf,
    ports: JoinSet<()>,
}

/// Why no socket could be opened.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Somebody answers on that socket already.
    #[error("another simulated board listens on {}: stop it, or choose another path", socket.display())]
    Taken {
        /// The path.
        socket: PathBuf,
    },
    /// The path is something else than a socket, and is left alone.
    #[error("{} exists and is not a socket: choose another path", socket.display())]
    Occupied {
        /// The path.
        socket: PathBuf,
    },
    /// The system refused.
    #[error("cannot listen on {}", socket.display())]
    Bind {
        /// The path.
        socket: PathBuf,
        /// What the system said. A path of more than 107 bytes is too long for a Unix socket.
        source: io::Error,
    },
}

impl SimulatedBoard {
    /// Opens the socket `sim:PATH` names. A socket that a killed process left behind is replaced.
    ///
    /// # Errors
    /// [`ListenError`] when the path is in use or cannot be bound.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn listen(&self, socket: &Path) -> Result<BoardServer, ListenError> {
        let listener = bind(socket)?;
        Ok(BoardServer {
            board: self.clone(),
            listener,
            socket: socket.to_owned(),
            ports: JoinSet::new(),
        })
    }
}

fn bind(socket: &Path) -> Result<UnixListener, ListenError> {
    use std::os::unix::fs::FileTypeExt;

    if let Ok(found) = std::fs::symlink_metadata(socket) {
        if !found.file_type().is_socket() {
            return Err(ListenError::Occupied {
                socket: socket.to_owned(),
            });
        }
        if BlockingStream::connect(socket).is_ok() {
            return Err(ListenError::Taken {
                socket: socket.to_owned(),
            });
        }
    }
    let refused = |source| ListenError::Bind {
        socket: socket.to_owned(),
        source,
    };
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(error)),
        _ => {}
    }
    UnixListener::bind(socket).map_err(refused)
}

impl BoardServer {
    /// Serves ports until it is dropped.
    pub async fn run(mut self) {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let board = self.board.clone();
                        self.ports.spawn(async move {
                            if let Err(error) = serve(&board, stream).await {
                                debug!(%error, "A port hung up in the middle of a line");
                            }
                        });
                    }
                    Err(error) => {
                        warn!(%error, "A port could not be accepted");
                        // Out of file descriptors, most likely: give others time to close theirs.
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    }
                },
                Some(_) = self.ports.join_next() => {}
            }
        }
    }
}

impl Drop for BoardServer {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

async fn serve(board: &SimulatedBoard, stream: UnixStream) -> io::Result<()> {
    let mut stream = BufReader::with_capacity(256, stream);
    let mut line = Vec::new();
    let mut reply = Vec::new();
    loop {
        line.clear();
        (&mut stream)
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line)
            .await?;
        if line.is_empty() {
            return Ok(());
        }
        let answer = match serde_json::from_slice(&line) {
            Ok(request) => board.answer(request),
            Err(error) => Answer::Fault {
                fault: format!("the request is not understood: {error}"),
            },
        };
        reply.clear();
        serde_json::to_writer(&mut reply, &answer)?;
        reply.push(b'\n');
        stream.write_all(&reply).await?;
        if line.last() != Some(&b'\n') {
            // Too long or cut off: what follows cannot be told apart from the rest of it.
            return Ok(());
        }
    }
}

impl SimulatedBoard {
    fn answer(&self, request: Request) -> Answer {
        let now = Instant::now();
        match request {
            Request::Measure => {
                let (measured, sample) = self.world().measure(now);
                self.tell(Change::Sampled(sample));
                match measured {
                    Measured::Returned { round_trip } => Answer::Echo(EchoAnswer::Returned {
                        round_trip_ns: round_trip.as_nanos() as u64,
                    }),
                    Measured::NoEcho => Answer::Echo(EchoAnswer::None),
                    Measured::Stuck => Answer::Echo(EchoAnswer::Stuck),
                    Measured::Fault => Answer::Fault {
                        fault: "the ranger does not answer: is its cable cut?".to_owned(),
                    },
                }
            }
            Request::SetLamp { colour } => {
                if self.world().set_lamp(colour, now) {
                    self.tell(Change::Lamp(colour));
                }
                Answer::Lamp {
                    lamp: LampAnswer::Set,
                }
            }
            Request::ReadGauge => match self.world().read_gauge(now) {
                GaugeRead::Registers(reading) => Answer::Gauge(reading),
                GaugeRead::Failed => Answer::Fault {
                    fault: "the fuel gauge does not answer on its bus".to_owned(),
                },
            },
            Request::Reboot => {
                self.world().restart(now);
                self.tell(Change::Restarted);
                Answer::Power {
                    power: PowerAnswer::Restarting,
                }
            }
            Request::ReadThermometer => Answer::Thermometer {
                celsius: self.world().read_thermometer(now),
            },
        }
    }
}
