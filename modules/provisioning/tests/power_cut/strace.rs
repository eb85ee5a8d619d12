//! A process of this program under `strace`, which counts its system calls and does something to one
//! of them.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fmt, fs, thread};

/// Whatever changes a disk; a question mark is for calls that not every machine has.
const CALLS: &str = "write,writev,pwrite64,pwritev,pwritev2,?open,openat,openat2,?creat,?rename,?renameat,renameat2,?unlink,unlinkat,fsync,fdatasync,sync_file_range,msync,truncate,ftruncate,fallocate,?mkdir,mkdirat,?rmdir,?link,linkat,?symlink,symlinkat,?chmod,fchmod,fchmodat,?chown,?lchown,fchown,fchownat,flock,copy_file_range,sendfile";

/// How many devices are tried at the same time.
const WORKERS: usize = 6;

/// How the device is called: the first argument, that no test runner uses.
const AS_DEVICE: &str = "as-device";

/// A system call, by its name and its number among those of that name, from 1.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) number: usize,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.number)
    }
}

/// A program that is the test and, started by it with other arguments, the device: the directory of
/// its files and what to do.
pub(crate) fn program(
    name: &str,
    be_device: impl FnOnce(&Path, &str) -> ExitCode,
    test: impl FnOnce(),
) -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(AS_DEVICE) => {
            let place = PathBuf::from(arguments.next().expect("a directory"));
            return be_device(&place, &arguments.next().expect("what to do"));
        }
        // What test runners ask.
        Some("--list") => println!("{name}: test"),
        Some(filter) if !filter.starts_with('-') && !name.contains(filter) => {}
        _ => {
            needs_strace();
            test();
        }
    }
    ExitCode::SUCCESS
}

fn needs_strace() {
    let strace = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .output();
    match strace {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!(
            "strace may not trace here: {}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => panic!("this test needs strace ({error}): apt-get install strace"),
    }
}

pub(crate) fn live(place: &Path, what: &str) -> Output {
    let itself = std::env::current_exe().expect("this program");
    let mut command = Command::new(itself);
    command.args([AS_DEVICE, &place.to_string_lossy(), what]);
    command.output().expect("a process")
}

/// One life in which something happens at the call of this name and number.
pub(crate) fn live_until(place: &Path, what: &str, happens: &str, call: &Call) -> Output {
    let inject = format!("inject={}:{happens}:when={}", call.name, call.number);
    let trace = format!("trace={}", call.name);
    under_strace(
        place,
        what,
        &["-o", "/dev/null", "-e", &trace, "-e", &inject],
    )
}

/// How often one life makes each of the calls that change a disk.
pub(crate) fn calls_of(place: &Path, what: &str) -> BTreeMap<String, usize> {
    let log = place.join("trace");
    let output = under_strace(
        place,
        what,
        &[
            "-o",
            &log.to_string_lossy(),
            "-e",
            &format!("trace={CALLS}"),
        ],
    );
    assert!(output.status.success(), "{output:?}");
    let traced = fs::read_to_string(&log).expect("what strace wrote");
    fs::remove_file(log).expect("a file of our own");
    let mut calls = BTreeMap::new();
    for (name, _) in traced.lines().filter_map(|line| line.split_once('(')) {
        *calls.entry(name.to_owned()).or_default() += 1;
    }
    calls
}

fn under_strace(place: &Path, what: &str, how: &[&str]) -> Output {
    let itself = std::env::current_exe().expect("this program");
    Command::new("strace")
        .arg("-qq")
        .args(how)
        .arg(itself)
        .args([AS_DEVICE, &place.to_string_lossy(), what])
        .output()
        .expect("strace")
}

/// Whether the process was stopped, and not by itself.
pub(crate) fn was_killed(output: &Output) -> bool {
    output.status.signal() == Some(9) || output.status.code() == Some(137)
}

/// Does something at every call there is, and at so many more of each name. Each time is mostly
/// spent waiting for other processes and the disk, so several go at once.
pub(crate) fn at_every_call<T: Send>(
    calls: &BTreeMap<String, usize>,
    more: usize,
    job: impl Fn(&Call) -> T + Sync,
) -> Vec<(Call, T)> {
    let every = calls.iter().flat_map(|(name, count)| {
        (1..=count + more).map(|number| Call {
            name: name.clone(),
            number,
        })
    });
    let every: Vec<_> = every.collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(call) = every.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((call.clone(), job(call)));
        }
        done
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        let done = workers.into_iter().map(thread::ScopedJoinHandle::join);
        done.flat_map(|done| done.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}
