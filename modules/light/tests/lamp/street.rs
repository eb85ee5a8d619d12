//! A lamp in invented time.

use std::time::Duration;

use bay::message::{BookRequest, LampReport, OccupancyReport};
use bay::{Booking, BookingId, Colour, Moment, Occupancy, UnknownReason};
use jiff::Timestamp;
use light::kept::Kept;
use light::lamp::{Lamp, Output};
use light::settings::Settings;

/// The lamp with its loop around it: invented time, every timeout met exactly, everything that
/// shone and was told.
pub(crate) struct Street {
    pub(crate) lamp: Lamp,
    pub(crate) now: u64,
    pub(crate) shone: Vec<(u64, Colour)>,
    pub(crate) told: Vec<(u64, LampReport)>,
}

pub(crate) fn moment(ms: u64) -> Moment {
    Moment {
        elapsed: Duration::ZERO,
        wall: Timestamp::UNIX_EPOCH,
    }
    .after(Duration::from_millis(ms))
}

pub(crate) fn report(occupancy: Occupancy, reason: Option<UnknownReason>) -> OccupancyReport {
    OccupancyReport {
        occupancy,
        reason,
        distance_mm: None,
        since: Timestamp::UNIX_EPOCH,
        previous: None,
        sequence: 1,
        heartbeat: false,
    }
}

pub(crate) fn booking(who: &str, until: Option<u64>) -> Booking {
    Booking {
        booking_id: BookingId::try_from(who).expect("a short id"),
        until: until.map(|ms| moment(ms).wall),
    }
}

impl Street {
    pub(crate) fn new(settings: Settings, booking: Option<Booking>) -> Self {
        let mut street = Self {
            lamp: Lamp::new(
                settings,
                Kept {
                    booking,
                    ..Kept::default()
                },
                moment(0),
            ),
            now: 0,
            shone: Vec::new(),
            told: Vec::new(),
        };
        street.drain();
        street
    }

    pub(crate) fn until(&mut self, ms: u64) -> &mut Self {
        while let due = self
            .lamp
            .poll_timeout(moment(self.now))
            .as_nanos()
            .div_ceil(1_000_000) as u64
            && due <= ms
        {
            assert!(
                due > self.now
                    || self.lamp.poll_timeout(moment(self.now)) > Duration::from_millis(self.now),
                "the loop would spin at {due} ms"
            );
            self.now = due;
            self.lamp.handle_timeout(moment(due));
            self.drain();
        }
        self.now = ms;
        self
    }

    pub(crate) fn sensor(
        &mut self,
        occupancy: Occupancy,
        reason: Option<UnknownReason>,
    ) -> &mut Self {
        self.lamp
            .handle_occupancy(&report(occupancy, reason), Duration::ZERO, moment(self.now));
        self.drain();
        self
    }

    pub(crate) fn book(&mut self, who: &str, until: Option<u64>) -> &mut Self {
        let booking = booking(who, until);
        let request = BookRequest {
            booking_id: booking.booking_id,
            until: booking.until,
        };
        let change = self
            .lamp
            .ledger()
            .book(&request, moment(self.now).wall)
            .expect("a bay to be had");
        self.lamp.handle_booking(change, moment(self.now));
        self.drain();
        self
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.lamp.poll_output() {
            match output {
                Output::Shine(colour) => self.shone.push((self.now, colour)),
                Output::Report(report) => self.told.push((self.now, report)),
                Output::Expired(change) => self.lamp.handle_booking(change, moment(self.now)),
            }
        }
    }

    pub(crate) fn causes(&self) -> Vec<(u64, &'static str)> {
        self.told
            .iter()
            .map(|(at, report)| (*at, report.cause.as_str()))
            .collect()
    }
}
