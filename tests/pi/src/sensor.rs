//! An HC-SR04 seen from its own side: it watches the trigger, and drives the echo.
//!
//! The trigger is an output of the chip: the kernel's trace tells of its pulses.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::machine::{ECHO, Machine, TRIGGER};
use crate::trace::Watch;

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
        let watch = Watch::new("sensor", &[machine.base + TRIGGER])?;
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
        for (_, level) in watch.levels()? {
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
