//! Which hub a session belongs to, and when to ask the provisioning service for it. Pure.
//!
//! The service is asked before the first connection, when the hub refuses the device, and when the hub has
//! not been reached for long, for it may be gone. Once the service has answered, it is left alone for a while
//! that grows with each answer, until the hub takes the device; meanwhile the hub that is known is tried.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dps_client::RegisterError;

use crate::backoff::Backoff;
use crate::error::LinkError;
use crate::options::BackoffLimits;
use crate::place::Place;

/// After so many attempts in a row that did not reach the hub, a few minutes at the usual pace, the service
/// is asked whether the device belongs elsewhere by now.
const UNREACHED: u32 = 12;

#[derive(Debug)]
pub(crate) struct Standing {
    place: Option<Arc<Place>>,
    /// `None` when the place was given, and stays.
    registering: Option<Registering>,
}

#[derive(Debug)]
struct Registering {
    /// The hub is not known, or it is in doubt whether the device still belongs there.
    wanted: bool,
    /// Not before this moment.
    earliest: Instant,
    backoff: Backoff,
    /// Attempts in a row that did not reach the hub.
    unreached: u32,
}

/// What opens the next connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Register,
    Connect(Arc<Place>),
}

impl Standing {
    /// The place is known and stays.
    pub(crate) const fn given(place: Arc<Place>) -> Self {
        Self {
            place: Some(place),
            registering: None,
        }
    }

    /// The provisioning service says what the place is; these are the waits between its answers.
    pub(crate) const fn assigned(limits: BackoffLimits, now: Instant) -> Self {
        Self {
            place: None,
            registering: Some(Registering {
                wanted: true,
                earliest: now,
                backoff: Backoff::new(limits),
                unreached: 0,
            }),
        }
    }

    pub(super) fn place(&self) -> Option<&Arc<Place>> {
        self.place.as_ref()
    }

    pub(super) fn step(&self, now: Instant) -> Step {
        let is_due = self
            .registering
            .as_ref()
            .is_some_and(|registering| registering.wanted && registering.earliest <= now);
        match &self.place {
            Some(place) if !is_due => Step::Connect(Arc::clone(place)),
            _ => Step::Register,
        }
    }

    /// How long nothing can be done at all.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        match (&self.place, &self.registering) {
            (None, Some(registering)) => registering.earliest.saturating_duration_since(now),
            _ => Duration::ZERO,
        }
    }

    /// The service answered. Gives whether the place is another one.
    pub(super) fn handle_assigned(
        &mut self,
        place: &Arc<Place>,
        chance: f64,
        now: Instant,
    ) -> bool {
        if let Some(registering) = &mut self.registering {
            registering.wanted = false;
            registering.unreached = 0;
            registering.handle_answer(chance, now);
        }
        let is_other = self.place.as_ref() != Some(place);
        self.place = Some(Arc::clone(place));
        is_other
    }

    /// The hub took the device: should it refuse now, that is news for the service.
    pub(super) const fn handle_up(&mut self, now: Instant) {
        if let Some(registering) = &mut self.registering {
            registering.wanted = false;
            registering.unreached = 0;
            registering.earliest = now;
            registering.backoff.reset();
        }
    }

    /// There is no connection, because of the service or of the hub.
    pub(super) fn handle_down(&mut self, why: &LinkError, chance: f64, now: Instant) {
        use transport::Error;

        let Some(registering) = &mut self.registering else {
            return;
        };
        match why {
            LinkError::Provisioning(error) => {
                if !matches!(error, RegisterError::Unreachable { .. }) {
                    registering.handle_answer(chance, now);
                }
                // The hub that is known gets its turn, and raises the doubt again if it still refuses.
                registering.wanted = self.place.is_none();
            }
            LinkError::Connection(
                Error::CredentialsRefused | Error::ClientCertificateRefused { .. },
            ) => registering.wanted = true,
            LinkError::Connection(
                Error::Unreachable { .. }
                | Error::TimedOut { .. }
                | Error::WrongHostName { .. }
                | Error::UntrustedCertificate { .. },
            ) => {
                registering.unreached += 1;
                if registering.unreached >= UNREACHED {
                    registering.unreached = 0;
                    registering.wanted = true;
                }
            }
            _ => {}
        }
    }
}

impl Registering {
    fn handle_answer(&mut self, chance: f64, now: Instant) {
        self.earliest = now + self.backoff.next(chance);
    }
}

#[cfg(test)]
mod tests;
