//! Automatic deployments and configurations: every twin is held to what the configurations it fulfils the condition of
//! say.
//!
//! What changed is looked at in the round that changed it, before anybody is told, so that a twin is never seen between
//! a change and what follows from it. After a change of a configuration that is every device, and these take their turn:
//! some in the same round, the rest whenever the hub has time ([`Hub::assign_more`]).
//!
//! What follows can change what conditions ask for, and two configurations can do that to one another without end.
//! So a device whose twin was changed from here has its next turn only with the next second.

use std::collections::BTreeSet;
use std::io;
use std::ops::Bound;
use std::time::{Duration, Instant};

use hub_proto::identity::Identity;
use hub_proto::twin::{Object, diff};
use serde_json::{Value, json};

use super::identities::SYSTEM_MODULES;
use super::{Core, Hub, TwinFault};
use crate::assigning::{Kind, Ranking, Target, Whom, parts, set, stack, unset};
use crate::change::Change;
use crate::registry::{Assignment, Client, Configuration, Device};

/// Devices looked at in one round.
const AT_ONCE: usize = 256;
/// Devices of all of them that are looked at before others have their turn: about a millisecond of the lock.
const STRIDE: usize = 32;
/// The clock's other work does not wait longer for them.
const SPELL: Duration = Duration::from_millis(200);

/// Configurations, and the devices that have yet to be held against them.
#[derive(Debug, Default)]
pub(super) struct Assigning {
    targets: Vec<Target>,
    due: BTreeSet<String>,
    /// Due with the next second.
    later: BTreeSet<String>,
    /// The first of the devices that are left of all of them.
    sweep: Option<String>,
    /// Devices that are to be given what they are to have even if that is what they had.
    anew: BTreeSet<String>,
    /// Whether changes come from here.
    at_work: bool,
}

impl Assigning {
    /// The device whose assignments a change can move.
    pub(super) fn concerned(&self, change: &Change) -> Option<String> {
        if self.targets.is_empty() {
            return None;
        }
        match change {
            Change::DevicePut { id, .. } | Change::DeviceEnabled { id, .. } => Some(id.clone()),
            Change::ModulePut { device, .. } if self.asks_about_modules() => Some(device.clone()),
            Change::IdentitySettled { target, .. }
            | Change::TwinUpdated { target, .. }
            | Change::Reported { target, .. }
            | Change::ModelAnnounced { target, .. }
                if target.module_id().is_none() || self.asks_about_modules() =>
            {
                Some(target.device_id().to_owned())
            }
            _ => None,
        }
    }

    fn asks_about_modules(&self) -> bool {
        self.targets
            .iter()
            .any(|target| matches!(target.whom, Whom::Modules(_)))
    }

    /// A device has changed.
    pub(super) fn note(&mut self, device: String) {
        if self.at_work {
            self.later.insert(device);
        } else {
            self.due.insert(device);
        }
    }

    /// A second is over.
    pub(super) fn rouse(&mut self) {
        self.due.append(&mut self.later);
    }

    fn is_idle(&self) -> bool {
        self.due.is_empty() && self.sweep.is_none()
    }
}

/// What one twin is to be held to from here on.
struct Finding {
    twin: Identity,
    kind: Kind,
    /// In the order in which they are laid on one another, then those that do not count.
    assigned: Vec<Assignment>,
}

impl Hub {
    /// Looks at devices that have yet to be for a spell, others having their turn in between.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) async fn assign_for_a_spell(&self) -> io::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < SPELL && self.assign_more()? {
            self.give_way().await;
        }
        Ok(())
    }

    /// Looks at some more of the devices that have yet to be; says whether these were not the last.
    pub(super) fn assign_more(&self) -> io::Result<bool> {
        let mut core = self.lock();
        if core.assigning.is_idle() {
            return Ok(false);
        }
        core.assign_all(STRIDE);
        self.commit(&mut core)?;
        Ok(!core.assigning.is_idle())
    }
}

impl Core {
    /// The configurations have changed, or come from the journal: every device is to be looked at.
    pub(super) fn retarget(&mut self) {
        self.assigning.targets = Target::all(&self.registry.configurations);
        let assigned = |device: &Device| {
            let mut modules = device.modules.values();
            !device.client.assigned.is_empty()
                || modules.any(|module| !module.client.assigned.is_empty())
        };
        let anybody = !self.assigning.targets.is_empty()
            || self
                .registry
                .devices
                .values()
                .any(|device| assigned(device));
        self.assigning.sweep = anybody.then(String::new);
    }

