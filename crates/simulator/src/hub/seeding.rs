//! The hub's part of a seed: authorities, devices with their modules and parents, deployments, twins.

use hub_proto::identity::Identity;
use serde_json::{Map, Value, json};

use super::{Core, EVENT_BYTES, Step, Wanted};
use crate::authentication::Authentication;
use crate::certificates::Certificate;
use crate::change::Change;
use crate::events::{EventHubs, EventLog};
use crate::journal::Journal;
use crate::precondition::Precondition;
use crate::registry::{Settings, Standing};
use crate::seed::{Entry, Findings};
use crate::{service, with_causes};

const DEVICE: [&str; 11] = [
    "deviceId",
    "edge",
    "capabilities",
    "status",
    "statusReason",
    "authentication",
    "parent",
    "modules",
    "deployment",
    "tags",
    "desired",
];
const MODULE: [&str; 5] = ["moduleId", "authentication", "managedBy", "tags", "desired"];

impl Core {
    /// A hub with the same registry and nobody in it, to try something on.
    pub(crate) fn trial(&self) -> Self {
        let logs = (EventLog::new(EVENT_BYTES), EventHubs::new(EVENT_BYTES));
        let journal = Journal::in_memory();
        Self::new(self.registry.clone(), logs, journal, self.trace.clone())
    }

    /// An authority by its name.
    pub(crate) fn authority(&self, name: &str) -> Option<Certificate> {
        self.registry.authorities.get(name).cloned()
    }

