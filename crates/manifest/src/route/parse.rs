//! Tokens into a syntax tree, by edgeHub's `Route` and `Condition` grammars.
//!
//! Two liberties of those grammars are kept, because routes in the field live by them: a call, group or symbol that is
//! wrong in a way the grammar names still parses (the checker reports it), and text after a route's sink is ignored
//! (a warning here).

mod expression;

use std::ops::Range;

use super::Finding;
use super::bracket::Role;
use super::syntax::{Expr, ExprKind};
use super::token::{Lexeme, Token, tokenize};

/// A route in its parts.
#[derive(Debug)]
pub(super) struct RouteSyntax {
    /// The source without white space, as edgeHub keeps it.
    pub(super) source: String,
    pub(super) source_span: Range<usize>,
    pub(super) condition: Option<Expr>,
    pub(super) sink: SinkSyntax,
    pub(super) trailing: Option<Range<usize>>,
    /// Comments that start where a source seemed to end: `/messages/* … */`.
    pub(super) swallowed: Vec<Range<usize>>,
}

#[derive(Debug)]
pub(super) enum SinkSyntax {
    System {
        name: Range<usize>,
    },
    Function {
        name: Range<usize>,
        /// What stands between the quotes; escapes are not resolved.
        address: Range<usize>,
    },
}

impl SinkSyntax {
    /// The name, or the address.
    pub(super) fn span(&self) -> Range<usize> {
        match self {
            Self::System { name } => name.clone(),
            Self::Function { address, .. } => address.clone(),
        }
    }
}

/// Parses a whole route.
pub(super) fn route(text: &str) -> Result<RouteSyntax, Finding> {
    let tokens = tokenize(text);
    let mut parser = Parser::new(text, &tokens);
    if parser.peek() == Token::Select {
        parser.advance();
        parser.expect(Token::Star, "SELECT is followed by `*`, or left out")?;
    }
    parser.expect(Token::From, "a route starts with `FROM /source`")?;
    let (source, source_span) = parser.source()?;
    let condition = if parser.peek() == Token::Where {
        parser.advance();
        let end = parser.index_of(Token::Into);
        Some(parser.condition(end)?)
    } else {
        None
    };
    parser.expect(
        Token::Into,
        "`INTO $upstream` or `INTO BrokeredEndpoint(\"/modules/…/inputs/…\")` follows",
    )?;
    let sink = parser.sink()?;
    let trailing =
        (parser.peek() != Token::End).then(|| parser.span().start..text.trim_end().len());
    Ok(RouteSyntax {
        source,
        source_span,
        condition,
        sink,
        trailing,
        swallowed: swallowed(text, &tokens),
    })
}

