//! The endless answers: events at the hub line by line, and the live story as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use tokio_stream::wrappers::BroadcastStream;

use super::asked::{Asked, MOST, event_number};
use super::{Fault, Shared};
use crate::routing::BUILT_IN;

/// Events sent at once.
const AT_ONCE: usize = 256;

/// `GET /control/events`: one JSON object a line, oldest first, without end unless `follow=false` or a `limit`.
pub(super) async fn events(
    State(simulator): Shared,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, Fault> {
    let mut asked = Asked::of(parameters)?;
    let endpoint = asked
        .text("endpoint")
        .unwrap_or_else(|| BUILT_IN.to_owned());
    let next = simulator.next_event_at(&endpoint).ok_or_else(|| {
        let message = format!("there is no endpoint {endpoint:?}; GET /control/routing shows them");
        Fault::new(StatusCode::BAD_REQUEST, message)
    })?;
    let from = asked.either(["from", "since"])?;
    let from = match from.as_deref() {
        None | Some("latest") => next,
        Some("earliest") => 1,
        Some(number) => event_number(number).ok_or_else(|| {
            let message =
                format!("from is {number:?}; it can be latest, earliest, or a sequence number");
            Fault::new(StatusCode::BAD_REQUEST, message)
        })?,
    };
    // Without end, unless it is asked for.
    let follow = asked.flag("follow")?.unwrap_or(true);
    let limit = asked.number("limit", 1..=MOST)?;
    let filter = asked.event_filter()?;
    asked.finish()?;
    let stop = simulator.stopped();
    let begin = (simulator, from, limit.unwrap_or(usize::MAX));
    let lines = stream::unfold(begin, move |(simulator, from, left)| {
        let (filter, endpoint) = (filter.clone(), endpoint.clone());
        async move {
            let mut from = from;
            loop {
                if left == 0 {
                    return None;
                }
                // Without the endpoint the answer ends.
                let most = left.min(AT_ONCE);
                let found = simulator.hub().search(&endpoint, from, &filter, most);
                let (events, next) = found.await?;
                if !events.is_empty() {
                    let left = left - events.len();
                    let mut lines = String::new();
                    for event in events {
                        lines.push_str(&event.to_string());
                        lines.push('\n');
                    }
                    return Some((Bytes::from(lines), (simulator, next, left)));
                }
                if !follow {
                    return None;
                }
                simulator.events_after_at(&endpoint, next).await;
                from = next;
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
