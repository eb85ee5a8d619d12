//! The Smart Battery System (Smart Battery Data Specification 1.1): the pi-top's pack, and most laptops'.

use super::Bus;
use crate::{BoardError, GaugeReading};

const VOLTAGE: u8 = 0x09;
const CURRENT: u8 = 0x0a;
const RELATIVE_STATE_OF_CHARGE: u8 = 0x0d;
const AVERAGE_TIME_TO_EMPTY: u8 = 0x12;

/// What the pack says instead of a time while it is not being emptied.
const NOT_EMPTYING: u16 = 0xffff;

pub(super) fn read(bus: &mut Bus) -> Result<GaugeReading, BoardError> {
    let voltage = bus.word(VOLTAGE)?;
    let current = bus.word(CURRENT)?;
    let charge = bus.word(RELATIVE_STATE_OF_CHARGE)?;
    let minutes = bus.word(AVERAGE_TIME_TO_EMPTY)?;
    Ok(reading(voltage, current, charge, minutes))
}

fn reading(voltage: u16, current: u16, charge: u16, minutes: u16) -> GaugeReading {
    GaugeReading {
        voltage_mv: voltage.into(),
        current_ma: Some(current.cast_signed().into()),
        // More than a byte holds is more than 100, and said so.
        charge_percent: charge.try_into().unwrap_or(u8::MAX),
        minutes_to_empty: (minutes != NOT_EMPTYING).then(|| minutes.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registers_are_the_reading() {
        assert_eq!(
            reading(16_124, (-1250_i16).cast_unsigned(), 87, 412),
            GaugeReading {
                voltage_mv: 16_124,
                current_ma: Some(-1250),
                charge_percent: 87,
                minutes_to_empty: Some(412),
            }
        );
        let charging = reading(16_500, 900, 88, NOT_EMPTYING);
        assert_eq!(
            (charging.current_ma, charging.minutes_to_empty),
            (Some(900), None)
        );
        assert_eq!(reading(0, 0, 0x1234, 0).charge_percent, 255);
    }
}
