//! What an Edge agent says: whether it can do what it was told, and how its modules are.
//!
//! Pure. Whoever plays an agent says how the modules are; this puts it into the form of `$edgeAgent`'s reported
//! properties (`azure-iot-protocols`, section 4.2).

use std::collections::BTreeMap;

use hub_proto::time;
use hub_proto::twin::Object;
use jiff::Timestamp;
use manifest::Agent;
use serde_json::{Value, json};

/// The release whose agent this is like.
const RUNTIME: &str = "1.5.0";

/// What the agent made of a deployment: `lastDesiredStatus`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// 200 for one that is in effect, 400 for one that is wrong, 412 for a schema that is another, 417 for none, 500 for
    /// one of which something could not be done.
    pub code: u16,
    /// Why, where it is not 200.
    pub description: String,
}

impl Status {
    /// It is in effect.
    #[must_use]
    pub fn done() -> Self {
        Self {
            code: 200,
            description: String::new(),
        }
    }
}

/// Reads `$edgeAgent`'s desired properties as the agent does.
///
/// # Errors
/// Why it changes nothing.
pub fn read(desired: &Object) -> Result<Agent, Status> {
    let refused = |code, description: String| Err(Status { code, description });
    if desired.is_empty() {
        return refused(417, "there is no deployment".to_owned());
    }
    let version = desired.get("schemaVersion").and_then(Value::as_str);
    let mut numbers = version.unwrap_or("1.0").split('.');
    let minor = |text: Option<&str>| text.is_none_or(|text| matches!(text, "0" | "1"));
    if numbers.next() != Some("1") || !minor(numbers.next()) {
        let version = version.unwrap_or_default();
        return refused(
            412,
            format!("schema version {version} is none of 1.0 and 1.1"),
        );
    }
    Agent::read(&Value::Object(desired.clone()).to_string()).or_else(|problems| {
        let said = problems.iter().map(|problem| problem.message.clone());
        refused(400, said.collect::<Vec<_>>().join("; "))
    })
}

/// How one module is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleState {
    /// `running`, `backoff`, `stopped`, `failed` or `unknown`.
    pub runtime_status: &'static str,
    /// A sentence for people.
    pub description: String,
    /// Of its last run.
    pub exit_code: i32,
    /// When it was last started.
    pub started: Option<Timestamp>,
    /// When its last run ended.
    pub exited: Option<Timestamp>,
    /// Restarts in a row.
    pub restarts: u32,
}

/// All that an agent reports.
#[derive(Debug)]
pub struct Report<'a> {
    /// Of the desired properties that were looked at last.
    pub version: u64,
    /// What became of them.
    pub status: &'a Status,
    /// Those that are in effect, which are earlier ones where the last were refused.
    pub applied: &'a Object,
    /// Since when the agent runs.
    pub since: Timestamp,
    /// How the modules are.
    pub modules: BTreeMap<String, ModuleState>,
}

impl Report<'_> {
    /// As reported properties, whole.
    #[must_use]
    pub fn properties(&self) -> Object {
        let applied = |name: &str| self.applied.get(name).and_then(Value::as_object);
        let mut properties = Object::new();
        let mut put = |name: &str, value: Value| properties.insert(name.to_owned(), value);
        put("schemaVersion", "1.1".into());
        put(
            "version",
            json!({"version": RUNTIME, "build": "simulated", "commit": ""}),
        );
        put("lastDesiredVersion", self.version.into());
        let Status { code, description } = self.status;
        put(
            "lastDesiredStatus",
            json!({"code": code, "description": description}),
        );
        if let Some(runtime) = applied("runtime") {
            put("runtime", runtime_of(runtime));
        }
        if let Some(system) = applied("systemModules") {
            let own = ModuleState {
                runtime_status: "running",
                description: "played by the simulator".to_owned(),
                started: Some(self.since),
                ..ModuleState::default()
            };
            let modules = system
                .iter()
                .map(|(name, desired)| (name.clone(), module_of(desired, &own)));
            put("systemModules", Value::Object(modules.collect()));
        }
        let modules = applied("modules").into_iter().flatten();
        let modules = modules.filter_map(|(name, desired)| {
            let state = self.modules.get(name)?;
            Some((name.clone(), module_of(desired, state)))
        });
        put("modules", Value::Object(modules.collect()));
        properties
    }
}

/// Whom images may be had from is for nobody to read here.
fn runtime_of(desired: &Object) -> Value {
    let mut runtime = desired.clone();
    if let Some(settings) = runtime.get_mut("settings").and_then(Value::as_object_mut) {
        settings.insert("registryCredentials".to_owned(), json!({}));
    }
    let platform = json!({"os": std::env::consts::OS, "architecture": std::env::consts::ARCH, "version": RUNTIME});
    runtime.insert("platform".to_owned(), platform);
    Value::Object(runtime)
}

fn module_of(desired: &Value, state: &ModuleState) -> Value {
    let moment = |at: Option<Timestamp>| at.map_or_else(|| time::NEVER.to_owned(), time::format);
    let mut module =
        json!({"restartPolicy": "on-unhealthy", "imagePullPolicy": "on-create", "env": {}});
    let now = json!({
        "runtimeStatus": state.runtime_status,
        "statusDescription": state.description,
        "exitCode": state.exit_code,
        "lastStartTimeUtc": moment(state.started),
        "lastExitTimeUtc": moment(state.exited),
        "restartCount": state.restarts,
        "lastRestartTimeUtc": moment(state.started.filter(|_| state.restarts > 0)),
    });
    if let Some(module) = module.as_object_mut() {
        for part in [desired, &now].into_iter().filter_map(Value::as_object) {
            module.extend(part.clone());
        }
    }
    module
}

#[cfg(test)]
mod tests;
