//! What pages say, in English, French, Dutch and German. The words stand in `words/*.toml`, one table for each area, and
//! are known by their table and name: `people.title`.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

/// The catalogues, as they stand in their files. The first is what everybody gets who wants none of the others.
const FILES: [(&str, &str, &str); 4] = [
    ("en", "English", include_str!("../words/en.toml")),
    ("fr", "Français", include_str!("../words/fr.toml")),
    ("nl", "Nederlands", include_str!("../words/nl.toml")),
    ("de", "Deutsch", include_str!("../words/de.toml")),
];

type Catalogue = HashMap<String, String>;

/// The words of one language; a catalogue is read when somebody first wants it.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    language: &'static str,
    catalogue: &'static Catalogue,
}

impl Words {
    /// In a language by its code; in English where it is none of ours.
    #[must_use]
    pub fn of(language: &str) -> Self {
        static READ: [OnceLock<Catalogue>; FILES.len()] = [const { OnceLock::new() }; FILES.len()];
        let index = FILES.iter().position(|(code, ..)| *code == language);
        let index = index.unwrap_or_default();
        let (language, _, text) = FILES[index];
        Self {
            language,
            catalogue: READ[index].get_or_init(|| read(text)),
        }
    }

    /// In the language a browser wants most, from its `Accept-Language`.
    #[must_use]
    pub fn wanted(accept: &str) -> Self {
        let mut best = ("", 0.0);
        for entry in accept.split(',') {
            let mut parts = entry.split(';');
            let tag = parts.next().unwrap_or_default().trim();
            let code = tag.split('-').next().unwrap_or_default();
            let weight = parts
                .find_map(|part| part.trim().strip_prefix("q="))
                .map_or(1.0, |text| text.parse::<f32>().unwrap_or(0.0));
            if weight > best.1 && FILES.iter().any(|(known, ..)| *known == code) {
                best = (code, weight);
            }
        }
        Self::of(best.0)
    }

    /// Every language there is: its code, and what it calls itself.
    pub fn languages() -> impl Iterator<Item = (&'static str, &'static str)> {
        FILES.iter().map(|(code, name, _)| (*code, *name))
    }

    /// Its code.
    #[must_use]
    pub const fn language(self) -> &'static str {
        self.language
    }

    /// The words of this name, with `{places}` to be filled by [`Text::with`]. A name nobody wrote words for shows as it
    /// is; a test sees to it that there is none.
    #[must_use]
    pub fn text(self, name: &str) -> Text {
        let words = self.catalogue.get(name);
        Text(words.map_or_else(|| name.to_owned(), Clone::clone))
    }

    /// The words of this name, if there are any.
    #[must_use]
    pub fn find(self, name: &str) -> Option<Text> {
        self.catalogue.get(name).cloned().map(Text)
    }

    /// The words for so many: `NAME.one` or `NAME.other`, with the number at `{count}`.
    #[must_use]
    pub fn count(self, name: &str, count: impl Amount) -> Text {
        let count = count.amount();
        // Unicode's plural rules: French says one also of none.
        let is_one = count == 1 || count == 0 && self.language == "fr";
        let form = if is_one { "one" } else { "other" };
        self.text(&format!("{name}.{form}")).with("count", count)
    }

    /// All words under one table, by the rest of their names: what a script is given.
    #[must_use]
    pub fn table(self, table: &str) -> HashMap<&'static str, &'static str> {
        let all = self.catalogue.iter();
        all.filter_map(|(name, words)| {
            let rest = name.strip_prefix(table)?.strip_prefix('.')?;
            Some((rest, words.as_str()))
        })
        .collect()
    }
}

/// A number of things, as it stands in templates; what is below nothing counts as nothing.
pub trait Amount {
    /// How many.
    fn amount(&self) -> u64;
}

macro_rules! amounts {
    ($($number:ty),*) => {$(
        impl Amount for $number {
            fn amount(&self) -> u64 {
                u64::try_from(*self).unwrap_or_default()
            }
        }
    )*};
}

amounts!(u64, usize, i64, i32);

impl<T: Amount> Amount for &T {
    fn amount(&self) -> u64 {
        (**self).amount()
    }
}

/// Words on their way to a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// Fills `{place}`.
    #[must_use]
    pub fn with(self, place: &str, value: impl fmt::Display) -> Self {
        Self(self.0.replace(&format!("{{{place}}}"), &value.to_string()))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn read(text: &str) -> Catalogue {
    let mut catalogue = Catalogue::new();
    // A test reads all four; a file that is none leaves its pages with bare names.
    let tables: toml::Table = text.parse().unwrap_or_default();
    for (name, value) in tables {
        flatten(name, value, &mut catalogue);
    }
    catalogue
}

fn flatten(name: String, value: toml::Value, catalogue: &mut Catalogue) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                flatten(format!("{name}.{key}"), value, catalogue);
            }
        }
        toml::Value::String(words) => {
            catalogue.insert(name, words);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
