//! The pages about people: everybody, for administrators; and one's own account.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::invitations::{self, Invitation};
use super::tokens::{self, Token};
use super::users::{self, User};
use super::{Caller, Role};
use crate::app::App;
use crate::paging::{Page, Paging};
use crate::problem::Problem;
use crate::web::body::Query;
use crate::web::page::{Frame, show};
use crate::words::Words;

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage {
    page: Frame,
    users: Page<User>,
    invitations: Vec<Invitation>,
    /// The customers somebody may be let in for: id and name.
    customers: Vec<(String, String)>,
}

impl PeoplePage {
    fn customer(&self, id: Option<&String>) -> &str {
        let found = self.customers.iter().find(|(known, _)| Some(known) == id);
        found.map_or("", |(_, name)| name)
    }
}

pub(super) async fn people(
    caller: Caller,
    State(app): State<App>,
    Query(paging): Query<Paging>,
) -> Result<Response, Problem> {
    let users = users::all(&app, &caller, &paging).await?;
    let customers = sqlx::query_as(
        "SELECT id, name FROM customers WHERE ($1 = '' OR id = $1) ORDER BY name, id",
    )
    .bind(caller.customer_id.clone().unwrap_or_default())
    .fetch_all(app.store.reader())
    .await?;
    Ok(show(&PeoplePage {
        invitations: invitations::open(&app, &caller).await?,
        page: Frame::of(&caller, "people"),
        users,
        customers,
    }))
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    page: Frame,
    user: User,
    tokens: Vec<Token>,
}

impl AccountPage {
    fn languages(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        Words::languages()
    }
}

pub(super) async fn account(caller: Caller, State(app): State<App>) -> Result<Response, Problem> {
    Ok(show(&AccountPage {
        user: User::find(&app.store, &caller, &caller.user_id).await?,
        tokens: tokens::all(&app, &caller).await?,
        page: Frame::of(&caller, "account"),
    }))
}
