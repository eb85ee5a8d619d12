//! The lamp: two LEDs or one of three colours on GPIO lines or PWM channels, or a strip.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::line::{Line, Output};
use super::pwm::Pwm;
use super::strip::{Strip, StripSpec};
use crate::{BoardError, Colour, Lamp};

/// Where one of the lamp's channels is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChannelSpec {
    Line(Line),
    /// `pwm0/1`: channel 1 of `pwmchip0`.
    Pwm {
        chip: u32,
        channel: u32,
    },
}

/// Where the lamp is, as the specification says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LampSpec {
    pub(crate) red: Option<ChannelSpec>,
    pub(crate) green: Option<ChannelSpec>,
    pub(crate) blue: Option<ChannelSpec>,
    /// In place of the channels.
    pub(crate) strip: Option<StripSpec>,
    /// The lamp shines when its lines are low.
    pub(crate) active_low: bool,
    /// It keeps its colour when the module stops.
    pub(crate) stays: bool,
}

/// The lamp of a Linux board.
#[derive(Debug)]
pub(crate) struct LinuxLamp {
    spec: LampSpec,
    light: Option<Light>,
}

#[derive(Debug)]
enum Light {
    Channels([Option<Channel>; 3]),
    Strip(Strip),
}

#[derive(Debug)]
enum Channel {
    Line(Output),
    Pwm { pwm: Pwm, inverted: bool },
}

impl FromStr for ChannelSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((chip, channel)) = text
            .strip_prefix("pwm")
            .and_then(|rest| rest.split_once('/'))
        else {
            return text.parse().map(Self::Line);
        };
        match (chip.parse(), channel.parse()) {
            (Ok(chip), Ok(channel)) => Ok(Self::Pwm { chip, channel }),
            _ => Err("needs a PWM chip and channel, as in pwm0/1".to_owned()),
        }
    }
}

impl fmt::Display for ChannelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => line.fmt(f),
            Self::Pwm { chip, channel } => write!(f, "pwm{chip}/{channel}"),
        }
    }
}

impl LampSpec {
    pub(crate) const fn is_empty(&self) -> bool {
        self.red.is_none() && self.green.is_none() && self.blue.is_none() && self.strip.is_none()
    }

    /// What the lamp's red, green and blue shine with for `colour`. Without a blue LED, what is mostly blue is green: a
    /// lamp that should shine is never dark.
    fn shares(&self, colour: Colour) -> [u8; 3] {
        let Colour { red, green, blue } = colour;
        let shares = [red, green, blue];
        let mostly_blue = is_on(blue, shares) && !is_on(red, shares) && !is_on(green, shares);
        if self.blue.is_none() && mostly_blue {
            [0, blue, 0]
        } else {
            shares
        }
    }
}

/// Whether a line, which knows only on and off, is on for one share of a colour: when it is half as bright as the
/// brightest at least.
fn is_on(share: u8, shares: [u8; 3]) -> bool {
    let brightest = shares.into_iter().max().unwrap_or_default();
    share > 0 && u16::from(share) * 2 >= u16::from(brightest)
}

impl LinuxLamp {
    pub(crate) const fn new(spec: LampSpec) -> Self {
        Self { spec, light: None }
    }

    fn open(&self) -> Result<Light, BoardError> {
        if self.spec.is_empty() {
            return Err(BoardError::Fault {
                reason: "the board's specification names no lamp: add green=GPIO17,red=GPIO27"
                    .to_owned(),
            });
        }
        if let Some(strip) = &self.spec.strip {
            return Strip::open(strip).map(Light::Strip);
        }
        let open = |spec: &Option<ChannelSpec>, name: &str| {
            spec.as_ref()
                .map(|spec| Channel::open(spec, name, self.spec.active_low))
                .transpose()
        };
        Ok(Light::Channels([
            open(&self.spec.red, "lamp red")?,
            open(&self.spec.green, "lamp green")?,
            open(&self.spec.blue, "lamp blue")?,
        ]))
    }