    /// A deployment was put on this device by hand. Where it is under automatic ones, those win.
    pub(super) fn assign_anew(&mut self, device: &str) {
        if !self.assigning.targets.is_empty() {
            self.assigning.anew.insert(device.to_owned());
            self.assigning.note(device.to_owned());
        }
    }

    /// Looks at devices that changed in this round.
    pub(super) fn assign_due(&mut self) {
        for _ in 0..AT_ONCE {
            match self.assigning.due.pop_first() {
                Some(id) => self.assign(&id),
                None => return,
            }
        }
    }

    /// After a change of a configuration: where there are few devices it takes effect at once.
    pub(super) fn assign_some(&mut self) {
        self.assign_all(AT_ONCE);
    }

    /// Looks at the next of all devices.
    fn assign_all(&mut self, most: usize) {
        let Some(from) = self.assigning.sweep.take() else {
            return;
        };
        let devices = &self.registry.devices;
        let mut rest = devices.range::<str, _>((Bound::Included(from.as_str()), Bound::Unbounded));
        let taken: Vec<String> = rest.by_ref().take(most).map(|(id, _)| id.clone()).collect();
        self.assigning.sweep = rest.next().map(|(id, _)| id.clone());
        for id in taken {
            self.assigning.due.remove(&id);
            self.assign(&id);
        }
    }

    fn assign(&mut self, id: &str) {
        self.assigning.at_work = true;
        let mut anew = self.assigning.anew.remove(id);
        for finding in self.findings(id) {
            anew |= self.carry_out(finding, anew);
        }
        self.assigning.at_work = false;
    }

    /// What the device and its modules are to be held to, deployments before what is for single modules.
    fn findings(&self, id: &str) -> Vec<Finding> {
        let (Some(device), Ok(identity)) = (self.registry.devices.get(id), Identity::device(id))
        else {
            return Vec::new();
        };
        let view = self.view(id, None, device, &device.client);
        let matching: Vec<&Target> = self
            .assigning
            .targets
            .iter()
            .filter(|target| matches!(&target.whom, Whom::Devices(query) if query.matches(&view)))
            .collect();
        let mut findings = Vec::new();
        let of_device = matching.iter().filter(|target| target.kind == Kind::Device);
        findings.push(finding(
            identity,
            Kind::Device,
            Ranking::of_one(of_device.copied()),
            self,
        ));
        if device.edge.is_some()
            && let Ok(agent) = Identity::module(id, "$edgeAgent")
        {
            let deployments = matching
                .iter()
                .filter(|target| matches!(target.kind, Kind::Deployment { .. }));
            let ranking = Ranking::of_deployments(deployments.copied());
            findings.push(finding(
                agent,
                Kind::Deployment { layered: false },
                ranking,
                self,
            ));
        }
        // What the runtime's own modules have is for deployments to say.
        let modules = device.modules.iter().filter(|(module, client)| {
            let asked = self.assigning.asks_about_modules() || !client.client.assigned.is_empty();
            asked && !SYSTEM_MODULES.contains(&module.as_str())
        });
        for (module, known) in modules {
            let Ok(identity) = Identity::module(id, module.as_str()) else {
                continue;
            };
            let view = self.view(id, Some(module), device, &known.client);
            let matching = self.assigning.targets.iter().filter(|target| {
                let fulfilled =
                    matches!(&target.whom, Whom::Modules(query) if query.matches(&view));
                target.kind == Kind::Module && fulfilled
            });
            findings.push(finding(
                identity,
                Kind::Module,
                Ranking::of_one(matching),
                self,
            ));
        }
        findings
    }

