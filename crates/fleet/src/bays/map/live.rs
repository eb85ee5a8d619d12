//! A map as it changes, to whoever looks at a part of it: what is seen first, then only what changes of that.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, timeout_at};

use super::look::{Marker, Seen, Through, View, plan};
use crate::app::App;
use crate::bays::lot::{News, Turn};
use crate::people::{Caller, sessions};
use crate::problem::Problem;
use crate::web::body::{Path, Query};

/// Bays of one event at most.
const MOST: usize = 200;
/// Groups and sums are told no more often than this: behind them all bays of a project are counted.
const PAUSE: Duration = Duration::from_millis(800);
/// How often it is looked whether the session still is one.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Follows what is seen through a frame. An event `map` has all of it, as the answer without `live` has; it comes first,
/// and when bays were moved or groups of them have changed. An event `bays` has those that changed where they are, as
/// `{"bays": [bay, …]}`; an event `counts` how many of the whole project show what.
#[utoipa::path(get, path = "/api/projects/{id}/map/live", tag = "bays", params(("id" = String, Path), View), responses(
    (status = 200, content_type = "text/event-stream"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn follow(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    Query(view): Query<View>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    super::check_seen(&app, &caller, &id).await?;
    let (_, ratio) = plan(&app, &id).await?;
    let through = view.through(&id, ratio)?;
    // It listens before it looks, so that nothing falls in between.
    let news = app.lot().follow(&app);
    let now = Instant::now();
    let follower = Follower {
        app,
        caller,
        headers,
        through,
        news,
        alone: HashMap::new(),
        map_at: Some(now),
        counts_at: None,
        look_again_at: now + LOOK_AGAIN,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

struct Follower {
    app: App,
    caller: Caller,
    headers: HeaderMap,
    through: Through,
    news: Receiver<Arc<News>>,
    /// The bays that are shown by themselves, and where.
    alone: HashMap<String, Option<(f64, f64)>>,
    /// When the whole is to be told again.
    map_at: Option<Instant>,
    /// When the sums are.
    counts_at: Option<Instant>,
    look_again_at: Instant,
}

impl Follower {
    /// The next event; `None` when the session is over.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let now = Instant::now();
            if self.map_at.is_some_and(|at| at <= now) {
                let seen = self.through.look(&self.app, &self.caller).await;
                (self.map_at, self.counts_at) = (None, None);
                if let Some(seen) = self.told(seen)? {
                    return Some(self.map(&seen));
                }
                continue;
            }
            if self.counts_at.is_some_and(|at| at <= now) {
                self.counts_at = None;
                let counts = self.through.counts(&self.app, &self.caller).await;
                if let Some(counts) = self.told(counts)? {
                    return Some(event("counts", &json!({"counts": counts})));
                }
                continue;
            }
            if self.look_again_at <= now {
                self.look_again_at = now + LOOK_AGAIN;
                let known = sessions::caller(&self.headers, &self.app).await;
                self.caller = known.ok().flatten()?;
            }
            let changed = self.hear().await?;
            if !changed.is_empty() {
                return Some(event("bays", &json!({"bays": changed})));
            }
        }
    }

    /// Waits for something to tell, or for the time to tell it.
    async fn hear(&mut self) -> Option<Vec<Marker>> {
        let mut changed = Vec::new();
        let times = [self.map_at, self.counts_at, Some(self.look_again_at)];
        let until = times.into_iter().flatten().min()?;
        match timeout_at(until, self.news.recv()).await {
            Ok(Ok(news)) => self.take(&news, &mut changed),
            Ok(Err(RecvError::Lagged(_))) => self.tell_map(),
            Ok(Err(RecvError::Closed)) => return None,
            Err(_) => return Some(changed),
        }
        // What somebody may no longer hear of must not be told before it is looked at what they may.
        while changed.len() < MOST && self.look_again_at > Instant::now() {
            match self.news.try_recv() {
                Ok(news) => self.take(&news, &mut changed),
                Err(TryRecvError::Lagged(_)) => self.tell_map(),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        Some(changed)
    }

    fn take(&mut self, news: &News, changed: &mut Vec<Marker>) {
        let bay = match news {
            News::Is(bay, ..) | News::Gone(bay) => bay,
            News::User(id) => {
                if *id == self.caller.user_id {
                    self.look_again_at = Instant::now();
                }
                return;
            }
        };
        if !self.through.is_of(bay) || !self.caller.sees(&bay.site.customer_id) {
            return;
        }
        let News::Is(bay, state, turn) = news else {
            return self.tell_map();
        };
        if *turn == Turn::Moved {
            return self.tell_map();
        }
        if let Some(place) = self.alone.get(&bay.id) {
            changed.push(Marker::new(bay, state, &self.caller).at(*place));
        } else if *turn == Turn::Sign && self.through.may_hold(bay) {
            // It is one of a group.
            self.tell_map();
        }
        if *turn == Turn::Sign {
            self.counts_at.get_or_insert(Instant::now() + PAUSE);
        }
    }

    fn tell_map(&mut self) {
        self.map_at.get_or_insert(Instant::now() + PAUSE);
    }

    fn map(&mut self, seen: &Seen) -> Event {
        let bays = seen.bays.iter().chain(&seen.unplaced);
        self.alone = bays.map(|bay| (bay.id.clone(), bay.place())).collect();
        event("map", seen)
    }

    /// What was read; a database that fails is asked again, and who may no longer look is told nothing more.
    fn told<T>(&mut self, read: Result<T, Problem>) -> Option<Option<T>> {
        match read {
            Ok(read) => Some(Some(read)),
            Err(problem) if problem.status >= 500 => {
                self.tell_map();
                Some(None)
            }
            Err(_) => None,
        }
    }
}

fn event(name: &str, data: &impl Serialize) -> Event {
    let event = Event::default().event(name);
    // Only a map with keys that are no text could not be written.
    event.json_data(data).unwrap_or_default()
}
