//! One line of a scenario as words that know their columns.

use super::problem::Problem;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    /// From 1, in characters.
    pub(super) column: usize,
}

impl Word<'_> {
    pub(super) fn is(self, other: &str) -> bool {
        self.text.eq_ignore_ascii_case(other)
    }
}

#[derive(Debug)]
pub(super) struct Words<'a> {
    line: usize,
    words: Vec<Word<'a>>,
    next: usize,
    /// One past the last character, where what is missing is missing.
    end: usize,
}

impl<'a> Words<'a> {
    /// `line` is counted from 1. A colon is a word of its own; a `#` ends the line.
    pub(super) fn of(line: usize, text: &'a str) -> Self {
        let text = text.split('#').next().unwrap_or_default();
        let mut words = Vec::new();
        let mut start = None::<(usize, usize)>;
        let mut column = 0;
        let mut end = 1;
        for (at, character) in text.char_indices() {
            column += 1;
            let breaks = character.is_whitespace() || character == ':';
            if breaks {
                if let Some((from, first)) = start.take() {
                    words.push(Word {
                        text: &text[from..at],
                        column: first,
                    });
                }
                if character == ':' {
                    words.push(Word {
                        text: &text[at..=at],
                        column,
                    });
                }
            } else if start.is_none() {
                start = Some((at, column));
            }
            if !character.is_whitespace() {
                end = column + 1;
            }
        }
        if let Some((from, first)) = start {
            words.push(Word {
                text: &text[from..],
                column: first,
            });
        }
        Self {
            line,
            words,
            next: 0,
            end,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub(super) fn peek(&self) -> Option<Word<'a>> {
        self.words.get(self.next).copied()
    }

    pub(super) fn next(&mut self) -> Option<Word<'a>> {
        let word = self.peek()?;
        self.next += 1;
        Some(word)
    }

    /// Takes the next word if it is `wanted`.
    pub(super) fn take(&mut self, wanted: &str) -> bool {
        let found = self.peek().is_some_and(|word| word.is(wanted));
        self.next += usize::from(found);
        found
    }

    /// Takes the next two words if they are the wanted ones.
    pub(super) fn take_both(&mut self, first: &str, second: &str) -> bool {
        let found = matches!(
            &self.words[self.next..],
            [one, other, ..] if one.is(first) && other.is(second)
        );
        self.next += 2 * usize::from(found);
        found
    }

    /// Takes the next word, which has to be one of `choices`, and says which.
    pub(super) fn choose<T: Copy>(&mut self, choices: &[(&str, T)]) -> Result<T, Problem> {
        let chosen = self
            .peek()
            .and_then(|word| choices.iter().find(|(name, _)| word.is(name)));
        if let Some((_, choice)) = chosen {
            self.next += 1;
            return Ok(*choice);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        Err(self.expected(&one_of(&names)))
    }

    pub(super) fn expect(&mut self, wanted: &str) -> Result<(), Problem> {
        self.choose(&[(wanted, ())])
    }

    pub(super) fn finish(&self) -> Result<(), Problem> {
        match self.peek() {
            None => Ok(()),
            Some(word) => Err(self.problem(
                word.column,
                format!(
                    "{:?} is too much: end the line before it, or put a # in front",
                    word.text
                ),
            )),
        }
    }

    /// The complaint that `wanted` should stand where the next word stands.
    pub(super) fn expected(&self, wanted: &str) -> Problem {
        match self.peek() {
            Some(word) => self.problem(
                word.column,
                format!("write {wanted} instead of {:?}", word.text),
            ),
            None => self.problem(self.end, format!("write {wanted} here")),
        }
    }

    pub(super) fn problem(&self, column: usize, message: String) -> Problem {
        Problem {
            line: self.line,
            column,
            message,
        }
    }

    /// The column of the next word, or of the line's end.
    pub(super) fn column(&self) -> usize {
        self.peek().map_or(self.end, |word| word.column)
    }
}

fn one_of(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_know_their_columns() {
        let words = Words::of(1, "  bay 2: at 5s größe  # comment: none");
        let found: Vec<(&str, usize)> = words
            .words
            .iter()
            .map(|word| (word.text, word.column))
            .collect();
        assert_eq!(
            found,
            [
                ("bay", 3),
                ("2", 7),
                (":", 8),
                ("at", 10),
                ("5s", 13),
                ("größe", 16)
            ]
        );
        assert_eq!(words.end, 21);
    }

    #[test]
    fn choices_are_read_out() {
        assert_eq!(one_of(&["a"]), "a");
        assert_eq!(one_of(&["a", "b", "c"]), "a, b or c");
    }
}
