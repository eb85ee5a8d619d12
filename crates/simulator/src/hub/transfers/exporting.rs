//! Devices as lines of an export: `ExportImportDevice` of the service's API.

use std::io::{self, Write as _};
use std::ops::Bound;

use hub_proto::identity::Identity;
use serde_json::{Value, json};

use super::{Core, Hub};

impl Hub {
    /// Writes the lines of at most `most` devices after an id, with those of their modules; returns the last device's,
    /// unless there was none.
    pub(crate) fn export_devices(
        &self,
        after: Option<&str>,
        exclude_keys: bool,
        most: usize,
        into: &mut Vec<u8>,
    ) -> Option<String> {
        let core = self.lock();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let devices = core
            .registry
            .devices
            .range::<str, _>((from, Bound::Unbounded));
        let mut last = None;
        for (id, device) in devices.take(most) {
            let modules = device.modules.keys().map(|module| Some(module.as_str()));
            for module in std::iter::once(None).chain(modules) {
                let identity = Identity::new(id.as_str(), module).ok();
                if let Some(line) = identity.and_then(|of| core.export_line(&of, exclude_keys)) {
                    write_line(into, &line);
                }
            }
            last = Some(id.clone());
        }
        last
    }

    /// The lines of every configuration.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) async fn export_configurations(&self) -> io::Result<Vec<u8>> {
        let mut lines = Vec::new();
        let configurations = self.configurations(usize::MAX)?;
        for configuration in self.describe(&configurations).await? {
            write_line(&mut lines, &configuration);
        }
        Ok(lines)
    }
}

fn write_line(into: &mut Vec<u8>, line: &Value) {
    writeln!(into, "{line}").expect("memory takes all that is written to it");
}

impl Core {
    fn export_line(&self, of: &Identity, exclude_keys: bool) -> Option<Value> {
        let mut identity = self.identity_document(of)?;
        let mut twin = self.service_twin(of)?;
        if exclude_keys {
            let keys = &mut identity["authentication"]["symmetricKey"];
            *keys = json!({"primaryKey": null, "secondaryKey": null});
        }
        let mut line = json!({"id": of.device_id()});
        if let Some(module) = of.module_id() {
            line["moduleId"] = module.into();
        }
        line["eTag"] = identity["etag"].take();
        for name in ["status", "statusReason", "managedBy", "authentication"] {
            if let Some(value) = identity.get_mut(name) {
                line[name] = value.take();
            }
        }
        line["twinETag"] = twin["etag"].take();
        line["tags"] = twin.get_mut("tags").map_or_else(|| json!({}), Value::take);
        line["properties"] = twin["properties"].take();
        for name in ["capabilities", "deviceScope", "parentScopes"] {
            if let Some(value) = identity.get_mut(name) {
                line[name] = value.take();
            }
        }
        Some(line)
    }
}
