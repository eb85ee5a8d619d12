//! Twins, as queries look into them.

use std::borrow::Cow;
use std::io;
use std::num::NonZeroUsize;
use std::ops::{Bound, ControlFlow};

use hub_proto::identity::Identity;
use hub_proto::twin::{Object, Section};
use query::{Collection, Document, Outcome, Page, Paging, Path, Query, Resume, Step};
use serde_json::{Value, json};

use super::walking::{STRIDE, behind};
use super::{Core, Hub};
use crate::registry::{Client, Device, assignments_section};

/// A device's id, and a module's or the empty text.
pub(crate) type Key = (String, String);

/// Twins that can be queried.
pub(crate) const COLLECTIONS: [Collection; 2] = [Collection::DEVICES, Collection::MODULES];

impl Hub {
    /// One page of what a query gives. What was kept when it began is in it; what changes while it goes through a large
    /// registry may be seen as it was before or after, as the real service's answers lag behind.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) async fn query(
        &self,
        query: &Query,
        resume: Option<&Resume<Key>>,
        most: NonZeroUsize,
    ) -> io::Result<Page<Key>> {
        let after = resume.and_then(Resume::key).filter(|_| query.lists());
        let mut paging = query.paging(resume, most);
        let mut seen = None;
        loop {
            let goes_on_behind = {
                let core = self.lock_kept()?;
                core.look(query, after, seen.as_deref(), &mut paging)
            };
            if goes_on_behind.is_none() {
                break;
            }
            seen = goes_on_behind;
            self.give_way().await;
        }
        let (chosen, next) = match paging.finish() {
            Outcome::Whole(page) => return Ok(page),
            Outcome::Of(chosen, next) => (chosen, next),
        };
        let mut items = Vec::with_capacity(chosen.len());
        for chosen in chosen.chunks(STRIDE) {
            {
                let core = self.lock_kept()?;
                // One that is gone by now has no result.
                let found = chosen.iter().filter_map(|key| core.twin_view(key));
                items.extend(found.map(|twin| query.result(&twin)));
            }
            self.give_way().await;
        }
        Ok(Page { items, next })
    }
}

impl Core {
    /// Offers twins to a page for a slice of time: those after a key, of devices behind one that was seen. Returns the
    /// last device it saw, or nothing when there are no more or no more are wanted.
    fn look(
        &self,
        query: &Query,
        after: Option<&Key>,
        seen: Option<&str>,
        paging: &mut Paging<'_, Key>,
    ) -> Option<String> {
        let from = match (seen, after) {
            (None, Some((device, _))) => Bound::Included(device.as_str()),
            _ => behind(seen),
        };
        let after = after.map(|(device, module)| (device.as_str(), module.as_str()));
        let of_modules = query.collection() == Collection::MODULES;
        self.walk(Some(query), from, |id, device| {
            for ((id, module), twin) in self.twins_of(id, device, of_modules) {
                let is_due = after.is_none_or(|after| (id, module) > after);
                if is_due && !paging.offer(&twin, || (id.to_owned(), module.to_owned())) {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })
    }

    fn twin_view<'c>(&'c self, (id, module): &'c Key) -> Option<TwinView<'c>> {
        let device = self.registry.devices.get(id)?;
        let of_modules = !module.is_empty();
        let mut twins = self.twins_of(id, device, of_modules);
        let (_, twin) = twins.find(|((_, found), _)| found == module)?;
        Some(twin)
    }

    /// The device's own twin, or its modules'.
    fn twins_of<'c>(
        &'c self,
        id: &'c str,
        device: &'c Device,
        of_modules: bool,
    ) -> impl Iterator<Item = ((&'c str, &'c str), TwinView<'c>)> {
        let view = move |module, client| self.view(id, module, device, client);
        let own = (!of_modules).then(|| ((id, ""), view(None, &device.client)));
        let modules = device.modules.iter().filter(move |_| of_modules);
        own.into_iter().chain(modules.map(move |(module, found)| {
            let module = module.as_str();
            ((id, module), view(Some(module), &found.client))
        }))
    }

    /// One twin, as conditions look into it.
    pub(super) fn view<'c>(
        &'c self,
        id: &'c str,
        module: Option<&'c str>,
        device: &'c Device,
        client: &'c Client,
    ) -> TwinView<'c> {
        TwinView {
            core: self,
            id,
            module,
            device,
            client,
        }
    }
}

/// A twin where it lies. What conditions mostly ask for is found there; for the rest the twin is put together.
pub(super) struct TwinView<'c> {
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
            ("configurations", _) => made(assignments_section(&self.client.assigned)),
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

impl<'c> TwinView<'c> {
    pub(super) fn of_device(core: &'c Core, id: &'c str, device: &'c Device) -> Self {
        Self {
            core,
            id,
            module: None,
            device,
            client: &device.client,
        }
    }

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
