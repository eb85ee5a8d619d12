//! An HC-SR04 seen from its own side: it watches the trigger, and drives the echo.
//!
//! The trigger is an output of the chip, so no interrupt tells of it; the kernel's trace event `gpio_value` tells of every
//! write to it, however short the pulse.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::fs::OFlags;

use crate::machine::{ECHO, Machine, TRIGGER};

const TRACE: &str = "/sys/kernel/tracing/instances/sensor";

/// From the trigger's end to the echo's beginning, as on the real one.
const BURST: Duration = Duration::from_micros(450);

/// The trigger is looked at this often, where its echo's beginning matters.
pub(crate) const LOOK: Duration = Duration::from_micros(50);

/// The last stretch before an edge is spun away: a sleep ends late.
const SPIN: Duration = Duration::from_micros(150);

/// What the sensor does with its next bursts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    /// An echo this long.
    Echo(Duration),
    /// It does not answer at all.
    Silent,
}

/// The other end of a sensor that runs in its thread.
#[derive(Debug)]
pub(crate) struct Sensor {
    acts: Sender<Act>,
    played: Receiver<Duration>,
}

impl Sensor {
    /// Looks at the trigger every `look`, which costs the machine's only processor time each time.
    pub(crate) fn start(machine: &Machine, look: Duration) -> Result<Self> {
        let watch = Watch::new(machine.base + TRIGGER)?;
        let echo = OpenOptions::new()
            .write(true)
            .open(machine.lines.join(format!("sim_gpio{ECHO}/pull")))?;
        echo.write_at(b"pull-down", 0)?;
        let (acts, next) = channel();
        let (told, played) = channel();
        thread::Builder::new()
            .name("sensor".to_owned())
            .spawn(move || play(watch, look, &echo, &next, &told))?;
        Ok(Self { acts, played })
    }

    /// What it does at its next burst.
    pub(crate) fn will(&self, act: Act) {
        // A thread that has ended shows as an echo that does not come.
        let _ = self.acts.send(act);
    }

    /// How many echoes it has played since it was asked last.
    pub(crate) fn count(&self) -> usize {
        self.played.try_iter().count()
    }

    /// How long its last echo really was: a busy machine delays this thread too.
    pub(crate) fn played(&self) -> Result<Duration> {
        self.played
            .recv_timeout(Duration::from_secs(2))
            .context("the sensor was not asked")
    }
}

fn play(
    mut watch: Watch,
    look: Duration,
    echo: &File,
    acts: &Receiver<Act>,
    told: &Sender<Duration>,
) -> Result<()> {
    let mut high = false;
    loop {
        let mut fired = false;
        for level in watch.levels()? {
            fired |= high && !level;
            high = level;
        }
        if !fired {
            thread::sleep(look);
            continue;
        }
        let Ok(Act::Echo(width)) = acts.try_recv() else {
            continue;
        };
        sleep_until(Instant::now() + BURST);
        let rose = Instant::now();
        echo.write_at(b"pull-up", 0)?;
        sleep_until(rose + width);
        let fell = Instant::now();
        echo.write_at(b"pull-down", 0)?;
        // Each edge comes some microseconds into its write, and both writes are alike.
        if told.send(fell - rose).is_err() {
            return Ok(());
        }
    }
}

fn sleep_until(moment: Instant) {
    let left = moment.saturating_duration_since(Instant::now());
    if left > SPIN {
        thread::sleep(left - SPIN);
    }
    while Instant::now() < moment {
        std::hint::spin_loop();
    }
}

/// The levels written to one line.
struct Watch {
    pipe: File,
    text: String,
    key: String,
}

impl Watch {
    fn new(line: u32) -> Result<Self> {
        fs::create_dir_all(TRACE).context("tracefs")?;
        let event = format!("{TRACE}/events/gpio/gpio_value");
        fs::write(
            format!("{event}/filter"),
            format!("gpio == {line} && get == 0"),
        )?;
        fs::write(format!("{event}/enable"), "1")?;
        let pipe = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(format!("{TRACE}/trace_pipe"))?;
        Ok(Self {
            pipe,
            text: String::new(),
            key: format!("gpio_value: {line} set "),
        })
    }

    fn levels(&mut self) -> Result<Vec<bool>> {
        let mut room = [0; 4096];
        match self.pipe.read(&mut room) {
            Ok(read) => self.text.push_str(&String::from_utf8_lossy(&room[..read])),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        let mut levels = Vec::new();
        while let Some(end) = self.text.find('\n') {
            let line: String = self.text.drain(..=end).collect();
            if let Some((_, level)) = line.split_once(&self.key) {
                levels.push(level.trim() == "1");
            }
        }
        Ok(levels)
    }
}
