//! `/devices/{id}` and `/devices/{id}/modules/{m}`: one identity, all there is to know of it and to do with it.

use std::future::ready;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use hub_proto::identity::Identity;
use serde_json::Value;
use simulator::{ConnectionState, IdentityDetail, ModuleSummary, WaitingMessage, WaitingState};

use super::connections::{self, Connections};
use super::parts::{Part, follow};
use super::twin::{Compare, Comparison, TwinHistory, TwinNow};
use super::{Frame, Hub, in_address, missing, moment, pretty, proof, registry, show};

pub(super) fn router() -> Router<Arc<Hub>> {
    Router::new()
        .route("/devices/{device}", get(page))
        .route("/devices/{device}/stream", get(stream))
        .route("/devices/{device}/compare", get(compare))
        .route("/devices/{device}/modules/{module}", get(page))
        .route("/devices/{device}/modules/{module}/stream", get(stream))
        .route("/devices/{device}/modules/{module}/compare", get(compare))
}

#[derive(Template)]
#[template(path = "hub/detail.html")]
struct DetailPage<'a> {
    frame: &'a Frame,
    device: &'a str,
    module: &'a str,
    /// The address of the device's page, and of this one.
    device_path: String,
    path: String,
    /// The same below `/control/twins/`, `/control/methods/`.
    target: String,
    facts: Facts,
    twin: TwinNow,
    history: TwinHistory,
    queue: Option<Queue>,
    log: Connections,
    modules: Option<Modules>,
}

#[derive(Template)]
#[template(path = "hub/facts.html")]
struct Facts {
    kind: &'static str,
    is_module: bool,
    enabled: bool,
    status_reason: String,
    connected: bool,
    since: String,
    proof: String,
    thumbprints: Vec<String>,
    /// Why it was not let in, where that was the last that was heard of it.
    refusal: String,
    managed_by: String,
    model: String,
    generation: String,
    parent: String,
    waiting: usize,
}

#[derive(Template)]
#[template(path = "hub/queue.html")]
struct Queue {
    messages: Vec<QueueRow>,
}

struct QueueRow {
    key: u64,
    id: String,
    state: &'static str,
    expires: String,
    properties: Vec<(String, String)>,
    body: String,
}

#[derive(Template)]
#[template(path = "hub/modules.html")]
struct Modules {
    device_path: String,
    rows: Vec<ModuleRow>,
    deployment: Option<Deployment>,
}

struct ModuleRow {
    id: String,
    path: String,
    connected: bool,
    since: String,
    proof: String,
    managed_by: String,
    /// What `$edgeAgent` reports of it.
    runtime: String,
    runtime_more: String,
    is_bad: bool,
}

/// What `$edgeAgent` reports of the deployment as a whole.
struct Deployment {
    word: String,
    more: String,
    is_bad: bool,
}

async fn page(State(hub): State<Arc<Hub>>, Path(segments): Path<Vec<String>>) -> Response {
    let Some((target, look)) = target(segments).and_then(|target| {
        let look = Look::at(&hub, &target)?;
        Some((target, look))
    }) else {
        return missing(&hub, "such device or module");
    };
    let module = target.module_id().unwrap_or_default();
    let device_path = format!("/devices/{}", in_address(target.device_id()));
    let below = match target.module_id() {
        Some(module) => format!("/modules/{}", in_address(module)),
        None => String::new(),
    };
    show(&DetailPage {
        frame: &hub.frame,
        device: target.device_id(),
        module,
        path: format!("{device_path}{below}"),
        target: format!("{}{below}", in_address(target.device_id())),
        device_path,
        facts: look.facts,
        twin: look.twin,
        history: look.history,
        queue: look.queue,
        log: look.log,
        modules: look.modules,
    })
}

async fn stream(State(hub): State<Arc<Hub>>, Path(segments): Path<Vec<String>>) -> Response {
    let Some(target) = target(segments) else {
        return missing(&hub, "such device or module");
    };
    follow(move || ready(Look::at(&hub, &target).map(|look| look.parts())))
}

