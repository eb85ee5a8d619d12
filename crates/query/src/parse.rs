//! Text into a query.

mod clauses;
mod expression;
mod path;

use std::ops::Range;

use crate::advice;
use crate::error::Mistake;
use crate::expression::Expression;
use crate::query::{Collection, Query};
use crate::token::{Lexeme, Token, tokenize};

/// A text into a query over one of the collections.
pub(crate) fn query(text: &str, collections: &[Collection]) -> Result<Query, Mistake> {
    check_length(text)?;
    Parser::new(text, &tokenize(text)).query(collections)
}

/// A condition that stands alone.
pub(crate) fn condition(text: &str, collection: Collection) -> Result<Expression, Mistake> {
    check_length(text)?;
    let tokens = tokenize(text);
    let mut parser = Parser::new(text, &tokens);
    parser.prefix = collection.name.split('.').map(str::to_owned).collect();
    let condition = parser.condition()?;
    if parser.peek() == Token::End {
        Ok(condition)
    } else {
        Err(parser.unexpected("an operator, as AND, may follow"))
    }
}

fn check_length(text: &str) -> Result<(), Mistake> {
    let limit = Query::MAX_CHARACTERS;
    match text.char_indices().nth(limit) {
        None => Ok(()),
        Some((end, _)) => Err(Mistake::new(
            end..text.len(),
            format!("the query is longer than {limit} characters"),
            "ask for less at once, for instance for fewer ids",
        )),
    }
}

struct Parser<'a> {
    text: &'a str,
    /// [`Token::End`] is last.
    tokens: &'a [Lexeme],
    at: usize,
    nesting: usize,
    /// The names the collection's own name is made of, which paths may begin with.
    prefix: Vec<String>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, tokens: &'a [Lexeme]) -> Self {
        Self {
            text,
            tokens,
            at: 0,
            nesting: 0,
            prefix: Vec::new(),
        }
    }

    fn peek(&self) -> Token {
        self.peek_after(0)
    }

    fn peek_after(&self, count: usize) -> Token {
        self.tokens
            .get(self.at + count)
            .map_or(Token::End, |lexeme| lexeme.token)
    }

    fn span(&self) -> Range<usize> {
        let at = self.at.min(self.tokens.len().saturating_sub(1));
        self.tokens[at].span.clone()
    }

    fn word(&self) -> &'a str {
        &self.text[self.span()]
    }

    fn advance(&mut self) -> Range<usize> {
        let span = self.span();
        self.at += 1;
        span
    }

    /// Takes a token if it comes next.
    fn take(&mut self, token: Token) -> bool {
        let found = self.peek() == token;
        if found {
            self.at += 1;
        }
        found
    }

    fn expect(&mut self, token: Token, help: &str) -> Result<Range<usize>, Mistake> {
        if self.peek() == token {
            Ok(self.advance())
        } else {
            Err(self.unexpected(help))
        }
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        self.peek() == Token::Word && self.word().eq_ignore_ascii_case(keyword)
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = self.is_keyword(keyword);
        if found {
            self.at += 1;
        }
        found
    }

    /// What comes next does not belong there; `help` says what does.
    fn unexpected(&self, help: &str) -> Mistake {
        let span = self.span();
        let word = self.word();
        let (message, advice) = match self.peek() {
            Token::End => ("the query ends too early".to_owned(), None),
            Token::BadString if word.starts_with('\\') => (
                "this is no escape".to_owned(),
                Some(r#"write \\ for a backslash; the others are \' \" and \uXXXX"#),
            ),
            Token::BadString => (
                "the text has no end".to_owned(),
                Some(r#"end it with the same quote; inside, write \' or \""#),
            ),
            Token::BadQuoted => (
                "the name in double brackets is missing or has no end".to_owned(),
                Some("write `[[name]]`"),
            ),
            Token::BadComment => (
                "the comment has no end".to_owned(),
                Some("end it with `*/`"),
            ),
            Token::BadNumber => (
                format!("`{word}` is no number"),
                Some("a name that begins with a digit stands in double brackets: `[[1st]]`"),
            ),
            _ => (format!("`{word}` does not belong here"), advice::on(word)),
        };
        Mistake::new(span, message, advice.unwrap_or(help))
    }
}
