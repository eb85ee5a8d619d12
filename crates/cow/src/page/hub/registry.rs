//! `/devices`: every device of the hub, a page at a time.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use simulator::{DeviceKind, DevicePage, DeviceSearch, DeviceSummary, PageFrom};

use super::parts::{Part, follow};
use super::{Frame, Hub, in_address, moment, proof, show};

/// Devices on a page.
const PAGE: usize = 50;
/// Tags shown of a device.
const TAGS: usize = 3;

pub(super) fn router() -> Router<Arc<Hub>> {
    Router::new()
        .route("/devices", get(page))
        .route("/streams/devices", get(stream))
}

/// Which page, as its address says.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    search: String,
    after: Option<String>,
    before: Option<String>,
}

#[derive(Template)]
#[template(path = "hub/devices.html")]
struct DevicesPage<'a> {
    frame: &'a Frame,
    search: &'a str,
    /// The address' query, for the stream.
    query: String,
    counts: Counts,
    rows: Rows,
}

#[derive(Template)]
#[template(path = "hub/device_counts.html")]
struct Counts {
    registered: usize,
    connected: usize,
    matching: Option<usize>,
    fault: String,
}

#[derive(Template)]
#[template(path = "hub/device_rows.html")]
struct Rows {
    rows: Vec<Row>,
    previous: Option<String>,
    next: Option<String>,
    /// Why there are no rows.
    nothing: &'static str,
}

struct Row {
    id: String,
    path: String,
    kind: &'static str,
    enabled: bool,
    status_reason: String,
    connected: bool,
    since: String,
    proof: String,
    waiting: usize,
    modules: usize,
    modules_connected: usize,
    tags: Vec<String>,
}

async fn page(State(hub): State<Arc<Hub>>, Query(wanted): Query<Wanted>) -> Response {
    let (counts, rows) = look(&hub, &wanted).await;
    show(&DevicesPage {
        frame: &hub.frame,
        search: &wanted.search,
        query: wanted.query(),
        counts,
        rows,
    })
}

async fn stream(State(hub): State<Arc<Hub>>, Query(wanted): Query<Wanted>) -> Response {
    let wanted = Arc::new(wanted);
    follow(move || {
        let (hub, wanted) = (hub.clone(), wanted.clone());
        async move {
            let (counts, rows) = look(&hub, &wanted).await;
            Some(vec![
                Part::new("counts", &counts),
                Part::new("devices", &rows),
            ])
        }
    })
}

impl Wanted {
    fn query(&self) -> String {
        let mut query = format!("search={}", in_address(&self.search));
        for (name, id) in [("after", &self.after), ("before", &self.before)] {
            if let Some(id) = id {
                query.push_str(&format!("&{name}={}", in_address(id)));
            }
        }
        query
    }

    fn from(&self) -> PageFrom<'_> {
        match (&self.after, &self.before) {
            (Some(id), _) => PageFrom::After(id),
            (None, Some(id)) => PageFrom::Before(id),
            (None, None) => PageFrom::Start,
        }
    }
}

async fn look(hub: &Hub, wanted: &Wanted) -> (Counts, Rows) {
    let (search, fault) = match DeviceSearch::parse(&wanted.search) {
        Ok(search) => (search, String::new()),
        Err(fault) => (DeviceSearch::All, fault.to_string()),
    };
    let is_search = !matches!(search, DeviceSearch::All) || !fault.is_empty();
    let page = hub.simulator.device_page(&search, wanted.from(), PAGE);
    let mut page = page.await;
    if !fault.is_empty() {
        // Everything would look like an answer.
        page.devices.clear();
        (page.has_previous, page.has_next) = (false, false);
    }
    let counts = Counts {
        registered: page.registered,
        connected: page.connected,
        matching: Some(page.matching).filter(|_| is_search),
        fault,
    };
    (counts, rows(&page, &wanted.search, is_search))
}

fn rows(page: &DevicePage, search: &str, is_search: bool) -> Rows {
    let link = |name: &str, device: Option<&DeviceSummary>| {
        let id = in_address(&device?.device_id);
        Some(format!(
            "/devices?search={}&{name}={id}",
            in_address(search)
        ))
    };
    Rows {
        previous: link("before", page.devices.first().filter(|_| page.has_previous)),
        next: link("after", page.devices.last().filter(|_| page.has_next)),
        nothing: match (is_search, page.registered) {
            (_, 0) => "Nobody is registered yet. Add a device above, or run cow device add.",
            (true, _) => "No device is found by that.",
            (false, _) => "No device is on this page.",
        },
        rows: page.devices.iter().map(row).collect(),
    }
}

fn row(device: &DeviceSummary) -> Row {
    let tags = device.tags.iter().take(TAGS).map(|(name, value)| {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        format!("{name} {value}")
    });
    Row {
        id: device.device_id.clone(),
        path: in_address(&device.device_id),
        kind: kind(device.kind),
        enabled: device.enabled,
        status_reason: device.status_reason.clone().unwrap_or_default(),
        connected: device.connected_since.is_some(),
        since: match device.connected_since.or(device.last_activity) {
            Some(at) => moment(at),
            None => String::new(),
        },
        proof: proof(device.authentication).to_owned(),
        waiting: device.waiting,
        modules: device.modules,
        modules_connected: device.modules_connected,
        tags: tags.collect(),
    }
}

pub(super) fn kind(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Device => "device",
        DeviceKind::Edge => "Edge",
        DeviceKind::Leaf => "leaf",
    }
}