    fn show(&mut self, colour: Colour) -> Result<(), BoardError> {
        let mut light = match self.light.take() {
            Some(light) => light,
            None => self.open()?,
        };
        match &mut light {
            Light::Strip(strip) => strip.set(colour)?,
            Light::Channels(channels) => {
                let shares = self.spec.shares(colour);
                for (channel, share) in channels.iter().zip(shares) {
                    if let Some(channel) = channel {
                        channel.set(share, is_on(share, shares))?;
                    }
                }
            }
        }
        self.light = Some(light);
        Ok(())
    }
}

impl Lamp for LinuxLamp {
    async fn set(&mut self, colour: Colour) -> Result<(), BoardError> {
        self.show(colour)
    }
}

impl Drop for LinuxLamp {
    fn drop(&mut self) {
        if self.light.is_some() && !self.spec.stays {
            // Nobody is left to be told of a failure.
            let _ = self.show(Colour::OFF);
        }
    }
}

impl Channel {
    fn open(spec: &ChannelSpec, consumer: &str, active_low: bool) -> Result<Self, BoardError> {
        match spec {
            ChannelSpec::Line(line) => Output::open(line, consumer, active_low).map(Self::Line),
            ChannelSpec::Pwm { chip, channel } => {
                let pwm = Pwm::open(Path::new("/sys/class/pwm"), *chip, *channel)?;
                pwm.set(if active_low { 255 } else { 0 })?;
                Ok(Self::Pwm {
                    pwm,
                    inverted: active_low,
                })
            }
        }
    }

    /// Shines with `share` of 255, or is on or off where that is all it can.
    fn set(&self, share: u8, is_on: bool) -> Result<(), BoardError> {
        match self {
            Self::Line(output) => output.set(is_on),
            Self::Pwm { pwm, inverted } => pwm.set(if *inverted { 255 - share } else { share }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_leds() -> LampSpec {
        LampSpec {
            red: "GPIO27".parse().ok(),
            green: "GPIO17".parse().ok(),
            ..LampSpec::default()
        }
    }

    #[test]
    fn two_leds_show_three_colours_and_are_never_dark_for_one() {
        let lamp = two_leds();
        let on = |colour| {
            let shares = lamp.shares(colour);
            shares.map(|share| is_on(share, shares))
        };
        assert_eq!(on(Colour::RED), [true, false, false]);
        assert_eq!(on(Colour::GREEN), [false, true, false]);
        assert_eq!(on(Colour::ORANGE)[..2], [true, true]);
        assert_eq!(on(Colour::BLUE)[..2], [false, true]);
        assert_eq!(on(Colour::WHITE)[..2], [true, true]);
        assert_eq!(on(Colour::OFF), [false, false, false]);
        assert_eq!(
            on(Colour::rgb(9, 0, 0)),
            [true, false, false],
            "faint, and not dark"
        );
    }

    #[test]
    fn a_lamp_of_three_colours_shows_them_as_they_are() {
        let lamp = LampSpec {
            blue: "pwm0/1".parse().ok(),
            ..two_leds()
        };
        assert_eq!(lamp.shares(Colour::BLUE), [0, 0, 255]);
    }

    #[test]
    fn channels_are_lines_or_pulse_widths() {
        for text in ["GPIO17", "gpiochip0/17", "pwm0/1"] {
            let spec: ChannelSpec = text.parse().expect("a channel");
            assert_eq!(spec.to_string(), text);
        }
        assert!("pwm0/x".parse::<ChannelSpec>().is_err());
    }

    #[test]
    fn a_lamp_that_is_not_there_says_what_to_add() {
        let error = LinuxLamp::new(LampSpec::default())
            .show(Colour::RED)
            .expect_err("no lamp");
        assert!(error.to_string().contains("green=GPIO17"), "{error}");
    }
}
