//! The part of the control API that is the street's own: simulated boards, and the modules' processes.
//!
//! | Request | Does |
//! |---|---|
//! | `GET /control/boards` | every bay's board: `[{"deviceId":…,"board":{…}}]` |
//! | `GET /control/boards/{device}` | one board's state |
//! | `POST /control/boards/{device}` | makes something happen: `{"command":"carArrives","vehicle":"van"}` |
//! | `GET /control/processes` | every module's process: `[{"module":"bay-01/light","status":"running","pid":…}]` |
//! | `POST /control/processes/{device}/{module}/{verb}` | `start`, `stop`, `restart`, or `kill` for a crash |

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use board::simulated::{BoardState, Command};
use runner::{CommandError, Exit, ModuleState};
use serde_json::{Value, json};

use super::{Bay, Street};

type Shared = State<Arc<Street>>;

pub(super) fn router(street: Arc<Street>) -> Router {
    Router::new()
        .route("/control/boards", get(boards))
        .route("/control/boards/{device}", get(board).post(command_board))
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
    let boards = street
        .bays
        .iter()
        .map(|bay| json!({"deviceId": bay.device_id, "board": bay.board.state()}));
    Json(boards.collect())
}

async fn board(
    State(street): Shared,
    Path(device): Path<String>,
) -> Result<Json<BoardState>, Fault> {
    Ok(Json(bay(&street, &device)?.board.state()))
}

async fn command_board(
    State(street): Shared,
    Path(device): Path<String>,
    command: Result<Json<Command>, JsonRejection>,
) -> Result<StatusCode, Fault> {
    let Json(command) =
        command.map_err(|rejection| Fault(rejection.status(), rejection.body_text()))?;
    bay(&street, &device)?.board.command(command);
    Ok(StatusCode::NO_CONTENT)
}

async fn processes(State(street): Shared) -> Json<Value> {
    let modules = &street.modules;
    let states = modules
        .names()
        .filter_map(|name| Some(describe(name, &modules.state(name)?)));
    Json(states.collect())
}

async fn command_process(
    State(street): Shared,
    Path((device, module, verb)): Path<(String, String, String)>,
) -> Result<StatusCode, Fault> {
    let (modules, name) = (&street.modules, format!("{device}/{module}"));
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
        Err(error @ CommandError::Unknown(_)) => Err(Fault::not_found(error.to_string())),
        Err(error @ CommandError::Closed(_)) => {
            Err(Fault(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))
        }
    }
}

fn bay<'a>(street: &'a Street, device: &str) -> Result<&'a Bay, Fault> {
    let bay = street.bays.iter().find(|bay| bay.device_id == device);
    bay.ok_or_else(|| Fault::not_found(format!("there is no bay {device}")))
}

fn describe(module: &str, state: &ModuleState) -> Value {
    json!({
        "module": module,
        "status": state.status.as_str(),
        "pid": state.pid,
        "restartCount": state.restart_count,
        "exitCode": state.last_exit.map(Exit::code),
        "lastStartTime": state.last_start_time.and_then(timestamp),
        "lastExitTime": state.last_exit_time.and_then(timestamp),
    })
}

fn timestamp(time: SystemTime) -> Option<jiff::Timestamp> {
    jiff::Timestamp::try_from(time).ok()
}
