//! The bay and its board as one value: commands and questions in, answers out, told the time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    command::{Command, Rain, seconds},
    pack::{GaugeRead, Pack},
    sound::{Air, FARTHEST_MM, NEAREST_MM, gaussian, round_trip},
    state::{BatteryState, BoardState, LampState, Outcome, PastColour, Sample, TemperatureState},
    traffic::{Drive, Met, Pedestrian},
};
use crate::Colour;

/// Two minutes of a module that measures ten times a second.
const REMEMBERED_SAMPLES: usize = 1200;
/// Enough of the lamp to recognise the slowest pattern.
const REMEMBERED_COLOURS: usize = 32;

#[derive(Debug)]
pub(crate) struct World {
    random: fastrand::Rng,
    started: Instant,
    floor_mm: f64,
    drive: Option<Drive>,
    pedestrian: Option<Pedestrian>,
    rain: Rain,
    sensor_stuck: bool,
    cable_cut: bool,
    temperature: Ramp,
    pack: Pack,
    lamp: Colour,
    lamp_changes: u64,
    lamp_history: VecDeque<LampChange>,
    samples: u64,
    restarts: u64,
    recent: VecDeque<Recent>,
    pub(crate) marks: Marks,
}

/// When things happened that a measurement of latency wants to know, by the board's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// When the vehicle that is in the bay, or was last, began to drive in.
    pub vehicle_arrived: Option<Instant>,
    /// When the ranger first met that vehicle.
    pub vehicle_first_measured: Option<Instant>,
    /// When the lamp's colour last changed.
    pub lamp_changed: Option<Instant>,
}

/// The lamp's pins changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LampChange {
    /// To this colour.
    pub colour: Colour,
    /// By the board's clock.
    pub at: Instant,
}

/// One burst's fate, as the wire tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measured {
    Returned { round_trip: Duration },
    NoEcho,
    Stuck,
    Fault,
}

/// A [`Sample`] as it is kept: 8 bytes, since a street has many bays.
#[derive(Debug, Clone, Copy)]
struct Recent {
    /// Since the board started.
    at_ms: u32,
    distance_mm: u16,
    outcome: Outcome,
}

/// A temperature that may be on its way to another.
#[derive(Debug)]
struct Ramp {
    from: f64,
    to: f64,
    started: Instant,
    takes: Duration,
}

