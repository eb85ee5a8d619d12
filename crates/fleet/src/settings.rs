//! How the service was started.

use std::net::SocketAddr;

use transport::Trust;

use crate::tiles::Tiles;

/// Where everything is, and what opens it. Its `Debug` shows no secret.
#[derive(Clone)]
pub struct Settings {
    /// Where pages and API are served.
    pub listen: SocketAddr,
    /// How people reach them from elsewhere, without a slash at the end: `https://parking.example`. Empty: as it listens.
    pub public_url: String,
    /// Whether a proxy stands before the service. Then the last address of `X-Forwarded-For` is who asks, and the
    /// proxy has to pass `Host` and `Origin` on as they came.
    pub behind_proxy: bool,
    /// `sqlite:FILE` or `postgres://…`.
    pub database: String,
    /// The hubs that the provisioning service puts devices on: one at least.
    pub hubs: Vec<HubStrings>,
    /// The provisioning service's connection string.
    pub provisioning: String,
    /// What devices of this provisioning service are told: its id scope.
    pub id_scope: String,
    /// The consumer group the service reads events by: its own, or it competes with others.
    pub consumer_group: String,
    /// Whom to trust for all three.
    pub trust: Trust,
    /// The group new devices of the stock are enrolled in.
    pub stock_group: String,
    /// A device that has said nothing for so many seconds is silent, and its bay unknown.
    pub silent_after_s: u32,
    /// A booking soon to begin shows so many seconds before.
    pub reserved_soon_s: u32,
    /// A booking nobody came for is over so many seconds after its begin.
    pub no_show_after_s: u32,
    /// The country in whose name open data is published: two capital letters of ISO 3166-1.
    pub country: String,
    /// Days for which every change of occupancy is kept; after them only the hours' sums are.
    pub history_days: u32,
    /// Where the pictures of a street map come from; without, there is none.
    pub tiles: Option<Tiles>,
}

/// What opens one hub. Its `Debug` shows no secret.
#[derive(Clone)]
pub struct HubStrings {
    /// Its service connection string.
    pub service: String,
    /// Its Event Hubs-compatible endpoint's connection string.
    pub events: String,
}

impl std::fmt::Debug for HubStrings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubStrings").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("listen", &self.listen)
            .field("public_url", &self.public_url)
            .field("consumer_group", &self.consumer_group)
            .field("id_scope", &self.id_scope)
            .finish_non_exhaustive()
    }
}
