//! The part of the control API that is the street's own: simulated boards, and the modules' processes or containers.
//!
//! | Request | Does |
//! |---|---|
//! | `GET /control/bays` | every bay's machine: `[{"bay":"bay-01","serial":…,"deviceId":…,"phase":"running",…}]` |
//! | `GET /control/bays/{bay}` | one of them |
//! | `POST /control/bays/{bay}/card` | images its card: `{"idScope","registrationId","symmetricKey","globalEndpoint"?}` |
//! | `POST /control/bays/{bay}/power/{verb}` | `restart`, or `cut` to pull the plug |
//! | `GET /control/boards` | every bay's board: `[{"bay":…,"deviceId":…,"board":{…}}]` |
//! | `GET /control/boards/{bay}` | one board's state |
//! | `POST /control/boards/{bay}` | makes something happen: `{"command":"carArrives","vehicle":"van"}` |
//! | `GET /control/processes` | every module's process or container: `[{"module":"bay-01/light","status":"running","pid":…,"container":null,"memoryBytes":…,"processorSeconds":…}]` |
//! | `POST /control/processes/{device}/{module}/{verb}` | `start`, `stop`, `restart`, or `kill` for a crash |
//!
//! A bay goes by its name, its board's serial number, or the device its machine is at the moment.

mod bays;

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use board::simulated::{BoardState, Command};
use futures_util::future::join_all;
use runner::{CommandError, Exit, ModuleState, Usage};
use serde_json::{Value, json};

use super::{Bay, Street};

type Shared = State<Arc<Street>>;

pub(super) fn router(street: Arc<Street>) -> Router {
    Router::new()
        .route("/control/boards", get(boards))
        .route("/control/bays", get(bays::all))
        .route("/control/bays/{bay}", get(bays::one))
        .route("/control/bays/{bay}/card", post(bays::image))
        .route("/control/bays/{bay}/power/{verb}", post(bays::power))
        .route("/control/boards/{bay}", get(board).post(command_board))
        .route("/control/processes", get(processes))
        .route(
            "/control/processes/{device}/{module}/{verb}",
            post(command_process),
        )
        .with_state(street)
}

/// A refusal, in the form the whole control API has.
struct Fault(StatusCode, String);

impl Fault {
    fn not_found(message: String) -> Self {
        Self(StatusCode::NOT_FOUND, message)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let error = json!({"error": {"code": self.0.as_u16(), "message": self.1}});
        (self.0, Json(error)).into_response()
    }
}

async fn boards(State(street): Shared) -> Json<Value> {
    let boards = street.bays.iter().map(|bay| {
        let device = bay.device.borrow().clone();
        json!({"bay": bay.name, "deviceId": device, "board": bay.board.state()})
    });
    Json(boards.collect())
}

async fn board(State(street): Shared, Path(name): Path<String>) -> Result<Json<BoardState>, Fault> {
    Ok(Json(bay(&street, &name)?.board.state()))
}

async fn command_board(
    State(street): Shared,
    Path(name): Path<String>,
    command: Result<Json<Command>, JsonRejection>,
) -> Result<StatusCode, Fault> {
    let Json(command) =
        command.map_err(|rejection| Fault(rejection.status(), rejection.body_text()))?;
    bay(&street, &name)?.board.command(command);
    Ok(StatusCode::NO_CONTENT)
}

async fn processes(State(street): Shared) -> Json<Value> {
    let processes = street.bays.iter().flat_map(|bay| {
        let processes = bay.processes().into_iter();
        processes.map(move |(name, state)| (bay, name, state))
    });
    let described = processes.map(|(bay, name, state)| async move {
        let modules = bay.modules_with(&name);
        let usage = match modules {
            Some(modules) => modules.usage(&name).await,
            None => None,
        };
        describe(&name, &state, usage)
    });
    Json(join_all(described).await.into())
}

async fn command_process(
    State(street): Shared,
    Path((device, module, verb)): Path<(String, String, String)>,
) -> Result<StatusCode, Fault> {
    let name = format!("{device}/{module}");
    let unknown = || Fault::not_found(CommandError::Unknown(name.clone()).to_string());
    let modules = street.bays.iter().find_map(|bay| bay.modules_with(&name));
    let modules = modules.ok_or_else(unknown)?;
    let commanded = match verb.as_str() {
        "start" => modules.start(&name).await,
        "stop" => modules.stop(&name).await,
        "restart" => modules.restart(&name).await,
        "kill" => modules.kill(&name).await,
        _ => {
            return Err(Fault::not_found(format!(
                "{verb} is not start, stop, restart or kill"
            )));
        }
    };
    match commanded {
        Ok(()) => Ok(StatusCode::ACCEPTED),
        Err(CommandError::Unknown(_)) => Err(unknown()),
        Err(error @ CommandError::Closed(_)) => {
            Err(Fault(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))
        }
    }
}

fn bay<'a>(street: &'a Street, name: &str) -> Result<&'a Bay, Fault> {
    let bay = street.bays.iter().find(|bay| bay.is(name));
    bay.ok_or_else(|| Fault::not_found(format!("there is no bay {name}")))
}

fn describe(module: &str, state: &ModuleState, usage: Option<Usage>) -> Value {
    json!({
        "module": module,
        "status": state.status.as_str(),
        "pid": state.pid,
        "container": state.container,
        "problem": state.problem,
        "memoryBytes": usage.map(|usage| usage.memory_bytes),
        "processorSeconds": usage.map(|usage| usage.processor.as_secs_f64()),
        "restartCount": state.restart_count,
        "exitCode": state.last_exit.map(Exit::code),
        "lastStartTime": state.last_start_time.and_then(timestamp),
        "lastExitTime": state.last_exit_time.and_then(timestamp),
    })
}

fn timestamp(time: SystemTime) -> Option<jiff::Timestamp> {
    jiff::Timestamp::try_from(time).ok()
}
