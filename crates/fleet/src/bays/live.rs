//! Bays as they change, to whoever follows: server-sent events with what each bay is now.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, timeout_at};

use super::api::BayFilter;
use super::lot::News;
use super::view::BayView;
use crate::app::App;
use crate::people::{Caller, sessions};
use crate::web::body::Query;

/// Bays of one event at most.
const MOST: usize = 200;
/// How often it is looked whether the session still is one.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Follows bays: an event `bays` has those that changed, as `{"is": [bay, …], "gone": [id, …]}`; an event `everything`
/// says that some may have been missed, and to read the list again.
#[utoipa::path(get, path = "/api/bays/live", tag = "bays", params(BayFilter), responses(
    (status = 200, content_type = "text/event-stream"),
))]
pub(crate) async fn follow(
    caller: Caller,
    State(app): State<App>,
    Query(filter): Query<BayFilter>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let news = app.lot().follow(&app);
    let follower = Follower {
        app,
        caller,
        filter,
        headers,
        news,
        look_again_at: Instant::now() + LOOK_AGAIN,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

struct Follower {
    app: App,
    caller: Caller,
    filter: BayFilter,
    headers: HeaderMap,
    news: Receiver<Arc<News>>,
    look_again_at: Instant,
}

impl Follower {
    /// The next event; `None` when the session is over.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let mut found = Found::default();
            match timeout_at(self.look_again_at, self.news.recv()).await {
                Ok(Ok(news)) => self.take(&news, &mut found).await?,
                Ok(Err(RecvError::Lagged(_))) => return Some(everything()),
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => self.look_again().await?,
            }
            while found.is.len() + found.gone.len() < MOST {
                match self.news.try_recv() {
                    Ok(news) => self.take(&news, &mut found).await?,
                    Err(TryRecvError::Lagged(_)) => return Some(everything()),
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
            if !found.is.is_empty() || !found.gone.is_empty() {
                let data = json!({"is": found.is, "gone": found.gone});
                return Some(event("bays", &data));
            }
        }
    }

    /// Ends the stream of somebody who may no longer follow it, and learns what they may now.
    async fn look_again(&mut self) -> Option<()> {
        self.look_again_at = Instant::now() + LOOK_AGAIN;
        let known = sessions::caller(&self.headers, &self.app).await;
        self.caller = known.ok().flatten()?;
        Some(())
    }

    /// Takes in what is wanted of some news; `None` when the session is over.
    async fn take(&mut self, news: &News, found: &mut Found) -> Option<()> {
        let bay = match news {
            News::Is(bay, ..) | News::Gone(bay) => bay,
            News::User(id) if *id == self.caller.user_id => return self.look_again().await,
            News::User(_) => return Some(()),
        };
        let is_wanted = self
            .filter
            .project_id
            .as_ref()
            .is_none_or(|id| *id == bay.site.id);
        if !is_wanted || !self.caller.sees(&bay.site.customer_id) {
            return Some(());
        }
        match news {
            News::Is(bay, state, _) => found.is.push(BayView::of(bay, state, &self.caller)),
            News::Gone(bay) => found.gone.push(bay.id.clone()),
            News::User(_) => {}
        }
        Some(())
    }
}

#[derive(Default)]
struct Found {
    is: Vec<BayView>,
    gone: Vec<String>,
}

fn everything() -> Event {
    event("everything", &json!({}))
}

fn event(name: &str, data: &Value) -> Event {
    Event::default().event(name).data(data.to_string())
}
