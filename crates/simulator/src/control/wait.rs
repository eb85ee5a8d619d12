//! `GET /control/wait`: an answer when something is so, or when the time for it is over.

use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hub_proto::dps::registration::Status;
use hub_proto::identity::Identity;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::asked::{Asked, event_number, json_or_text};
use super::{Fault, Shared};
use crate::hub::{Condition, Looked, Moment, Subject};
use crate::routing::BUILT_IN;
use crate::simulator::Simulator;

/// Seconds that one request may wait.
const LONGEST: usize = 300;
/// Seconds that one waits when it does not say.
const USUAL: usize = 30;
/// Events that one request may wait for.
const MOST_EVENTS: usize = 10_000;

/// What can be waited for.
enum Wanted {
    /// The simulator itself.
    Ready,
    OfHub(Condition),
    /// The provisioning service has assigned this registration.
    Registration(String),
}

pub(super) async fn wait(
    State(simulator): Shared,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, Fault> {
    let mut asked = Asked::of(parameters)?;
    let wanted_for = asked.text("for").unwrap_or_default();
    let within = asked.number("timeout", 0..=LONGEST)?.unwrap_or(USUAL);
    let mut wanted = read(&simulator, &wanted_for, &mut asked)?;
    asked.finish()?;

    let begun = Instant::now();
    let deadline = begun + Duration::from_secs(within as u64);
    let stop = simulator.stopped();
    let trace = simulator.hub().trace.clone();
    let looker = trace.look();
    loop {
        // Asked for before looking, so that nothing in between is missed.
        let stirred = looker.stirred();
        tokio::pin!(stirred);
        stirred.as_mut().enable();
        let before = simulator.hub().moment();
        let (missing, seen) = match look(&simulator, &mut wanted, before).await? {
            Looked::Met(seen, moment) => {
                return Ok(Json(json!({
                    "met": true,
                    "for": wanted_for,
                    "seen": seen,
                    "moment": moment.to_string(),
                    "waitedMs": begun.elapsed().as_millis() as u64,
                }))
                .into_response());
            }
            Looked::Not(missing, seen) => (missing, seen),
            Looked::Forgotten => {
                let message = "what happened since is forgotten: ask with a newer moment";
                return Err(Fault::new(StatusCode::GONE, message));
            }
        };
        tokio::select! {
            () = stop.cancelled() => {
                let message = "the simulator is stopping";
                return Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, message));
            }
            changed = timeout_at(deadline, stirred) => if changed.is_err() {
                return Ok(in_vain(&wanted_for, within, &missing, seen, before));
            },
        }
    }
}

fn in_vain(wanted: &str, within: usize, missing: &str, seen: Value, moment: Moment) -> Response {
    let message = format!("{missing}, within {within} s");
    let body = json!({
        "met": false,
        "for": wanted,
        "error": {"code": 504, "message": message},
        "missing": missing,
        "seen": seen,
        "moment": moment.to_string(),
    });
    (StatusCode::GATEWAY_TIMEOUT, Json(body)).into_response()
}

async fn look(simulator: &Simulator, wanted: &mut Wanted, now: Moment) -> Result<Looked, Fault> {
    Ok(match wanted {
        Wanted::Ready => Looked::Met(json!({"hubHostName": simulator.hub().names.hub}), now),
        Wanted::OfHub(condition) => simulator.hub().look(condition).await,
        Wanted::Registration(id) => {
            let states = simulator.dps().registrations(None)?;
            let found = states.iter().find(|state| {
                let registration = state.registration_id.as_ref();
                let is_meant = |known: &str| known.eq_ignore_ascii_case(id);
                registration.is_some_and(|known| is_meant(known.as_str()))
                    || state.device_id.as_deref().is_some_and(is_meant)
            });
            match found {
                Some(state) if state.status == Status::Assigned => Looked::Met(json!(state), now),
                Some(state) => {
                    let status = json!(state.status);
                    Looked::Not(format!("{id} is {status}, not assigned"), json!(state))
                }
                None => Looked::Not(format!("{id} has not registered"), Value::Null),
            }
        }
    })
}

fn wrong(message: impl Into<String>) -> Fault {
    Fault::new(StatusCode::BAD_REQUEST, message)
}

fn read(simulator: &Simulator, wanted: &str, asked: &mut Asked) -> Result<Wanted, Fault> {
    Ok(match wanted {
        "ready" => Wanted::Ready,
        "connected" => Wanted::OfHub(Condition::Connected(subject(asked)?, coming(asked)?)),
        "disconnected" => Wanted::OfHub(Condition::Disconnected(subject(asked)?, coming(asked)?)),
        "method-subscribed" => Wanted::OfHub(Condition::MethodSubscribed(subject(asked)?)),
        "reported" => {
            let identity = identity(asked)?;
            let mut pointers = asked.pointers()?;
            // A name is a place too; what is special in a pointer is escaped as RFC 6901 has it.
            pointers.extend(asked.properties().into_iter().map(|(name, value)| {
                let name = name.replace('~', "~0").replace('/', "~1");
                (format!("/{name}"), value.as_deref().map(json_or_text))
            }));
            Wanted::OfHub(Condition::Reported(identity, pointers))
        }
        "queue-empty" => Wanted::OfHub(Condition::QueueEmpty(identity(asked)?)),
        "event" => {
            let from = match asked.text("since") {
                None => 1,
                Some(since) => event_number(&since).ok_or_else(|| no_moment(&since))?,
            };
            let count = asked.number("count", 1..=MOST_EVENTS)?.unwrap_or(1);
            let endpoint = asked
                .text("endpoint")
                .unwrap_or_else(|| BUILT_IN.to_owned());
            if simulator.next_event_at(&endpoint).is_none() {
                return Err(wrong(format!(
                    "there is no endpoint {endpoint:?}; GET /control/routing shows them"
                )));
            }
            Wanted::OfHub(Condition::Event {
                endpoint,
                filter: Box::new(asked.event_filter()?),
                from,
                count,
                found: Vec::new(),
            })
        }
        "registration" => Wanted::Registration(
            asked
                .text("device")
                .ok_or_else(|| wrong("device is missing: the registration id, or the device's"))?,
        ),
        other => {
            return Err(wrong(format!(
                "for is {other:?}; it can be ready, connected, disconnected, event, reported, method-subscribed, \
                 registration or queue-empty"
            )));
        }
    })
}

fn subject(asked: &mut Asked) -> Result<Subject, Fault> {
    let subject = Subject {
        device: asked.text("device"),
        module: asked.text("module"),
    };
    if let Some(device) = &subject.device {
        Identity::new(device.as_str(), subject.module.as_deref())?;
    }
    Ok(subject)
}

fn identity(asked: &mut Asked) -> Result<Identity, Fault> {
    let device = asked
        .text("device")
        .ok_or_else(|| wrong("device is missing"))?;
    Ok(Identity::new(device, asked.text("module"))?)
}

/// The number of a coming or going in a moment.
fn coming(asked: &mut Asked) -> Result<Option<u64>, Fault> {
    let Some(since) = asked.text("since") else {
        return Ok(None);
    };
    let coming = since
        .split_once('.')
        .and_then(|(_, coming)| coming.parse().ok());
    coming.map(Some).ok_or_else(|| no_moment(&since))
}

fn no_moment(since: &str) -> Fault {
    wrong(format!(
        "since is {since:?}; it can be a moment as answers give it, like 152.37, and for events a sequence number"
    ))
}
