//! Maxim's one-cell gauges: MAX17040 and MAX17043, which are read alike, and MAX17048.

use super::Bus;
use crate::{BoardError, GaugeReading};

const VCELL: u8 = 0x02;
const SOC: u8 = 0x04;

/// Which of them: they count the voltage differently.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell {
    /// 1.25 mV in the upper twelve bits.
    Max17040,
    /// 78.125 µV.
    Max17048,
}

pub(super) fn read(bus: &mut Bus, cell: Cell) -> Result<GaugeReading, BoardError> {
    let voltage = bus.word_high_first(VCELL)?;
    let charge = bus.word_high_first(SOC)?;
    Ok(reading(cell, voltage, charge))
}

/// They measure no current, so neither it nor the time left is known.
fn reading(cell: Cell, voltage: u16, charge: u16) -> GaugeReading {
    let voltage = u32::from(voltage);
    GaugeReading {
        voltage_mv: match cell {
            Cell::Max17040 => (voltage >> 4) * 5 / 4,
            Cell::Max17048 => voltage * 5 / 64,
        },
        current_ma: None,
        // Percent, and 256ths of one in the lower byte.
        charge_percent: charge.to_be_bytes()[0],
        minutes_to_empty: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counts_its_own_way() {
        let old = reading(Cell::Max17040, 0xbb80, 0x5780);
        assert_eq!((old.voltage_mv, old.charge_percent), (3750, 87));
        let new = reading(Cell::Max17048, 0xbb80, 0x5780);
        assert_eq!((new.voltage_mv, new.charge_percent), (3750, 87));
        assert_eq!((new.current_ma, new.minutes_to_empty), (None, None));
    }
}
