//! TI's INA219: voltage and current over a shunt, on many battery boards. It does not count charge, so that is told
//! from the voltage, as well as a lithium-ion cell lets one.

use super::Bus;
use crate::{BoardError, GaugeReading};

const SHUNT_VOLTAGE: u8 = 0x01;
const BUS_VOLTAGE: u8 = 0x02;

/// Millivolts of a lithium-ion cell that rests, and what is left in it.
const CURVE: [(u32, u32); 12] = [
    (3000, 0),
    (3450, 5),
    (3680, 10),
    (3740, 20),
    (3770, 30),
    (3790, 40),
    (3820, 50),
    (3870, 60),
    (3920, 70),
    (3980, 80),
    (4060, 90),
    (4200, 100),
];

pub(super) fn read(
    bus: &mut Bus,
    shunt_milliohm: u32,
    cells: u32,
) -> Result<GaugeReading, BoardError> {
    let shunt = bus.word_high_first(SHUNT_VOLTAGE)?;
    let voltage = bus.word_high_first(BUS_VOLTAGE)?;
    Ok(reading(shunt, voltage, shunt_milliohm, cells))
}

fn reading(shunt: u16, voltage: u16, shunt_milliohm: u32, cells: u32) -> GaugeReading {
    // 10 µV a step, positive while the battery feeds the board.
    let shunt_uv = i64::from(shunt.cast_signed()) * 10;
    // 4 mV a step above three bits of flags, measured behind the shunt.
    let behind_mv = u32::from(voltage >> 3) * 4;
    let voltage_mv = behind_mv.saturating_add_signed((shunt_uv / 1000) as i32);
    GaugeReading {
        voltage_mv,
        current_ma: Some((-shunt_uv / i64::from(shunt_milliohm.max(1))) as i32),
        charge_percent: charge(voltage_mv / cells.max(1)),
        minutes_to_empty: None,
    }
}

/// Percent left in a cell of this voltage.
fn charge(cell_mv: u32) -> u8 {
    let above = CURVE.partition_point(|(voltage, _)| *voltage <= cell_mv);
    let percent = match (
        above.checked_sub(1).map(|below| CURVE[below]),
        CURVE.get(above),
    ) {
        (None, _) => 0,
        (_, None) => 100,
        (Some((low, from)), Some((high, to))) => {
            from + (cell_mv - low) * (to - from) / (high - low)
        }
    };
    percent as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voltage_and_current_of_a_discharging_pack() {
        // 0.1 ohm, 31 mV over it; 7392 mV behind it.
        let reading = reading(3100, (7392 / 4) << 3, 100, 2);
        assert_eq!((reading.voltage_mv, reading.current_ma), (7423, Some(-310)));
        assert_eq!(reading.charge_percent, charge(3711));
    }

    #[test]
    fn a_charging_pack_has_a_positive_current() {
        let reading = reading((-2000_i16).cast_unsigned(), (8000 / 4) << 3, 100, 2);
        assert_eq!((reading.voltage_mv, reading.current_ma), (7980, Some(200)));
    }

    #[test]
    fn charge_follows_the_curve_and_stays_within_it() {
        for (voltage, percent) in [
            (0, 0),
            (3000, 0),
            (3225, 2),
            (3820, 50),
            (4130, 95),
            (4200, 100),
            (5000, 100),
        ] {
            assert_eq!(charge(voltage), percent, "{voltage} mV");
        }
    }
}
