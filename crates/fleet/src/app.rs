//! What every request and every task of the service works with.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use dps_client::service::Service;
use jiff::Timestamp;

use crate::bays::lot::Lot;
use crate::hub::Hub;
use crate::settings::Settings;
use crate::store::Store;

/// The running service, cheap to clone. It derefs to its [`Parts`].
#[derive(Debug, Clone)]
pub struct App(Arc<Running>);

struct Running {
    parts: Parts,
    lot: Lot,
}

/// What the service is made of.
pub struct Parts {
    /// What is kept.
    pub store: Store,
    /// The devices.
    pub hub: Arc<dyn Hub>,
    /// Enrolments and registrations.
    pub provisioning: Service,
    /// The time.
    pub clock: Clock,
    /// How it was started.
    pub settings: Settings,
}

impl App {
    /// From its parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let lot = Lot::default();
        Self(Arc::new(Running { parts, lot }))
    }

    /// Every bay, in memory once somebody has asked for it.
    #[must_use]
    pub fn lot(&self) -> &Lot {
        &self.0.lot
    }

    /// Milliseconds since 1970, as they are kept.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.clock.now().as_millisecond()
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0.parts
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.fmt(f)
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Tells the time; in tests, what it is told to.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The system's.
    #[must_use]
    pub fn system() -> Self {
        Self::by(Timestamp::now)
    }

    /// Whatever this says.
    pub fn by(tell: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// An id of something new. Later ones sort behind earlier ones.
#[must_use]
pub fn new_id() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}
