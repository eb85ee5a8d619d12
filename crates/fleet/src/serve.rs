//! The running service: database, web, and the workers, until it is told to stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dps_client::service::{Service, ServiceError as ProvisioningError};
use service_client::events::EndpointError;
use service_client::{EventEndpoint, HubService, ServiceError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{App, Clock, Parts};
use crate::azure::AzureHub;
use crate::hub::Hub;
use crate::hubs::Hubs;
use crate::settings::Settings;
use crate::store::{Store, StoreError};
use crate::{alarms, bookings, history, ingest, orders, stock, web, webhooks};

/// How long what is under way may take once the service is told to stop.
const FINISH_WITHIN: Duration = Duration::from_secs(3);

/// Why the service cannot run. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The hub's connection string is none.
    #[error("the hub's connection string cannot be used")]
    Hub(#[source] ServiceError),
    /// The provisioning service's connection string is none.
    #[error("the provisioning service's connection string cannot be used")]
    Provisioning(#[source] ProvisioningError),
    /// The event endpoint's connection string is none.
    #[error("the event endpoint's connection string cannot be used")]
    Events(#[source] EndpointError),
    /// The database cannot be opened or brought up to date.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// Somebody else listens there, or nobody may.
    #[error("cannot listen on {address}: give another with --listen")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// A service that is about to run: its database is up to date, and its port is its own.
#[derive(Debug)]
pub struct Prepared {
    app: App,
    listener: TcpListener,
}

impl Prepared {
    /// Opens the database and the port. Neither hub nor provisioning service are needed for it: the service runs
    /// without them, and says what it lacks.
    ///
    /// # Errors
    /// [`ServeError`]; nothing runs then.
    pub async fn new(mut settings: Settings) -> Result<Self, ServeError> {
        let trust = || settings.trust.clone();
        let mut hubs: Vec<Arc<dyn Hub>> = Vec::with_capacity(settings.hubs.len());
        for strings in &settings.hubs {
            let hub = HubService::from_connection_string(&strings.service, trust());
            let hub = AzureHub::new(hub.map_err(ServeError::Hub)?);
            hubs.push(Arc::new(hub));
            let events = strings.events.parse::<EventEndpoint>();
            events.map_err(ServeError::Events)?;
        }
        let provisioning = Service::from_connection_string(&settings.provisioning, trust());
        let provisioning = provisioning.map_err(ServeError::Provisioning)?;
        let listen = |source| ServeError::Listen {
            address: settings.listen,
            source,
        };
        let listener = TcpListener::bind(settings.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        if settings.public_url.is_empty() {
            settings.public_url = format!("http://{address}");
        }
        let store = Store::open(&settings.database).await?;
        let app = App::new(Parts {
            hub: Arc::new(Hubs::new(store.clone(), hubs)),
            store,
            provisioning,
            clock: Clock::system(),
            settings,
        });
        Ok(Self { app, listener })
    }

    /// How people reach it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.app.settings.public_url
    }

    /// What it works with.
    #[must_use]
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// Serves and works until `stop`. Then requests that are under way are finished, and partitions left to others.
    pub async fn run(self, stop: CancellationToken) {
        let workers = TaskTracker::new();
        let begin = || (self.app.clone(), stop.clone());
        for source in ingest::sources(&self.app.settings) {
            let (app, told) = begin();
            workers.spawn(ingest::work(app, source, told));
        }
        let (app, told) = begin();
        workers.spawn(alarms::work(app, told));
        let (app, told) = begin();
        workers.spawn(history::work(app, told));
        // These may be cut off anywhere: what they had begun is due again, here or in another instance.
        let (app, told) = begin();
        workers.spawn(told.run_until_cancelled_owned(orders::worker::run(app)));
        let (app, told) = begin();
        workers.spawn(told.run_until_cancelled_owned(stock::run(app)));
        let (app, told) = begin();
        workers.spawn(told.run_until_cancelled_owned(webhooks::delivery::run(app)));
        let (app, told) = begin();
        workers.spawn(told.run_until_cancelled_owned(bookings::keeper::run(app)));
        workers.close();

        let served = web::serve(
            self.app.clone(),
            self.listener,
            stop.clone().cancelled_owned(),
        );
        // A stream that follows changes has no end of its own, so finishing has one.
        let finish = async {
            stop.cancelled().await;
            tokio::time::sleep(FINISH_WITHIN).await;
        };
        tokio::select! {
            () = served => {}
            () = finish => {}
        }
        stop.cancel();
        if tokio::time::timeout(FINISH_WITHIN, workers.wait())
            .await
            .is_err()
        {
            tracing::warn!("stopped in the middle of something");
        }
    }
}
