//! What a restart came upon.

use bay::message::Step;
use tracing::{debug, info};

use super::Device;
use crate::apply::Apply;
use crate::cloud::Cloud;
use crate::disk::Disk;
use crate::files::Found;
use crate::identity::Interrupted;
use crate::journal::{Mark, Record};
use crate::report;

impl<C: Cloud, D: Disk + Clone> Device<C, D> {
    /// Takes up what a restart came upon, unless that is somebody else's.
    pub(crate) async fn recover(&mut self) {
        let wall = self.clock.now().wall;
        if self.is_the_hosts() {
            info!("the host's service finishes the last change");
            return;
        }
        let mut troubles = Vec::new();
        let found = match self.files.recover(wall, &mut troubles) {
            Ok(found) => found,
            Err(error) => {
                self.trouble(None, error.to_string());
                return;
            }
        };
        for trouble in troubles {
            self.trouble(None, trouble);
        }
        match found {
            Found::Nothing => {}
            Found::Others => {
                debug!("another process works on the last change");
                return;
            }
            Found::RolledBack => self.tell_recovered("the last change was rolled back"),
            Found::Undoing => {
                self.tell_recovered("the last change is being undone");
                let applied = self
                    .apply
                    .run(self.files.config(), self.files.format())
                    .await;
                let undone = match applied {
                    Ok(()) => self.files.undone(self.clock.now().wall),
                    Err(failure) => {
                        self.files.abandon();
                        Err(failure)
                    }
                };
                if let Err(failure) = undone {
                    self.trouble(None, failure.message);
                }
            }
            Found::Goes {
                record,
                target,
                previous,
            } => {
                self.look();
                self.tell_recovered("the last change goes on");
                let interrupted = Interrupted {
                    kind: record.kind,
                    assigned: self.files.kept.assigned(&target.who()),
                    target,
                    previous,
                    resume: resume(&record),
                    restarted: record.has(Mark::Rebooting),
                    started_at: record.begun_at(),
                    unasked: record.interrupted,
                };
                self.others = false;
                self.identity
                    .handle_interrupted(interrupted, self.clock.now());
                return;
            }
        }
        self.look();
    }

    /// Goes on with what another process left in the middle, should that have ended. One that waits for its
    /// restart is in the middle of nothing; this process may have come after it, though, while another had the lock.
    pub(crate) async fn take_over(&mut self) {
        let waits = |last: &Record| {
            last.has(Mark::Rebooting) && self.restarted_for != Some(last.begun_at())
        };
        let is_left = self.others && self.is_idle() && !self.is_the_hosts();
        if is_left && !self.files.last().as_ref().is_some_and(waits) {
            self.recover().await;
        }
    }

    /// Whether the last change waits for the host's service, which takes the configuration at boot.
    fn is_the_hosts(&self) -> bool {
        let last = self.files.last();
        self.apply == Apply::AtBoot
            && last.is_some_and(|last| !last.is_over() && last.has(Mark::Rebooting))
    }

    fn tell_recovered(&self, what: &'static str) {
        let last = self.files.last().as_ref().map(report::of);
        let kind = last.as_ref().map(|report| report.kind.as_str());
        let message = last.as_ref().map(|report| report.message.as_str());
        info!(
            kind,
            message, what, "a restart came upon a change of identity"
        );
    }
}

/// The step at which a change goes on whose configuration is in its place.
fn resume(record: &Record) -> Step {
    match (record.has(Mark::Applied), record.has(Mark::Rebooting)) {
        (false, _) => Step::Apply,
        (true, false) => Step::Reboot,
        (true, true) => Step::Confirm,
    }
}
