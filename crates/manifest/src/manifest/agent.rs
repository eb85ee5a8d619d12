//! `$edgeAgent`: what runs.

use std::ops::Range;

use serde_json::Value as Json;

use super::read::Section;
use super::reader::Reader;
use super::{Agent, ImagePullPolicy, Module, RestartPolicy, SchemaVersion, Status};
use crate::create_options;
use crate::node::{Field, Node, NodeKind};

/// The section, and where its modules stand.
#[derive(Default)]
pub(super) struct AgentRead {
    pub(super) agent: Agent,
    pub(super) name_spans: Vec<(String, Range<usize>)>,
}

const STATUS: [(&str, Status); 2] = [("running", Status::Running), ("stopped", Status::Stopped)];
const RESTART_POLICY: [(&str, RestartPolicy); 4] = [
    ("never", RestartPolicy::Never),
    ("on-failure", RestartPolicy::OnFailure),
    ("on-unhealthy", RestartPolicy::OnUnhealthy),
    ("always", RestartPolicy::Always),
];
const IMAGE_PULL_POLICY: [(&str, ImagePullPolicy); 2] = [
    ("on-create", ImagePullPolicy::OnCreate),
    ("never", ImagePullPolicy::Never),
];

pub(super) fn read(reader: &mut Reader<'_>, section: &Section, is_template: bool) -> AgentRead {
    let desired = &section.desired;
    let mut read = AgentRead::default();
    let known = [
        "schemaVersion",
        "runtime",
        "systemModules",
        "modules",
        "integrity",
    ];
    reader.object(desired, "$edgeAgent", &known);
    if !section.layered {
        reader.required(desired, "$edgeAgent", "schemaVersion", "\"1.1\"");
        reader.required(
            desired,
            "$edgeAgent",
            "runtime",
            "{\"type\": \"docker\", \"settings\": {}}",
        );
        reader.required(
            desired,
            "$edgeAgent",
            "systemModules",
            "{\"edgeAgent\": {…}, \"edgeHub\": {…}}",
        );
    }
    let version = reader.schema_version(desired, "$edgeAgent", 1);
    read.agent.schema_version = version;
    if let Some(runtime) = desired.get("runtime") {
        runtime_settings(reader, runtime);
    }
    if let Some(system) = desired.get("systemModules") {
        let fields = reader.object(system, "systemModules", &["edgeAgent", "edgeHub"]);
        if !section.layered && fields.is_some() {
            for name in ["edgeAgent", "edgeHub"] {
                reader.required(system, "systemModules", name, "{\"type\": \"docker\", …}");
            }
        }
        for field in fields.unwrap_or_default() {
            let module = module(reader, field, version, true, is_template);
            read.agent.modules.extend(module);
        }
    }
    if let Some(modules) = desired.get("modules") {
        for field in reader.any_object(modules, "modules").unwrap_or_default() {
            module_name(reader, field);
            read.name_spans
                .push((field.name.clone(), field.name_span.clone()));
            let module = module(reader, field, version, false, is_template);
            read.agent.modules.extend(module);
        }
    }
    read
}

fn runtime_settings(reader: &mut Reader<'_>, runtime: &Node) {
    reader.object(runtime, "runtime", &["type", "settings"]);
    docker(reader, runtime, "runtime");
    let Some(settings) = runtime.get("settings") else {
        return;
    };
    reader.object(
        settings,
        "runtime.settings",
        &["minDockerVersion", "loggingOptions", "registryCredentials"],
    );
    let Some(credentials) = settings.get("registryCredentials") else {
        return;
    };
    for field in reader
        .any_object(credentials, "registryCredentials")
        .unwrap_or_default()
    {
        let known = ["address", "username", "password"];
        if reader.object(&field.value, &field.name, &known).is_none() {
            continue;
        }
        for name in known {
            reader.required(&field.value, &field.name, name, "\"…\"");
        }
    }
}