/// Parses a condition that stands alone. An empty one is `undefined`.
pub(super) fn condition(text: &str) -> Result<Expr, Finding> {
    let tokens = tokenize(text);
    let mut parser = Parser::new(text, &tokens);
    if parser.peek() == Token::End {
        return Ok(parser.leaf(ExprKind::Undefined, 0..0));
    }
    let condition = parser.condition(tokens.len() - 1)?;
    if parser.peek() == Token::End {
        Ok(condition)
    } else {
        Err(parser.unexpected("the condition could end here, or go on with an operator"))
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Lexeme],
    at: usize,
    roles: Vec<Role>,
    /// Added to an index into `roles` to get a token's index.
    roles_from: usize,
    /// The token from which on no pairing of parentheses is possible.
    hopeless_at: usize,
    nesting: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, tokens: &'a [Lexeme]) -> Self {
        Self {
            text,
            tokens,
            at: 0,
            roles: Vec::new(),
            roles_from: 0,
            hopeless_at: usize::MAX,
            nesting: 0,
        }
    }

    /// One `/item` or more.
    fn source(&mut self) -> Result<(String, Range<usize>), Finding> {
        const HELP: &str = "a source is a path like `/messages/modules/NAME/outputs/*`";
        let start = self.span().start;
        let mut source = String::new();
        loop {
            self.expect(Token::Slash, HELP)?;
            let item = match self.peek() {
                Token::Star | Token::Name => self.advance(),
                Token::End | Token::Where | Token::Into | Token::Slash => {
                    return Err(self.unexpected(HELP));
                }
                _ => {
                    return Err(self.unexpected(
                        "edgeHub's grammar has no quoting here: a name that reads as a number or a keyword, or has other \
                         characters than names have, cannot be a source; use `*`, or rename it",
                    ));
                }
            };
            source.push('/');
            source.push_str(&self.text[item.clone()]);
            if self.peek() != Token::Slash {
                return Ok((source, start..item.end));
            }
        }
    }

    fn sink(&mut self) -> Result<SinkSyntax, Finding> {
        const HELP: &str =
            "a sink is `$upstream` or `BrokeredEndpoint(\"/modules/NAME/inputs/INPUT\")`";
        match self.peek() {
            Token::System => Ok(SinkSyntax::System {
                name: self.advance(),
            }),
            Token::Name => {
                let name = self.advance();
                self.expect(Token::OpenParen, HELP)?;
                let address = self.expect(Token::String, HELP)?;
                self.expect(Token::CloseParen, HELP)?;
                Ok(SinkSyntax::Function {
                    name,
                    address: address.start + 1..address.end - 1,
                })
            }
            _ => Err(self.unexpected(HELP)),
        }
    }

    fn peek(&self) -> Token {
        self.peek_after(0)
    }

    fn peek_after(&self, distance: usize) -> Token {
        self.tokens
            .get(self.at + distance)
            .map_or(Token::End, |lexeme| lexeme.token)
    }

    fn span(&self) -> Range<usize> {
        self.tokens[self.at].span.clone()
    }

    /// Steps over a token. The last one stays.
    fn advance(&mut self) -> Range<usize> {
        let span = self.span();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        span
    }

    fn role(&self) -> Role {
        self.roles
            .get(self.at - self.roles_from)
            .copied()
            .unwrap_or(Role::Plain)
    }

    fn expect(&mut self, token: Token, help: &str) -> Result<Range<usize>, Finding> {
        if self.peek() != token {
            return Err(self.unexpected(help));
        }
        self.check_hope()?;
        Ok(self.advance())
    }

    fn check_hope(&self) -> Result<(), Finding> {
        if self.at < self.hopeless_at {
            Ok(())
        } else {
            Err(self.unexpected("the parentheses before this place do not fit together"))
        }
    }

    fn index_of(&self, token: Token) -> usize {
        let rest = &self.tokens[self.at..self.tokens.len() - 1];
        self.at
            + rest
                .iter()
                .position(|lexeme| lexeme.token == token)
                .unwrap_or(rest.len())
    }

    fn unexpected(&self, help: &str) -> Finding {
        let span = self.span();
        let help = self.better_help().unwrap_or(help);
        let message = match self.peek() {
            Token::End => "Syntax error: the text ends too early".to_owned(),
            _ => format!("Syntax error: unexpected '{}'", &self.text[span.clone()]),
        };
        Finding::new(span, message).help(help)
    }

    /// What the writer probably meant, where a habit from another language gives it away.
    fn better_help(&self) -> Option<&'static str> {
        let span = self.span();
        let word = &self.text[span];
        let before = self.at.checked_sub(1).map(|at| self.tokens[at].token);
        match (word, before) {
            ("=", Some(Token::Equal)) => Some("equality is one `=`"),
            ("&&" | "&", _) => Some("write AND"),
            ("|", _) => Some("write OR; `||` joins strings"),
            ("!", _) => Some("write NOT"),
            ("==", _) => Some("equality is one `=`"),
            _ if matches!(self.peek(), Token::Integer | Token::Real) && word.starts_with('-') => {
                Some("put a space after the minus sign, or it belongs to the number")
            }
            _ => None,
        }
    }
}

/// What is skipped between two tokens and starts with a comment, no white space before it.
fn swallowed(text: &str, tokens: &[Lexeme]) -> Vec<Range<usize>> {
    tokens
        .windows(2)
        .map(|pair| pair[0].span.end..pair[1].span.start)
        .filter(|gap| text[gap.clone()].starts_with("/*"))
        .map(|gap| gap.start..gap.start + text[gap].trim_end().len())
        .collect()
}
