//! What changes, told to pages as it happens: `GET /live` answers with server-sent events.
//!
//! An event has the kind as its name (`bay`, `device`, `booking`, `order`, `project`, `alarm`, `user`, `everything`) and
//! `{"ids": […]}` as its data: which things are not what they were. What they are now is asked for where they are served,
//! so that nobody is told here what they may not see there.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::app::App;
use crate::people::{Caller, Role, sessions};
use crate::problem::Problem;
use crate::store::{Announcement, Changes, Kind};

/// Changes are gathered for so long: a street of bays that changes at once is one event.
const GATHER: Duration = Duration::from_millis(100);
/// How many changes one event tells of.
const MOST: usize = 500;
/// How often it is looked whether the session still is one.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

pub(super) async fn follow(
    caller: Caller,
    State(app): State<App>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = app.store.changes();
    let listener = Listener {
        app,
        caller,
        headers,
        changes,
        look_again_at: Instant::now() + LOOK_AGAIN,
        ready: Vec::new(),
    };
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

struct Listener {
    app: App,
    caller: Caller,
    headers: HeaderMap,
    changes: Changes,
    look_again_at: Instant,
    ready: Vec<Event>,
}

impl Listener {
    /// The next event; `None` when the session is over, or the database is.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop() {
                return Some(event);
            }
            let first = match timeout_at(self.look_again_at, self.changes.next()).await {
                Ok(first) => first?,
                Err(_) => {
                    self.look_again().await?;
                    continue;
                }
            };
            let gathered = self.gather(first).await;
            if gathered
                .iter()
                .any(|one| one.kind == Kind::User && one.id == self.caller.user_id)
            {
                self.look_again().await?;
            }
            self.ready = self.events(gathered).await;
        }
    }

    /// Ends the stream of somebody who may no longer follow it, and learns what they may now.
    async fn look_again(&mut self) -> Option<()> {
        self.look_again_at = Instant::now() + LOOK_AGAIN;
        let known = sessions::caller(&self.headers, &self.app).await;
        self.caller = known.ok().flatten()?;
        Some(())
    }

    async fn gather(&mut self, first: Announcement) -> Vec<Announcement> {
        let until = Instant::now() + GATHER;
        let mut gathered = vec![first];
        while gathered.len() < MOST {
            let Ok(Some(next)) = timeout_at(until, self.changes.next()).await else {
                break;
            };
            if !gathered.contains(&next) {
                gathered.push(next);
            }
        }
        gathered
    }

    async fn events(&self, gathered: Vec<Announcement>) -> Vec<Event> {
        let mut kinds: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for Announcement { kind, id } in gathered {
            let sees = sees(&self.app, &self.caller, kind, &id).await;
            // Better a change too few than one too many: a page asks again when the stream is opened again.
            if sees.unwrap_or(false) {
                kinds.entry(kind.as_str()).or_default().push(id);
            }
        }
        let event = |(kind, ids)| {
            let event = Event::default().event(kind);
            event.json_data(json!({"ids": ids})).unwrap_or_default()
        };
        kinds.into_iter().map(event).collect()
    }
}