    /// Gives a twin what it is to have, and writes down why; says whether a device's modules have been set anew.
    fn carry_out(&mut self, finding: Finding, anew: bool) -> bool {
        let Finding {
            twin,
            kind,
            mut assigned,
        } = finding;
        let Some(client) = self.client(&twin) else {
            return false;
        };
        let before = client.assigned.clone();
        let applied = |assigned: &[Assignment]| -> Vec<Assignment> {
            let applied = assigned.iter().filter(|assignment| assignment.applied);
            applied.cloned().collect()
        };
        let wanted = applied(&assigned);
        let mut deployed = false;
        if wanted != applied(&before) || anew && !wanted.is_empty() {
            let mut set: Vec<String> = before.into_iter().flat_map(|known| known.set).collect();
            let done = match kind {
                Kind::Deployment { .. } => {
                    deployed = !wanted.is_empty();
                    self.deploy_all(&twin, &wanted)
                }
                Kind::Device | Kind::Module => self.configure(&twin, &wanted, &set),
            };
            if let Err(error) = done {
                tracing::warn!(%twin, error, "a configuration cannot be applied");
                for assignment in &mut assigned {
                    assignment.applied = false;
                    // Whoever is applied next takes out what is still there of the one before.
                    assignment.set = std::mem::take(&mut set);
                }
            }
        }
        let changed = self
            .client(&twin)
            .is_some_and(|client| client.assigned != assigned);
        if changed {
            self.record(Change::Assigned { twin, assigned });
        }
        deployed
    }

    /// Lays deployments on one another and puts the outcome on an edge device. Without any its modules stay as they are.
    fn deploy_all(&mut self, agent: &Identity, wanted: &[Assignment]) -> Result<(), String> {
        if wanted.is_empty() {
            return Ok(());
        }
        let contents = wanted.iter().filter_map(|assignment| {
            let configuration = self
                .registry
                .configurations
                .get(&assignment.configuration)?;
            configuration.content.get("modulesContent")?.as_object()
        });
        let modules = stack(contents);
        self.deploy(agent.device_id(), &modules, false)
            .map_err(|error| crate::with_causes(&error))
    }

    /// Sets what the configuration that counts says, and takes out what an earlier one had set.
    fn configure(
        &mut self,
        twin: &Identity,
        wanted: &[Assignment],
        had: &[String],
    ) -> Result<(), String> {
        let Some(client) = self.client(twin) else {
            return Ok(());
        };
        let current = client.twin.desired().value();
        let mut desired = current.clone();
        for path in had {
            unset(&mut desired, path);
        }
        for assignment in wanted {
            let configuration = self.registry.configurations.get(&assignment.configuration);
            for (path, value) in configuration.map(sections).map(parts).into_iter().flatten() {
                set(&mut desired, path, value);
            }
        }
        let patch = diff(current, &desired);
        if patch.is_empty() {
            return Ok(());
        }
        let document = json!({"properties": {"desired": patch}});
        let done = self.update_twin(twin, document, false);
        done.map_err(|error: TwinFault| crate::with_causes(&error))
    }
}

fn finding(twin: Identity, kind: Kind, ranking: Ranking<'_>, core: &Core) -> Finding {
    let assignment = |target: &Target, applied: bool| {
        let configuration = core.registry.configurations.get(&target.id);
        let set = match (kind, configuration) {
            (Kind::Device | Kind::Module, Some(configuration)) if applied => {
                let parts = parts(sections(configuration)).into_iter();
                parts.map(|(path, _)| path.to_owned()).collect()
            }
            _ => Vec::new(),
        };
        Assignment {
            configuration: target.id.clone(),
            made: target.made,
            applied,
            set,
        }
    };
    let applied = ranking
        .applied
        .iter()
        .map(|target| assignment(target, true));
    let targeted = ranking
        .targeted
        .iter()
        .map(|target| assignment(target, false));
    Finding {
        twin,
        kind,
        assigned: applied.chain(targeted).collect(),
    }
}

/// What a configuration of devices or modules sets in each twin.
fn sections(configuration: &Configuration) -> &Object {
    static NONE: std::sync::LazyLock<Object> = std::sync::LazyLock::new(Object::new);
    let content = ["deviceContent", "moduleContent"].map(|kind| configuration.content.get(kind));
    let found = content.into_iter().flatten().find_map(Value::as_object);
    found.unwrap_or(&NONE)
}

impl Client {
    /// Whether a configuration has been applied to its twin, if it fulfils the condition.
    pub(super) fn has_applied(&self, configuration: &str) -> Option<bool> {
        let mut assigned = self.assigned.iter();
        let found = assigned.find(|assignment| assignment.configuration == configuration)?;
        Some(found.applied)
    }
}
