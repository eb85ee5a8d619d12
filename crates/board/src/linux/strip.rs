//! A strip of WS2812 LEDs, or of others that read the same signal, on the data line of an SPI bus.
//!
//! The strip has one wire, and tells a one from a zero by how long it is high. One byte of the bus is one bit of the
//! strip: it begins high and ends low, so a controller that pauses between bytes, as a Pi's does without DMA, lengthens
//! only what may be long.
//!
//! The kernel's `spidev` is all it needs: whoever is in the group of the device may light the strip, and no other pin.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use spidev::{SpiModeFlags, Spidev, SpidevOptions};

use crate::{BoardError, Colour};

/// One clock is 167 ns. Controllers divide their own clock for it, and come out up to 3 % below.
const CLOCK_HZ: u32 = 6_000_000;

/// High for 333 ns and for 667 ns. That is within the windows of WS2812 (350 and 700 ns, ± 150), WS2812B (400 and 800 ns,
/// ± 150; 220 to 380 and 580 to 1000 ns since version 5) and SK6812 (300 and 600 ns, ± 150), by their data sheets.
const ZERO: u8 = 0b1100_0000;
const ONE: u8 = 0b1111_0000;

/// Low for 300 µs, which is how a strip knows that a colour is whole: a WS2812B wants 280. It is there before the colour,
/// too, because the data line of some boards is high while nothing is sent.
const PAUSE: usize = 225;

/// What `spidev` takes at once, unless its module is told otherwise.
const BUFFER: usize = 4096;

const BYTES_OF_A_LED: usize = 24;

/// As many as one transfer can light.
pub(crate) const MOST_LEDS: u32 = ((BUFFER - 2 * PAUSE) / BYTES_OF_A_LED) as u32;

/// Which device of which bus: `spidev0.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpiDevice {
    bus: u32,
    select: u32,
}

/// A strip, as the specification says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StripSpec {
    pub(crate) device: SpiDevice,
    pub(crate) leds: u32,
}

/// A strip that can be lit.
#[derive(Debug)]
pub(crate) struct Strip {
    path: PathBuf,
    device: Spidev,
    leds: u32,
}

impl FromStr for SpiDevice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text
            .strip_prefix("spidev")
            .and_then(|rest| rest.split_once('.'));
        let read = |(bus, select): (&str, &str)| {
            Some(Self {
                bus: bus.parse().ok()?,
                select: select.parse().ok()?,
            })
        };
        numbers
            .and_then(read)
            .ok_or("needs a device of an SPI bus, as in spidev0.0")
    }
}

impl fmt::Display for SpiDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spidev{}.{}", self.bus, self.select)
    }
}

impl Strip {
    /// Opens the bus; the strip shows what it showed before.
    pub(crate) fn open(spec: &StripSpec) -> Result<Self, BoardError> {
        let path = Path::new("/dev").join(spec.device.to_string());
        let options = SpidevOptions::new()
            .bits_per_word(8)
            .max_speed_hz(CLOCK_HZ)
            .mode(SpiModeFlags::SPI_MODE_0)
            .build();
        let opened = Spidev::open(&path).and_then(|mut device| {
            device.configure(&options)?;
            Ok(device)
        });
        match opened {
            Ok(device) => Ok(Self {
                path,
                device,
                leds: spec.leds,
            }),
            Err(error) => Err(BoardError::Fault {
                reason: format!(
                    "{} cannot be opened: {error}; {}",
                    path.display(),
                    cure(&path)
                ),
            }),
        }
    }

    /// Every LED shines with `colour`.
    pub(crate) fn set(&mut self, colour: Colour) -> Result<(), BoardError> {
        let signal = signal(colour, self.leds);
        // The kernel sends what one call gives it in one go; in two, a pause between them could end the colour early.
        match self.device.write(&signal) {
            Ok(sent) if sent == signal.len() => Ok(()),
            Ok(sent) => Err(self.unlit(format_args!("it took {sent} of {} bytes", signal.len()))),
            Err(error) => Err(self.unlit(format_args!("{error}"))),
        }
    }

    fn unlit(&self, reason: fmt::Arguments<'_>) -> BoardError {
        BoardError::Fault {
            reason: format!("{} cannot be written: {reason}", self.path.display()),
        }
    }
}

fn cure(path: &Path) -> &'static str {
    if path.exists() {
        "the user of this process has to be in the device's group, spi; a container gets it by GroupAdd"
    } else {
        "SPI has to be on (dtparam=spi=on), and the container needs the device"
    }
}

