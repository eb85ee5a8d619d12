//! The gauges: their registers on the kernel's I2C stub.

use std::fs;

use anyhow::{Context, Result, ensure};
use board::{Board, Gauge, GaugeReading};
use i2cdev::core::I2CDevice;
use i2cdev::linux::LinuxI2CDevice;

use crate::Checks;
use crate::machine::Machine;

/// What each chip's registers hold, low byte first on the wire.
const REGISTERS: [(u16, &[(u8, u16)]); 3] = [
    (
        0x0b,
        &[
            (0x09, 16_124),
            (0x0a, (-1250_i16).cast_unsigned()),
            (0x0d, 87),
            (0x12, 412),
        ],
    ),
    (
        0x36,
        &[
            (0x02, 0xbb80_u16.swap_bytes()),
            (0x04, 0x5780_u16.swap_bytes()),
        ],
    ),
    (
        0x40,
        &[
            (0x01, 3100_u16.swap_bytes()),
            (0x02, (1848_u16 << 3).swap_bytes()),
        ],
    ),
];

pub(crate) async fn check(machine: &Machine, checks: &mut Checks) {
    checks
        .check("a gauge answers once its bus is there", appears(machine))
        .await;
    checks
        .check("each gauge's registers are its reading", readings())
        .await;
    checks
        .check("nobody at an address is no reading", nobody())
        .await;
}

async fn appears(machine: &Machine) -> Result<()> {
    let mut early = Board::open("linux:gauge=sbs,bus=0")?.gauge();
    let error = early.read().await.err().context("there is no bus yet")?;
    ensure!(error.to_string().contains("/dev/i2c-0"), "{error}");
    machine.plug_in_bus("0x0b,0x36,0x40")?;
    let bus = bus()?;
    for (address, registers) in REGISTERS {
        let mut device = LinuxI2CDevice::new(format!("/dev/i2c-{bus}"), address)?;
        for (register, value) in registers {
            device.smbus_write_word_data(*register, *value)?;
        }
    }
    let mut gauge = Board::open(&format!("linux:gauge=sbs,bus={bus}"))?.gauge();
    gauge.read().await?;
    Ok(())
}

async fn readings() -> Result<()> {
    let bus = bus()?;
    for (gauge, wanted) in [
        ("sbs", reading(16_124, Some(-1250), 87, Some(412))),
        ("max17048", reading(3750, None, 87, None)),
        ("max17040", reading(3750, None, 87, None)),
        ("ina219,cells=2", reading(7423, Some(-310), 15, None)),
        ("probe", reading(16_124, Some(-1250), 87, Some(412))),
    ] {
        let mut port = Board::open(&format!("linux:gauge={gauge},bus={bus}"))?.gauge();
        let read = port.read().await?;
        ensure!(read == wanted, "{gauge}: {read:?}");
    }
    Ok(())
}

const fn reading(
    voltage_mv: u32,
    current_ma: Option<i32>,
    charge_percent: u8,
    minutes_to_empty: Option<u32>,
) -> GaugeReading {
    GaugeReading {
        voltage_mv,
        current_ma,
        charge_percent,
        minutes_to_empty,
    }
}

async fn nobody() -> Result<()> {
    let mut port = Board::open(&format!("linux:gauge=sbs,address=0x0c,bus={}", bus()?))?.gauge();
    let error = port.read().await.err().context("nobody is there")?;
    ensure!(error.to_string().contains("0x0c"), "{error}");
    Ok(())
}

/// The number of the stub's bus.
fn bus() -> Result<String> {
    for entry in fs::read_dir("/sys/bus/i2c/devices")? {
        let path = entry?.path();
        let name = fs::read_to_string(path.join("name")).unwrap_or_default();
        let bus = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if let (true, Some(number)) = (name.starts_with("SMBus stub"), bus.strip_prefix("i2c-")) {
            return Ok(number.to_owned());
        }
    }
    anyhow::bail!("there is no stub")
}
