//! Every bay, in memory: what makes a list, a map and the live stream quick.
//!
//! The database stays the truth. Whoever looks first takes in what was announced as changed since the last look, so that
//! in the instance that made a change nobody sees what was before it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Lock, broadcast};
use tokio::time::{Instant, sleep_until};

use super::bay::{Bay, Which, read};
use super::state::{Rules, State};
use crate::app::App;
use crate::store::{Changes, Kind, StoreError};

/// What a slow follower may miss before it is told to look at everything again.
const BACKLOG: usize = 4096;
/// The longest time nobody looks at what time alone has changed.
const LONGEST: Duration = Duration::from_secs(30);
/// The pause after the database failed.
const PAUSE: Duration = Duration::from_secs(1);

/// All bays.
#[derive(Debug)]
pub struct Lot {
    kept: Lock<Kept>,
    news: broadcast::Sender<Arc<News>>,
    /// Whether somebody passes on what changes. Nobody does while nobody follows.
    is_told: Mutex<bool>,
}

/// A bay, or somebody who follows bays, that is not what it was.
#[derive(Debug, Clone)]
pub enum News {
    /// It is this now.
    Is(Arc<Bay>, State, Turn),
    /// It is no more: the last that was known of it.
    Gone(Arc<Bay>),
    /// What this user may is not what it was, or one of their sessions is over.
    User(String),
}

/// What of a bay is not what it was: the first that is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is new, or what people say of it: its place, its number, its device.
    Moved,
    /// What it shows.
    Sign,
    /// Something else: a distance, a charge, when it was heard of.
    Detail,
}

#[derive(Debug, Default)]
struct Kept {
    bays: BTreeMap<String, Arc<Bay>>,
    /// When which bay becomes another by itself.
    due: BTreeSet<(i64, String)>,
    changes: Option<Changes>,
    /// Whether something may have been missed.
    is_doubtful: bool,
}

#[derive(Debug, Default)]
struct Heard {
    bays: BTreeSet<String>,
    devices: HashSet<String>,
    projects: HashSet<String>,
}

impl Default for Lot {
    fn default() -> Self {
        Self {
            kept: Lock::default(),
            news: broadcast::channel(BACKLOG).0,
            is_told: Mutex::new(false),
        }
    }
}

