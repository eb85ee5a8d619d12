//! Who the bay is kept for: at most one booking at a time.
//!
//! A change is made in two steps, so that it can be written down in between: the caller asks what
//! the ledger would hold ([`Ledger::book`], [`Ledger::release`]), keeps that where a restart finds
//! it, then [`Ledger::commit`]s it and answers.

use bay::message::{BookRequest, ReleaseRequest};
use bay::{Booking, BookingId};
use jiff::Timestamp;

/// The booking that holds, if any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    booking: Option<Booking>,
}

/// What the ledger would hold after a request.
#[must_use = "a change that is not committed has not happened"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    after: Option<Booking>,
    changes: bool,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody else has the bay.
    #[error("the bay is booked by another{}", end_of(.until))]
    Booked {
        /// When that booking ends by itself.
        until: Option<Timestamp>,
    },
    /// The booking would be over before it began.
    #[error("until is in the past: it is {now}")]
    Over {
        /// The bay's own clock.
        now: Timestamp,
    },
}

fn end_of(end: &Option<Timestamp>) -> String {
    end.map_or_else(String::new, |end| format!(" until {end}"))
}

impl Ledger {
    /// A ledger that holds what was kept before a restart, unless that is over.
    pub fn restore(booking: Option<Booking>, now: Timestamp) -> Self {
        Self {
            booking: booking.filter(|booking| !booking.is_over(now)),
        }
    }

    /// The booking that holds.
    pub fn booking(&self) -> Option<&Booking> {
        self.booking.as_ref()
    }

    /// What booking would lead to. The same id again is the same booking, and may move its end.
    ///
    /// # Errors
    ///
    /// Why the bay cannot be booked so.
    pub fn book(&self, request: &BookRequest, now: Timestamp) -> Result<Change, Refusal> {
        let wanted = Booking {
            booking_id: request.booking_id.clone(),
            until: request.until,
        };
        if wanted.is_over(now) {
            return Err(Refusal::Over { now });
        }
        self.free_for(Some(&wanted.booking_id), now)?;
        Ok(Change {
            changes: self.booking.as_ref() != Some(&wanted),
            after: Some(wanted),
        })
    }

    /// What releasing would lead to. A bay nobody booked is released already; without an id,
    /// whatever holds is released.
    ///
    /// # Errors
    ///
    /// Another booking than the one to be released holds.
    pub fn release(&self, request: &ReleaseRequest, now: Timestamp) -> Result<Change, Refusal> {
        if let Some(id) = &request.booking_id {
            self.free_for(Some(id), now)?;
        }
        Ok(Change {
            changes: self.booking.is_some(),
            after: None,
        })
    }

    /// Makes a change.
    pub fn commit(&mut self, change: Change) {
        self.booking = change.after;
    }

    /// What the end of the booking leads to, once it has come.
    pub fn expire(&self, now: Timestamp) -> Option<Change> {
        self.booking
            .as_ref()
            .filter(|booking| booking.is_over(now))
            .map(|_| Change {
                after: None,
                changes: true,
            })
    }

    fn free_for(&self, id: Option<&BookingId>, now: Timestamp) -> Result<(), Refusal> {
        match &self.booking {
            Some(booking) if Some(&booking.booking_id) != id && !booking.is_over(now) => {
                Err(Refusal::Booked {
                    until: booking.until,
                })
            }
            _ => Ok(()),
        }
    }
}

impl Change {
    /// What the ledger will hold: to be kept before it is committed.
    pub fn booking(&self) -> Option<&Booking> {
        self.after.as_ref()
    }

    /// Whether it differs from what the ledger holds.
    pub fn changes(&self) -> bool {
        self.changes
    }
}
