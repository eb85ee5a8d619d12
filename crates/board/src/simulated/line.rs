use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::de::{DeserializeOwned, Error as _};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    time::timeout,
};

use super::wire::{EchoAnswer, LampAnswer, MAX_LINE_BYTES, PowerAnswer, Request};
use crate::{BoardError, Colour, Echo, Gauge, GaugeReading, Lamp, Power, Ranger, Thermometer};

/// A board on the same machine answers in microseconds; a second of silence means it is gone.
const PATIENCE: Duration = Duration::from_secs(1);

/// One port's own line to the simulated board: connected on first use, and again when the board
/// was restarted.
#[derive(Debug)]
pub(crate) struct Line {
    socket: PathBuf,
    /// Empty while a question is in flight, so that a cancelled question cannot leave its answer
    /// behind for the next one.
    stream: Option<BufReader<UnixStream>>,
    received: Vec<u8>,
}

impl Line {
    pub(crate) fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            stream: None,
            received: Vec::new(),
        }
    }

    async fn ask<A: DeserializeOwned>(&mut self, request: Request) -> Result<A, BoardError> {
        let mut question =
            serde_json::to_vec(&request).map_err(|source| BoardError::Answer { source })?;
        question.push(b'\n');
        timeout(PATIENCE, self.exchange(&question))
            .await
            .map_err(|_| BoardError::Silent { waited: PATIENCE })??;
        read_answer(&self.received)
    }

    /// Sends a question and receives a line. A line that was open before may have died with the
    /// board's last process, so that one gets a second attempt on a fresh connection. Asking twice
    /// does no harm: every request may be repeated.
    async fn exchange(&mut self, question: &[u8]) -> Result<(), BoardError> {
        if let Some(mut stream) = self.stream.take()
            && attempt(&mut stream, question, &mut self.received)
                .await
                .is_ok()
        {
            self.stream = Some(stream);
            return Ok(());
        }
        let stream =
            UnixStream::connect(&self.socket)
                .await
                .map_err(|source| BoardError::Connect {
                    socket: self.socket.clone(),
                    source,
                })?;
        let mut stream = BufReader::with_capacity(256, stream);
        attempt(&mut stream, question, &mut self.received)
            .await
            .map_err(|source| BoardError::HungUp { source })?;
        self.stream = Some(stream);
        Ok(())
    }
}

async fn attempt(
    stream: &mut BufReader<UnixStream>,
    question: &[u8],
    received: &mut Vec<u8>,
) -> io::Result<()> {
    stream.write_all(question).await?;
    received.clear();
    stream
        .take(MAX_LINE_BYTES)
        .read_until(b'\n', received)
        .await?;
    match received.last() {
        Some(b'\n') => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn read_answer<A: DeserializeOwned>(line: &[u8]) -> Result<A, BoardError> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Reply<A> {
        Fault { fault: String },
        Answer(A),
    }
    match serde_json::from_slice(line) {
        Ok(Reply::Answer(answer)) => Ok(answer),
        Ok(Reply::Fault { fault }) => Err(BoardError::Fault { reason: fault }),
        Err(source) => Err(BoardError::Answer { source }),
    }
}

impl Ranger for Line {
    async fn measure(&mut self) -> Result<Echo, BoardError> {
        Ok(match self.ask(Request::Measure).await? {
            EchoAnswer::Returned { round_trip_ns } => Echo::Returned {
                round_trip: Duration::from_nanos(round_trip_ns),
            },
            EchoAnswer::None => Echo::NoEcho,
            EchoAnswer::Stuck => Echo::Stuck,
        })
    }
}

impl Lamp for Line {
    async fn set(&mut self, colour: Colour) -> Result<(), BoardError> {
        #[derive(serde::Deserialize)]
        struct Set {
            lamp: LampAnswer,
        }
        let Set {
            lamp: LampAnswer::Set,
        } = self.ask(Request::SetLamp { colour }).await?;
        Ok(())
    }
}

impl Power for Line {
    async fn reboot(&mut self) -> Result<(), BoardError> {
        #[derive(serde::Deserialize)]
        struct Restart {
            power: PowerAnswer,
        }
        let Restart {
            power: PowerAnswer::Restarting,
        } = self.ask(Request::Reboot).await?;
        Ok(())
    }
}

impl Gauge for Line {
    async fn read(&mut self) -> Result<GaugeReading, BoardError> {
        self.ask(Request::ReadGauge).await
    }
}

impl Thermometer for Line {
    async fn celsius(&mut self) -> Result<f32, BoardError> {
        #[derive(serde::Deserialize)]
        struct Reading {
            celsius: f32,
        }
        let reading: Reading = self.ask(Request::ReadThermometer).await?;
        if reading.celsius.is_finite() {
            Ok(reading.celsius)
        } else {
            Err(BoardError::Answer {
                source: serde_json::Error::custom("the temperature is not a number"),
            })
        }
    }
}
