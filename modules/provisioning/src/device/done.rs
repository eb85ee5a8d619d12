//! What came of a step that took its time.

use std::time::Duration;

use bay::message::Step;
use tokio::task::JoinError;
use tracing::info;

use super::Device;
use crate::apply::Apply;
use crate::cloud::Cloud;
use crate::disk::Disk;
use crate::edge_config::DpsIdentity;
use crate::identity::{Assigned, Failure};

/// How long a machine that was asked to restart may take to begin.
const RESTARTS_WITHIN: Duration = Duration::from_secs(180);

/// What came of something that took its time.
#[derive(Debug)]
pub(crate) enum Done {
    Registered(DpsIdentity, Result<Assigned, Failure>),
    Connected(Result<(), Failure>),
    Applied(Result<(), Failure>),
    Rebooted(Result<bool, Failure>),
    NotRestarted,
    Undone(Result<(), Failure>),
    RegisteredAgain(Result<Assigned, Failure>),
}

impl<C: Cloud, D: Disk + Clone> Device<C, D> {
    /// What came of something that took its time; for ever where nothing is under way.
    pub(crate) async fn done(&mut self) -> Result<Done, JoinError> {
        match self.jobs.join_next().await {
            Some(done) => done,
            None => std::future::pending().await,
        }
    }

    /// Takes what came of it.
    pub(crate) fn take(&mut self, done: Done) {
        let now = self.clock.now();
        match done {
            Done::Registered(identity, result) => {
                let written = result.and_then(|assigned| {
                    info!(
                        hub = assigned.hub,
                        device_id = assigned.device_id,
                        "registered"
                    );
                    self.files
                        .registered(identity.who(), &assigned, now.wall)
                        .map(|()| assigned)
                });
                self.identity.handle_registered(written, now);
            }
            Done::Connected(result) => self.identity.handle_done(Step::Connect, result, now),
            Done::Applied(result) => {
                // What the host does at boot is not done yet.
                let result = match self.apply {
                    Apply::AtBoot => result,
                    _ => result.and_then(|()| self.files.applied(now.wall)),
                };
                self.identity.handle_done(Step::Apply, result, now);
            }
            Done::Rebooted(Ok(true)) => {
                info!("the machine restarts");
                self.jobs.spawn(async {
                    tokio::time::sleep(RESTARTS_WITHIN).await;
                    Done::NotRestarted
                });
            }
            // The host's service confirms, after whatever restart there will be.
            Done::Rebooted(Ok(false)) if self.apply == Apply::AtBoot => {
                info!("the change waits for the machine to restart");
            }
            Done::Rebooted(result) => {
                self.identity
                    .handle_done(Step::Reboot, result.map(|_| ()), now);
            }
            Done::NotRestarted => {
                let message = "the machine was asked to restart, and does not";
                let failure = Failure::new(500, "reboot-failed", message);
                self.identity.handle_done(Step::Reboot, Err(failure), now);
            }
            Done::Undone(result) => {
                let result = match result {
                    Ok(()) => self.files.undone(now.wall),
                    Err(failure) => {
                        self.files.abandon();
                        Err(failure)
                    }
                };
                self.identity.handle_undone(result, now);
            }
            Done::RegisteredAgain(Ok(_)) => info!("the old identity is registered again"),
            Done::RegisteredAgain(Err(failure)) => {
                let message = format!(
                    "the old identity could not be registered again, which the Edge runtime does by itself when it \
                     has to: {}",
                    failure.message
                );
                self.trouble(None, message);
            }
        }
    }
}
