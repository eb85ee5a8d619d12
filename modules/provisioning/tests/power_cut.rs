//! The process is stopped at every system call that writes, renames, syncs or removes, on the
//! machine's own file system; then it starts again, and the device must come up with the old or the
//! new identity, whole, and say which. And every such call fails once, as on a full, read-only,
//! foreign or broken disk.
//!
//! `strace` counts the calls and stops the process; this program is both the test and, started by it
//! with other arguments, the device. What a disk may lose of what was not synced is proven by
//! `power_cut_model.rs`.

#![allow(missing_docs)]

#[path = "power_cut/device.rs"]
mod device;
#[path = "power_cut/identities.rs"]
mod identities;
#[path = "power_cut/strace.rs"]
mod strace;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Output};

use bay::message::ChangeKind;
use device::{Device, Runtime, Told, stock_config};
use identities::{PROJECT_KEY, STOCK_KEY, project, stock, with};
use provisioning::disk::RealDisk;
use provisioning::journal::Outcome;
use strace::{Call, at_every_call, calls_of, live, live_until, program, was_killed};

fn main() -> ExitCode {
    program("power_cut", be_device, || {
        for journey in [Journey::Setup, Journey::Reset] {
            cut_everywhere(journey);
        }
        fail_everywhere(Journey::Setup);
    })
}

#[derive(Clone, Copy, Debug)]
enum Journey {
    Setup,
    Reset,
}

impl Journey {
    fn word(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Reset => "reset",
        }
    }

    fn old(self) -> Vec<u8> {
        match self {
            Self::Setup => stock_config(),
            Self::Reset => with(&stock_config(), &project()),
        }
    }

    fn changed(self) -> Vec<u8> {
        match self {
            Self::Setup => with(&stock_config(), &project()),
            Self::Reset => with(&self.old(), &stock()),
        }
    }

    fn keys(self) -> (&'static str, &'static str) {
        match self {
            Self::Setup => (STOCK_KEY, PROJECT_KEY),
            Self::Reset => (PROJECT_KEY, STOCK_KEY),
        }
    }
}

/// A device's files.
fn files(place: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let config = place.join("etc/config.toml");
    (config, place.join("state"), place.join("applied.toml"))
}

/// The device: one life of its process.
fn be_device(place: &Path, what: &str) -> ExitCode {
    let (config, state, applied) = files(place);
    let device = Device::new(RealDisk, &config, &state);
    let apply = || {
        fs::copy(&config, &applied).expect("a runtime that takes what it finds");
    };
    let done = match what {
        "setup" => device.change(ChangeKind::Setup, &project(), Runtime::Takes, apply),
        "reset" => device.change(ChangeKind::Reset, &stock(), Runtime::Takes, apply),
        _ => {
            let told = device.boot(Runtime::Takes, apply).expect("a start");
            print!("{told:?}");
            return ExitCode::SUCCESS;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            print!(
                "{:?} undone={} {}",
                failed.step, failed.undone, failed.error
            );
            ExitCode::FAILURE
        }
    }
}

/// A fresh device with the old identity.
fn device(journey: Journey) -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a directory");
    let (config, state, applied) = files(place.path());
    fs::create_dir(config.parent().expect("a directory")).expect("a directory");
    fs::create_dir(state).expect("a directory");
    fs::write(config, journey.old()).expect("a file");
    fs::write(applied, journey.old()).expect("a file");
    place
}

/// Starts the device and sees that it is whole; whether it has the new identity.
fn comes_up(place: &Path, journey: Journey, context: &str) -> bool {
    let (config, state, applied) = files(place);
    let whole = |when: &str| {
        let content = fs::read(&config).expect("a configuration");
        if content == journey.changed() {
            true
        } else if content == journey.old() {
            false
        } else {
            panic!("{context}, {when}: neither the old nor the new configuration")
        }
    };
    whole("before the start");
    let told = |output: Output| {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{context}: {error}");
        String::from_utf8(output.stdout).expect("a text")
    };
    let first = told(live(place, "boot"));
    let is_new = whole("after the start");
    let says_new = match first.as_str() {
        it if it == format!("{:?}", Told::Ended(Outcome::Confirmed)) => true,
        it if it == format!("{:?}", Told::Ended(Outcome::RolledBack)) => false,
        it if it == format!("{:?}", Told::Nothing) => false,
        other => panic!("{context}: it says {other}"),
    };
    assert_eq!(is_new, says_new, "{context}: it says {first}");
    let second = told(live(place, "boot"));
    assert_eq!(first, second, "{context}: it says something else");
    assert_eq!(
        fs::read(&applied).expect("a file"),
        fs::read(&config).expect("a file"),
        "{context}: the runtime runs with what is in force"
    );

    let (old_key, new_key) = journey.keys();
    let gone = if is_new { old_key } else { new_key };
    for directory in [config.parent().expect("a directory"), &state] {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let known = ["config.toml", "identity.journal", "identity.lock"];
            assert!(known.contains(&&*name), "{context}: {name} is left");
            let content = fs::read_to_string(&path).expect("a text");
            assert!(!content.contains(gone), "{context}: a key in {name}");
        }
    }
    is_new
}