    /// Makes what a seed says and what is missing, to be committed by the caller.
    pub(crate) fn seed(&mut self, seed: &Entry<'_>, findings: &mut Findings) {
        for entry in findings.entries(seed, "certificates", "certificate ", "name") {
            self.seed_authority(&entry, findings);
        }
        let devices = findings.entries(seed, "devices", "device ", "deviceId");
        let devices: Vec<(Identity, Entry<'_>)> = devices
            .into_iter()
            .filter_map(|entry| {
                let id = entry.value["deviceId"].as_str().unwrap_or_default();
                match Identity::device(id) {
                    Ok(identity) => Some((identity, entry)),
                    Err(error) => {
                        findings.wrong(&entry, "/deviceId", error.to_string());
                        None
                    }
                }
            })
            .collect();
        for (identity, entry) in &devices {
            findings.only(entry, &DEVICE);
            self.seed_identity(identity, entry, findings);
        }
        // A parent may stand behind its children, and modules are deployed before they are given more.
        for (identity, entry) in &devices {
            self.seed_parent(identity, entry, findings);
            self.seed_deployment(identity, entry, findings);
            for module in findings.entries(entry, "modules", "", "moduleId") {
                self.seed_module(identity, module, findings);
            }
            self.seed_twin(identity, entry, findings);
        }
    }

    fn seed_authority(&mut self, entry: &Entry<'_>, findings: &mut Findings) {
        findings.only(entry, &["name", "certificate"]);
        let text = |field: &str| entry.value[field].as_str().unwrap_or_default();
        let name = text("name");
        let certificate = match super::authorities::check(name, text("certificate")) {
            Ok(certificate) => certificate,
            Err(fault) => return findings.wrong(entry, "", with_causes(&fault)),
        };
        match self.registry.authorities.get(name) {
            Some(known) if known.sha256() == certificate.sha256() => {}
            Some(known) => {
                let there = known.sha256().to_string();
                findings.contradicts(entry, "/certificate", "the thumbprint", there);
            }
            None => {
                self.record(Change::AuthorityPut {
                    name: name.to_owned(),
                    certificate: Box::new(certificate),
                });
                findings.made(entry);
            }
        }
    }

    fn seed_module(&mut self, device: &Identity, mut entry: Entry<'_>, findings: &mut Findings) {
        let id = std::mem::take(&mut entry.name);
        entry.name = format!("module {device}/{id}");
        findings.only(&entry, &MODULE);
        match Identity::module(device.device_id(), id) {
            Ok(identity) => {
                self.seed_identity(&identity, &entry, findings);
                self.seed_twin(&identity, &entry, findings);
            }
            Err(error) => findings.wrong(&entry, "/moduleId", error.to_string()),
        }
    }

    fn seed_identity(&mut self, target: &Identity, entry: &Entry<'_>, findings: &mut Findings) {
        let mut wanted = match service::wanted(entry.value) {
            Ok(wanted) => wanted,
            Err((field, message)) => {
                let below = format!("/{}", field.replace('.', "/"));
                return findings.wrong(entry, &below, message);
            }
        };
        match entry.value.get("edge") {
            None | Some(Value::Null) => {}
            Some(Value::Bool(edge)) => wanted.edge = Some(*edge),
            Some(_) => findings.wrong(entry, "/edge", "edge is true or false"),
        }
        match self.registry.settings(target) {
            Some(there) => compare(&wanted, &there, entry, findings),
            None => {
                let step = Step::Put(Box::new(wanted), Precondition::Absent);
                match self.administer(target, step) {
                    Ok(()) => findings.made(entry),
                    Err(fault) => findings.wrong(entry, "", with_causes(&fault)),
                }
            }
        }
    }

    fn seed_parent(&mut self, child: &Identity, entry: &Entry<'_>, findings: &mut Findings) {
        let parent = match entry.value.get("parent") {
            None | Some(Value::Null) => return,
            Some(Value::String(parent)) => parent,
            Some(_) => return findings.wrong(entry, "/parent", "parent is a device's id"),
        };
        let device = self.registry.devices.get(parent);
        let Some(device) = device.filter(|device| device.edge.is_some()) else {
            let message = format!("parent is {parent:?}, which is no Edge device");
            return findings.wrong(entry, "/parent", message);
        };
        let scope = device.own_scope(parent);
        let Some(Standing::Device {
            parent_scope,
            status_reason,
            ..
        }) = self.registry.settings(child).map(|there| there.standing)
        else {
            return;
        };
        match parent_scope {
            Some(there) if there == scope => {}
            Some(there) => findings.contradicts(entry, "/parent", "the parent", there),
            None => {
                let wanted = Wanted {
                    parent_scope: Some(scope),
                    status_reason,
                    ..Wanted::default()
                };
                let step = Step::Put(Box::new(wanted), Precondition::Present);
                match self.administer(child, step) {
                    Ok(()) => findings.made(entry),
                    Err(fault) => findings.wrong(entry, "/parent", with_causes(&fault)),
                }
            }
        }
    }

    fn seed_deployment(&mut self, device: &Identity, entry: &Entry<'_>, findings: &mut Findings) {
        let Some(content) = entry.value.get("deployment").filter(|it| !it.is_null()) else {
            return;
        };
        let is_bare = ["$edgeAgent", "$edgeHub"].iter().all(|module| {
            let module = Identity::module(device.device_id(), *module).ok();
            let client = module.and_then(|module| self.client(&module));
            client.is_none_or(|client| client.twin.desired().value().is_empty())
        });
        if is_bare {
            match self.apply_deployment(device, content) {
                Ok(()) => findings.made(entry),
                Err(fault) => findings.wrong(entry, "/deployment", with_causes(&fault)),
            }
            return;
        }
        // One that is there may say more than this one, and not otherwise.
        let modules = content.get("modulesContent").and_then(Value::as_object);
        for (module, sections) in modules.into_iter().flatten() {
            let identity = Identity::module(device.device_id(), module.as_str()).ok();
            let client = identity.and_then(|module| self.client(&module));
            let below = format!("/deployment/modulesContent/{module}");
            let Some(client) = client else {
                findings.contradicts(entry, &below, "the deployment", "one without this module");
                continue;
            };
            let desired = client.twin.desired().value().clone();
            let stated = sections.get("properties.desired");
            let Some(stated) = stated.and_then(Value::as_object) else {
                continue;
            };
            let below = format!("{below}/properties.desired");
            let missing = findings.missing(entry, &below, stated, &desired);
            if let Some(name) = missing.keys().next() {
                let below = format!("{below}/{name}");
                findings.contradicts(entry, &below, "the deployment", "one without this");
            }
        }
    }

    fn seed_twin(&mut self, target: &Identity, entry: &Entry<'_>, findings: &mut Findings) {
        for section in ["tags", "desired"] {
            let Some(stated) = findings.object(entry, section) else {
                continue;
            };
            let Some(client) = self.client(target) else {
                continue;
            };
            let there: Map<String, Value> = match section {
                "tags" => client.twin.tags().clone(),
                _ => client.twin.desired().value().clone(),
            };
            let below = format!("/{section}");
            let missing = findings.missing(entry, &below, stated, &there);
            if missing.is_empty() {
                continue;
            }
            let document = match section {
                "tags" => json!({"tags": missing}),
                _ => json!({"properties": {"desired": missing}}),
            };
            match self.update_twin(target, document, false) {
                Ok(()) => findings.made(entry),
                Err(fault) => findings.wrong(entry, &below, with_causes(&fault)),
            }
        }
    }
}

fn compare(wanted: &Wanted, there: &Settings, entry: &Entry<'_>, findings: &mut Findings) {
    let mut differs = |below: &str, what: &str, is: &str| {
        findings.contradicts(entry, below, what, is);
    };
    if let Some(authentication) = &wanted.authentication
        && *authentication != there.authentication
    {
        let (below, is) = match (authentication, &there.authentication) {
            (Authentication::SelfSigned { .. }, Authentication::SelfSigned { .. }) => {
                ("/authentication/x509Thumbprint", "another one")
            }
            (_, there) => ("/authentication", there.name()),
        };
        differs(below, "authentication", is);
    }
    for (name, wanted, there) in [
        ("primaryKey", &wanted.primary, &there.primary),
        ("secondaryKey", &wanted.secondary, &there.secondary),
    ] {
        if wanted.as_ref().is_some_and(|wanted| wanted != there) {
            let below = format!("/authentication/symmetricKey/{name}");
            // Keys are not shown.
            differs(&below, name, "another one");
        }
    }
    match &there.standing {
        Standing::Device {
            enabled,
            status_reason,
            edge,
            ..
        } => {
            if wanted.enabled.is_some_and(|wanted| wanted != *enabled) {
                let is = if *enabled { "enabled" } else { "disabled" };
                differs("/status", "status", is);
            }
            if wanted.status_reason.is_some() && wanted.status_reason != *status_reason {
                let is = status_reason.as_deref().unwrap_or("nothing");
                differs("/statusReason", "statusReason", is);
            }
            if wanted.edge.is_some_and(|wanted| wanted != *edge) {
                let below = match entry.value.get("edge") {
                    Some(_) => "/edge",
                    None => "/capabilities/iotEdge",
                };
                differs(
                    below,
                    "the Edge capability",
                    if *edge { "there" } else { "not there" },
                );
            }
        }
        Standing::Module { managed_by } => {
            if wanted.managed_by.is_some() && wanted.managed_by != *managed_by {
                let is = managed_by.as_deref().unwrap_or("nobody");
                differs("/managedBy", "managedBy", is);
            }
        }
    }
}
