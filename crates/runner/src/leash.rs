//! What makes a module die with its runner.
//!
//! The kernel's parent-death signal would have to be set between fork and exec, which safe Rust cannot do, and it
//! fires when the *thread* that spawned the child ends, which under an async runtime can be any time. A pipe watched
//! by the module itself works only for modules written for it.
//!
//! So each module runs in a process group that is led by a few lines of shell, the leash, which does nothing but read
//! a pipe whose other end only the runner holds. However the runner ends, the kernel closes that pipe, and the leash
//! kills its group: the module, whatever the module started, and itself. There is no moment in between: the leash
//! exists before the module does, and a child that is still being started when its group vanishes cannot join it and
//! is not executed. The leader stays unreaped as long as the module may be signalled, so the group's number cannot
//! come to mean anybody else. A module that moves itself to another group or session escapes, as it would with any
//! means short of a container.

use std::io;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStdin, Command};

/// Ignores what a terminal or a polite stop sends, because it has to outlast the module.
const SCRIPT: &str = "trap '' HUP INT TERM; read -r _; kill -KILL 0";

/// A process group that ends when this is released, dropped, or when this whole process is gone.
#[derive(Debug)]
pub(crate) struct Leash {
    leader: Child,
    group: Pid,
    _pipe: Option<ChildStdin>,
}

impl Leash {
    /// Makes an empty group; processes join it through [`Self::group`].
    pub(crate) fn new() -> io::Result<Self> {
        let mut leader = Command::new("/bin/sh")
            .args(["-c", SCRIPT])
            .env_clear()
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let group = leader
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
            .ok_or(io::ErrorKind::NotFound)?;
        Ok(Self {
            _pipe: leader.stdin.take(),
            leader,
            group,
        })
    }

    /// The number for `Command::process_group`.
    pub(crate) fn group(&self) -> i32 {
        self.group.as_raw_nonzero().get()
    }

    /// Ends whatever is left in the group, and the group.
    pub(crate) async fn release(mut self) {
        // Fails only when nobody in the group is left to be signalled, which is what is wanted.
        let _ = kill_process_group(self.group, Signal::KILL);
        // It was sent SIGKILL and is a child of ours: this neither fails nor takes long.
        let _ = self.leader.wait().await;
    }
}
