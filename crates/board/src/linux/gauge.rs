//! Fuel gauges: on I2C, or behind a driver of the kernel.

mod ina219;
mod max1704x;
mod power_supply;
mod smart_battery;

use std::path::{Path, PathBuf};

use i2cdev::core::I2CDevice;
use i2cdev::linux::{LinuxI2CDevice, LinuxI2CError};
use tokio::task::spawn_blocking;

use crate::{BoardError, Gauge, GaugeReading};

/// Where the gauge is, as the specification says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GaugeSpec {
    /// No gauge is named.
    None,
    I2c {
        chip: Chip,
        /// Number of the bus: 1 is `/dev/i2c-1`, on the Pi's header.
        bus: u32,
        address: u16,
    },
    /// Whatever the kernel lists below `/sys/class/power_supply`.
    PowerSupply,
    /// The first of these that answers.
    Probe { bus: u32 },
}

/// A gauge on I2C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chip {
    /// A pack that speaks the Smart Battery System, as the pi-top's.
    SmartBattery,
    Max17040,
    Max17048,
    /// A meter for voltage and current; the charge is told from the voltage of a lithium-ion cell.
    Ina219 {
        shunt_milliohm: u32,
        cells: u32,
    },
}

impl Chip {
    /// Those that tell a charge of themselves, by the specification's name for them.
    pub(super) const PROBED: [(&'static str, Self); 2] =
        [("sbs", Self::SmartBattery), ("max17048", Self::Max17048)];

    /// Where it answers when nobody moved it.
    pub(crate) const fn address(self) -> u16 {
        match self {
            Self::SmartBattery => 0x0b,
            Self::Max17040 | Self::Max17048 => 0x36,
            Self::Ina219 { .. } => 0x40,
        }
    }

    pub(super) fn read(self, bus: &mut Bus) -> Result<GaugeReading, BoardError> {
        match self {
            Self::SmartBattery => smart_battery::read(bus),
            Self::Max17040 => max1704x::read(bus, max1704x::Cell::Max17040),
            Self::Max17048 => max1704x::read(bus, max1704x::Cell::Max17048),
            Self::Ina219 {
                shunt_milliohm,
                cells,
            } => ina219::read(bus, shunt_milliohm, cells),
        }
    }
}

/// One device on an I2C bus.
pub(super) struct Bus {
    path: PathBuf,
    address: u16,
    device: LinuxI2CDevice,
}

impl Bus {
    pub(super) fn open(bus: u32, address: u16) -> Result<Self, BoardError> {
        let path = PathBuf::from(format!("/dev/i2c-{bus}"));
        match LinuxI2CDevice::new(&path, address) {
            Ok(device) => Ok(Self {
                path,
                address,
                device,
            }),
            Err(error) => Err(BoardError::Fault {
                reason: format!(
                    "{} cannot be opened: {error}; {}",
                    path.display(),
                    cure(&path)
                ),
            }),
        }
    }

    /// A register of 16 bits, low byte first, as SMBus has it.
    fn word(&mut self, register: u8) -> Result<u16, BoardError> {
        self.device
            .smbus_read_word_data(register)
            .map_err(|error| self.silent(register, &error))
    }

    /// A register of 16 bits, high byte first.
    fn word_high_first(&mut self, register: u8) -> Result<u16, BoardError> {
        self.word(register).map(u16::swap_bytes)
    }

    fn silent(&self, register: u8, error: &LinuxI2CError) -> BoardError {
        BoardError::Fault {
            reason: format!(
                "nothing answers at {:#04x} on {}, register {register:#04x}: {error}",
                self.address,
                self.path.display()
            ),
        }
    }
}

fn cure(path: &Path) -> &'static str {
    if path.exists() {
        "the user of this process has to be in the device's group, i2c; a container gets it by GroupAdd"
    } else {
        "I2C has to be on (dtparam=i2c_arm=on), and the container needs the device"
    }
}

/// The gauge of a Linux board.
#[derive(Debug)]
pub(crate) struct LinuxGauge {
    spec: GaugeSpec,
}

impl LinuxGauge {
    pub(crate) const fn new(spec: GaugeSpec) -> Self {
        Self { spec }
    }
}

impl Gauge for LinuxGauge {
    async fn read(&mut self) -> Result<GaugeReading, BoardError> {
        let spec = self.spec.clone();
        // A bus that hangs keeps its reader for a second: a thread's that has nothing else to do.
        spawn_blocking(move || read(&spec))
            .await
            .unwrap_or_else(|error| {
                Err(BoardError::Fault {
                    reason: format!("the gauge could not be read: {error}"),
                })
            })
    }
}

fn read(spec: &GaugeSpec) -> Result<GaugeReading, BoardError> {
    match *spec {
        GaugeSpec::None => Err(BoardError::Fault {
            reason: "the board's specification names no gauge: add gauge=sbs, max17040, max17048, ina219, power-supply or probe"
                .to_owned(),
        }),
        GaugeSpec::I2c { chip, bus, address } => chip.read(&mut Bus::open(bus, address)?),
        GaugeSpec::PowerSupply => kernel(),
        GaugeSpec::Probe { bus } => probe(bus),
    }
}

/// The gauge the kernel has a driver for.
pub(super) fn kernel() -> Result<GaugeReading, BoardError> {
    power_supply::read(Path::new(power_supply::CLASS))
}

/// The kernel's own gauge, else the first chip that answers. Only reads: an address may belong to something else.
fn probe(bus: u32) -> Result<GaugeReading, BoardError> {
    let mut reasons = match kernel() {
        Ok(reading) => return Ok(reading),
        Err(error) => vec![error.to_string()],
    };
    for (_, chip) in Chip::PROBED {
        match Bus::open(bus, chip.address()).and_then(|mut bus| chip.read(&mut bus)) {
            Ok(reading) => return Ok(reading),
            Err(error) => reasons.push(error.to_string()),
        }
    }
    Err(BoardError::Fault {
        reason: format!("no gauge was found: {}", reasons.join("; ")),
    })
}
