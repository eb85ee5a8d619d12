//! The specification of a Linux board: `key=value` for each part that is there.

mod pairs;

use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

use self::pairs::{Pairs, wrong};
use super::gauge::{Chip, GaugeSpec};
use super::lamp::{ChannelSpec, LampSpec};
use super::ranger::RangerSpec;
use super::sensor::Sensor;
use super::strip::{MOST_LEDS, SpiDevice, StripSpec};
use super::thermometer::ThermometerSpec;

/// The bus on the Pi's header.
const HEADER_BUS: u32 = 1;

/// What is on the board, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) ranger: RangerSpec,
    pub(crate) lamp: LampSpec,
    pub(crate) gauge: GaugeSpec,
    pub(crate) thermometer: ThermometerSpec,
}

/// Why a specification of a Linux board is not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{key}: {reason}")]
pub struct SpecError {
    /// Where in the specification.
    pub key: String,
    /// What is wrong, and what to write.
    pub reason: String,
}

impl FromStr for Spec {
    type Err = SpecError;

    /// Reads what follows `linux:`; white space around a pair does not count.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut pairs = Pairs::read(text)?;
        let spec = Self {
            ranger: ranger(&mut pairs)?,
            lamp: lamp(&mut pairs)?,
            gauge: gauge(&mut pairs)?,
            thermometer: thermometer(&mut pairs)?,
        };
        pairs.all_taken()?;
        Ok(spec)
    }
}

fn ranger(pairs: &mut Pairs<'_>) -> Result<RangerSpec, SpecError> {
    let iio = pairs.choice("ranger", &[("gpio", false), ("iio", true)])?;
    let trigger = pairs.parsed("trigger")?;
    let echo = pairs.parsed("echo")?;
    if iio == Some(true) && trigger.is_none() && echo.is_none() {
        return Ok(RangerSpec::Iio);
    }
    match (trigger, echo) {
        (None, None) if iio.is_none() => Ok(RangerSpec::None),
        (Some(trigger), Some(echo)) if iio != Some(true) && trigger != echo => {
            Ok(RangerSpec::Lines {
                trigger,
                echo,
                sensor: pairs.choice("sensor", &Sensor::NAMES)?.unwrap_or_default(),
                turns: pairs.take("turns").map(PathBuf::from),
            })
        }
        (Some(_), Some(_)) if iio == Some(true) => Err(wrong(
            "ranger",
            "iio has its lines in the overlay: leave trigger and echo out",
        )),
        (Some(_), Some(_)) => Err(wrong("echo", "cannot be the trigger's line")),
        (None, _) => Err(wrong("trigger", "is missing: as in trigger=GPIO23")),
        (_, None) => Err(wrong("echo", "is missing: as in echo=GPIO24")),
    }
}

fn lamp(pairs: &mut Pairs<'_>) -> Result<LampSpec, SpecError> {
    let stays = pairs
        .choice("at-exit", &[("off", false), ("stay", true)])?
        .unwrap_or_default();
    if let Some(device) = pairs.parsed::<SpiDevice>("strip")? {
        let leds = pairs.whole("leds", 1..=MOST_LEDS)?;
        let leds = leds.ok_or_else(|| wrong("leds", "is missing: as in leds=8"))?;
        return Ok(LampSpec {
            strip: Some(StripSpec { device, leds }),
            stays,
            ..LampSpec::default()
        });
    }
    let lamp = LampSpec {
        red: pairs.parsed::<ChannelSpec>("red")?,
        green: pairs.parsed("green")?,
        blue: pairs.parsed("blue")?,
        active_low: pairs
            .choice("active-low", &[("yes", true), ("no", false)])?
            .unwrap_or_default(),
        stays,
        strip: None,
    };
    if lamp.blue.is_some() && (lamp.red.is_none() || lamp.green.is_none()) {
        return Err(wrong("blue", "needs red and green beside it"));
    }
    Ok(lamp)
}

fn gauge(pairs: &mut Pairs<'_>) -> Result<GaugeSpec, SpecError> {
    const NAMES: [(&str, &str); 8] = [
        ("sbs", "sbs"),
        ("max17040", "max17040"),
        ("max17043", "max17040"),
        ("max17048", "max17048"),
        ("ina219", "ina219"),
        ("power-supply", "power-supply"),
        ("probe", "probe"),
        ("none", "none"),
    ];
    let name = pairs.choice("gauge", &NAMES)?;
    if matches!(name, None | Some("none")) {
        return Ok(GaugeSpec::None);
    }
    if name == Some("power-supply") {
        return Ok(GaugeSpec::PowerSupply);
    }
    let bus = match pairs.take("bus") {
        None => HEADER_BUS,
        Some(bus) => bus
            .strip_prefix("i2c-")
            .unwrap_or(bus)
            .parse()
            .map_err(|_| {
                wrong(
                    "bus",
                    "needs the number of an I2C bus, as in 1 for /dev/i2c-1",
                )
            })?,
    };
    let chip = match name {
        Some("sbs") => Chip::SmartBattery,
        Some("max17040") => Chip::Max17040,
        Some("max17048") => Chip::Max17048,
        Some("ina219") => Chip::Ina219 {
            shunt_milliohm: pairs.whole("shunt-milliohm", 1..=10_000)?.unwrap_or(100),
            cells: pairs.whole("cells", 1..=16)?.unwrap_or(2),
        },
        _ => return Ok(GaugeSpec::Probe { bus }),
    };
    let address = match pairs.take("address") {
        None => chip.address(),
        Some(address) => hexadecimal(address)
            .filter(|address| (0x03..=0x77).contains(address))
            .ok_or_else(|| wrong("address", "needs an I2C address from 0x03 to 0x77"))?,
    };
    Ok(GaugeSpec::I2c { chip, bus, address })
}

