//! What a bay costs a Pi: processor time and memory of module hc-sr04 at ten measurements a second, beside the loop in
//! Python that most projects with an HC-SR04 begin with, on the same lines and the same sensor.
//!
//! The machine carries out one instruction in a nanosecond, whatever it is, so a second of processor time here is a
//! thousand million instructions: no cache misses, no waiting for memory. That is about what a Pi 3's core does in a
//! second; it is the same for both, and so is the rest of the emulation, which shows as the sensor's own share.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::machine::Machine;
use crate::programs::{Running, bring_up_loopback, cow};
use crate::sensor::{Act, Sensor};

/// Two metres away at 20 °C.
const ECHO: Duration = Duration::from_micros(11_660);

/// Often enough for the echo to come soon, seldom enough to leave the processor to who is measured.
const LOOK: Duration = Duration::from_micros(200);

/// After the start, which is not what is measured.
const SETTLE: Duration = Duration::from_secs(10);
const WINDOW: Duration = Duration::from_secs(20);

const HUB: &str = "/tmp/hub";

/// Measures both, and prints a line for each.
pub(crate) fn print(machine: &Machine) -> Result<()> {
    bring_up_loopback()?;
    let sensor = Sensor::start(machine, LOOK)?;
    let mut hub = Running::start(Command::new("/bin/cow").args(["sim", "--state", HUB]))?;
    cow(&["wait", "ready"])?;

    println!(
        "at 2 m, {} s each, in CPU seconds a minute:",
        WINDOW.as_secs()
    );
    let module = measure(&sensor, &mut module()?, "hc-sr04, connected, TLS")?;
    let python = measure(&sensor, &mut python()?, "Python, polling a line")?;
    println!(
        "Python takes {:.0} times the processor and {:.1} times the memory",
        python.cpu.as_secs_f64() / module.cpu.as_secs_f64(),
        python.resident_kib as f64 / module.resident_kib as f64,
    );
    hub.stop()
}

/// The module as its container runs it, as a module of an Edge device.
fn module() -> Result<Running> {
    let added = cow(&[
        "device", "add", "bay-01", "--edge", "--module", "hc-sr04", "--json",
    ])?;
    let (_, modules) = added.split_once("\"modules\"").context("no modules")?;
    let (_, string) = modules
        .split_once("\"connectionString\":\"")
        .context("no connection string")?;
    let string = string.split('"').next().unwrap_or_default();
    let module = Running::start(
        Command::new("/bin/hc-sr04")
            .env("BAY_BOARD", "linux:trigger=GPIO23,echo=GPIO24")
            .env("BAY_STATE_DIR", "/tmp")
            .env("EdgeHubConnectionString", string)
            .env("EdgeModuleCACertificateFile", format!("{HUB}/pki/ca.pem")),
    )?;
    cow(&["wait", "connected", "bay-01/hc-sr04"])?;
    Ok(module)
}

fn python() -> Result<Running> {
    Running::start(Command::new("/usr/bin/python3.11").arg("/ranging.py"))
}

/// What somebody took in a minute.
struct Taken {
    cpu: Duration,
    resident_kib: u64,
}

fn measure(sensor: &Sensor, program: &mut Running, name: &str) -> Result<Taken> {
    feed(sensor, SETTLE);
    sensor.count();
    let (before, sensor_before) = (program.cpu()?, cpu_of("self")?);
    let begun = Instant::now();
    feed(sensor, WINDOW);
    let took = begun.elapsed();
    let minutes = took.as_secs_f64() / 60.0;
    let a_minute = |time: Duration| time.div_f64(minutes);
    let taken = Taken {
        cpu: a_minute(program.cpu()? - before),
        resident_kib: program.resident_kib()?,
    };
    println!(
        "{name}: {:.2} s, {:.1} MiB resident, {:.1} measurements a second (the sensor itself: {:.1} s)",
        taken.cpu.as_secs_f64(),
        taken.resident_kib as f64 / 1024.0,
        sensor.count() as f64 / took.as_secs_f64(),
        a_minute(cpu_of("self")? - sensor_before).as_secs_f64(),
    );
    program.stop()?;
    Ok(taken)
}

/// An echo for every burst, for so long.
fn feed(sensor: &Sensor, time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        // Ten bursts a second, and none without an echo.
        for _ in 0..12 {
            sensor.will(Act::Echo(ECHO));
        }
        thread::sleep(Duration::from_secs(1).min(end - Instant::now()));
    }
}

impl Running {
    fn cpu(&mut self) -> Result<Duration> {
        let ended = self.0.try_wait()?;
        ensure!(ended.is_none(), "it ended by itself");
        cpu_of(&self.0.id().to_string())
    }

    fn resident_kib(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let size = line.and_then(|line| line.split_whitespace().next());
        size.context("no VmRSS")?.parse().context("VmRSS")
    }
}

/// The time all threads of a process have had, by the scheduler's own count.
fn cpu_of(process: &str) -> Result<Duration> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let time = text.split(' ').next().context("schedstat is empty")?;
        sum += time.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(sum))
}
