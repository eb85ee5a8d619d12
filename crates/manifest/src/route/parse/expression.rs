//! Expressions, by climbing precedence.

use std::ops::Range;

use super::super::Finding;
use super::super::bracket::{self, Role};
use super::super::syntax::{BinaryOp, Call, Expr, ExprKind, Mistake, UnaryOp, unescape};
use super::super::token::Token;
use super::Parser;

/// Deeper nesting, and longer chains of operators, are refused: edgeHub would exhaust its stack, and so would we. A twin
/// cannot hold a condition that long.
const MAX_NESTING: usize = 200;
const MAX_HEIGHT: usize = 600;

impl Parser<'_> {
    /// An expression that ends before the token with index `end`.
    pub(super) fn condition(&mut self, end: usize) -> Result<Expr, Finding> {
        self.roles_from = self.at;
        match bracket::pair(&self.tokens[self.at..end]) {
            Ok(roles) => self.roles = roles,
            Err(stuck) => {
                self.roles = stuck.roles;
                self.hopeless_at = self.at + stuck.at;
            }
        }
        let condition = self.expression(0);
        self.hopeless_at = usize::MAX;
        condition
    }

    /// Operands joined by operators that bind at least as tightly as `at_least`.
    fn expression(&mut self, at_least: u8) -> Result<Expr, Finding> {
        let mut left = self.operand()?;
        loop {
            if self.peek() == Token::Unknown && at_least == 0 {
                let symbol = self.advance();
                let right = self.expression(1)?;
                let span = left.span.start..right.span.end;
                left = self.leaf(ExprKind::Mistake(Mistake::Symbol, symbol), span);
                continue;
            }
            let op = match binary_op(self.peek()) {
                Some(op) if op.precedence() >= at_least => op,
                _ => return Ok(left),
            };
            let op_span = self.advance();
            let right = self.expression(op.precedence() + 1)?;
            let span = left.span.start..right.span.end;
            let height = left.height.max(right.height) + 1;
            if height > MAX_HEIGHT {
                return Err(too_deep(op_span));
            }
            left = Expr {
                kind: ExprKind::Binary(op, op_span, Box::new(left), Box::new(right)),
                span,
                height,
            };
        }
    }

    fn operand(&mut self) -> Result<Expr, Finding> {
        if self.nesting >= MAX_NESTING {
            return Err(too_deep(self.span()));
        }
        self.nesting += 1;
        let operand = self.operand_inside();
        self.nesting -= 1;
        operand
    }

    fn operand_inside(&mut self) -> Result<Expr, Finding> {
        let span = self.span();
        let word = &self.text[span.clone()];
        let kind = match self.peek() {
            Token::OpenParen => return self.group(),
            Token::Minus => return self.unary(UnaryOp::Negate),
            Token::Not => return self.unary(UnaryOp::Not),
            Token::Unknown => return self.unknown_symbol(),
            Token::OpenBrace => return self.escaped(),
            Token::Name if self.peek_after(1) == Token::OpenParen => return self.call(),
            Token::Name => ExprKind::Property(word.to_owned()),
            Token::System => ExprKind::System(word.to_owned()),
            Token::True => ExprKind::Bool(true),
            Token::False => ExprKind::Bool(false),
            Token::Null => ExprKind::Null,
            Token::Undefined => ExprKind::Undefined,
            Token::Integer | Token::Real => {
                word.parse().map_or(ExprKind::Undefined, ExprKind::Number)
            }
            Token::Hex => hex(word).map_or(ExprKind::Undefined, ExprKind::Number),
            Token::String => ExprKind::String(unescape(&word[1..word.len() - 1])),
            Token::UnterminatedString => ExprKind::Mistake(Mistake::Unterminated, span.clone()),
            _ => return Err(self.unexpected(self.operand_help())),
        };
        self.check_hope()?;
        self.advance();
        Ok(self.leaf(kind, span))
    }

    fn group(&mut self) -> Result<Expr, Finding> {
        self.check_hope()?;
        let role = self.role();
        let opener = self.advance();
        let inner = self.expression(0)?;
        if role == Role::Open {
            let span = opener.start..inner.span.end;
            return Ok(self.leaf(ExprKind::Mistake(Mistake::NeverClosed, opener), span));
        }
        self.expect(
            Token::CloseParen,
            "`)`, or an operator and a further operand, follows",
        )?;
        Ok(self.closed_twice(role, opener.start).unwrap_or(inner))
    }

    fn call(&mut self) -> Result<Expr, Finding> {
        self.check_hope()?;
        let name_span = self.advance();
        let role = self.role();
        self.advance();
        let first = self.at;
        let mut arguments = Vec::new();
        if self.peek() != Token::CloseParen {
            arguments.push(self.expression(0)?);
            while self.peek() == Token::Comma {
                self.advance();
                arguments.push(self.expression(0)?);
            }
        }
        let written = self.tokens[first..self.at].iter();
        let text = written
            .map(|lexeme| &self.text[lexeme.span.clone()])
            .collect();
        let closing = self.expect(
            Token::CloseParen,
            "`,` and a further argument, or `)`, follows",
        )?;
        if let Some(mistake) = self.closed_twice(role, name_span.start) {
            return Ok(mistake);
        }
        let height = arguments
            .iter()
            .map(|argument| argument.height)
            .max()
            .unwrap_or(0)
            + 1;
        Ok(Expr {
            span: name_span.start..closing.end,
            kind: ExprKind::Call(Call {
                name: self.text[name_span.clone()].to_owned(),
                name_span,
                arguments,
                text,
            }),
            height,
        })
    }

    fn closed_twice(&mut self, role: Role, start: usize) -> Option<Expr> {
        if role != Role::ClosedTwice {
            return None;
        }
        let extra = self.advance();
        let span = start..extra.end;
        Some(self.leaf(ExprKind::Mistake(Mistake::ClosedTwice, extra), span))
    }

    fn unary(&mut self, op: UnaryOp) -> Result<Expr, Finding> {
        self.check_hope()?;
        let op_span = self.advance();
        let operand = self.operand()?;
        Ok(Expr {
            span: op_span.start..operand.span.end,
            height: operand.height + 1,
            kind: ExprKind::Unary(op, op_span, Box::new(operand)),
        })
    }

    fn escaped(&mut self) -> Result<Expr, Finding> {
        const HELP: &str = "braces hold one system property: `{$contentType}`";
        self.check_hope()?;
        let start = self.advance().start;
        let name = self.expect(Token::System, HELP)?;
        let end = self.expect(Token::CloseBrace, HELP)?.end;
        let name = self.text[name].to_owned();
        Ok(self.leaf(ExprKind::Escaped(name), start..end))
    }

    /// A character that means nothing stands where an operand should: alone, or before an operand.
    fn unknown_symbol(&mut self) -> Result<Expr, Finding> {
        self.check_hope()?;
        let symbol = self.advance();
        let before_operand = match self.peek() {
            Token::Minus => false,
            Token::Unknown => !starts_operand(self.peek_after(1)),
            token => starts_operand(token),
        };
        let mut span = symbol.clone();
        if before_operand {
            span.end = self.expression(1).map(|operand| operand.span.end)?;
        }
        Ok(self.leaf(ExprKind::Mistake(Mistake::Symbol, symbol), span))
    }

    pub(super) fn leaf(&self, kind: ExprKind, span: Range<usize>) -> Expr {
        Expr {
            kind,
            span,
            height: 1,
        }
    }

    fn operand_help(&self) -> &'static str {
        match self.peek() {
            Token::Path => "brackets belong into a body path: `$body.name[0]`",
            Token::Select | Token::From | Token::Where | Token::Into | Token::And | Token::Or => {
                "a value is missing before this keyword; a property named like a keyword cannot be read"
            }
            _ => {
                "a value belongs here: a property, `$body.path`, `$systemProperty`, a literal or a call"
            }
        }
    }
}

