//! The FROM of a route.

use std::fmt;

use super::message::MessageSource;

/// A source as edgeHub compares it: the trailing `*` and `/` are dropped, one `/` is put back, and a message fits when
/// its own path starts with that, whatever the case of the letters. So `/messages/modules/m/*` takes the messages that
/// module `m` sends to its outputs too, and a `*` inside a path is a name like any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePattern {
    prefix: String,
}

impl SourcePattern {
    pub(super) fn new(source: &str) -> Self {
        let without_star = source.trim_end_matches('*');
        let without_slash = without_star.trim_end_matches('/');
        Self {
            prefix: format!("{without_slash}/"),
        }
    }

    /// Whether messages from `source` fit.
    pub fn matches(&self, source: MessageSource<'_>) -> bool {
        let mut path = source.pieces().into_iter().flat_map(str::chars);
        self.prefix
            .chars()
            .all(|wanted| path.next().is_some_and(|given| fold(given) == fold(wanted)))
    }

    /// Whether every message that fits `other` fits this one as well.
    pub fn includes(&self, other: &Self) -> bool {
        let mut path = other.prefix.chars();
        self.prefix
            .chars()
            .all(|wanted| path.next().is_some_and(|given| fold(given) == fold(wanted)))
    }

    /// The module it names, when it names one.
    pub fn module(&self) -> Option<&str> {
        self.segments().nth(2).filter(|_| self.is_modules())
    }

    /// The output it names, when it names one.
    pub fn output(&self) -> Option<&str> {
        let outputs = self.segments().nth(3)?;
        let names_output = self.is_modules() && outputs.eq_ignore_ascii_case("outputs");
        self.segments().nth(4).filter(|_| names_output)
    }

    /// Whether it takes twin change notifications and nothing else.
    pub(super) fn is_about_twins(&self) -> bool {
        self.prefix
            .eq_ignore_ascii_case("/twinChangeNotifications/")
    }

    /// Whether any message could fit it at all.
    pub(super) fn is_possible(&self) -> bool {
        let any = |source| self.matches(source);
        let module = self.module().unwrap_or("m");
        let output = self.output().unwrap_or("o");
        !self.prefix.contains('*')
            && (any(MessageSource::TwinChange)
                || any(MessageSource::Module {
                    module,
                    output: Some(output),
                }))
    }

    fn is_modules(&self) -> bool {
        let mut segments = self.segments();
        let messages = segments
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("messages"));
        messages
            && segments
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case("modules"))
    }

    fn segments(&self) -> impl Iterator<Item = &str> {
        self.prefix.split('/').filter(|segment| !segment.is_empty())
    }
}

/// As it would be written: with the star.
impl fmt::Display for SourcePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.output() {
            Some(_) => f.write_str(self.prefix.trim_end_matches('/')),
            None => write!(f, "{}*", self.prefix),
        }
    }
}

/// Letters without their case, one for one.
fn fold(char: char) -> char {
    if char.is_ascii() {
        return char.to_ascii_uppercase();
    }
    let mut upper = char.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(single), None) => single,
        _ => char,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: MessageSource<'_> = MessageSource::Device;
    const TWIN: MessageSource<'_> = MessageSource::TwinChange;
    const MODULE: MessageSource<'_> = MessageSource::Module {
        module: "hc-sr04",
        output: None,
    };
    const OUTPUT: MessageSource<'_> = MessageSource::Module {
        module: "hc-sr04",
        output: Some("occupancy"),
    };

    #[test]
    fn a_source_is_a_prefix() {
        let cases = [
            ("/", [true, true, true, true]),
            ("/*", [true, true, true, true]),
            ("/messages", [true, false, true, true]),
            ("/messages/*", [true, false, true, true]),
            ("/MESSAGES/Modules/*", [false, false, true, true]),
            ("/messages/modules/HC-SR04", [false, false, true, true]),
            ("/messages/modules/hc-sr04/*", [false, false, true, true]),
            (
                "/messages/modules/hc-sr04/outputs/*",
                [false, false, false, true],
            ),
            (
                "/messages/modules/hc-sr04/outputs/occupancy",
                [false, false, false, true],
            ),
            (
                "/messages/modules/hc-sr04/outputs/occ",
                [false, false, false, false],
            ),
            ("/messages/modules/hc", [false, false, false, false]),
            ("/messages/events", [false, false, false, false]),
            ("/twinChangeNotifications", [false, true, false, false]),
            ("/twinChangeNotifications/*", [false, true, false, false]),
            ("/*/messages/*", [false, false, false, false]),
            ("/message", [false, false, false, false]),
        ];
        for (source, expected) in cases {
            let pattern = SourcePattern::new(source);
            let given = [DEVICE, TWIN, MODULE, OUTPUT].map(|message| pattern.matches(message));
            assert_eq!(given, expected, "{source}");
            assert_eq!(
                pattern.is_possible(),
                expected.contains(&true)
                    || source.contains("outputs/occ")
                    || source.ends_with("hc"),
                "{source}"
            );
        }
    }

    #[test]
    fn names_are_read_back() {
        let pattern = SourcePattern::new("/messages/modules/light/outputs/lamp");
        assert_eq!(
            (pattern.module(), pattern.output()),
            (Some("light"), Some("lamp"))
        );
        let pattern = SourcePattern::new("/messages/modules/light/*");
        assert_eq!((pattern.module(), pattern.output()), (Some("light"), None));
        let pattern = SourcePattern::new("/messages/*");
        assert_eq!((pattern.module(), pattern.output()), (None, None));
    }
}
