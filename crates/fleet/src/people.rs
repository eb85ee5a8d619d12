//! Who asks, and what they may.

pub(crate) mod guesses;
pub(crate) mod secret;
pub(crate) mod sessions;

mod account;
mod invitations;
mod pages;
mod passwords;
mod sign_in;
mod tokens;
mod users;

use axum::Router;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::invitations::{FirstLinkError, first_link};

use crate::app::App;
use crate::problem::Problem;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(account::read, account::change))
        .routes(routes!(account::change_password))
        .routes(routes!(account::end_sessions))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::delete))
        .routes(routes!(users::list))
        .routes(routes!(users::read, users::change))
        .routes(routes!(invitations::list, invitations::create))
        .routes(routes!(invitations::delete))
}

pub(crate) fn pages() -> Router<App> {
    let invitation = get(invitations::page).post(invitations::accept);
    Router::new()
        .route("/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/setup/{token}", invitation.clone())
        .route("/invitation/{token}", invitation)
        .route("/people", get(pages::people))
        .route("/account", get(pages::account))
}

/// What somebody is here for. Each may what the later ones may, but a driver's bookings are everybody's own.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees bays, books one for themselves.
    Driver,
    /// Puts devices up: claims, places, calibrates, tests.
    Installer,
    /// Projects, orders, bays, bookings, alarms.
    Operator,
    /// People, customers, keys, the audit trail.
    Administrator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [
        Self::Driver,
        Self::Installer,
        Self::Operator,
        Self::Administrator,
    ];

    /// From how it is written.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Installer => "installer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }
}

/// Who sent a request. As an argument of a handler it answers 401 where nobody did.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The user.
    pub user_id: String,
    /// How they are called.
    pub name: String,
    /// What they are here for.
    pub role: Role,
    /// Whose they are: then they see this customer's projects only. `None` sees every customer.
    pub customer_id: Option<String>,
    /// The language of their pages.
    pub language: String,
}

impl Caller {
    /// Lets only this role and those above it go on.
    ///
    /// # Errors
    /// 403.
    pub fn at_least(&self, role: Role) -> Result<(), Problem> {
        if self.role >= role {
            return Ok(());
        }
        Err(Problem::forbidden(format!(
            "This needs the role {} or one above it; you are {}.",
            role.as_str(),
            self.role.as_str()
        )))
    }

    /// Whether they see what is this customer's. Answer 404 where they do not: that it is there is nobody else's business.
    #[must_use]
    pub fn sees(&self, customer_id: &str) -> bool {
        self.customer_id
            .as_deref()
            .is_none_or(|own| own == customer_id)
    }
}

#[cfg(test)]
mod tests;
