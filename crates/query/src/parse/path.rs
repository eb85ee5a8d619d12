//! Paths: `tags.site`, `properties.reported.echoes[0]`, `configurations.[[my config]].status`, `tags['a b']`.

use crate::error::Mistake;
use crate::path::{Path, Step};
use crate::token::{Token, unescape};

use super::Parser;

/// Words that begin or join parts of a query. A field with such a name stands in double brackets.
const RESERVED: [&str; 13] = [
    "SELECT", "TOP", "FROM", "WHERE", "GROUP", "ORDER", "BY", "AS", "AND", "OR", "NOT", "IN", "NIN",
];

impl Parser<'_> {
    pub(super) fn path(&mut self, help: &str) -> Result<Path, Mistake> {
        let start = self.span();
        let first = match self.peek() {
            Token::Word if !self.is_reserved() => self.word().to_owned(),
            Token::Quoted => self.quoted(),
            _ => return Err(self.unexpected(help)),
        };
        self.advance();
        let mut steps = vec![Step::Name(first)];
        loop {
            if self.take(Token::Dot) || self.peek() == Token::Quoted {
                steps.push(Step::Name(self.name()?));
            } else if self.take(Token::OpenBracket) {
                steps.push(self.bracketed()?);
            } else {
                break;
            }
        }
        self.without_collection(&mut steps);
        // With the collection's name taken off, an index may be left in front.
        Path::new(steps).ok_or_else(|| {
            Mistake::new(
                start,
                "the path does not begin with a name",
                "begin with a field of the document, as `tags`",
            )
        })
    }

    pub(super) fn is_reserved(&self) -> bool {
        RESERVED
            .iter()
            .any(|keyword| keyword.eq_ignore_ascii_case(self.word()))
    }

    /// A name behind a dot or `AS`. Keywords are none there.
    pub(super) fn name(&mut self) -> Result<String, Mistake> {
        let name = match self.peek() {
            Token::Word => self.word().to_owned(),
            Token::Quoted => self.quoted(),
            _ => {
                return Err(self.unexpected(
                    "a name belongs here; one with other characters than letters, digits, `_` and `$` stands in \
                     double brackets: `[[my-name]]`",
                ));
            }
        };
        self.advance();
        Ok(name)
    }

    fn quoted(&self) -> String {
        let word = self.word();
        word[2..word.len() - 2].to_owned()
    }

    fn bracketed(&mut self) -> Result<Step, Mistake> {
        const HELP: &str = "brackets hold an index, counted from zero, or a name in quotes: `list[0]`, `tags['a b']`";
        let word = self.word();
        let step = match self.peek() {
            Token::String => Step::Name(unescape(word)),
            Token::Number => match word.parse() {
                Ok(index) => Step::Index(index),
                Err(_) => return Err(self.unexpected(HELP)),
            },
            _ => return Err(self.unexpected(HELP)),
        };
        self.advance();
        self.expect(Token::CloseBracket, "`]` follows")?;
        Ok(step)
    }

    /// Documented queries begin paths with the collection's name, as `devices.jobs.jobId`, or do not.
    fn without_collection(&self, steps: &mut Vec<Step>) {
        let prefix = &self.prefix;
        let is_prefixed = steps.len() > prefix.len()
            && prefix.iter().zip(&*steps).all(
                |(name, step)| matches!(step, Step::Name(step) if step.eq_ignore_ascii_case(name)),
            );
        if is_prefixed {
            steps.drain(..prefix.len());
        }
    }
}
