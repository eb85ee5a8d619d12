//! GPIO lines by name, opened so that a failure says what to do.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use gpiocdev::chip::{Chip, chips};
use gpiocdev::line::{EdgeDetection, Value};
use gpiocdev::request::{Builder, Request};

use crate::BoardError;

/// Room for every edge that can come while nobody reads: two for each burst, and some bouncing.
const WAITING_EDGES: u32 = 16;

/// Which line: by the kernel's name for it, or by chip and number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// As `gpioinfo` lists it: `GPIO23`.
    Named(String),
    /// `gpiochip0/23`, or the chip by its label: `pinctrl-rp1/23`.
    Numbered { chip: String, offset: u32 },
}

/// A line that was found.
struct Found {
    chip: PathBuf,
    offset: u32,
}

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = "needs a line's name, as in GPIO23, or chip and number, as in gpiochip0/23";
        match text.split_once('/') {
            _ if text.is_empty() => Err(wanted.to_owned()),
            None => Ok(Self::Named(text.to_owned())),
            Some((chip, offset)) => match offset.parse() {
                Ok(offset) if !chip.is_empty() => Ok(Self::Numbered {
                    chip: chip.to_owned(),
                    offset,
                }),
                _ => Err(wanted.to_owned()),
            },
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Numbered { chip, offset } => write!(f, "{chip}/{offset}"),
        }
    }
}

/// A line this process drives.
#[derive(Debug)]
pub(crate) struct Output {
    request: Request,
    name: String,
}

impl Output {
    /// Takes `line`, and makes it inactive.
    pub(crate) fn open(line: &Line, consumer: &str, active_low: bool) -> Result<Self, BoardError> {
        let request = take(line, |builder| {
            builder.with_consumer(consumer);
            if active_low {
                builder.as_active_low();
            }
            builder.as_output(Value::Inactive);
        })?;
        Ok(Self {
            request,
            name: line.to_string(),
        })
    }

    pub(crate) fn set(&self, active: bool) -> Result<(), BoardError> {
        self.request
            .set_lone_value(active.into())
            .map_err(|error| broken(&self.name, &error))
    }
}

/// Takes `line` as an input that reports its edges. No debouncing: the kernel's would move the time stamps.
pub(crate) fn listen(line: &Line, consumer: &str) -> Result<Request, BoardError> {
    take(line, |builder| {
        builder
            .with_consumer(consumer)
            .with_kernel_event_buffer_size(WAITING_EDGES)
            .as_input()
            .with_edge_detection(EdgeDetection::BothEdges);
    })
}

/// What a line that had been taken failed with.
pub(crate) fn broken(name: &str, error: &gpiocdev::Error) -> BoardError {
    BoardError::Fault {
        reason: format!("line {name} failed: {error}"),
    }
}

fn take(line: &Line, configure: impl FnOnce(&mut Builder)) -> Result<Request, BoardError> {
    let found = find(line)?;
    let mut builder = Request::builder();
    configure(&mut builder);
    builder.on_chip(&found.chip).with_line(found.offset);
    builder.request().map_err(|error| BoardError::Fault {
        reason: format!(
            "line {line} of {} cannot be used: {}",
            found.chip.display(),
            user(&found).map_or_else(
                || error.to_string(),
                |user| format!("{user} has it; two parts cannot share a line")
            )
        ),
    })
}

/// Who has the line now.
fn user(found: &Found) -> Option<String> {
    let info = Chip::from_path(&found.chip)
        .and_then(|chip| chip.line_info(found.offset))
        .ok()?;
    info.used.then(|| match info.consumer.as_str() {
        "" => "another program".to_owned(),
        consumer => format!("{consumer:?}"),
    })
}

fn find(line: &Line) -> Result<Found, BoardError> {
    let mut open = Vec::new();
    let mut closed = Vec::new();
    for path in chips().unwrap_or_default() {
        match Chip::from_path(&path) {
            Ok(chip) => open.push(chip),
            Err(error) => closed.push(format!("{} ({error})", path.display())),
        }
    }
    let found = match line {
        Line::Named(name) => open.iter().find_map(|chip| {
            let info = chip.find_line_info(name)?;
            Some(Found {
                chip: chip.path().to_owned(),
                offset: info.offset,
            })
        }),
        Line::Numbered { chip: name, offset } => open
            .iter()
            .find(|chip| is_called(chip, name))
            .map(|chip| Found {
                chip: chip.path().to_owned(),
                offset: *offset,
            }),
    };
    found.ok_or_else(|| BoardError::Fault {
        reason: missing(line, &open, &closed),
    })
}

fn is_called(chip: &Chip, name: &str) -> bool {
    chip.name() == name
        || chip.path() == Path::new(name)
        || chip.info().is_ok_and(|info| info.label == name)
}

fn missing(line: &Line, open: &[Chip], closed: &[String]) -> String {
    let seen: Vec<String> = open.iter().map(Chip::name).collect();
    match (seen.is_empty(), closed.is_empty()) {
        (true, true) => format!(
            "there is no GPIO chip for line {line}: give the container the device /dev/gpiochip0 (a Pi 5 has its header on \
             another: gpiodetect lists them)"
        ),
        (true, false) => format!(
            "line {line} cannot be looked for, {} may not be opened: the user of this process has to be in the device's group, gpio; a container gets it by GroupAdd",
            closed.join(", ")
        ),
        (false, _) => format!(
            "no line {line} on {}: gpioinfo lists the names; is this process given the right /dev/gpiochip?",
            seen.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_named_or_numbered() {
        for (text, line) in [
            ("GPIO23", Line::Named("GPIO23".to_owned())),
            (
                "gpiochip1/23",
                Line::Numbered {
                    chip: "gpiochip1".to_owned(),
                    offset: 23,
                },
            ),
        ] {
            assert_eq!(text.parse(), Ok(line.clone()));
            assert_eq!(line.to_string(), text);
        }
        for text in ["", "/3", "gpiochip0/", "gpiochip0/x"] {
            assert!(text.parse::<Line>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_line_that_is_not_there_names_the_cure() {
        let error = Output::open(&Line::Named("NO-SUCH-LINE".to_owned()), "test", false)
            .expect_err("there is no such line");
        assert!(error.to_string().contains("NO-SUCH-LINE"), "{error}");
    }
}
