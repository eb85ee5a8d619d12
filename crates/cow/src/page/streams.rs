//! The boards, live: what the control API answers when asked, told as it happens.
//!
//! | Request | Answer |
//! |---|---|
//! | `GET /board/{bay}/samples` | the newest measurements, oldest first |
//! | `GET /board/{bay}/stream` | server-sent events: `state`, `sample` for each measurement, `lamp` for each change |
//! | `GET /boards/stream` | server-sent events: `bay` with `{"bay","deviceId","phase","colour","vehicle","sample"}`, for every bay |
//!
//! Commands go to `/control/boards/{bay}`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use board::simulated::{BoardState, Change, SimulatedBoard};
use futures_util::stream::{self, Stream, StreamExt};
use serde_json::json;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use super::Street;

/// How often a watcher is shown the whole state when nothing happens: the battery drains, the air cools.
const AT_REST: Duration = Duration::from_secs(1);
/// And while something moves, so that it moves smoothly.
const IN_MOTION: Duration = Duration::from_millis(60);

pub(super) fn router() -> Router<Arc<Street>> {
    Router::new()
        .route("/board/{bay}/samples", get(samples))
        .route("/board/{bay}/stream", get(follow))
        .route("/boards/stream", get(follow_all))
}

async fn samples(State(street): State<Arc<Street>>, Path(name): Path<String>) -> Response {
    match street.bay(&name) {
        Some(bay) => Json(bay.board.recent_samples()).into_response(),
        None => no_such_board(&name),
    }
}

async fn follow(State(street): State<Arc<Street>>, Path(name): Path<String>) -> Response {
    match street.bay(&name) {
        Some(bay) => Sse::new(Watcher::of(&bay.board).events()).into_response(),
        None => no_such_board(&name),
    }
}

async fn follow_all(State(street): State<Arc<Street>>) -> impl IntoResponse {
    let watchers = street.bays.iter().map(|bay| {
        let (name, device, vitals) = (bay.name.clone(), bay.device.clone(), bay.vitals.clone());
        let summaries = Watcher::of(&bay.board).summaries();
        summaries.map(move |state| {
            let (colour, vehicle, sample) = (state.lamp.colour, state.vehicle, state.sample);
            let phase = vitals.borrow().phase.as_str();
            event(
                "bay",
                &json!({
                    "bay": name, "deviceId": *device.borrow(), "phase": phase, "colour": colour,
                    "vehicle": vehicle, "sample": sample,
                }),
            )
        })
    });
    Sse::new(stream::select_all(
        watchers.map(StreamExt::boxed).collect::<Vec<_>>(),
    ))
}

fn no_such_board(name: &str) -> Response {
    let message = format!("there is no board of a bay called {name}");
    (
        StatusCode::NOT_FOUND,
        Json(json!({"error": {"code": 404, "message": message}})),
    )
        .into_response()
}

type SseEvent = Result<Event, Infallible>;

fn event(name: &str, data: &impl serde::Serialize) -> SseEvent {
    // Our own values always are JSON.
    Ok(Event::default()
        .event(name)
        .json_data(data)
        .unwrap_or_default())
}

/// Follows one board: what happens, and from time to time how everything is.
struct Watcher {
    board: SimulatedBoard,
    changes: broadcast::Receiver<Change>,
    next_state: Instant,
}

impl Watcher {
    fn of(board: &SimulatedBoard) -> Self {
        Self {
            board: board.clone(),
            changes: board.changes(),
            next_state: Instant::now(),
        }
    }

    /// The next change; `None` when it is time for a state, or when there is no telling what changed.
    async fn next(&mut self) -> Option<Change> {
        tokio::select! {
            change = self.changes.recv() => match change {
                Ok(Change::Commanded(_)) | Err(RecvError::Lagged(_) | RecvError::Closed) => None,
                Ok(change) => Some(change),
            },
            () = sleep_until(self.next_state) => None,
        }
    }

    fn state(&mut self) -> BoardState {
        let state = self.board.state();
        let drives = state
            .vehicle
            .is_some_and(|vehicle| vehicle.remaining_ms > 0);
        let moves = drives || state.pedestrian.is_some();
        self.next_state = Instant::now() + if moves { IN_MOTION } else { AT_REST };
        state
    }

    fn events(self) -> impl Stream<Item = SseEvent> {
        stream::unfold(self, |mut watcher| async move {
            let event = match watcher.next().await {
                Some(Change::Sampled(sample)) => event("sample", &sample),
                Some(Change::Lamp(colour)) => event("lamp", &json!({"colour": colour})),
                Some(Change::Commanded(_) | Change::Restarted) | None => {
                    event("state", &watcher.state())
                }
            };
            Some((event, watcher))
        })
    }

    /// The state, whenever something is worth a glance from afar: single measurements are not.
    fn summaries(self) -> impl Stream<Item = BoardState> {
        stream::unfold(self, |mut watcher| async move {
            while let Some(Change::Sampled(_)) = watcher.next().await {}
            let state = watcher.state();
            // From afar, a second between two steps of a car will do.
            watcher.next_state = watcher.next_state.max(Instant::now() + AT_REST);
            Some((state, watcher))
        })
    }
}
