//! The machine's devices: simulated GPIO lines with names, and later an I2C bus and an SPI bus.

use std::ffi::CString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use gpiocdev::chip::Chip;
use rustix::mount::{MountFlags, mount};
use rustix::system::finit_module;

/// The names the lines have, as a Pi's device tree gives them.
pub(crate) const LINES: [(u32, &str); 7] = [
    (8, "GPIO8"),
    (10, "GPIO10"),
    (11, "GPIO11"),
    (17, "GPIO17"),
    (23, "GPIO23"),
    (24, "GPIO24"),
    (27, "GPIO27"),
];

/// What the lines are for.
pub(crate) const TRIGGER: u32 = 23;
pub(crate) const ECHO: u32 = 24;
pub(crate) const DATA: u32 = 10;
pub(crate) const CLOCK: u32 = 11;

/// A machine with a GPIO chip of 54 lines, as a Pi's.
#[derive(Debug)]
pub(crate) struct Machine {
    /// The chip's directory, which shows and drives each line.
    pub(crate) lines: PathBuf,
    /// The kernel's number of the chip's first line, which its trace events carry.
    pub(crate) base: u32,
    /// The character device.
    pub(crate) chip: PathBuf,
}

impl Machine {
    pub(crate) fn set_up() -> Result<Self> {
        for (kind, target) in [
            ("proc", "/proc"),
            ("sysfs", "/sys"),
            ("devtmpfs", "/dev"),
            ("tmpfs", "/tmp"),
        ] {
            mount_at(kind, target)?;
        }
        for module in ["configfs", "gpio-sim"] {
            load(module, "")?;
        }
        for (kind, target) in [
            ("configfs", "/sys/kernel/config"),
            ("tracefs", "/sys/kernel/tracing"),
            ("debugfs", "/sys/kernel/debug"),
        ] {
            mount_at(kind, target)?;
        }
        make_chip()?;
        find_chip()
    }

    /// What is written to `line`, as 0 or 1.
    pub(crate) fn level(&self, line: u32) -> Result<u8> {
        let text = fs::read_to_string(self.lines.join(format!("sim_gpio{line}/value")))?;
        text.trim().parse().context("a level")
    }

    /// The I2C bus appears, with devices at these addresses.
    pub(crate) fn plug_in_bus(&self, addresses: &str) -> Result<()> {
        load("i2c-smbus", "")?;
        load("i2c-dev", "")?;
        load("i2c-stub", &format!("chip_addr={addresses}"))
    }

    /// The SPI bus of a strip appears, on lines of the chip.
    pub(crate) fn plug_in_strip(&self) -> Result<()> {
        load("spi-bitbang", "")?;
        load("spi-gpio", "")?;
        load("strip-bus", "")
    }
}

fn mount_at(kind: &str, target: &str) -> Result<()> {
    fs::create_dir_all(target).ok();
    mount(kind, target, kind, MountFlags::empty(), None).with_context(|| format!("mounting {kind}"))
}

fn load(module: &str, parameters: &str) -> Result<()> {
    let file = File::open(format!("/modules/{module}.ko")).with_context(|| module.to_owned())?;
    finit_module(file, &CString::new(parameters)?, 0).with_context(|| format!("loading {module}"))
}

fn make_chip() -> Result<()> {
    let bank = Path::new("/sys/kernel/config/gpio-sim/pi/bank0");
    fs::create_dir_all(bank)?;
    fs::write(bank.join("num_lines"), "54")?;
    for (number, name) in LINES {
        let line = bank.join(format!("line{number}"));
        fs::create_dir(&line)?;
        fs::write(line.join("name"), name)?;
    }
    fs::write("/sys/kernel/config/gpio-sim/pi/live", "1").context("the chip goes live")
}

/// On the emulated board the first chip is its own; the simulated one is another, as on a Pi 5.
fn find_chip() -> Result<Machine> {
    for entry in fs::read_dir("/sys/bus/gpio/devices")? {
        let lines = fs::canonicalize(entry?.path())?;
        if !lines.join("sim_gpio0").exists() {
            continue;
        }
        let name = lines.file_name().unwrap_or_default().to_string_lossy();
        let chip = Path::new("/dev").join(&*name);
        Chip::from_path(&chip).context("the simulated chip")?;
        let list = fs::read_to_string("/sys/kernel/debug/gpio")?;
        let prefix = format!("{name}: GPIOs ");
        let base = list
            .lines()
            .find_map(|line| line.strip_prefix(&prefix)?.split('-').next()?.parse().ok())
            .context("the chip's first number")?;
        return Ok(Machine { lines, base, chip });
    }
    bail!("there is no simulated chip")
}
