//! The agent's direct methods: `ping`, `RestartModule`, `GetModuleLogs`.
//!
//! As with the real one their names are read in any case, and what is asked wrongly, an unknown method among it, is
//! answered with 400 and a message.

use runner::{CommandError, Runner};
use serde::Deserialize;
use serde_json::{Value, json};
use simulator::AgentCall;

use super::EdgeAgent;

const KNOWN: &str = "ping, RestartModule, GetModuleLogs";

type Answer = Result<Value, (i32, String)>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestartModule {
    schema_version: String,
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetModuleLogs {
    schema_version: String,
    items: Vec<Item>,
    #[serde(default)]
    encoding: Option<String>,
    #[serde(default)]
    content_type: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    /// A module's name, or `.*` for every module.
    id: String,
    #[serde(default)]
    filter: Option<Filter>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    #[serde(default)]
    tail: Option<usize>,
}

impl EdgeAgent<'_> {
    pub(super) async fn answer(&self, call: AgentCall, runner: &Runner) {
        let payload = call.payload.clone();
        let answer = match call.method.to_ascii_lowercase().as_str() {
            "ping" => Ok(Value::Null),
            "restartmodule" => self.restart(payload, runner).await,
            "getmodulelogs" => self.read_logs(payload, runner),
            _ => Err(wrong(format!(
                "Command '{}' not found. The supported commands are - {KNOWN}",
                call.method
            ))),
        };
        match answer {
            Ok(payload) => call.answer(200, &payload),
            Err((status, message)) => call.answer(status, &json!({"message": message})),
        }
    }

    async fn restart(&self, payload: Value, runner: &Runner) -> Answer {
        let asked: RestartModule = read(payload)?;
        check_schema(&asked.schema_version)?;
        let process = format!("{}/{}", self.device, asked.id);
        match runner.modules().restart(&process).await {
            Ok(()) => Ok(Value::Null),
            Err(CommandError::Unknown(_)) => Err(wrong(format!(
                "there is no module {} to be restarted here",
                asked.id
            ))),
            Err(error @ CommandError::Closed(_)) => Err((500, error.to_string())),
        }
    }

    fn read_logs(&self, payload: Value, runner: &Runner) -> Answer {
        let asked: GetModuleLogs = read(payload)?;
        check_schema(&asked.schema_version)?;
        let is = |given: &Option<String>, only: &str| {
            given
                .as_deref()
                .is_none_or(|given| given.eq_ignore_ascii_case(only))
        };
        if !is(&asked.encoding, "none") || !is(&asked.content_type, "text") {
            return Err(wrong(
                "logs are had here with the encoding none and the contentType text".to_owned(),
            ));
        }
        let names = runner.modules().names();
        let known = || {
            names
                .iter()
                .filter_map(|process| process.split_once('/').map(|(_, name)| name))
        };
        let mut logs = Vec::new();
        for Item { id, filter } in &asked.items {
            let tail = filter.as_ref().and_then(|filter| filter.tail);
            let found: Vec<&str> = known().filter(|name| id == ".*" || name == id).collect();
            if found.is_empty() {
                return Err(wrong(format!("there is no module {id} here")));
            }
            logs.extend(found.into_iter().map(|name| {
                json!({"id": name, "payloadBytes": null, "payload": self.logs.newest(name, tail)})
            }));
        }
        Ok(Value::Array(logs))
    }
}

fn read<T: serde::de::DeserializeOwned>(payload: Value) -> Result<T, (i32, String)> {
    serde_json::from_value(payload)
        .map_err(|error| wrong(format!("the payload cannot be read: {error}")))
}

fn check_schema(version: &str) -> Result<(), (i32, String)> {
    if version == "1.0" || version == "1.1" {
        return Ok(());
    }
    Err(wrong(format!(
        "schemaVersion {version} is none of 1.0 and 1.1"
    )))
}

fn wrong(message: String) -> (i32, String) {
    (400, message)
}