impl Lot {
    /// The bays that `wanted` says yes to, in the order of their ids, behind the id `after`, up to `limit` of them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find(
        &self,
        app: &App,
        after: &str,
        limit: usize,
        wanted: impl Fn(&Bay) -> bool,
    ) -> Result<Vec<Arc<Bay>>, StoreError> {
        let mut kept = self.kept.lock().await;
        self.refresh(&mut kept, app).await?;
        let bounds = (
            std::ops::Bound::Excluded(after.to_owned()),
            std::ops::Bound::Unbounded,
        );
        let behind = kept.bays.range::<String, _>(bounds);
        let found = behind.map(|(_, bay)| bay).filter(|bay| wanted(bay));
        Ok(found.take(limit).cloned().collect())
    }

    /// One bay.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn get(&self, app: &App, id: &str) -> Result<Option<Arc<Bay>>, StoreError> {
        let mut kept = self.kept.lock().await;
        self.refresh(&mut kept, app).await?;
        Ok(kept.bays.get(id).cloned())
    }

    /// Hears of every bay that becomes another from here on, by what is said, booked, or by time alone.
    pub fn follow(&self, app: &App) -> broadcast::Receiver<Arc<News>> {
        let follower = self.news.subscribe();
        let mut is_told = self.is_told.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_told {
            *is_told = true;
            tokio::spawn(tell(app.clone()));
        }
        follower
    }

    /// Takes in what has changed, and tells of it.
    async fn refresh(&self, kept: &mut Kept, app: &App) -> Result<(), StoreError> {
        let heard = self.hear(kept, app);
        let rules = Rules::from(&app.settings);
        let now = app.now();
        let Some(heard) = heard else {
            // Until it is done it is not: whoever comes next begins again.
            let bays = read(app.store.reader(), Which::All).await?;
            let fresh: HashSet<&str> = bays.iter().map(|bay| bay.id.as_str()).collect();
            let gone: Vec<String> = kept
                .bays
                .keys()
                .filter(|id| !fresh.contains(id.as_str()))
                .cloned()
                .collect();
            self.take_in(kept, bays, &gone, &rules, now);
            kept.is_doubtful = false;
            return Ok(());
        };
        let mut ids = heard.bays;
        if !heard.devices.is_empty() || !heard.projects.is_empty() {
            let meant = kept.bays.values().filter(|bay| {
                let of_device = bay
                    .device_id
                    .as_ref()
                    .is_some_and(|id| heard.devices.contains(id));
                of_device || heard.projects.contains(&bay.site.id)
            });
            ids.extend(meant.map(|bay| bay.id.clone()));
        }
        if !ids.is_empty() {
            let ids: Vec<String> = ids.into_iter().collect();
            kept.is_doubtful = true;
            let bays = read(app.store.reader(), Which::Ids(&ids)).await?;
            kept.is_doubtful = false;
            let found: HashSet<&str> = bays.iter().map(|bay| bay.id.as_str()).collect();
            let gone: Vec<String> = ids
                .iter()
                .filter(|id| !found.contains(id.as_str()))
                .cloned()
                .collect();
            self.take_in(kept, bays, &gone, &rules, now);
        }
        self.let_time_pass(kept, &rules, now);
        Ok(())
    }

    /// What was announced since the last look; `None` when everything has to be looked at.
    fn hear(&self, kept: &mut Kept, app: &App) -> Option<Heard> {
        let Some(changes) = &mut kept.changes else {
            // It listens before it reads, so that nothing falls in between.
            kept.changes = Some(app.store.changes());
            kept.is_doubtful = true;
            return None;
        };
        let mut heard = Heard::default();
        while let Some(change) = changes.try_next() {
            match change.kind {
                Kind::Bay => drop(heard.bays.insert(change.id)),
                Kind::Device => drop(heard.devices.insert(change.id)),
                Kind::Project => drop(heard.projects.insert(change.id)),
                Kind::Everything => kept.is_doubtful = true,
                Kind::User => self.tell(News::User(change.id)),
                Kind::Booking | Kind::Order | Kind::Alarm => {}
            }
        }
        (!kept.is_doubtful).then_some(heard)
    }

    fn take_in(&self, kept: &mut Kept, bays: Vec<Bay>, gone: &[String], rules: &Rules, now: i64) {
        for id in gone {
            if let Some(bay) = kept.bays.remove(id) {
                self.tell(News::Gone(bay));
            }
        }
        for bay in bays {
            if kept.bays.get(&bay.id).is_some_and(|known| **known == bay) {
                continue;
            }
            if let Some(at) = bay.changes_at(rules, now) {
                kept.due.insert((at, bay.id.clone()));
            }
            let bay = Arc::new(bay);
            let state = bay.state(rules, now);
            let turn = match kept.bays.insert(bay.id.clone(), Arc::clone(&bay)) {
                Some(before) if before.version == bay.version => {
                    // What time has changed since it was told is told by `let_time_pass`.
                    let is_same = before.state(rules, now).sign == state.sign;
                    if is_same { Turn::Detail } else { Turn::Sign }
                }
                _ => Turn::Moved,
            };
            self.tell(News::Is(bay, state, turn));
        }
    }

    /// Tells of bays that became others by time alone.
    fn let_time_pass(&self, kept: &mut Kept, rules: &Rules, now: i64) {
        while kept.due.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, id)) = kept.due.pop_first() else {
                break;
            };
            let Some(bay) = kept.bays.get(&id).cloned() else {
                continue;
            };
            if let Some(at) = bay.changes_at(rules, now) {
                kept.due.insert((at, id));
            }
            let state = bay.state(rules, now);
            self.tell(News::Is(bay, state, Turn::Sign));
        }
    }

    fn tell(&self, news: News) {
        // Nobody may be following.
        let _ = self.news.send(Arc::new(news));
    }

    /// Whether nobody follows any more; then nobody tells either, until somebody follows again.
    fn is_over(&self) -> bool {
        let mut is_told = self.is_told.lock().unwrap_or_else(PoisonError::into_inner);
        *is_told = self.news.receiver_count() > 0;
        !*is_told
    }
}

/// Passes on what changes for as long as somebody follows.
async fn tell(app: App) {
    let lot = app.lot();
    let mut changes = app.store.changes();
    while !lot.is_over() {
        let mut kept = lot.kept.lock().await;
        let wake_in = match lot.refresh(&mut kept, &app).await {
            Ok(()) => kept.due.first().map_or(LONGEST, |(at, _)| {
                Duration::from_millis(u64::try_from(at - app.now()).unwrap_or_default())
            }),
            Err(error) => {
                tracing::warn!(%error, "the bays cannot be read; trying again");
                PAUSE
            }
        };
        drop(kept);
        let wake_at = Instant::now() + wake_in.min(LONGEST);
        tokio::select! {
            change = changes.next() => if change.is_none() { return },
            () = sleep_until(wake_at) => {}
        }
    }
}
