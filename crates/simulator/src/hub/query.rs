//! Twins, as queries look into them.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::ops::Bound;

use hub_proto::identity::Identity;
use hub_proto::twin::{Object, Section};
use query::{Collection, Document, Page, Path, Query, Resume, Step};
use serde_json::{Value, json};

use super::{Core, Hub};
use crate::registry::{Client, Device};

/// A device's id, and a module's or the empty text.
pub(crate) type Key = (String, String);

/// What can be queried.
pub(crate) const COLLECTIONS: [Collection; 2] = [Collection::DEVICES, Collection::MODULES];

impl Hub {
    /// One page of what a query gives: of one instant, so that what a test has just done is in it. The real service's
    /// answers may lag behind.
    pub(crate) fn query(
        &self,
        query: &Query,
        resume: Option<&Resume<Key>>,
        most: NonZeroUsize,
    ) -> Page<Key> {
        let core = self.lock();
        let resume = resume.map(|resume| {
            resume
                .as_ref()
                .map(|(device, module)| (device.as_str(), module.as_str()))
        });
        let after = resume.as_ref().and_then(Resume::key);
        let from = after.map_or("", |(device, _)| device);
        let of_modules = query.collection() == Collection::MODULES;
        let twins = core
            .devices_of(query, from)
            .flat_map(|(id, device)| core.twins_of(id, device, of_modules));
        let page = query.page(twins, resume.as_ref(), most);
        let owned = |(device, module): (&str, &str)| (device.to_owned(), module.to_owned());
        Page {
            items: page.items,
            next: page.next.map(|resume| resume.map(owned)),
        }
    }
}

impl Core {
    /// The devices from an id on, in the order of their ids. A query for some ids does not walk the others.
    fn devices_of<'c>(
        &'c self,
        query: &'c Query,
        from: &'c str,
    ) -> Box<dyn Iterator<Item = (&'c str, &'c Device)> + 'c> {
        let devices = &self.registry.devices;
        match query.values_of("deviceId") {
            Some(ids) => Box::new(
                ids.into_iter()
                    .filter(move |id| *id >= from)
                    .filter_map(|id| devices.get(id).map(|device| (id, device))),
            ),
            None => {
                let range = (Bound::Included(from), Bound::Unbounded);
                let devices = devices.range::<str, _>(range);
                Box::new(devices.map(|(id, device)| (id.as_str(), device)))
            }
        }
    }

    /// The device's own twin, or its modules'.
    fn twins_of<'c>(
        &'c self,
        id: &'c str,
        device: &'c Device,
        of_modules: bool,
    ) -> impl Iterator<Item = ((&'c str, &'c str), TwinView<'c>)> {
        let view = move |module: Option<&'c str>, client| TwinView {
            core: self,
            id,
            module,
            device,
            client,
        };
        let own = (!of_modules).then(|| ((id, ""), view(None, &device.client)));
        let modules = device.modules.iter().filter(move |_| of_modules);
        own.into_iter().chain(modules.map(move |(module, found)| {
            let module = module.as_str();
            ((id, module), view(Some(module), &found.client))
        }))
    }
}

/// A twin where it lies. What conditions mostly ask for is found there; for the rest the twin is put together.
struct TwinView<'c> {
    core: &'c Core,
    id: &'c str,
    module: Option<&'c str>,
    device: &'c Device,
    client: &'c Client,
}

impl Document for TwinView<'_> {
    fn find(&self, path: &Path) -> Option<Cow<'_, Value>> {
        let (field, rest) = path.split();
        let twin = &self.client.twin;
        let made = |value: Value| Step::walk(rest, &value).cloned().map(Cow::Owned);
        match (field, rest) {
            ("deviceId", _) => made(self.id.into()),
            ("moduleId", _) => made(self.module?.into()),
            ("version", _) => made(twin.version().into()),
            ("tags", [Step::Name(name), rest @ ..]) => inside(twin.tags(), name, rest),
            ("properties", [Step::Name(section), Step::Name(name), rest @ ..]) => {
                match section.as_str() {
                    "desired" => in_section(twin.desired(), name, rest),
                    "reported" => in_section(twin.reported(), name, rest),
                    _ => None,
                }
            }
            ("capabilities", _) => made(json!({"iotEdge": self.device.edge.is_some()})),
            ("status" | "connectionState", _) => {
                let connected = || {
                    self.identity()
                        .is_some_and(|of| self.core.live.contains_key(&of))
                };
                let text = match field {
                    "status" if self.device.enabled => "enabled",
                    "status" => "disabled",
                    _ if connected() => "Connected",
                    _ => "Disconnected",
                };
                made(text.into())
            }
            _ => made(self.to_json().get_mut(field)?.take()),
        }
    }

    fn to_json(&self) -> Value {
        let twin = self.identity().and_then(|of| self.core.service_twin(&of));
        twin.unwrap_or_default()
    }
}

impl TwinView<'_> {
    fn identity(&self) -> Option<Identity> {
        Identity::new(self.id, self.module).ok()
    }
}

fn inside<'t>(object: &'t Object, name: &str, rest: &[Step]) -> Option<Cow<'t, Value>> {
    Step::walk(rest, object.get(name)?).map(Cow::Borrowed)
}

/// What the service adds to a section is not in it.
fn in_section<'t>(section: &'t Section, name: &str, rest: &[Step]) -> Option<Cow<'t, Value>> {
    match name {
        "$version" => Step::walk(rest, &section.version().into())
            .cloned()
            .map(Cow::Owned),
        "$metadata" => {
            let whole = section.to_service_json();
            Step::walk(rest, whole.get(name)?).cloned().map(Cow::Owned)
        }
        _ => inside(section.value(), name, rest),
    }
}