fn binary_op(token: Token) -> Option<BinaryOp> {
    Some(match token {
        Token::Star => BinaryOp::Multiply,
        Token::Slash => BinaryOp::Divide,
        Token::Percent => BinaryOp::Modulo,
        Token::Plus => BinaryOp::Add,
        Token::Minus => BinaryOp::Subtract,
        Token::Concat => BinaryOp::Concat,
        Token::Less => BinaryOp::Less,
        Token::LessEqual => BinaryOp::LessEqual,
        Token::Greater => BinaryOp::Greater,
        Token::GreaterEqual => BinaryOp::GreaterEqual,
        Token::Equal => BinaryOp::Equal,
        Token::NotEqual => BinaryOp::NotEqual,
        Token::And => BinaryOp::And,
        Token::Or => BinaryOp::Or,
        Token::Coalesce => BinaryOp::Coalesce,
        _ => return None,
    })
}

fn starts_operand(token: Token) -> bool {
    matches!(
        token,
        Token::OpenParen
            | Token::OpenBrace
            | Token::Minus
            | Token::Not
            | Token::Unknown
            | Token::Name
            | Token::System
            | Token::True
            | Token::False
            | Token::Null
            | Token::Undefined
            | Token::Integer
            | Token::Real
            | Token::Hex
            | Token::String
            | Token::UnterminatedString
    )
}

/// Hexadecimal digits are a signed 64-bit number to edgeHub, so sixteen Fs are -1.
fn hex(word: &str) -> Option<f64> {
    let digits = word[2..].trim_start_matches('0');
    let value = if digits.is_empty() {
        0
    } else {
        u64::from_str_radix(digits, 16).ok()?
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "a literal becomes the nearest double, as it does in edgeHub"
    )]
    Some(value.cast_signed() as f64)
}

fn too_deep(span: Range<usize>) -> Finding {
    Finding::new(span, "the condition is too long or too deeply nested")
        .help("split the route in two")
}
