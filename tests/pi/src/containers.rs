//! Modules in unprivileged containers: what they do with their devices, and without.
//!
//! Each is what an engine makes of the create options that `cow manifest build --board` writes: an image's files, read
//! only; no capability, and no way to get one; the device nodes that are named, and no others. runc starts it, as it does
//! for the engine of a Pi.

mod container;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::fs::{FileType, Mode, major, makedev, minor, mknodat};
use serde_json::{Value, json};

use self::container::Container;
use crate::Checks;
use crate::machine::Machine;
use crate::programs::{Running, ask, bring_up_loopback, cow};
use crate::sensor::{Act, Sensor};

/// The group of GPIO chips on Raspberry Pi OS 12, as `--board pi4` expects it.
const GPIO: u32 = 993;

const GREEN: u32 = 17;
const RED: u32 = 27;
const WIRING: &str = "trigger=GPIO23,echo=GPIO24,green=GPIO17,red=GPIO27";

/// At 20 °C, there and back: an empty bay's floor, and a car.
const FLOOR: Duration = Duration::from_micros(14_570);
const CAR: Duration = Duration::from_micros(5_830);

/// Often enough for the echo to come soon, seldom enough to leave the processor to everybody else.
const LOOK: Duration = Duration::from_micros(200);

/// Less than the module's shortest pause from burst to burst, so that each has its echo.
const BETWEEN_BURSTS: Duration = Duration::from_millis(20);

/// Each question is a process of this slow machine.
const ASK_AGAIN: Duration = Duration::from_millis(300);

/// How long anything may take that is expected to happen.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn check(machine: &Machine, checks: &mut Checks) -> Result<()> {
    let bay = Bay::set_up(machine)?;
    checks
        .check(
            "containers with their devices, and nothing else, are a bay",
            with_devices(&bay),
        )
        .await;
    checks
        .check(
            "a module without its device says so, until it appears",
            without_device(&bay),
        )
        .await;
    checks
        .check(
            "a module without the device's group says so",
            without_group(&bay),
        )
        .await;
    Ok(())
}

/// One bay: its hub, its sensor, and what its modules' containers are made of.
struct Bay<'a> {
    machine: &'a Machine,
    /// How long an echo takes, in nanoseconds.
    echo: Arc<AtomicU64>,
    manifest: Value,
    ready: Value,
    _hub: Running,
}

impl<'a> Bay<'a> {
    fn set_up(machine: &'a Machine) -> Result<Self> {
        bring_up_loopback()?;
        fs::create_dir_all("/sys/fs/cgroup")?;
        ask(Command::new("/bin/busybox").args([
            "mount",
            "-t",
            "cgroup2",
            "none",
            "/sys/fs/cgroup",
        ]))?;
        chown(&machine.chip, None, Some(GPIO))?;
        fs::set_permissions(&machine.chip, fs::Permissions::from_mode(0o660))?;

        let chip = machine.chip.to_string_lossy();
        let chip = chip.trim_start_matches("/dev/gpiochip");
        let manifest = cow(&[
            "manifest",
            "build",
            "/street/deployment.template.json",
            "--board",
            "pi4",
            "--gpio-chip",
            chip,
            "--wiring",
            WIRING,
        ])?;
        fs::write("/tmp/deployment.json", &manifest)?;
        let hub = Running::start_printing(
            Command::new("/bin/cow").args([
                "sim",
                "--state",
                "/tmp/hub",
                "--manifest",
                "/tmp/deployment.json",
                "--json",
            ]),
            "/tmp/ready.json",
        )?;
        cow(&["wait", "ready"])?;
        let ready = || fs::read_to_string("/tmp/ready.json");
        until("what is ready", || Ok(ready()?.ends_with('\n')))?;
        Ok(Self {
            machine,
            echo: echo_for_ever(Sensor::start(machine, LOOK)?),
            manifest: serde_json::from_str(&manifest)?,
            ready: serde_json::from_str(&ready()?)?,
            _hub: hub,
        })
    }

