//! An ultrasonic ranger on two GPIO lines, or behind the kernel's driver.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gpiocdev::line::{EdgeEvent, EdgeKind, Value};
use gpiocdev::request::Request;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::sleep_until;

use super::echo::{Edge, Listening, Lost};
use super::iio;
use super::line::{self, Line, Output};
use super::sensor::{Profile, Sensor};
use super::turn::Turns;
use crate::{BoardError, Echo, Ranger};

/// Where the ranger is, as the specification says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RangerSpec {
    /// No ranger is named.
    None,
    Lines {
        trigger: Line,
        echo: Line,
        sensor: Sensor,
        turns: Option<PathBuf>,
    },
    Iio,
}

/// The ranger of a Linux board.
#[derive(Debug)]
pub(crate) struct LinuxRanger {
    spec: RangerSpec,
    pins: Option<Pins>,
    /// When the last burst left.
    sent: Option<Instant>,
}

/// Trigger and echo, taken from the kernel.
#[derive(Debug)]
struct Pins {
    trigger: Output,
    echo: Request,
    name: String,
}

impl LinuxRanger {
    pub(crate) const fn new(spec: RangerSpec) -> Self {
        Self {
            spec,
            pins: None,
            sent: None,
        }
    }
}

impl Ranger for LinuxRanger {
    async fn measure(&mut self) -> Result<Echo, BoardError> {
        match self.spec.clone() {
            RangerSpec::None => Err(BoardError::Fault {
                reason: "the board's specification names no ranger: add trigger=GPIO23,echo=GPIO24"
                    .to_owned(),
            }),
            RangerSpec::Iio => spawn_blocking(|| iio::measure(Path::new(iio::DEVICES)))
                .await
                .unwrap_or_else(|error| Err(not_finished(&error))),
            RangerSpec::Lines {
                trigger,
                echo,
                sensor,
                turns,
            } => {
                let profile = sensor.profile();
                if let Some(sent) = self.sent {
                    sleep_until((sent + profile.cycle).into()).await;
                }
                let turn = match turns {
                    Some(path) => Some(Turns::new(path).take().await?),
                    None => None,
                };
                let pins = match self.pins.take() {
                    Some(pins) => pins,
                    None => Pins::open(&trigger, &echo)?,
                };
                self.sent = Some(Instant::now());
                // The trigger's microseconds are spun away, and the kernel is waited for: on a thread of its own.
                let measured = spawn_blocking(move || {
                    let echo = pins.measure(profile);
                    drop(turn);
                    (pins, echo)
                });
                let (pins, echo) = measured.await.map_err(|error| not_finished(&error))?;
                // Kept only when all went well: after a failure the lines are asked for anew.
                self.pins = echo.is_ok().then_some(pins);
                echo
            }
        }
    }
}

fn not_finished(error: &JoinError) -> BoardError {
    BoardError::Fault {
        reason: format!("a measurement was not finished: {error}"),
    }
}

impl Pins {
    fn open(trigger: &Line, echo: &Line) -> Result<Self, BoardError> {
        Ok(Self {
            trigger: Output::open(trigger, "ranger trigger", false)?,
            echo: line::listen(echo, "ranger echo")?,
            name: echo.to_string(),
        })
    }

    fn measure(&self, profile: Profile) -> Result<Echo, BoardError> {
        while self.edge(Duration::ZERO)?.is_some() {}
        if self.is_high()? && !self.falls(profile.patience)? {
            return Ok(Echo::Stuck);
        }
        let begun = Instant::now();
        self.trigger(profile.trigger)?;
        let mut listening = Listening::new(profile);
        let outcome = loop {
            match self.edge(profile.patience.saturating_sub(begun.elapsed()))? {
                Some(edge) => {
                    if let Some(outcome) = listening.handle_edge(edge) {
                        break outcome;
                    }
                }
                None => break listening.handle_silence(self.is_high()?),
            }
        };
        outcome.map_err(|Lost| BoardError::Fault {
            reason: format!(
                "an edge on line {} was lost: the machine was busy, or the cable picks up noise",
                self.name
            ),
        })
    }

    /// A high trigger for at least `width`. Longer does no harm: the burst leaves when it ends.
    fn trigger(&self, width: Duration) -> Result<(), BoardError> {
        self.trigger.set(true)?;
        let begun = Instant::now();
        while begun.elapsed() < width {
            std::hint::spin_loop();
        }
        self.trigger.set(false)
    }

    fn is_high(&self) -> Result<bool, BoardError> {
        let level = self.echo.lone_value();
        level
            .map(|level| level == Value::Active)
            .map_err(|error| line::broken(&self.name, &error))
    }

    /// Whether the line falls within `patience`; what it says until then belongs to an earlier burst.
    fn falls(&self, patience: Duration) -> Result<bool, BoardError> {
        let begun = Instant::now();
        loop {
            match self.edge(patience.saturating_sub(begun.elapsed()))? {
                Some(edge) if !edge.rising => return Ok(true),
                Some(_) => {}
                None => return Ok(false),
            }
        }
    }

    /// The next edge, if one comes within `patience`.
    ///
    /// Read into room for exactly one: `read_edge_event` of gpiocdev 0.8.0 takes eight from the kernel and returns the
    /// first, and its `wait_event` does not time out.
    fn edge(&self, patience: Duration) -> Result<Option<Edge>, BoardError> {
        let read = || -> gpiocdev::Result<Option<EdgeEvent>> {
            if !self.echo.wait_edge_event(patience)? {
                return Ok(None);
            }
            let mut room = vec![0; self.echo.edge_event_u64_size()];
            let read = self.echo.read_edge_events_into_slice(&mut room)?;
            self.echo.edge_event_from_slice(&room[..read]).map(Some)
        };
        let event = read().map_err(|error| line::broken(&self.name, &error))?;
        Ok(event.map(|event| Edge {
            rising: event.kind == EdgeKind::Rising,
            at_ns: event.timestamp_ns,
            number: event.line_seqno,
        }))
    }
}