/// What changed between two versions, as a piece of the page.
async fn compare(
    State(hub): State<Arc<Hub>>,
    Path(segments): Path<Vec<String>>,
    Query(wanted): Query<Compare>,
) -> Response {
    let twin = target(segments).and_then(|target| hub.simulator.twin_history(&target).ok());
    match twin {
        Some(twin) => show(&Comparison::of(&twin, &wanted)),
        None => Html("It is no longer registered.").into_response(),
    }
}

fn target(segments: Vec<String>) -> Option<Identity> {
    let mut segments = segments.into_iter();
    Identity::new(segments.next()?, segments.next()).ok()
}

/// One look at an identity.
struct Look {
    facts: Facts,
    twin: TwinNow,
    history: TwinHistory,
    queue: Option<Queue>,
    log: Connections,
    modules: Option<Modules>,
}

impl Look {
    fn at(hub: &Hub, target: &Identity) -> Option<Self> {
        let simulator = &hub.simulator;
        let detail = simulator.identity_detail(target)?;
        let twin = simulator.twin_history(target).ok()?;
        let of_device = target.module_id().is_none();
        let has_modules = of_device && !detail.modules.is_empty();
        let modules = has_modules.then(|| Modules::of(hub, target, &detail));
        let queue = of_device.then(|| simulator.queue(target.device_id()));
        // Of a module only its own; a device's tells of its modules too.
        let mut log = simulator.connections(Some(&target.parent()), usize::MAX);
        log.retain(|event| of_device || event.module_id.as_deref() == target.module_id());
        log.truncate(connections::MOST);
        let mut facts = facts(detail);
        let own = log
            .iter()
            .find(|event| event.module_id.as_deref() == target.module_id());
        if let Some(last) = own.filter(|last| last.state == ConnectionState::Refused) {
            facts.refusal.clone_from(&last.reason);
            facts.since = moment(last.time);
        }
        Some(Self {
            modules,
            queue: queue.flatten().map(|messages| Queue {
                messages: messages.iter().map(queue_row).collect(),
            }),
            log: Connections::of(log),
            history: TwinHistory::of(&twin),
            twin: TwinNow::of(&twin),
            facts,
        })
    }

    /// What moves on the page.
    fn parts(&self) -> Vec<Part> {
        let mut parts = vec![
            Part::new("facts", &self.facts),
            Part::new("twin-now", &self.twin),
            Part::new("twin-history", &self.history),
            Part::new("log", &self.log),
        ];
        let queue = self.queue.as_ref();
        parts.extend(queue.map(|queue| Part::new("queue", queue)));
        let modules = self.modules.as_ref();
        parts.extend(modules.map(|modules| Part::new("modules", modules)));
        parts
    }
}

fn facts(detail: IdentityDetail) -> Facts {
    let device = detail.device;
    let is_module = detail.module.is_some();
    let (connected, seen, authentication, managed_by) = match detail.module {
        Some(module) => (
            module.connected_since,
            module.last_activity,
            module.authentication,
            module.managed_by,
        ),
        None => (
            device.connected_since,
            device.last_activity,
            device.authentication,
            None,
        ),
    };
    let thumbprints = detail.thumbprints.as_object().into_iter().flatten();
    Facts {
        kind: if is_module {
            "module"
        } else {
            registry::kind(device.kind)
        },
        is_module,
        enabled: device.enabled,
        status_reason: device.status_reason.unwrap_or_default(),
        connected: connected.is_some(),
        since: connected.or(seen).map(moment).unwrap_or_default(),
        proof: proof(authentication).to_owned(),
        thumbprints: thumbprints
            .filter_map(|(_, thumbprint)| thumbprint.as_str().map(str::to_owned))
            .collect(),
        refusal: String::new(),
        managed_by: managed_by.unwrap_or_default(),
        model: detail.model_id,
        generation: detail.generation_id,
        // `ms-azure-iot-edge://{id}-{generation}`.
        parent: detail
            .parent_scope
            .as_deref()
            .and_then(|scope| scope.strip_prefix("ms-azure-iot-edge://")?.rsplit_once('-'))
            .map(|(id, _)| id.to_owned())
            .unwrap_or_default(),
        waiting: device.waiting,
    }
}

