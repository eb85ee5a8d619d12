//! The audit trail.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use crate::app::App;
use crate::customers::of_the_house;
use crate::moment::Moment;
use crate::people::Caller;
use crate::problem::Problem;
use crate::web::body::Query;
use crate::web::page::{Frame, show};

/// Entries of one page.
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "crm/audit.html")]
struct AuditPage {
    page: Frame,
    entries: Vec<Entry>,
    /// The number to go on before, where there is more.
    next: Option<i64>,
}

struct Entry {
    number: i64,
    at: Moment,
    who: String,
    action: String,
    object: String,
    detail: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    before: Option<i64>,
}

/// The newest first: what somebody looks for has mostly just happened.
pub(super) async fn list(
    caller: Caller,
    State(app): State<App>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    of_the_house(&caller)?;
    type Row = (i64, i64, String, String, String, String, String);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT number, at, user_name, action, object_kind, object_id, detail FROM audit
         WHERE number < $1 ORDER BY number DESC LIMIT $2",
    )
    .bind(wanted.before.unwrap_or(i64::MAX))
    .bind(SHOWN as i64 + 1)
    .fetch_all(app.store.reader())
    .await?;
    let more = rows.len() > SHOWN;
    let read = |(number, at, who, action, kind, id, detail): Row| Entry {
        number,
        at: Moment(at),
        who,
        action,
        object: format!("{kind} {id}"),
        detail: if detail == "{}" {
            String::new()
        } else {
            detail
        },
    };
    let entries: Vec<_> = rows.into_iter().take(SHOWN).map(read).collect();
    let next = entries.last().filter(|_| more).map(|entry| entry.number);
    Ok(show(&AuditPage {
        entries,
        next,
        page: Frame::of(&caller, "audit"),
    }))
}
