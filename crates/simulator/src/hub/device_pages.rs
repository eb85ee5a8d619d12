//! The registry a page at a time: what a search finds, and how much of it there is.

use std::collections::VecDeque;
use std::ops::{Bound, ControlFlow};

use query::{Collection, Query};
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use super::query::TwinView;
use super::walking::{STRIDE, behind};
use super::{Core, DeviceSummary, Hub};
use crate::registry::Device;

/// A page of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DevicePage {
    /// By id.
    pub devices: Vec<DeviceSummary>,
    /// Devices there are.
    pub registered: usize,
    /// How many of these are connected.
    pub connected: usize,
    /// Devices that the search finds.
    pub matching: usize,
    /// Whether there are some before these.
    pub has_previous: bool,
    /// Whether there are some after these.
    pub has_next: bool,
}

/// Where a page of the registry begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFrom<'a> {
    /// With the first device.
    Start,
    /// After this id.
    After(&'a str),
    /// Before this id.
    Before(&'a str),
}

/// Which devices to show.
#[derive(Debug)]
pub enum DeviceSearch {
    /// All of them.
    All,
    /// Those with this in their id, or in a tag; in any case.
    Text(String),
    /// Those for which a condition of the query language is true.
    Condition(Box<Query>),
}

/// A condition that is none.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct SearchFault(String);

impl DeviceSearch {
    /// Reads what a person typed: a condition where it has the signs of one, else a text to find.
    ///
    /// # Errors
    /// When it looks like a condition, and is none; it says where and what to write instead.
    pub fn parse(typed: &str) -> Result<Self, SearchFault> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Ok(Self::All);
        }
        // Ids may hold `=`, `(` and `'`, but no blank; a condition is hardly ever without all of these.
        let is_condition = typed.contains(['=', '<', '>', '(', '[', '\'']);
        if !is_condition {
            return Ok(Self::Text(typed.to_lowercase()));
        }
        match Query::parse_condition(typed, Collection::DEVICES) {
            Ok(query) => Ok(Self::Condition(Box::new(query))),
            Err(error) => Err(SearchFault(format!("{error}: {}", error.help))),
        }
    }

    fn condition(&self) -> Option<&Query> {
        match self {
            Self::Condition(query) => Some(query),
            Self::All | Self::Text(_) => None,
        }
    }
}

impl Hub {
    /// A page of the devices a search finds, at most `most` of them. What changes while it goes through a large registry
    /// may be seen as it was before or after.
    pub(crate) async fn device_page(
        &self,
        search: &DeviceSearch,
        from: PageFrom<'_>,
        most: usize,
    ) -> DevicePage {
        let mut cut = Cut::new(from, most);
        if matches!(search, DeviceSearch::All) {
            self.lock().cut_all(&mut cut);
        } else {
            let mut seen = None;
            loop {
                seen = self.lock().find(search, seen.as_deref(), &mut cut);
                if seen.is_none() {
                    break;
                }
                self.give_way().await;
            }
        }
        let ids: Vec<String> = cut.ids.into();
        let mut devices = Vec::with_capacity(ids.len());
        for ids in ids.chunks(STRIDE) {
            {
                let core = self.lock();
                // One that is gone by now is not shown.
                let found = ids.iter().filter_map(|id| {
                    let device = core.registry.devices.get(id)?;
                    core.summary(id, device)
                });
                devices.extend(found);
            }
            self.give_way().await;
        }
        let core = self.lock();
        let of_devices = core.live.keys().filter(|of| of.module_id().is_none());
        DevicePage {
            devices,
            registered: core.registry.devices.len(),
            connected: of_devices.count(),
            matching: cut.matching,
            has_previous: cut.has_previous,
            has_next: cut.has_next,
        }
    }
}

impl Core {
    /// Has a page cut out of all devices, by those around it.
    fn cut_all(&self, cut: &mut Cut<'_>) {
        let devices = &self.registry.devices;
        // One more than is shown tells whether there are more, and one on the other side whether there are some there.
        let beyond = cut.most + 1;
        let (up_to, before, since, after) = match cut.from {
            PageFrom::Start => (Bound::Excluded(""), 0, Bound::Unbounded, beyond),
            PageFrom::After(id) => (Bound::Included(id), 1, Bound::Excluded(id), beyond),
            PageFrom::Before(id) => (Bound::Excluded(id), beyond, Bound::Included(id), 1),
        };
        let back = devices.range::<str, _>((Bound::Unbounded, up_to)).rev();
        let mut near: Vec<&String> = back.take(before).map(|(id, _)| id).collect();
        near.reverse();
        let on = devices.range::<str, _>((since, Bound::Unbounded));
        near.extend(on.take(after).map(|(id, _)| id));
        for id in near {
            cut.see(id);
        }
        cut.matching = devices.len();
    }

    /// Has a page cut out of what a search finds, for a slice of time. Returns the last device it saw, or nothing when there
    /// are no more.
    fn find(&self, search: &DeviceSearch, seen: Option<&str>, cut: &mut Cut<'_>) -> Option<String> {
        self.walk(search.condition(), behind(seen), |id, device| {
            if self.finds(search, id, device) {
                cut.see(id);
            }
            ControlFlow::Continue(())
        })
    }

    fn finds(&self, search: &DeviceSearch, id: &str, device: &Device) -> bool {
        match search {
            DeviceSearch::All => true,
            DeviceSearch::Text(text) => {
                let tags = device.client.twin.tags();
                holds(id, text) || tags.values().any(|tag| tag_holds(tag, text))
            }
            DeviceSearch::Condition(query) => query.matches(&TwinView::of_device(self, id, device)),
        }
    }
}

/// What a page shows of a list of ids: it is told each of them, in ascending order.
#[derive(Debug)]
struct Cut<'a> {
    from: PageFrom<'a>,
    most: usize,
    ids: VecDeque<String>,
    matching: usize,
    has_previous: bool,
    has_next: bool,
}

impl<'a> Cut<'a> {
    fn new(from: PageFrom<'a>, most: usize) -> Self {
        Self {
            from,
            most,
            ids: VecDeque::new(),
            matching: 0,
            has_previous: false,
            has_next: false,
        }
    }

    fn see(&mut self, id: &str) {
        self.matching += 1;
        match self.from {
            PageFrom::After(after) if id <= after => self.has_previous = true,
            PageFrom::Before(before) if id >= before => self.has_next = true,
            PageFrom::Before(_) => {
                self.ids.push_back(id.to_owned());
                if self.ids.len() > self.most {
                    self.ids.pop_front();
                    self.has_previous = true;
                }
            }
            PageFrom::Start | PageFrom::After(_) if self.ids.len() == self.most => {
                self.has_next = true;
            }
            PageFrom::Start | PageFrom::After(_) => self.ids.push_back(id.to_owned()),
        }
    }
}

/// `text` is in lower case.
fn holds(whole: &str, text: &str) -> bool {
    whole.to_lowercase().contains(text)
}

fn tag_holds(tag: &Value, text: &str) -> bool {
    match tag {
        Value::String(tag) => holds(tag, text),
        Value::Object(tags) => tags.values().any(|tag| tag_holds(tag, text)),
        Value::Array(tags) => tags.iter().any(|tag| tag_holds(tag, text)),
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => tag.to_string().as_str() == text,
    }
}