fn queue_row(message: &WaitingMessage) -> QueueRow {
    let text = |value: &Value| value.as_str().map_or_else(|| pretty(value), str::to_owned);
    let properties = message.properties.iter();
    QueueRow {
        key: message.sequence,
        id: message.message_id.clone(),
        state: match message.state {
            WaitingState::Waiting => "waits for the device",
            WaitingState::Sent => "sent, not acknowledged yet",
            WaitingState::Again => "sent before, goes again",
        },
        expires: message.expires.map(moment).unwrap_or_default(),
        properties: properties
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
        body: text(&message.body),
    }
}

impl Modules {
    fn of(hub: &Hub, device: &Identity, detail: &IdentityDetail) -> Self {
        let agent = Identity::module(device.device_id(), "$edgeAgent").ok();
        let agent = agent.and_then(|agent| hub.simulator.twin_history(&agent).ok());
        let reported = agent
            .as_ref()
            .map(|twin| Value::Object(twin.reported.clone()));
        let runtime = reported.clone().unwrap_or_default();
        let rows = detail.modules.iter();
        Self {
            device_path: format!("/devices/{}", in_address(device.device_id())),
            rows: rows.map(|module| module_row(module, &runtime)).collect(),
            deployment: agent.zip(reported).map(|(twin, reported)| {
                deployment(twin.desired_version, twin.desired.is_empty(), &reported)
            }),
        }
    }
}

fn module_row(module: &ModuleSummary, reported: &Value) -> ModuleRow {
    let id = &module.module_id;
    let own = match id.strip_prefix('$') {
        Some(system) => &reported["systemModules"][system],
        None => &reported["modules"][id],
    };
    let status = own["runtimeStatus"].as_str().unwrap_or_default();
    let restarts = own["restartCount"].as_u64().filter(|count| *count > 0);
    let exit = own["exitCode"].as_i64().filter(|code| *code != 0);
    let more = [
        restarts.map(|count| format!("restarted {count} times")),
        exit.map(|code| format!("last exit {code}")),
        own["statusDescription"].as_str().map(str::to_owned),
    ];
    let more: Vec<String> = more
        .into_iter()
        .flatten()
        .filter(|text| !text.is_empty())
        .collect();
    ModuleRow {
        id: id.clone(),
        path: in_address(id),
        connected: module.connected_since.is_some(),
        since: module
            .connected_since
            .or(module.last_activity)
            .map(moment)
            .unwrap_or_default(),
        proof: proof(module.authentication).to_owned(),
        managed_by: module.managed_by.clone().unwrap_or_default(),
        runtime: status.to_owned(),
        runtime_more: more.join(", "),
        is_bad: matches!(status, "failed" | "unhealthy" | "backoff"),
    }
}

/// Azure's codes: 200 applied, 400 the deployment is no deployment, 406 being applied or not reached, 412 a schema that
/// the agent does not know, 417 no deployment yet.
fn deployment(desired: u64, is_empty: bool, reported: &Value) -> Deployment {
    let status = &reported["lastDesiredStatus"];
    let description = status["description"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let answered = reported["lastDesiredVersion"].as_u64();
    let (word, is_bad) = match (status["code"].as_i64(), answered) {
        (None, _) if is_empty => ("no deployment".to_owned(), false),
        (None, _) => (
            "deployed; the agent has not reported on it".to_owned(),
            false,
        ),
        (Some(_), Some(answered)) if answered < desired => (
            format!("version {desired} is not answered yet, the last was {answered}"),
            false,
        ),
        (Some(200), _) => ("applied".to_owned(), false),
        (Some(code), _) => (format!("not applied, status {code}"), true),
    };
    Deployment {
        word,
        more: description,
        is_bad,
    }
}
