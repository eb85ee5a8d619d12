//! Parts of a page that move: looked at again and again while somebody watches, and sent when they have changed.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::json;
use tokio::time::{Instant, sleep};

/// How often a watched page is looked at.
const EVERY: Duration = Duration::from_millis(400);
/// A look takes at most this part of the time: a page over a hundred thousand devices is looked at less often.
const SHARE: u32 = 20;
const ALIVE: Duration = Duration::from_secs(10);

/// What an element of a page holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The element's id.
    pub(super) id: &'static str,
    pub(super) html: String,
}

impl Part {
    pub(super) fn new(id: &'static str, template: &impl askama::Template) -> Self {
        let html = template.render().unwrap_or_else(|error| {
            tracing::error!(%error, "A part of a page could not be rendered");
            String::new()
        });
        Self { id, html }
    }
}

struct Watch<F> {
    look: F,
    told: Vec<Part>,
    /// What is to be told before the next look.
    waiting: Vec<Event>,
    pause: Duration,
    is_gone: bool,
}

/// Follows a page: server-sent events `part` with `{"id","html"}`, and `gone` when what it is about is no more. The first
/// look tells every part, for a page that was made a while ago.
pub(super) fn follow<L>(look: impl FnMut() -> L + Send + 'static) -> Response
where
    L: Future<Output = Option<Vec<Part>>> + Send + 'static,
{
    let watch = Watch {
        look,
        told: Vec::new(),
        waiting: Vec::new(),
        pause: Duration::ZERO,
        is_gone: false,
    };
    let events = stream::unfold(watch, async |mut watch| {
        while watch.waiting.is_empty() {
            if watch.is_gone {
                return None;
            }
            sleep(watch.pause).await;
            watch.look().await;
        }
        let event = watch.waiting.remove(0);
        Some((Ok::<_, Infallible>(event), watch))
    });
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(ALIVE))
        .into_response()
}

impl<L: Future<Output = Option<Vec<Part>>>, F: FnMut() -> L> Watch<F> {
    async fn look(&mut self) {
        let begun = Instant::now();
        let parts = (self.look)().await;
        self.pause = EVERY.max(begun.elapsed() * SHARE);
        let Some(parts) = parts else {
            self.is_gone = true;
            self.waiting.push(Event::default().event("gone").data("{}"));
            return;
        };
        let news = parts.iter().filter(|part| !self.told.contains(part));
        let news = news.map(|part| {
            let data = json!({"id": part.id, "html": part.html});
            Event::default().event("part").data(data.to_string())
        });
        self.waiting.extend(news);
        self.told = parts;
    }
}
