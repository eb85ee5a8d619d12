//! What configurations have come to: the hub's own metrics and those that a service asked for.
//!
//! They are counted when they are read, over every device, with the lock let go in between. The real service counts
//! every five minutes.

use std::io;
use std::num::NonZeroUsize;
use std::ops::Bound;

use hub_proto::time;
use query::Query;
use serde_json::{Map, Value, json};

use super::Hub;
use super::query::COLLECTIONS;
use crate::assigning::Kind;
use crate::registry::{Client, Configuration, Device};

/// Devices counted before others have their turn.
const STRIDE: usize = 1024;
const PAGE: NonZeroUsize = NonZeroUsize::new(1000).expect("it is not zero");

/// How many twins a configuration is for, and what became of it there.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    targeted: usize,
    applied: usize,
    successful: usize,
    failed: usize,
}

impl Hub {
    /// Configurations with what they have come to, as documents.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) async fn describe(&self, of: &[(String, Configuration)]) -> io::Result<Vec<Value>> {
        let tallies = self.tally(of).await?;
        let mut described = Vec::with_capacity(of.len());
        for ((id, configuration), tally) in of.iter().zip(tallies) {
            let mut counted = Map::new();
            for (name, query) in &configuration.metrics {
                // One from before queries were held against the language counts nothing.
                if let Ok(query) = Query::parse(query, &COLLECTIONS) {
                    counted.insert(name.clone(), self.count(&query).await?.into());
                }
            }
            let mut document = document(id, configuration);
            document["systemMetrics"] = tally.of(id, configuration);
            document["metrics"] = json!({"results": counted, "queries": configuration.metrics});
            described.push(document);
        }
        Ok(described)
    }

    async fn tally(&self, of: &[(String, Configuration)]) -> io::Result<Vec<Tally>> {
        let mut tallies = vec![Tally::default(); of.len()];
        let kinds: Vec<Kind> = of
            .iter()
            .map(|(_, configuration)| configuration.kind())
            .collect();
        let mut after: Option<String> = None;
        loop {
            let last = {
                let core = self.lock_kept()?;
                let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
                let devices = &core.registry.devices;
                let devices = devices.range::<str, _>((from, Bound::Unbounded));
                let mut last = None;
                for (id, device) in devices.take(STRIDE) {
                    for (((id, _), kind), tally) in of.iter().zip(&kinds).zip(&mut tallies) {
                        tally.count_device(id, *kind, device);
                    }
                    last = Some(id);
                }
                last.cloned()
            };
            if last.is_none() {
                return Ok(tallies);
            }
            after = last;
            self.give_way().await;
        }
    }

    /// How many results a query has.
    async fn count(&self, query: &Query) -> io::Result<usize> {
        let (mut count, mut resume) = (0, None);
        loop {
            let page = self.query(query, resume.as_ref(), PAGE).await?;
            count += page.items.len();
            match page.next {
                Some(next) => resume = Some(next),
                None => return Ok(count),
            }
        }
    }
}

/// The part of it that was given, or is the hub's own.
fn document(id: &str, configuration: &Configuration) -> Value {
    json!({
        "id": id,
        "schemaVersion": "1.0",
        "labels": configuration.labels,
        "content": configuration.content,
        "targetCondition": configuration.target_condition,
        "createdTimeUtc": time::format(configuration.created),
        "lastUpdatedTimeUtc": time::format(configuration.updated),
        "priority": configuration.priority,
        "systemMetrics": {},
        "metrics": {},
        "etag": configuration.etag(),
    })
}

impl Tally {
    fn count_device(&mut self, configuration: &str, kind: Kind, device: &Device) {
        match kind {
            Kind::Device => self.count(configuration, &device.client),
            Kind::Module => {
                for module in device.modules.values() {
                    self.count(configuration, &module.client);
                }
            }
            Kind::Deployment { .. } => {
                let Some(agent) = device.modules.get("$edgeAgent") else {
                    return;
                };
                self.count(configuration, &agent.client);
                if agent.client.has_applied(configuration) == Some(true) {
                    self.count_report(&agent.client);
                }
            }
        }
    }

    fn count(&mut self, configuration: &str, client: &Client) {
        if let Some(applied) = client.has_applied(configuration) {
            self.targeted += 1;
            self.applied += usize::from(applied);
        }
    }

    /// What an Edge agent has made of the newest of its desired properties.
    fn count_report(&mut self, agent: &Client) {
        let reported = agent.twin.reported().value();
        let version = reported.get("lastDesiredVersion").and_then(Value::as_u64);
        if version != Some(agent.twin.desired().version()) {
            return;
        }
        let status = reported.get("lastDesiredStatus");
        match status
            .and_then(|status| status.get("code"))
            .and_then(Value::as_i64)
        {
            Some(200) => self.successful += 1,
            Some(_) => self.failed += 1,
            None => {}
        }
    }

    /// With the queries that the service gives for them, which tools run to list the devices behind a count.
    fn of(self, id: &str, configuration: &Configuration) -> Value {
        let condition = configuration.target_condition.trim();
        match configuration.kind() {
            Kind::Deployment { .. } => {
                const AGENTS: &str = "select deviceId from devices.modules where moduleId = '$edgeAgent' and configurations";
                const REPORTED: &str = "properties.desired.$version = properties.reported.lastDesiredVersion and properties.reported.lastDesiredStatus.code";
                let targeted = match condition {
                    "" => String::new(),
                    "*" => {
                        "select deviceId from devices where capabilities.iotEdge = true".to_owned()
                    }
                    _ => format!(
                        "select deviceId from devices where capabilities.iotEdge = true and ({condition})"
                    ),
                };
                let applied = format!("{AGENTS}.[[{id}]].status = 'Applied'");
                json!({
                    "results": {
                        "targetedCount": self.targeted, "appliedCount": self.applied,
                        "reportedSuccessfulCount": self.successful, "reportedFailedCount": self.failed,
                    },
                    "queries": {
                        "targetedCount": targeted,
                        "appliedCount": applied,
                        "reportedSuccessfulCount": format!("{applied} and {REPORTED} = 200"),
                        "reportedFailedCount": format!("{applied} and {REPORTED} != 200"),
                    },
                })
            }
            Kind::Module => self.of_one(
                "select deviceId, moduleId",
                "devices.modules",
                id,
                condition,
            ),
            Kind::Device => self.of_one("select deviceId", "devices", id, condition),
        }
    }

    fn of_one(self, select: &str, collection: &str, id: &str, condition: &str) -> Value {
        let targeted = match condition {
            "" => String::new(),
            "*" => format!("{select} from {collection}"),
            // That of modules begins with its collection.
            _ if collection == "devices.modules" => format!("{select} {condition}"),
            _ => format!("{select} from {collection} where {condition}"),
        };
        json!({
            "results": {"targetedCount": self.targeted, "appliedCount": self.applied},
            "queries": {
                "targetedCount": targeted,
                "appliedCount": format!("{select} from {collection} where configurations.[[{id}]].status = 'Applied'"),
            },
        })
    }
}
