use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::linux::{LinuxGauge, LinuxLamp, LinuxRanger, LinuxThermometer, Spec, SpecError};
use crate::{
    BoardError, Colour, Echo, Gauge, GaugeReading, Lamp, Logind, Power, Ranger, Thermometer,
    simulated::Line,
};

/// A board, found by its specification.
///
/// | Specification | Board |
/// |---|---|
/// | `sim:PATH` | the simulated board listening on the Unix socket `PATH` |
/// | `linux:KEY=VALUE,…` | this machine's, with the parts that are named |
///
/// | Key of `linux:` | Value |
/// |---|---|
/// | `trigger`, `echo` | the ranger's lines, by name (`GPIO23`) or by chip and number (`gpiochip0/23`) |
/// | `sensor` | `hc-sr04` (default), `hc-sr04p`, `jsn-sr04t`, `rcwl-1601` |
/// | `turns` | a file that every ranger within earshot names: they measure one after another |
/// | `ranger` | `iio`: the kernel's driver (`dtoverlay=srf04`) in place of the two lines |
/// | `red`, `green`, `blue` | the lamp's lines, or PWM channels (`pwm0/1`); without `blue` it is one of two LEDs |
/// | `active-low` | `yes`: the lamp shines when its lines are low |
/// | `at-exit` | `off` (default), or `stay`: the lamp keeps its colour when the module stops |
/// | `gauge` | `sbs`, `max17040`, `max17043`, `max17048`, `ina219`, `power-supply`, or `probe`: the first that answers |
/// | `bus`, `address` | where the gauge is, when it is not at its usual address on `/dev/i2c-1` |
/// | `shunt-milliohm`, `cells` | of an `ina219`: 100 and 2 by default |
/// | `thermometer` | `ds18b20`, `ds18b20/28-…`, or `soc`: the processor's, which is warmer than the air |
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
    Linux(Box<Spec>),
}

/// A part of one board or the other.
#[derive(Debug)]
enum Part<L> {
    Simulated(Line),
    Linux(L),
}

impl Board {
    /// Reads a specification.
    ///
    /// # Errors
    /// [`OpenError`] when no adapter answers to it.
    pub fn open(spec: &str) -> Result<Self, OpenError> {
        let adapter = match spec.split_once(':') {
            Some(("sim", "")) => return Err(OpenError::NoSocket),
            Some(("sim", path)) => Adapter::Simulated {
                socket: PathBuf::from(path),
            },
            Some(("linux", parts)) => Adapter::Linux(Box::new(parts.parse()?)),
            _ => {
                return Err(OpenError::Unknown {
                    spec: spec.to_owned(),
                });
            }
        };
        Ok(Self { adapter })
    }

    fn part<L>(&self, linux: impl FnOnce(&Spec) -> L) -> Part<L> {
        match &self.adapter {
            Adapter::Simulated { socket } => Part::Simulated(Line::new(socket)),
            Adapter::Linux(spec) => Part::Linux(linux(spec)),
        }
    }

    /// The ultrasonic ranger.
    pub fn ranger(&self) -> impl Ranger + use<> {
        self.part(|spec| LinuxRanger::new(spec.ranger.clone()))
    }

    /// The lamp.
    pub fn lamp(&self) -> impl Lamp + use<> {
        self.part(|spec| LinuxLamp::new(spec.lamp.clone()))
    }

    /// The fuel gauge.
    pub fn gauge(&self) -> impl Gauge + use<> {
        self.part(|spec| LinuxGauge::new(spec.gauge.clone()))
    }

    /// The machine's power.
    pub fn power(&self) -> impl Power + use<> {
        self.part(|_| Logind::new(Path::new(Logind::SYSTEM_BUS)))
    }

    /// The thermometer.
    pub fn thermometer(&self) -> impl Thermometer + use<> {
        self.part(|spec| LinuxThermometer::new(spec.thermometer.clone()))
    }
}

impl<L: Ranger> Ranger for Part<L> {
    async fn measure(&mut self) -> Result<Echo, BoardError> {
        match self {
            Self::Simulated(part) => part.measure().await,
            Self::Linux(part) => part.measure().await,
        }
    }
}

impl<L: Lamp> Lamp for Part<L> {
    async fn set(&mut self, colour: Colour) -> Result<(), BoardError> {
        match self {
            Self::Simulated(part) => part.set(colour).await,
            Self::Linux(part) => part.set(colour).await,
        }
    }
}

impl<L: Gauge> Gauge for Part<L> {
    async fn read(&mut self) -> Result<GaugeReading, BoardError> {
        match self {
            Self::Simulated(part) => part.read().await,
            Self::Linux(part) => part.read().await,
        }
    }
}

impl<L: Power> Power for Part<L> {
    async fn reboot(&mut self) -> Result<(), BoardError> {
        match self {
            Self::Simulated(part) => part.reboot().await,
            Self::Linux(part) => part.reboot().await,
        }
    }
}

impl<L: Thermometer> Thermometer for Part<L> {
    async fn celsius(&mut self) -> Result<f32, BoardError> {
        match self {
            Self::Simulated(part) => part.celsius().await,
            Self::Linux(part) => part.celsius().await,
        }
    }
}

/// Why a specification names no board.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The kind before the colon is not known.
    #[error(
        "no board is called {spec:?}: write linux: with the parts of this machine, as in linux:trigger=GPIO23,echo=GPIO24, \
         or sim:PATH with the socket of a simulated board, as in sim:/run/bay/board.sock"
    )]
    Unknown {
        /// What was asked for.
        spec: String,
    },
    /// `sim:` without a path.
    #[error("sim: needs the path of the simulated board's socket, as in sim:/run/bay/board.sock")]
    NoSocket,
    /// A part of `linux:` is not understood.
    #[error("the parts of the linux: board are not understood")]
    Linux(#[from] SpecError),
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
        let error = Board::open("linux:trigger=GPIO23").expect_err("half a ranger");
        assert!(matches!(error, OpenError::Linux(wrong) if wrong.key == "echo"));
    }
}