/// What the bus sends. The family takes green before red, and the highest bit first.
fn signal(colour: Colour, leds: u32) -> Vec<u8> {
    let led: Vec<u8> = [colour.green, colour.red, colour.blue]
        .into_iter()
        .flat_map(|share| (0..8).rev().map(move |bit| share >> bit & 1))
        .map(|bit| if bit == 1 { ONE } else { ZERO })
        .collect();
    let mut signal = vec![0; PAUSE];
    for _ in 0..leds {
        signal.extend_from_slice(&led);
    }
    signal.resize(signal.len() + PAUSE, 0);
    signal
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long the data line was high, then low, again and again: as a strip sees it. `gap` is how many clocks the
    /// controller pauses after each byte, with the line as it is.
    fn pulses(signal: &[u8], gap: usize) -> Vec<(usize, usize)> {
        let mut pulses: Vec<(usize, usize)> = Vec::new();
        let mut was_high = false;
        for byte in signal {
            for clock in 0..8 + gap {
                let is_high = byte >> 7_usize.saturating_sub(clock) & 1 == 1;
                match pulses.last_mut() {
                    _ if is_high && !was_high => pulses.push((1, 0)),
                    Some(pulse) if is_high => pulse.0 += 1,
                    Some(pulse) => pulse.1 += 1,
                    None => {}
                }
                was_high = is_high;
            }
        }
        pulses
    }

    /// What a strip of this family shows, by the times in its data sheet, in nanoseconds.
    fn shown(
        signal: &[u8],
        (gap, clock_hz): (usize, u64),
        zero: std::ops::RangeInclusive<u64>,
        one: std::ops::RangeInclusive<u64>,
    ) -> Vec<[u8; 3]> {
        let nanoseconds = |clocks: usize| clocks as u64 * 1_000_000_000 / clock_hz;
        let pulses = pulses(signal, gap);
        let last = pulses.len() - 1;
        let mut bits = Vec::new();
        for (at, (high, low)) in pulses.into_iter().enumerate() {
            let (high, low) = (nanoseconds(high), nanoseconds(low));
            // What is low for longer than 5 µs could end the colour; the end has to.
            assert_eq!(low > 5_000, at == last, "low for {low} ns after bit {at}");
            assert!(at < last || low > 280_000, "the end is {low} ns");
            match high {
                high if zero.contains(&high) => bits.push(0),
                high if one.contains(&high) => bits.push(1),
                high => panic!("bit {at} is high for {high} ns"),
            }
        }
        let bytes: Vec<u8> = bits
            .chunks_exact(8)
            .map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit))
            .collect();
        bytes
            .chunks_exact(3)
            .map(|led| [led[1], led[0], led[2]])
            .collect()
    }

    /// By their data sheets: how long a zero and a one may be high.
    const FAMILY: [(&str, [u64; 2], [u64; 2]); 4] = [
        ("WS2812", [200, 500], [550, 850]),
        ("WS2812B", [250, 550], [650, 950]),
        ("WS2812B, version 5", [220, 380], [580, 1000]),
        ("SK6812", [150, 450], [450, 750]),
    ];

    #[test]
    fn every_strip_of_the_family_shows_the_colour_whatever_the_controller_pauses() {
        let colours = [
            Colour::OFF,
            Colour::RED,
            Colour::ORANGE,
            Colour::WHITE,
            Colour::rgb(1, 128, 254),
        ];
        for (name, zero, one) in FAMILY {
            // A Pi's controller divides 250, 400 or 500 MHz, that of a Pi 5 200 MHz, by an even number.
            for clock_hz in [6_000_000, 5_952_380, 5_882_352] {
                for (gap, colour) in (0..2).flat_map(|gap| colours.map(|colour| (gap, colour))) {
                    let shown = shown(
                        &signal(colour, 3),
                        (gap, clock_hz),
                        zero[0]..=zero[1],
                        one[0]..=one[1],
                    );
                    assert_eq!(
                        shown,
                        [[colour.red, colour.green, colour.blue]; 3],
                        "{name}, {clock_hz} Hz, {gap} clocks between bytes"
                    );
                }
            }
        }
    }

    #[test]
    fn one_led_as_it_was_recorded() {
        let signal = signal(Colour::rgb(0xf0, 0, 1), 1);
        let (ones, zeros) = ([0xf0; 4], [0xc0; 4]);
        let red = [ones, zeros].concat();
        let blue = [&[0xc0; 7][..], &[0xf0]].concat();
        let led = [&[0xc0; 8][..], &red, &blue].concat();
        assert_eq!(signal, [&[0; 225][..], &led, &[0; 225]].concat());
    }

    #[test]
    fn the_longest_strip_is_lit_by_one_transfer() {
        assert_eq!(MOST_LEDS, 151);
        assert!(signal(Colour::WHITE, MOST_LEDS).len() <= BUFFER);
        assert!(signal(Colour::WHITE, MOST_LEDS + 1).len() > BUFFER);
    }

    #[test]
    fn a_device_is_a_bus_and_a_number() {
        let device: SpiDevice = "spidev0.1".parse().expect("a device");
        assert_eq!(device.to_string(), "spidev0.1");
        for text in ["spidev0", "0.0", "spidev0.x", "/dev/spidev0.0", "spidev.."] {
            assert!(text.parse::<SpiDevice>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_bus_that_is_not_there_names_the_parameter() {
        let device = "spidev99.0".parse().expect("a device");
        let error = Strip::open(&StripSpec { device, leds: 1 }).expect_err("there is no such bus");
        assert!(error.to_string().contains("dtparam=spi=on"), "{error}");
    }
}