/// Whether somebody may know that this changed.
async fn sees(app: &App, caller: &Caller, kind: Kind, id: &str) -> Result<bool, Problem> {
    let is_driver = caller.role == Role::Driver;
    let sql = match kind {
        Kind::Everything => return Ok(true),
        Kind::User if caller.role < Role::Administrator => return Ok(false),
        Kind::User => "SELECT customer_id, '' FROM users WHERE id = $1",
        Kind::Bay => {
            "SELECT customer_id, '' FROM bays JOIN projects ON projects.id = project_id WHERE bays.id = $1"
        }
        Kind::Booking => {
            "SELECT customer_id, user_id FROM bookings JOIN bays ON bays.id = bay_id
             JOIN projects ON projects.id = project_id WHERE bookings.id = $1"
        }
        _ if is_driver => return Ok(false),
        Kind::Device => {
            "SELECT customer_id, '' FROM devices LEFT JOIN projects ON projects.id = project_id WHERE devices.id = $1"
        }
        Kind::Order => {
            "SELECT customer_id, '' FROM orders JOIN projects ON projects.id = project_id WHERE orders.id = $1"
        }
        Kind::Project => "SELECT customer_id, '' FROM projects WHERE id = $1",
        Kind::Alarm => {
            "SELECT customer_id, '' FROM alarms LEFT JOIN devices ON devices.id = device_id
             LEFT JOIN projects ON projects.id = project_id WHERE alarms.id = $1"
        }
    };
    if caller.customer_id.is_none() && !(is_driver && kind == Kind::Booking) {
        return Ok(true);
    }
    let found: Option<(Option<String>, String)> = sqlx::query_as(sql)
        .bind(id.to_owned())
        .fetch_optional(app.store.reader())
        .await?;
    Ok(found.is_some_and(|(customer, user)| {
        let is_own = kind != Kind::Booking || !is_driver || user == caller.user_id;
        let of_theirs = match customer {
            Some(customer) => caller.sees(&customer),
            None => caller.customer_id.is_none(),
        };
        is_own && of_theirs
    }))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::*;
    use crate::testing::{Site, Somebody};

    async fn known(site: &Site, who: &Somebody) -> Caller {
        let mut headers = HeaderMap::new();
        let token = format!("Bearer {}", who.token);
        let token = HeaderValue::try_from(token).expect("a header");
        headers.insert(header::AUTHORIZATION, token);
        let caller = sessions::caller(&headers, &site.app).await;
        caller.expect("an answer").expect("somebody")
    }

    #[tokio::test]
    async fn somebody_hears_of_what_they_see_and_of_nothing_else() {
        let site = Site::new().await;
        let (town, harbour) = (site.customer("Town").await, site.customer("Harbour").await);
        let own = site.somebody(Role::Driver, Some(&harbour)).await;
        let mut tx = site.app.store.begin().await.expect("a transaction");
        for statement in [
            format!(
                "INSERT INTO projects (id, customer_id, name, enrollment_group_id, created_at) VALUES ('p', '{harbour}', 'Quay', 'g', 1)"
            ),
            "INSERT INTO bays (id, project_id, number, created_at) VALUES ('b', 'p', '1', 1)"
                .into(),
            "INSERT INTO devices (id, lifecycle, first_seen_at) VALUES ('d', 'stock', 1)".into(),
            format!(
                "INSERT INTO bookings (id, bay_id, user_id, begins_at, ends_at, state, created_at) VALUES ('k', 'b', '{}', 1, 2, 'over', 1)",
                own.id
            ),
        ] {
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
                .execute(&mut *tx)
                .await
                .expect("it is written");
        }
        tx.commit().await.expect("it is committed");
        let its_driver = own.clone();
        let own = own.id;
        let everybody = [
            (its_driver, "bay booking"),
            (site.somebody(Role::Driver, Some(&harbour)).await, "bay"),
            (site.somebody(Role::Driver, None).await, "bay"),
            (site.somebody(Role::Driver, Some(&town)).await, ""),
            (site.somebody(Role::Administrator, Some(&town)).await, ""),
            (
                site.somebody(Role::Administrator, Some(&harbour)).await,
                "project bay booking user",
            ),
            (
                site.somebody(Role::Administrator, None).await,
                "project bay device booking user",
            ),
            (
                site.somebody(Role::Installer, Some(&harbour)).await,
                "project bay booking",
            ),
            (
                site.somebody(Role::Operator, None).await,
                "project bay device booking",
            ),
        ];
        for (who, heard) in everybody {
            let caller = known(&site, &who).await;
            for (kind, id) in [
                (Kind::Project, "p"),
                (Kind::Bay, "b"),
                (Kind::Device, "d"),
                (Kind::Booking, "k"),
                (Kind::User, &own),
            ] {
                let hears = sees(&site.app, &caller, kind, id).await.expect("an answer");
                let wanted = heard.split(' ').any(|word| word == kind.as_str());
                assert_eq!(hears, wanted, "{caller:?}: {kind:?}");
            }
        }
    }
}
