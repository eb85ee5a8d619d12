//! `/events`: what arrives at the hub, as it arrives, as far as it is asked for.
//!
//! `GET /events/stream` gives server-sent events `batch` with `{"events":[…],"missed":n}`; `missed` are those before the
//! batch that were not looked at, because the hub was faster than this stream may be. It may be told to begin `from` a
//! sequence number, and goes on by itself where a connection was lost.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use hub_proto::identity::Identity;
use serde::Deserialize;
use serde_json::json;
use simulator::{EventBounds, EventFilter, Simulator};
use tokio::time::sleep;

use super::{Frame, Hub, show};

/// What one look may cost the hub, and one batch the browser.
const BOUNDS: EventBounds = EventBounds {
    behind: 20_000,
    bytes: 512 << 10,
    events: 100,
};
const PACE: Duration = Duration::from_millis(100);
/// Events that a page without a filter begins with.
const RECENT: u64 = 100;
const ALIVE: Duration = Duration::from_secs(10);

pub(super) fn router() -> Router<Arc<Hub>> {
    Router::new()
        .route("/events", get(page))
        .route("/events/stream", get(follow))
}

#[derive(Template)]
#[template(path = "hub/events.html")]
struct EventsPage<'a> {
    frame: &'a Frame,
    wanted: Wanted,
    sources: [(&'static str, &'static str); 7],
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    device: String,
    module: String,
    property: String,
    text: String,
    source: String,
    /// A device, or `device/module`, and nobody else.
    of: String,
    from: Option<u64>,
}

async fn page(State(hub): State<Arc<Hub>>, Query(wanted): Query<Wanted>) -> Response {
    show(&EventsPage {
        frame: &hub.frame,
        wanted,
        sources: [
            ("", "any source"),
            ("Telemetry", "telemetry"),
            ("twinChangeEvents", "twin changes"),
            ("deviceLifecycleEvents", "lifecycle"),
            ("deviceConnectionStateEvents", "connections"),
            ("digitalTwinChangeEvents", "digital twin changes"),
            ("deviceJobLifecycleEvents", "jobs"),
        ],
    })
}

impl Wanted {
    fn filter(&self) -> EventFilter {
        let given = |text: &str| {
            Some(text.trim())
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let of = self.of.parse::<Identity>().ok();
        let property = given(&self.property).map(|text| match text.split_once('=') {
            Some((name, value)) => (name.trim().to_owned(), Some(value.trim().to_owned())),
            None => (text, None),
        });
        EventFilter {
            device: of.as_ref().map(|of| of.device_id().to_owned()),
            module: of.and_then(|of| of.module_id().map(str::to_owned)),
            device_part: given(&self.device),
            module_part: given(&self.module),
            properties: property.into_iter().collect(),
            text_in_any_case: given(&self.text),
            source: given(&self.source),
            ..EventFilter::default()
        }
    }
}

async fn follow(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Response {
    let filter = wanted.filter();
    let lost_at = headers.get("last-event-id");
    let lost_at = lost_at.and_then(|id| id.to_str().ok()?.parse().ok());
    let from = lost_at.or(wanted.from).unwrap_or_else(|| {
        // Whoever looks for something looks at all there is.
        if filter == EventFilter::default() {
            hub.simulator.next_event().saturating_sub(RECENT)
        } else {
            0
        }
    });
    let reader = Reader {
        simulator: hub.simulator.clone(),
        filter,
        next: from,
        // What was forgotten before anybody looked is no news.
        has_begun: from > 0 && (lost_at.is_some() || wanted.from.is_some()),
    };
    let events = stream::unfold(reader, async |mut reader| {
        let event = reader.next().await;
        Some((Ok::<_, Infallible>(event), reader))
    });
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(ALIVE))
        .into_response()
}

struct Reader {
    simulator: Arc<Simulator>,
    filter: EventFilter,
    next: u64,
    has_begun: bool,
}

impl Reader {
    /// The next batch: at once what is there, else when something comes.
    async fn next(&mut self) -> Event {
        let mut missed = 0;
        loop {
            let found = self.simulator.find_events(&self.filter, self.next, BOUNDS);
            self.next = found.next;
            if std::mem::replace(&mut self.has_begun, true) {
                missed += found.missed;
            }
            if found.next == found.end && found.events.is_empty() && missed == 0 {
                self.simulator.events_after(self.next).await;
            }
            // The pace also gives a fast hub time to fill the next batch.
            sleep(PACE).await;
            if !found.events.is_empty() || missed > 0 {
                let data = json!({"events": found.events, "missed": missed});
                return Event::default()
                    .event("batch")
                    .id(self.next.to_string())
                    .data(data.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_typed_is_what_is_looked_for() {
        let wanted = Wanted {
            of: "edge01/light".into(),
            device: " ".into(),
            module: " amp ".into(),
            property: " kind = flow".into(),
            text: "Alarm".into(),
            ..Wanted::default()
        };
        let meant = EventFilter {
            device: Some("edge01".into()),
            module: Some("light".into()),
            module_part: Some("amp".into()),
            properties: vec![("kind".into(), Some("flow".into()))],
            text_in_any_case: Some("Alarm".into()),
            ..EventFilter::default()
        };
        assert_eq!(wanted.filter(), meant);
        assert_eq!(Wanted::default().filter(), EventFilter::default());
    }
}
