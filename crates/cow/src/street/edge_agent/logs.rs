//! The newest lines that each of a machine's modules has printed, for whoever asks the agent for them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use runner::LogLine;

/// What is kept of one module: what fits a method's answer several times over would be of use to nobody.
const MOST_LINES: usize = 500;
const MOST_BYTES: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Logs(BTreeMap<String, Tail>);

#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<Arc<str>>,
    bytes: usize,
}

impl Logs {
    /// Keeps a line if one of this device's modules has printed it.
    pub(super) fn take(&mut self, device: &str, line: &LogLine) {
        let module = line.module.strip_prefix(device);
        let Some(module) = module.and_then(|rest| rest.strip_prefix('/')) else {
            return;
        };
        if !self.0.contains_key(module) {
            self.0.insert(module.to_owned(), Tail::default());
        }
        if let Some(tail) = self.0.get_mut(module) {
            tail.push(line.text.clone());
        }
    }

    /// A module's newest lines, all that are kept or at most so many.
    pub(super) fn newest(&self, module: &str, most: Option<usize>) -> String {
        let Some(tail) = self.0.get(module) else {
            return String::new();
        };
        let skip = most.map_or(0, |most| tail.lines.len().saturating_sub(most));
        tail.lines
            .iter()
            .skip(skip)
            .flat_map(|line| [line, "\n"])
            .collect()
    }
}

impl Tail {
    fn push(&mut self, line: Arc<str>) {
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.lines.len() > MOST_LINES || self.bytes > MOST_BYTES {
            let Some(oldest) = self.lines.pop_front() else {
                return;
            };
            self.bytes -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use runner::LogStream;

    use super::*;

    fn line(module: &str, text: &str) -> LogLine {
        LogLine {
            module: module.into(),
            stream: LogStream::Stdout,
            text: text.into(),
        }
    }

    #[test]
    fn the_newest_lines_of_the_devices_own_modules_are_kept() {
        let mut logs = Logs::default();
        for number in 0..MOST_LINES + 10 {
            logs.take("bay-01", &line("bay-01/light", &number.to_string()));
        }
        logs.take("bay-01", &line("bay-011/light", "another's"));
        logs.take("bay-01", &line("bay-01", "nobody's"));
        assert_eq!(logs.newest("light", Some(2)), "508\n509\n");
        assert_eq!(logs.newest("light", None).lines().next(), Some("10"));
        assert_eq!(logs.newest("battery", None), "");
        logs.take("bay-01", &line("bay-01/light", &"x".repeat(MOST_BYTES)));
        assert_eq!(logs.newest("light", None).lines().count(), 1);
    }
}