fn thermometer(pairs: &mut Pairs<'_>) -> Result<ThermometerSpec, SpecError> {
    match pairs.take("thermometer") {
        None | Some("none") => Ok(ThermometerSpec::None),
        Some("soc") => Ok(ThermometerSpec::Soc),
        Some("ds18b20") => Ok(ThermometerSpec::Ds18b20(None)),
        Some(named) => match named.strip_prefix("ds18b20/") {
            Some(id) if id.starts_with("28-") && !id.contains('/') => {
                Ok(ThermometerSpec::Ds18b20(Some(id.to_owned())))
            }
            _ => Err(wrong(
                "thermometer",
                "must be ds18b20, ds18b20/28-… with its id, soc or none",
            )),
        },
    }
}

fn hexadecimal(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::super::line::Line;
    use super::*;

    fn read(text: &str) -> Result<Spec, SpecError> {
        text.parse()
    }

    #[test]
    fn a_whole_bay() {
        let spec = read(
            "trigger=GPIO23,echo=GPIO24, sensor=jsn-sr04t,green=GPIO17,red=GPIO27,gauge=sbs,thermometer=ds18b20",
        )
        .expect("a specification");
        assert_eq!(
            spec.ranger,
            RangerSpec::Lines {
                trigger: Line::Named("GPIO23".to_owned()),
                echo: Line::Named("GPIO24".to_owned()),
                sensor: Sensor::JsnSr04T,
                turns: None,
            }
        );
        assert!(spec.lamp.green.is_some() && spec.lamp.blue.is_none());
        assert_eq!(
            spec.gauge,
            GaugeSpec::I2c {
                chip: Chip::SmartBattery,
                bus: 1,
                address: 0x0b
            }
        );
        assert_eq!(spec.thermometer, ThermometerSpec::Ds18b20(None));
    }

    #[test]
    fn a_board_may_have_one_part_only() {
        let spec = read("gauge=ina219,bus=i2c-20,address=0x41,shunt-milliohm=10,cells=3")
            .expect("a gauge");
        assert_eq!(
            spec.gauge,
            GaugeSpec::I2c {
                chip: Chip::Ina219 {
                    shunt_milliohm: 10,
                    cells: 3
                },
                bus: 20,
                address: 0x41
            }
        );
        assert_eq!(spec.ranger, RangerSpec::None);
        assert_eq!(
            read("ranger=iio").map(|spec| spec.ranger),
            Ok(RangerSpec::Iio)
        );
        assert!(read("").is_ok());
        let strip = read("strip=spidev0.0,leds=8,at-exit=stay").map(|spec| spec.lamp);
        assert!(
            strip.is_ok_and(|lamp| lamp.strip.is_some_and(|strip| strip.leds == 8) && lamp.stays)
        );
    }

    #[test]
    fn mistakes_are_named_with_their_key() {
        for (text, key, words) in [
            ("trigger", "trigger", "needs a value"),
            ("triger=GPIO23", "triger", "is not known"),
            ("trigger=GPIO23", "echo", "is missing"),
            ("echo=GPIO24", "trigger", "is missing"),
            ("ranger=gpio", "trigger", "is missing"),
            ("trigger=GPIO23,echo=GPIO23", "echo", "trigger's line"),
            (
                "ranger=iio,trigger=GPIO23,echo=GPIO24",
                "ranger",
                "leave trigger and echo out",
            ),
            (
                "trigger=GPIO23,echo=GPIO24,sensor=lidar",
                "sensor",
                "must be one of hc-sr04",
            ),
            (
                "trigger=gpiochip0/x,echo=GPIO24",
                "trigger",
                "chip and number",
            ),
            ("trigger=GPIO23,trigger=GPIO24", "trigger", "twice"),
            ("blue=GPIO22", "blue", "needs red and green"),
            (
                "red=GPIO27,active-low=maybe",
                "active-low",
                "must be one of yes, no",
            ),
            ("strip=8,leds=8", "strip", "as in spidev0.0"),
            ("strip=spidev0.0", "leds", "is missing"),
            ("strip=spidev0.0,leds=152", "leds", "from 1 to 151"),
            ("strip=spidev0.0,leds=8,red=GPIO27", "red", "not named here"),
            ("leds=8", "leds", "not named here"),
            ("gauge=fuel", "gauge", "must be one of sbs"),
            ("gauge=sbs,address=11", "address", "0x03 to 0x77"),
            ("gauge=sbs,address=0x90", "address", "0x03 to 0x77"),
            ("gauge=sbs,bus=one", "bus", "number of an I2C bus"),
            ("gauge=sbs,cells=2", "cells", "not named here"),
            ("gauge=ina219,cells=0", "cells", "from 1 to 16"),
            ("sensor=hc-sr04", "sensor", "not named here"),
            ("thermometer=ds18b20/../x", "thermometer", "must be ds18b20"),
        ] {
            let error = read(text).expect_err(text);
            assert_eq!(error.key, key, "{text}: {error}");
            assert!(error.reason.contains(words), "{text}: {error}");
        }
    }
}
