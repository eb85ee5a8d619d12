//! A sensor that cannot be used, told once it lasts: wires miss an edge now and then.

/// Tells a fault that lasts from a failure that does not.
#[derive(Debug, Default)]
pub(crate) struct Fault {
    /// What was told last; nothing before the sensor has shown itself.
    told: Option<Attempt>,
    latest: Option<Attempt>,
    /// How many attempts in a row came to the same.
    alike: u32,
    /// How many in a row succeeded, or failed for whatever reason.
    of_a_kind: u32,
}

/// Whether the sensor could be used, and why not.
pub(crate) type Attempt = Result<(), String>;

impl Fault {
    /// Takes what came of an attempt. Returns what is to be told: what `lasting` attempts in a row said, when it is
    /// news. A sensor that fails for reasons that take turns has the first one.
    pub(crate) fn handle(&mut self, attempt: Attempt, lasting: u32) -> Option<&Attempt> {
        let count = |count: u32, goes_on| if goes_on { count.saturating_add(1) } else { 1 };
        let latest = self.latest.as_ref();
        self.alike = count(self.alike, latest == Some(&attempt));
        self.of_a_kind = count(
            self.of_a_kind,
            latest.map(Attempt::is_ok) == Some(attempt.is_ok()),
        );
        let lasts = match &self.told {
            Some(told) if *told == attempt => false,
            Some(Err(_)) if attempt.is_err() => self.alike >= lasting,
            _ => self.of_a_kind >= lasting,
        };
        self.latest = Some(attempt);
        if !lasts {
            return None;
        }
        self.told.clone_from(&self.latest);
        self.told.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of these attempts, one letter each: `.` works, any other is a reason.
    fn told(attempts: &str) -> String {
        let mut fault = Fault::default();
        let letter = |attempt: &Attempt| {
            attempt
                .as_ref()
                .map_or_else(String::clone, |()| ".".to_owned())
        };
        attempts
            .chars()
            .filter_map(|attempt| {
                let attempt = if attempt == '.' {
                    Ok(())
                } else {
                    Err(attempt.to_string())
                };
                fault.handle(attempt, 3).map(letter)
            })
            .collect()
    }

    #[test]
    fn what_lasts_is_told_once() {
        for (attempts, expected) in [
            ("......", "."),
            ("..aa..a..", ""),
            ("aaaaaa", "a"),
            ("...aaaaaaa......aaa", ".a.a"),
            ("aaa..a..a...", "a."),
            // Another reason has to last by itself; reasons that take turns are the first one.
            ("aaabbbbbb", "ab"),
            ("aaabababababa", "a"),
            ("...abcabcabc", ".c"),
        ] {
            assert_eq!(told(attempts), expected, "{attempts}");
        }
    }
}