fn docker(reader: &mut Reader<'_>, node: &Node, name: &str) {
    if let Some(kind) = reader.required(node, name, "type", "\"docker\"") {
        reader.choice(kind, "type", &[("docker", ())]);
    }
}

/// A module id is also a key of a twin.
fn module_name(reader: &mut Reader<'_>, field: &Field) {
    let name = &field.name;
    // What a twin cannot hold as a key is reported as that.
    let allowed = |char: char| {
        char.is_ascii_alphanumeric()
            || "-_%*?!(),:=@'+".contains(char)
            || ". $".contains(char)
            || char.is_control()
    };
    if name.is_empty() || name.len() > 128 || !name.chars().all(allowed) {
        let help = "up to 128 letters and digits of ASCII, `-` and `_`";
        reader.error(
            &field.name_span,
            format!("`{name}` cannot be a module's name"),
            help,
        );
    }
}

fn module(
    reader: &mut Reader<'_>,
    field: &Field,
    version: Option<SchemaVersion>,
    is_system: bool,
    is_template: bool,
) -> Option<Module> {
    const KNOWN: [&str; 9] = [
        "version",
        "type",
        "status",
        "restartPolicy",
        "imagePullPolicy",
        "startupOrder",
        "env",
        "settings",
        "configuration",
    ];
    let name = field.name.as_str();
    let node = &field.value;
    reader.object(node, name, &KNOWN)?;
    docker(reader, node, name);
    let is_agent = is_system && name == "edgeAgent";
    let status = match node.get("status") {
        Some(status) => reader.choice(status, "status", &STATUS),
        None if is_agent => Some(Status::Running),
        None => {
            reader.required(node, name, "status", "\"running\"");
            None
        }
    };
    if is_system && status == Some(Status::Stopped) {
        reader.error(
            &node.span,
            format!("`{name}` is to be stopped"),
            "a device without it is no Edge device",
        );
    }
    let default_policy = if is_system {
        RestartPolicy::Always
    } else {
        RestartPolicy::default()
    };
    let restart_policy = choose(
        reader,
        node,
        "restartPolicy",
        &RESTART_POLICY,
        default_policy,
    );
    let image_pull_policy = choose(
        reader,
        node,
        "imagePullPolicy",
        &IMAGE_PULL_POLICY,
        ImagePullPolicy::default(),
    );
    let startup_order = node.get("startupOrder").and_then(|order| {
        if version.is_some_and(|version| version.minor == 0) {
            let message = "schema 1.0 has no `startupOrder`, and the runtime ignores it";
            reader.warning(&order.span, message, "set `schemaVersion` to `\"1.1\"`");
        }
        reader.integer(order, "startupOrder", 0..=i64::from(u32::MAX))
    });
    let settings = reader.required(node, name, "settings", "{\"image\": \"…\"}")?;
    let image = image(reader, settings, name);
    let create_options = create_options(reader, settings, is_template);
    Some(Module {
        name: name.to_owned(),
        is_system,
        version: node
            .get("version")
            .and_then(Node::as_str)
            .map(str::to_owned),
        image: image?,
        create_options: create_options?,
        env: environment(reader, node),
        status: status.unwrap_or_default(),
        restart_policy,
        image_pull_policy,
        startup_order: startup_order
            .and_then(|order| u32::try_from(order).ok())
            .unwrap_or(Module::LAST),
    })
}

fn choose<T: Copy>(
    reader: &mut Reader<'_>,
    node: &Node,
    name: &str,
    choices: &[(&str, T)],
    default: T,
) -> T {
    node.get(name)
        .and_then(|value| reader.choice(value, name, choices))
        .unwrap_or(default)
}