impl World {
    pub(crate) fn new(seed: u64, now: Instant) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            started: now,
            floor_mm: 2500.0,
            drive: None,
            pedestrian: None,
            rain: Rain::None,
            sensor_stuck: false,
            cable_cut: false,
            temperature: Ramp {
                from: 18.0,
                to: 18.0,
                started: now,
                takes: Duration::ZERO,
            },
            pack: Pack::new(now),
            lamp: Colour::OFF,
            lamp_changes: 0,
            lamp_history: VecDeque::new(),
            samples: 0,
            restarts: 0,
            recent: VecDeque::new(),
            marks: Marks::default(),
        }
    }

    pub(crate) fn command(&mut self, command: Command, now: Instant) {
        self.settle(now);
        match command {
            Command::CarArrives {
                vehicle,
                over_seconds,
            } => {
                let takes = seconds(over_seconds);
                match &self.drive {
                    Some(drive) if !drive.is_leaving() => {}
                    Some(drive) => self.drive = Some(drive.turned_in(takes, now)),
                    None => {
                        self.drive = Some(Drive::arriving(vehicle, takes, now));
                        self.marks.vehicle_arrived = Some(now);
                        self.marks.vehicle_first_measured = None;
                    }
                }
            }
            Command::CarLeaves { over_seconds } => {
                if let Some(drive) = &self.drive
                    && !drive.is_leaving()
                {
                    self.drive = Some(drive.turned_out(seconds(over_seconds), now));
                }
            }
            Command::Pedestrian { seconds: length } => {
                self.pedestrian = Some(Pedestrian::new(seconds(length), now));
            }
            Command::Rain { level } => self.rain = level,
            Command::SensorStuck { on } => self.sensor_stuck = on,
            Command::CableCut { on } => self.cable_cut = on,
            Command::Temperature {
                celsius,
                over_seconds,
            } => {
                self.temperature = Ramp {
                    from: self.temperature.at(now),
                    to: if celsius.is_nan() {
                        0.0
                    } else {
                        celsius.clamp(-60.0, 80.0)
                    },
                    started: now,
                    takes: seconds(over_seconds),
                };
            }
            Command::Battery {
                charge_percent,
                current_ma,
                failing_reads_percent,
                nonsense_reads_percent,
            } => {
                if let Some(percent) = charge_percent {
                    self.pack.set_charge(percent, now);
                }
                if let Some(current) = current_ma {
                    self.pack.set_current(current, now);
                }
                if let Some(percent) = failing_reads_percent {
                    self.pack.failing_reads_percent = percent.min(100);
                }
                if let Some(percent) = nonsense_reads_percent {
                    self.pack.nonsense_reads_percent = percent.min(100);
                }
            }
            Command::FloorDistance { mm } => self.floor_mm = f64::from(mm.clamp(300, 6000)),
        }
        self.settle(now);
    }

    /// Sends one burst.
    pub(crate) fn measure(&mut self, now: Instant) -> (Measured, Sample) {
        self.settle(now);
        let distance_mm = if self.cable_cut {
            Err(Outcome::Fault)
        } else if self.sensor_stuck {
            Err(Outcome::Stuck)
        } else {
            self.echo_mm(now).ok_or(Outcome::None)
        };
        let measured = match distance_mm {
            Ok(mm) => Measured::Returned {
                round_trip: round_trip(mm, self.temperature.at(now)),
            },
            Err(Outcome::Fault) => Measured::Fault,
            Err(Outcome::Stuck) => Measured::Stuck,
            Err(Outcome::None | Outcome::Returned) => Measured::NoEcho,
        };
        let recent = Recent {
            at_ms: now.saturating_duration_since(self.started).as_millis() as u32,
            distance_mm: distance_mm.unwrap_or_default().round() as u16,
            outcome: distance_mm.map_or_else(|outcome| outcome, |_| Outcome::Returned),
        };
        self.samples += 1;
        remember(&mut self.recent, recent, REMEMBERED_SAMPLES);
        (measured, recent.sample(recent.at_ms))
    }

    /// The distance the ranger believes in, if an echo comes back from within its reach.
    fn echo_mm(&mut self, now: Instant) -> Option<f64> {
        let air = Air::with(self.rain);
        let met = self.met(now);
        if self.random.f64() < air.missing {
            return None;
        }
        let obstacle = match met {
            Met::Surface(distance) => distance,
            Met::Nothing => self.floor_mm,
            Met::Swallowed => return None,
        };
        let distance = if self.random.f64() < air.spurious {
            obstacle * self.random.f64()
        } else {
            obstacle + air.noise_mm * gaussian(&mut self.random)
        };
        (NEAREST_MM..=FARTHEST_MM)
            .contains(&distance)
            .then_some(distance)
    }

    /// The nearer of vehicle and pedestrian.
    fn met(&mut self, now: Instant) -> Met {
        let vehicle = self.drive.as_ref().map_or(Met::Nothing, |drive| {
            drive.met(self.floor_mm, now, &mut self.random)
        });
        if matches!(vehicle, Met::Surface(_)) && self.marks.vehicle_first_measured.is_none() {
            self.marks.vehicle_first_measured = Some(now);
        }
        let Some(pedestrian) = &self.pedestrian else {
            return vehicle;
        };
        match (vehicle, pedestrian.met(self.floor_mm, &mut self.random)) {
            (Met::Surface(one), Met::Surface(other)) => Met::Surface(one.min(other)),
            (Met::Surface(distance), _) | (_, Met::Surface(distance)) => Met::Surface(distance),
            _ => Met::Swallowed,
        }
    }

    /// Sets the lamp's pins; says whether that changed anything.
    pub(crate) fn set_lamp(&mut self, colour: Colour, now: Instant) -> bool {
        if self.lamp == colour && self.marks.lamp_changed.is_some() {
            return false;
        }
        self.lamp = colour;
        self.lamp_changes += 1;
        self.marks.lamp_changed = Some(now);
        remember(
            &mut self.lamp_history,
            LampChange { colour, at: now },
            REMEMBERED_COLOURS,
        );
        true
    }

    /// Restarts the machine. Its pins are inputs until a program says otherwise, so the lamp goes dark.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.restarts += 1;
        self.set_lamp(Colour::OFF, now);
    }

    pub(crate) fn read_gauge(&mut self, now: Instant) -> GaugeRead {
        self.pack.read(now, &mut self.random)
    }

    /// The thermometer's steps are a sixteenth of a degree, as a DS18B20's are.
    pub(crate) fn read_thermometer(&mut self, now: Instant) -> f32 {
        let noisy = self.temperature.at(now) + 0.05 * gaussian(&mut self.random);
        ((noisy * 16.0).round() / 16.0) as f32
    }

    pub(crate) fn lamp_history(&self) -> Vec<LampChange> {
        self.lamp_history.iter().copied().collect()
    }

    pub(crate) fn recent_samples(&self, now: Instant) -> Vec<Sample> {
        let now_ms = now.saturating_duration_since(self.started).as_millis() as u32;
        self.recent
            .iter()
            .map(|recent| recent.sample(now_ms))
            .collect()
    }

    pub(crate) fn state(&mut self, now: Instant) -> BoardState {
        self.settle(now);
        let ms_ago = |at: Instant| now.saturating_duration_since(at).as_millis() as u64;
        let now_ms = ms_ago(self.started) as u32;
        BoardState {
            floor_distance_mm: self.floor_mm as u32,
            vehicle: self.drive.as_ref().map(|drive| drive.state(now)),
            pedestrian: self
                .pedestrian
                .as_ref()
                .map(|pedestrian| pedestrian.state(now)),
            rain: self.rain,
            sensor_stuck: self.sensor_stuck,
            cable_cut: self.cable_cut,
            temperature: TemperatureState {
                celsius: self.temperature.at(now),
                target_celsius: self.temperature.to,
                remaining_ms: self.temperature.remaining(now).as_millis() as u32,
            },
            battery: BatteryState {
                registers: self.pack.registers(now),
                failing_reads_percent: self.pack.failing_reads_percent,
                nonsense_reads_percent: self.pack.nonsense_reads_percent,
            },
            lamp: LampState {
                colour: self.lamp,
                changed_ms_ago: self.marks.lamp_changed.map(ms_ago),
                changes: self.lamp_changes,
                history: self
                    .lamp_history
                    .iter()
                    .map(|change| PastColour {
                        colour: change.colour,
                        ms_ago: ms_ago(change.at),
                    })
                    .collect(),
            },
            sample: self.recent.back().map(|recent| recent.sample(now_ms)),
            samples: self.samples,
            restarts: self.restarts,
        }
    }

    /// Forgets who has left.
    fn settle(&mut self, now: Instant) {
        self.drive.take_if(|drive| drive.is_gone(now));
        self.pedestrian
            .take_if(|pedestrian| pedestrian.remaining(now).is_zero());
    }
}

impl Recent {
    fn sample(self, now_ms: u32) -> Sample {
        Sample {
            outcome: self.outcome,
            distance_mm: (self.outcome == Outcome::Returned).then_some(self.distance_mm),
            ms_ago: u64::from(now_ms.saturating_sub(self.at_ms)),
        }
    }
}

impl Ramp {
    fn remaining(&self, now: Instant) -> Duration {
        self.takes
            .saturating_sub(now.saturating_duration_since(self.started))
    }

    fn at(&self, now: Instant) -> f64 {
        let remaining = self.remaining(now);
        if remaining.is_zero() {
            return self.to;
        }
        self.to + (self.from - self.to) * remaining.as_secs_f64() / self.takes.as_secs_f64()
    }
}

fn remember<T>(memory: &mut VecDeque<T>, new: T, most: usize) {
    if memory.len() == most {
        memory.pop_front();
    }
    memory.push_back(new);
}

#[cfg(test)]
mod tests;
