//! The page's stream: each part that follows the device, whenever it changes.
//!
//! | Event | Data, as JSON |
//! |---|---|
//! | `who`, `change`, `claim`, `test`, `errors` | the part's HTML |
//! | `state` | `{"busy","shape","say"}` |
//! | `signed-out` | `null`; the session is over, and so is the stream |

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream, StreamExt};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Portal;
use super::panes::{self, Live};
use super::visit::SignedIn;
use crate::view::View;

/// How often the page is looked at when nothing changes: ages grow, sessions end.
const PULSE: Duration = Duration::from_secs(10);

type SseEvent = Result<Event, Infallible>;

pub(super) async fn follow(
    State(portal): State<Arc<Portal>>,
    visitor: SignedIn,
) -> Sse<impl Stream<Item = SseEvent>> {
    let follower = Follower {
        view: portal.desk.watch(),
        ended: portal.ended.subscribe(),
        token: portal.seal.form_token(visitor.0),
        portal,
        visitor,
        shown: Live::default(),
        state: Value::Null,
        is_over: false,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let events = follower.next().await?;
        Some((stream::iter(events), follower))
    });
    Sse::new(events.flatten()).keep_alive(KeepAlive::default())
}

struct Follower {
    portal: Arc<Portal>,
    visitor: SignedIn,
    token: String,
    view: watch::Receiver<View>,
    ended: watch::Receiver<()>,
    shown: Live,
    state: Value,
    is_over: bool,
}

impl Follower {
    /// What there is to tell; `None` when the stream is over.
    async fn next(&mut self) -> Option<Vec<SseEvent>> {
        loop {
            if self.is_over {
                return None;
            }
            // Followed but not used: a page that lies open must not keep its session.
            let now = Instant::now();
            if !self.portal.sessions().is_open(self.visitor.0, now) {
                self.is_over = true;
                return Some(vec![event("signed-out", &())]);
            }
            let view = self.view.borrow_and_update().clone();
            let news = self.news(&view);
            if !news.is_empty() {
                return Some(news);
            }
            tokio::select! {
                changed = self.view.changed() => changed.ok()?,
                changed = self.ended.changed() => changed.ok()?,
                () = sleep(PULSE) => {}
            }
        }
    }

    fn news(&mut self, view: &View) -> Vec<SseEvent> {
        let live = match Live::of(view, &self.token, Timestamp::now()) {
            Ok(live) => live,
            Err(error) => {
                tracing::error!(%error, "A part of the page could not be rendered");
                return Vec::new();
            }
        };
        let shown = self.shown.parts().map(|(_, html)| html);
        let mut news: Vec<_> = live
            .parts()
            .into_iter()
            .zip(shown)
            .filter(|((_, html), shown)| html != shown)
            .map(|((name, html), _)| event(name, &html))
            .collect();
        let state = json!({
            "busy": panes::is_busy(view),
            "shape": panes::shape(view),
            "say": panes::say(view),
        });
        if state != self.state {
            news.push(event("state", &state));
            self.state = state;
        }
        self.shown = live;
        news
    }
}

/// As JSON, since an event's lines cannot hold every character that a hub may put into a message.
fn event(name: &str, data: &impl Serialize) -> SseEvent {
    Ok(Event::default()
        .event(name)
        .json_data(data)
        .unwrap_or_default())
}