    fn stands_in_it(&self, echo: Duration) {
        self.echo.store(echo.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Starts a module of the manifest, with its create options changed.
    fn start(&self, module: &str, change: impl FnOnce(&mut Value)) -> Result<Container> {
        let desired =
            &self.manifest["modulesContent"]["$edgeAgent"]["properties.desired"]["modules"][module];
        let options = desired["settings"]["createOptions"]
            .as_str()
            .context("no create options")?;
        let mut options = serde_json::from_str(options)?;
        change(&mut options);
        let modules = self.ready["devices"][0]["modules"]
            .as_array()
            .context("no modules")?;
        let identity = modules
            .iter()
            .find(|one| one["moduleId"] == module)
            .context("no identity")?;
        let mut env = vec![
            format!(
                "EdgeHubConnectionString={}",
                identity["connectionString"].as_str().unwrap_or_default()
            ),
            "EdgeModuleCACertificateFile=/run/iotedge/ca.pem".to_owned(),
        ];
        for (name, value) in desired["env"].as_object().context("no environment")? {
            env.push(format!(
                "{name}={}",
                value["value"].as_str().unwrap_or_default()
            ));
        }
        Container::start(module, &options, &env)
    }

    fn lamp(&self) -> Result<(u8, u8)> {
        Ok((self.machine.level(RED)?, self.machine.level(GREEN)?))
    }
}

/// What the manifest's containers do on a Pi: an echo goes in, and the lamp's pins show it.
async fn with_devices(bay: &Bay<'_>) -> Result<()> {
    let sensor = bay.start("hc-sr04", |_| ())?;
    let light = bay.start("light", |_| ())?;
    sensor.is_unprivileged(bay.machine)?;
    light.is_unprivileged(bay.machine)?;
    for (echo, occupancy, pins) in [(FLOOR, "free", (0, 1)), (CAR, "occupied", (1, 0))] {
        bay.stands_in_it(echo);
        cow(&[
            "wait",
            "event",
            "bay-01/hc-sr04",
            "--pointer",
            &format!("/occupancy={occupancy}"),
        ])?;
        // Between two dark moments of its pattern.
        until(&format!("the lamp of {occupancy}"), || {
            Ok(bay.lamp()? == pins)
        })?;
    }
    ensure!(
        fault("hc-sr04")?.is_null() && fault("light")?.is_null(),
        "all is well"
    );
    light.stop()?;
    ensure!(bay.lamp()? == (0, 0), "it goes out with its module");
    sensor.stop()
}

/// The node is not there when the container starts; an engine lets it be used, as soon as it is.
async fn without_device(bay: &Bay<'_>) -> Result<()> {
    let chip = &bay.machine.chip;
    let node = fs::metadata(chip)?.rdev();
    let (major, minor) = (major(node), minor(node));
    let sensor = bay.start("hc-sr04", |options| {
        let host = &mut options["HostConfig"];
        host["Devices"] = json!([]);
        host["DeviceCgroupRules"] = json!([format!("c {major}:{minor} rw")]);
    })?;
    until("a fault without the chip", || {
        Ok(fault("hc-sr04")?.is_string())
    })?;
    println!("without the chip: {}", fault("hc-sr04")?);
    let inside = sensor.sees(chip)?;
    mknodat(
        rustix::fs::CWD,
        &inside,
        FileType::CharacterDevice,
        Mode::from(0o660),
        makedev(major, minor),
    )?;
    chown(&inside, None, Some(GPIO))?;
    until("no fault with it", || Ok(fault("hc-sr04")?.is_null()))?;
    sensor.stop()
}

async fn without_group(bay: &Bay<'_>) -> Result<()> {
    let sensor = bay.start("hc-sr04", |options| {
        options["HostConfig"]["GroupAdd"] = json!([]);
    })?;
    until("a fault without the group", || {
        Ok(fault("hc-sr04")?.is_string())
    })?;
    let told = fault("hc-sr04")?.to_string();
    println!("without the group: {told}");
    ensure!(told.contains("the device's group, gpio"), "{told}");
    sensor.stop()?;
    let sensor = bay.start("hc-sr04", |_| ())?;
    until("no fault with it", || Ok(fault("hc-sr04")?.is_null()))?;
    sensor.stop()
}

/// What a module says keeps it from working.
fn fault(module: &str) -> Result<Value> {
    let twin: Value = serde_json::from_str(&cow(&[
        "twin",
        "get",
        &format!("bay-01/{module}"),
        "--json",
    ])?)?;
    Ok(twin["properties"]["reported"]["fault"].clone())
}

fn until(what: &str, wanted: impl Fn() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !wanted()? {
        ensure!(
            Instant::now() < end,
            "not within {} s: {what}",
            PATIENCE.as_secs()
        );
        thread::sleep(ASK_AGAIN);
    }
    Ok(())
}

/// An echo for every burst, as long as the result says at that time.
fn echo_for_ever(sensor: Sensor) -> Arc<AtomicU64> {
    let echo = Arc::new(AtomicU64::new(FLOOR.as_nanos() as u64));
    let width = Arc::clone(&echo);
    thread::spawn(move || {
        let mut waiting = 0;
        loop {
            waiting -= sensor.count().min(waiting);
            // One burst ahead of the ranger.
            while waiting < 2 {
                sensor.will(Act::Echo(Duration::from_nanos(
                    width.load(Ordering::Relaxed),
                )));
                waiting += 1;
            }
            thread::sleep(BETWEEN_BURSTS);
        }
    });
    echo
}
