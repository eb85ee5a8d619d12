//! The battery: two lithium cells in series, as far as a fuel gauge shows them.

use std::time::Instant;

use crate::GaugeReading;

const CAPACITY_MAH: f64 = 2450.0;
const INTERNAL_RESISTANCE_OHM: f64 = 0.15;
const CELLS: f64 = 2.0;
/// Open-circuit voltage of one cell against its charge, the usual shape of a lithium cell.
const CELL_MV: &[(f64, f64)] = &[
    (0.0, 3000.0),
    (5.0, 3350.0),
    (10.0, 3450.0),
    (20.0, 3560.0),
    (50.0, 3700.0),
    (80.0, 3950.0),
    (100.0, 4180.0),
];

#[derive(Debug, Clone)]
pub(crate) struct Pack {
    charge_percent: f64,
    current_ma: i32,
    /// The moment `charge_percent` was worked out for.
    settled: Instant,
    pub(crate) failing_reads_percent: u8,
    pub(crate) nonsense_reads_percent: u8,
}

/// What one attempt at the gauge gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GaugeRead {
    Registers(GaugeReading),
    Failed,
}

impl Pack {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            charge_percent: 87.0,
            current_ma: -310,
            settled: now,
            failing_reads_percent: 0,
            nonsense_reads_percent: 0,
        }
    }

    pub(crate) fn set_charge(&mut self, percent: f64, now: Instant) {
        self.settle(now);
        self.charge_percent = if percent.is_nan() {
            0.0
        } else {
            percent.clamp(0.0, 100.0)
        };
    }

    pub(crate) fn set_current(&mut self, current_ma: i32, now: Instant) {
        self.settle(now);
        self.current_ma = current_ma.clamp(-20_000, 20_000);
    }

    /// Lets the current flow until `now`.
    fn settle(&mut self, now: Instant) {
        let hours = now.saturating_duration_since(self.settled).as_secs_f64() / 3600.0;
        let moved = f64::from(self.current_ma) * hours / CAPACITY_MAH * 100.0;
        self.charge_percent = (self.charge_percent + moved).clamp(0.0, 100.0);
        self.settled = self.settled.max(now);
    }

    /// The registers as a gauge in good order shows them.
    pub(crate) fn registers(&mut self, now: Instant) -> GaugeReading {
        self.settle(now);
        let full = self.charge_percent >= 100.0 && self.current_ma > 0;
        let current_ma = if full { 0 } else { self.current_ma };
        let cell = cell_mv(self.charge_percent);
        let voltage = cell * CELLS + f64::from(current_ma) * INTERNAL_RESISTANCE_OHM;
        let left_mah = self.charge_percent / 100.0 * CAPACITY_MAH;
        GaugeReading {
            voltage_mv: voltage.max(0.0) as u32,
            current_ma: Some(current_ma),
            charge_percent: self.charge_percent.round() as u8,
            minutes_to_empty: (current_ma < 0)
                .then(|| (left_mah * 60.0 / f64::from(-current_ma)) as u32),
        }
    }

    /// One attempt over the bus, which may fail or lie.
    pub(crate) fn read(&mut self, now: Instant, random: &mut fastrand::Rng) -> GaugeRead {
        if random.u8(0..100) < self.failing_reads_percent {
            return GaugeRead::Failed;
        }
        let mut registers = self.registers(now);
        if random.u8(0..100) < self.nonsense_reads_percent {
            // The three lies the field reports name: nothing at all, minus one, and 120 %.
            match random.u8(0..3) {
                0 => registers.charge_percent = 0,
                1 => registers.current_ma = Some(-1),
                _ => registers.charge_percent = 120,
            }
            registers.voltage_mv = [0, 65_535][random.usize(0..2)];
        }
        GaugeRead::Registers(registers)
    }
}

fn cell_mv(percent: f64) -> f64 {
    CELL_MV.windows(2).find(|pair| percent <= pair[1].0).map_or(
        CELL_MV[CELL_MV.len() - 1].1,
        |pair| {
            let [(from, low), (to, high)] = [pair[0], pair[1]];
            low + (high - low) * (percent - from) / (to - from)
        },
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_drains_to_empty_in_the_time_it_says() {
        let start = Instant::now();
        let mut pack = Pack::new(start);
        let first = pack.registers(start);
        assert_eq!(first.charge_percent, 87);
        let minutes = first.minutes_to_empty.expect("it is draining");
        assert!((400..420).contains(&minutes), "{minutes} minutes");

        let half = pack.registers(start + Duration::from_secs(u64::from(minutes) * 30));
        assert!((43..=44).contains(&half.charge_percent), "{half:?}");
        assert!(half.voltage_mv < first.voltage_mv);
        let empty = pack.registers(start + Duration::from_secs(u64::from(minutes) * 61));
        assert_eq!((empty.charge_percent, empty.minutes_to_empty), (0, Some(0)));
    }

    #[test]
    fn it_charges_until_it_is_full() {
        let start = Instant::now();
        let mut pack = Pack::new(start);
        pack.set_current(1000, start);
        assert_eq!(pack.registers(start).minutes_to_empty, None);
        let full = pack.registers(start + Duration::from_secs(3600));
        assert_eq!((full.charge_percent, full.current_ma), (100, Some(0)));
    }

    #[test]
    fn reads_fail_and_lie_as_often_as_asked() {
        let start = Instant::now();
        let mut random = fastrand::Rng::with_seed(3);
        let mut pack = Pack::new(start);
        pack.failing_reads_percent = 60;
        let failed = (0..1000)
            .filter(|_| pack.read(start, &mut random) == GaugeRead::Failed)
            .count();
        assert!((550..650).contains(&failed), "{failed} of 1000 failed");

        pack.failing_reads_percent = 0;
        pack.nonsense_reads_percent = 100;
        let truth = pack.registers(start);
        assert!((0..100).all(|_| pack.read(start, &mut random) != GaugeRead::Registers(truth)));
    }
}
