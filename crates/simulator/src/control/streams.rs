//! The endless answers: events at the hub line by line, and the live story as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use tokio_stream::wrappers::BroadcastStream;

use super::{Fault, Shared};
use crate::routing::BUILT_IN;

/// Events read under one lock.
const AT_ONCE: usize = 256;

#[derive(Deserialize)]
pub(super) struct Wanted {
    device: Option<String>,
    /// `events` (default) for the built-in endpoint, or a custom endpoint's name.
    endpoint: Option<String>,
    /// `latest` (default), `earliest`, or a sequence number.
    from: Option<String>,
    /// `false` ends the answer with the newest event instead of waiting for more.
    #[serde(default = "follow")]
    follow: bool,
}

fn follow() -> bool {
    true
}

/// `GET /control/events`: one JSON object a line, oldest first, without end unless `follow=false`.
pub(super) async fn events(
    State(simulator): Shared,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    let endpoint = wanted.endpoint.as_deref().unwrap_or(BUILT_IN).to_owned();
    let next = simulator.next_event_at(&endpoint).ok_or_else(|| {
        let message = format!("there is no endpoint {endpoint:?}; GET /control/routing shows them");
        Fault::new(StatusCode::BAD_REQUEST, message)
    })?;
    let from = match wanted.from.as_deref() {
        None | Some("latest") => next,
        Some("earliest") => 1,
        Some(number) => number.parse().map_err(|_| {
            let message =
                format!("from is {number:?}; it can be latest, earliest, or a sequence number");
            Fault::new(StatusCode::BAD_REQUEST, message)
        })?,
    };
    let stop = simulator.stopped();
    let lines = stream::unfold((simulator, from), move |(simulator, from)| {
        let (device, endpoint) = (wanted.device.clone(), endpoint.clone());
        async move {
            loop {
                // Without the endpoint the answer ends.
                let (events, next) =
                    simulator.events_at(&endpoint, from, device.as_deref(), AT_ONCE)?;
                if !events.is_empty() || next > from {
                    let mut lines = String::new();
                    for event in events {
                        lines.push_str(&event.to_string());
                        lines.push('\n');
                    }
                    return Some((Bytes::from(lines), (simulator, next)));
                }
                if !wanted.follow {
                    return None;
                }
                simulator.events_after_at(&endpoint, from).await;
            }
        }
    });
    let body = Body::from_stream(
        lines
            .map(Ok::<_, Infallible>)
            .take_until(stop.cancelled_owned()),
    );
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// `GET /control/trace`: the live story. A watcher that is too slow misses the oldest part and is told so.
pub(super) async fn trace(
    State(simulator): Shared,
) -> Sse<impl Stream<Item = Result<Event, axum::Error>>> {
    let stop = simulator.stopped();
    let observations =
        BroadcastStream::new(simulator.watch()).map(|observation| match observation {
            Ok(observation) => Event::default().json_data(observation),
            Err(missed) => Ok(Event::default().event("missed").data(missed.to_string())),
        });
    let alive = KeepAlive::new().interval(Duration::from_secs(15));
    Sse::new(observations.take_until(stop.cancelled_owned())).keep_alive(alive)
}
