//! What the kinds of ultrasonic sensor want and do differently.

use std::time::Duration;

/// A kind of sensor, by the name on its board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sensor {
    /// 2 to 400 cm, 5 V.
    #[default]
    HcSr04,
    /// The same at 3 to 5 V.
    HcSr04P,
    /// Waterproof, 20 to 600 cm; with the short trigger of an HC-SR04 it answers pulses of 10 to 30 µs.
    JsnSr04T,
    /// 2 to 450 cm, 3 to 5 V.
    Rcwl1601,
}

/// How to ask a sensor, and which answers to believe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Profile {
    /// How long the trigger is high.
    pub(crate) trigger: Duration,
    /// From one trigger to the next, so that no late reflection is taken for an echo.
    pub(crate) cycle: Duration,
    /// Shorter echoes are the sensor's own ringing.
    pub(crate) shortest: Duration,
    /// Longer ones are how the sensor says that it heard nothing: 38 ms for most, up to 200 ms for some.
    pub(crate) longest: Duration,
    /// From the trigger, until no edge is waited for any more.
    pub(crate) patience: Duration,
}

impl Sensor {
    pub(crate) const NAMES: [(&str, Self); 4] = [
        ("hc-sr04", Self::HcSr04),
        ("hc-sr04p", Self::HcSr04P),
        ("jsn-sr04t", Self::JsnSr04T),
        ("rcwl-1601", Self::Rcwl1601),
    ];

    pub(crate) const fn profile(self) -> Profile {
        let hc_sr04 = Profile {
            trigger: Duration::from_micros(10),
            cycle: Duration::from_millis(60),
            shortest: Duration::from_micros(100),
            longest: Duration::from_millis(30),
            patience: Duration::from_millis(60),
        };
        match self {
            Self::HcSr04 | Self::HcSr04P | Self::Rcwl1601 => hc_sr04,
            Self::JsnSr04T => Profile {
                trigger: Duration::from_micros(20),
                cycle: Duration::from_millis(70),
                longest: Duration::from_millis(40),
                patience: Duration::from_millis(70),
                ..hc_sr04
            },
        }
    }
}