/// Stops the process at every call: first in the life that changes, then in the one that comes up.
fn cut_everywhere(journey: Journey) {
    let word = journey.word();
    let mut points = BTreeMap::<String, usize>::new();
    let mut lives = [0, 0];
    let mut news = 0;
    for (life, what) in [word, "boot"].into_iter().enumerate() {
        let ready = || {
            let place = device(journey);
            if life == 1 {
                assert!(live(place.path(), word).status.success());
            }
            place
        };
        let calls = calls_of(ready().path(), what);
        let cut = |call: &Call| {
            let place = ready();
            let output = live_until(place.path(), what, "signal=KILL", call);
            let context = format!("{word} stopped in {what} at {call}");
            // One call more than there are stops nothing, and shows that there are no more.
            let is_there = call.number <= calls[&call.name];
            assert_eq!(was_killed(&output), is_there, "{context}: {output:?}");
            let is_new = comes_up(place.path(), journey, &context);
            assert!(is_new || is_there, "{context}: it was not stopped");
            is_new
        };
        for (call, is_new) in at_every_call(&calls, 1, cut) {
            if call.number <= calls[&call.name] {
                lives[life] += 1;
                news += usize::from(is_new);
                *points.entry(call.name).or_default() += 1;
            }
        }
    }
    let [changing, starting] = lives;
    let all = changing + starting;
    println!(
        "{word}: power cut at each of {all} system calls ({changing} while changing, {starting} while coming up): the old identity {} times, the new one {news} times; {points:?}",
        all - news
    );
    for call in ["openat", "write", "fsync", "flock"] {
        assert!(points.contains_key(call), "no {call} was stopped");
    }
    assert!(points.keys().any(|call| call.starts_with("rename")));
    assert!(points.keys().any(|call| call.starts_with("unlink")));
    assert!(news > 0 && news < all, "both identities turn up");
}

/// Lets every call fail once: the change is undone, and the error says where.
fn fail_everywhere(journey: Journey) {
    let word = journey.word();
    let mut failed = BTreeMap::<String, usize>::new();
    let calls = calls_of(device(journey).path(), word);
    for errno in ["ENOSPC", "EROFS", "EACCES"] {
        let fail = |call: &Call| {
            let place = device(journey);
            let output = live_until(place.path(), word, &format!("error={errno}"), call);
            let context = format!("{word} with {errno} at {call}");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let is_new = comes_up(place.path(), journey, &context);
            let all = said.clone() + &String::from_utf8_lossy(&output.stderr);
            let shows_key = all.contains(STOCK_KEY) || all.contains(PROJECT_KEY);
            assert!(!shows_key, "{context}: a key in what it says");
            if output.status.success() {
                // A call of the process's own beginning, which can do without.
                assert!(is_new, "{context}: nothing was said");
            } else if !said.is_empty() {
                assert!(!is_new, "{context}: {said}");
                assert!(said.contains("undone=true"), "{context}: {said}");
            }
            said.split(' ').next().unwrap_or_default().to_owned()
        };
        for (_, step) in at_every_call(&calls, 0, fail) {
            *failed.entry(step).or_default() += 1;
        }
    }
    failed.remove("");
    let all: usize = failed.values().sum();
    println!("{word}: {all} calls failing, each alone; undone at {failed:?}");
    for step in ["Check", "Register", "Backup", "Write", "Apply", "Reboot"] {
        assert!(failed.contains_key(step), "nothing failed at {step}");
    }
}
