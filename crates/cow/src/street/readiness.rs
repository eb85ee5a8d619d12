//! When a street is ready: every module that is to run is connected, and its first message is at the hub.
//!
//! A message that no route takes to the hub counts once the edge hub has it. A module of somebody else need not say
//! anything: connecting is enough.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hub_proto::identity::Identity;
use simulator::{Observation, Simulator, What};
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep_until};

/// A street takes a fraction of a second; whoever waits this long wants to know for whom.
pub(super) const LONG: Duration = Duration::from_secs(5);

/// Events read at once.
const AT_ONCE: usize = 256;

/// Watches a simulator from before the first module starts, so that nothing is missed.
#[derive(Debug)]
pub(super) struct Readiness {
    simulator: Arc<Simulator>,
    observations: broadcast::Receiver<Observation>,
    next_event: u64,
    missing: Missing,
}

impl Readiness {
    pub(super) fn watch(simulator: &Arc<Simulator>) -> Self {
        Self {
            observations: simulator.watch(),
            next_event: simulator.next_event(),
            simulator: simulator.clone(),
            missing: Missing::default(),
        }
    }

    /// A module that is to connect and, if it `speaks`, to say something.
    pub(super) fn expect(&mut self, module: Identity, speaks: bool) {
        self.missing.0.insert(
            module,
            Progress {
                connected: false,
                heard: !speaks,
            },
        );
    }

    /// Resolves when nothing is missing; tells `waiting` once what is, should that take long.
    pub(super) async fn reached(&mut self, waiting: impl FnOnce(String)) {
        let mut waiting = Some(waiting);
        let long = Instant::now() + LONG;
        loop {
            self.look();
            if self.missing.0.is_empty() {
                return;
            }
            tokio::select! {
                observation = self.observations.recv() => match observation {
                    Ok(observation) => self.observe(&observation),
                    // What was missed is found by looking, but for messages that stay on the device: rather be ready
                    // too early for those than never.
                    Err(_) => self.missing.0.values_mut().for_each(|progress| progress.heard = true),
                },
                () = self.simulator.events_after(self.next_event) => {}
                () = sleep_until(long), if waiting.is_some() => {
                    if let Some(waiting) = waiting.take() {
                        waiting(self.missing.to_string());
                    }
                }
            }
        }
    }

    fn observe(&mut self, observation: &Observation) {
        if let What::Message { routes, .. } = &observation.what
            && routes.iter().all(|route| route.to != "$upstream")
            && let (Some(device), Some(module)) = (&observation.device_id, &observation.module_id)
        {
            self.missing.heard(device, module);
        }
    }

    fn look(&mut self) {
        let (events, next) = self.simulator.events(self.next_event, None, AT_ONCE);
        self.next_event = next;
        for event in events {
            if let (Some(device), Some(module)) =
                (event["deviceId"].as_str(), event["moduleId"].as_str())
            {
                self.missing.heard(device, module);
            }
        }
        for device in self.simulator.devices().as_array().into_iter().flatten() {
            for module in device["modules"].as_array().into_iter().flatten() {
                if module["connected"] == true
                    && let (Some(device), Some(module)) =
                        (device["deviceId"].as_str(), module["moduleId"].as_str())
                {
                    self.missing.connected(device, module);
                }
            }
        }
    }
}

/// Who is still waited for.
#[derive(Debug, Default)]
struct Missing(BTreeMap<Identity, Progress>);

#[derive(Debug)]
struct Progress {
    connected: bool,
    heard: bool,
}

impl Missing {
    fn connected(&mut self, device: &str, module: &str) {
        self.update(device, module, |progress| progress.connected = true);
    }

    fn heard(&mut self, device: &str, module: &str) {
        // It has been connected to say so, even if it has left again.
        self.update(device, module, |progress| {
            *progress = Progress {
                connected: true,
                heard: true,
            }
        });
    }

    fn update(&mut self, device: &str, module: &str, change: impl FnOnce(&mut Progress)) {
        let found = self
            .0
            .iter_mut()
            .find(|(identity, _)| identity.is(device, Some(module)));
        if let Some((identity, progress)) = found {
            change(progress);
            if progress.connected && progress.heard {
                let identity = identity.clone();
                self.0.remove(&identity);
            }
        }
    }
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, (module, progress)) in self.0.iter().enumerate() {
            let what = if progress.connected {
                "say something"
            } else {
                "connect"
            };
            let separator = if at == 0 { "" } else { ", " };
            write!(f, "{separator}{module} to {what}")?;
        }
        Ok(())
    }
}