/// `{"NAME": {"value": "…"}}`; scalars become text.
fn environment(reader: &mut Reader<'_>, module: &Node) -> Vec<(String, String)> {
    let Some(env) = module.get("env") else {
        return Vec::new();
    };
    let mut variables = Vec::new();
    for field in reader.any_object(env, "env").unwrap_or_default() {
        let name = &field.name;
        if name.is_empty() || name.contains('=') {
            reader.error(
                &field.name_span,
                format!("`{name}` cannot be a variable's name"),
                "",
            );
        }
        if field.value.fields().is_none() {
            let message = format!("`{name}` is {}", field.value.kind_name());
            reader.error(&field.value.span, message, "write `{\"value\": \"…\"}`");
            continue;
        }
        reader.object(&field.value, name, &["value"]);
        let value = match reader
            .required(&field.value, name, "value", "\"…\"")
            .map(|value| (value, &value.kind))
        {
            Some((_, NodeKind::String(text) | NodeKind::Number(text))) => text.clone(),
            Some((_, NodeKind::Bool(value))) => value.to_string(),
            Some((value, _)) => {
                reader.error(
                    &value.span,
                    format!("`{name}` is {}", value.kind_name()),
                    "a string belongs here",
                );
                continue;
            }
            None => continue,
        };
        variables.push((name.clone(), value));
    }
    variables
}

/// The image reference, checked as loosely as the runtime checks it.
fn image(reader: &mut Reader<'_>, settings: &Node, module: &str) -> Option<String> {
    let node = reader.required(settings, module, "image", "\"registry/name:tag\"")?;
    let text = reader.string(node, "image")?.trim();
    let name = text.rsplit('/').next().unwrap_or_default();
    let (name, tag) = match name.split_once(':') {
        Some((name, tag)) => (name, Some(tag)),
        None => (name, None),
    };
    let is_digest = text.contains("@sha256:");
    if name.is_empty() || tag.is_some_and(|tag| tag.is_empty() || (tag.contains(':') && !is_digest))
    {
        reader.error(
            &node.span,
            format!("`{text}` is no image"),
            "write `registry/name:tag`",
        );
        return None;
    }
    Some(if tag.is_some() {
        text.to_owned()
    } else {
        format!("{text}:latest")
    })
}

/// The pieces joined and parsed. None when that is not possible.
fn create_options(reader: &mut Reader<'_>, settings: &Node, is_template: bool) -> Option<Json> {
    let fields = reader.any_object(settings, "settings")?;
    let mut pieces = Vec::new();
    for field in fields {
        if !create_options::is_piece(&field.name) {
            if !["image", "digest"].contains(&field.name.as_str()) {
                reader.unknown(field, "settings", &["image", "createOptions", "digest"]);
            }
            continue;
        }
        match &field.value.kind {
            NodeKind::String(text) => pieces.push((field.name.as_str(), text.as_str())),
            NodeKind::Object(_) => {
                if !is_template {
                    let message =
                        "`createOptions` is an object, and belongs into a manifest as a string";
                    reader.warning(
                        &field.value.span,
                        message,
                        "make the manifest from the template: `cow manifest build`",
                    );
                }
                return Some(field.value.to_json());
            }
            _ => {
                let message = format!("`{}` is {}", field.name, field.value.kind_name());
                reader.error(&field.value.span, message, "a string belongs here");
                return None;
            }
        }
    }
    let first = fields
        .iter()
        .find(|field| create_options::is_piece(&field.name));
    let Some(first) = first else {
        return Some(Json::Object(serde_json::Map::new()));
    };
    let joined = match create_options::join(pieces) {
        Ok(joined) => joined.unwrap_or_default(),
        Err(error) => {
            reader.error(
                &first.name_span,
                error.to_string(),
                "make the manifest from the template: `cow manifest build`",
            );
            return None;
        }
    };
    if joined.trim().is_empty() || joined.eq_ignore_ascii_case("null") {
        return Some(Json::Object(serde_json::Map::new()));
    }
    match serde_json::from_str(&joined) {
        Ok(options @ Json::Object(_)) => Some(options),
        Ok(_) => {
            reader.error(
                &first.value.span,
                "`createOptions` holds JSON that is no object",
                "write `\"{}\"` for none",
            );
            None
        }
        Err(error) => {
            let message = format!("`createOptions` is no JSON: {error}");
            reader.error(&first.value.span, message, "write `\"{}\"` for none");
            None
        }
    }
}
