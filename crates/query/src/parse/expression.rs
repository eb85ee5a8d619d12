//! Expressions, by climbing precedence.

use std::ops::Range;

use super::Parser;
use crate::advice;
use crate::aggregate::Aggregate;
use crate::error::Mistake;
use crate::expression::{Expression, List, Operator};
use crate::function;
use crate::token::{Token, unescape};

/// Deeper nesting, and longer chains of operators, are refused: evaluation goes as deep as the tree.
const MAX_NESTING: usize = 100;
const MAX_HEIGHT: usize = 300;

/// How tightly operators bind. NOT binds less than a comparison, so that `NOT status = 'disabled'` is what it reads as;
/// in edgeHub's routes it is the other way round.
const OR: u8 = 1;
const AND: u8 = 2;
const COMPARISON: u8 = 4;
const SUM: u8 = 5;
const PRODUCT: u8 = 6;

/// An expression, and how deep the tree is.
struct Tree {
    root: Expression,
    height: usize,
}

enum Infix {
    Or,
    And,
    In,
    NotIn,
    Binary(Operator),
}

impl Parser<'_> {
    /// A whole condition.
    pub(super) fn condition(&mut self) -> Result<Expression, Mistake> {
        self.expression(0).map(|tree| tree.root)
    }

    /// Operands joined by operators that bind at least as tightly as `at_least`.
    fn expression(&mut self, at_least: u8) -> Result<Tree, Mistake> {
        let mut left = self.operand()?;
        while let Some((infix, level)) = self.infix().filter(|(_, level)| *level >= at_least) {
            let place = self.advance();
            left = match infix {
                Infix::Or | Infix::And => {
                    let right = self.expression(level + 1)?;
                    joined(left, right, matches!(infix, Infix::And))
                }
                Infix::In | Infix::NotIn => self.membership(left, matches!(infix, Infix::NotIn))?,
                Infix::Binary(operator) => {
                    let right = self.expression(level + 1)?;
                    let height = left.height.max(right.height) + 1;
                    let (left, right) = (Box::new(left.root), Box::new(right.root));
                    let root = Expression::Binary(operator, left, right);
                    Tree { root, height }
                }
            };
            if left.height > MAX_HEIGHT {
                return Err(too_deep(place));
            }
        }
        Ok(left)
    }

    fn infix(&self) -> Option<(Infix, u8)> {
        let operator = match self.peek() {
            Token::Word if self.is_keyword("OR") => return Some((Infix::Or, OR)),
            Token::Word if self.is_keyword("AND") => return Some((Infix::And, AND)),
            Token::Word if self.is_keyword("IN") => return Some((Infix::In, COMPARISON)),
            Token::Word if self.is_keyword("NIN") => return Some((Infix::NotIn, COMPARISON)),
            Token::Star => Operator::Multiply,
            Token::Slash => Operator::Divide,
            Token::Percent => Operator::Modulo,
            Token::Plus => Operator::Add,
            Token::Minus => Operator::Subtract,
            Token::Less => Operator::Less,
            Token::LessEqual => Operator::LessEqual,
            Token::Greater => Operator::Greater,
            Token::GreaterEqual => Operator::GreaterEqual,
            Token::Equal => Operator::Equal,
            Token::NotEqual => Operator::NotEqual,
            _ => return None,
        };
        let level = match operator {
            Operator::Multiply | Operator::Divide | Operator::Modulo => PRODUCT,
            Operator::Add | Operator::Subtract => SUM,
            _ => COMPARISON,
        };
        Some((Infix::Binary(operator), level))
    }

    fn operand(&mut self) -> Result<Tree, Mistake> {
        if self.nesting >= MAX_NESTING {
            return Err(too_deep(self.span()));
        }
        self.nesting += 1;
        let operand = self.operand_inside();
        self.nesting -= 1;
        operand
    }

    fn operand_inside(&mut self) -> Result<Tree, Mistake> {
        let word = self.word();
        match self.peek() {
            Token::OpenParen => {
                self.advance();
                let inner = self.expression(0)?;
                self.expect(
                    Token::CloseParen,
                    "`)`, or an operator and a further operand, follows",
                )?;
                Ok(inner)
            }
            Token::Minus => {
                self.advance();
                let Tree { root, height } = self.operand()?;
                let root = match root {
                    Expression::Number(number) => Expression::Number(-number),
                    root => Expression::Negate(Box::new(root)),
                };
                let height = height + 1;
                Ok(Tree { root, height })
            }
            Token::Word if self.is_keyword("NOT") => {
                self.advance();
                let Tree { root, height } = self.expression(COMPARISON)?;
                let root = Expression::Not(Box::new(root));
                let height = height + 1;
                Ok(Tree { root, height })
            }
            Token::Word if self.peek_after(1) == Token::OpenParen && !self.is_reserved() => self.call(),
            Token::Word => match constant(word).filter(|_| self.peek_after(1) != Token::Dot) {
                Some(constant) => Ok(self.leaf(constant)),
                None => self.property(),
            },
            Token::Quoted => self.property(),
            Token::String => Ok(self.leaf(Expression::String(unescape(word)))),
            Token::Number => match number(word) {
                Some(number) => Ok(self.leaf(Expression::Number(number))),
                None => Err(self.unexpected("the number is too large")),
            },
            Token::OpenBracket => Err(self.unexpected(
                "a list stands behind IN or NIN only: `tags.site IN ['north', 'south']`",
            )),
            _ => Err(self.unexpected(
                "a value belongs here: a property, as `tags.site`; a text in quotes; a number; a function's call",
            )),
        }
    }

    fn property(&mut self) -> Result<Tree, Mistake> {
        let path = self.path(
            "a value belongs here; a field named like a keyword stands in double brackets: `[[from]]`",
        )?;
        let root = Expression::Path(path);
        Ok(Tree { root, height: 1 })
    }

    fn leaf(&mut self, root: Expression) -> Tree {
        self.advance();
        Tree { root, height: 1 }
    }

    fn call(&mut self) -> Result<Tree, Mistake> {
        let name = self.word();
        let place = self.advance();
        let Some(function) = function::find(name) else {
            let (message, help) = match Aggregate::find(name) {
                Some(_) => (
                    format!("`{name}` is not for conditions"),
                    "write it behind SELECT: it counts or adds up what fulfils the condition"
                        .to_owned(),
                ),
                None => (
                    format!("there is no function `{name}`"),
                    advice::on_function(name),
                ),
            };
            return Err(Mistake::new(place, message, help));
        };
        self.advance();
        let mut arguments = Vec::new();
        let mut height = 0;
        if self.peek() != Token::CloseParen {
            loop {
                let argument = self.expression(0)?;
                height = height.max(argument.height);
                arguments.push(argument.root);
                if !self.take(Token::Comma) {
                    break;
                }
            }
        }
        self.expect(
            Token::CloseParen,
            "`,` and a further argument, or `)`, follows",
        )?;
        if !function.takes(arguments.len()) {
            let message = format!("`{name}` does not take {} arguments", arguments.len());
            return Err(Mistake::new(
                place,
                message,
                format!("write `{}`", function.usage),
            ));
        }
        let root = Expression::Call(function, arguments);
        let height = height + 1;
        Ok(Tree { root, height })
    }

    /// What follows IN or NIN.
    fn membership(&mut self, item: Tree, negated: bool) -> Result<Tree, Mistake> {
        const HELP: &str = "a list in brackets follows: `['north', 'south']`";
        let mut height = item.height;
        let list = if self.take(Token::OpenBracket) {
            let mut items = Vec::new();
            if self.peek() != Token::CloseBracket {
                loop {
                    let item = self.expression(COMPARISON + 1)?;
                    height = height.max(item.height);
                    items.push(item.root);
                    if !self.take(Token::Comma) {
                        break;
                    }
                }
            }
            self.expect(
                Token::CloseBracket,
                "`,` and a further value, or `]`, follows",
            )?;
            List::Written(items)
        } else if matches!(self.peek(), Token::Word | Token::Quoted) {
            List::Found(self.path(HELP)?)
        } else {
            return Err(self.unexpected(HELP));
        };
        let found = Expression::In(Box::new(item.root), list);
        let root = if negated {
            Expression::Not(Box::new(found))
        } else {
            found
        };
        let height = height + 2;
        Ok(Tree { root, height })
    }
}

/// Two sides of AND or OR. A chain of them is one list, however long.
fn joined(left: Tree, right: Tree, all: bool) -> Tree {
    let height = left.height.max(right.height + 1);
    let grown = |mut list: Vec<Expression>, root| {
        list.push(root);
        list
    };
    let (root, height) = match left.root {
        Expression::All(list) if all => (Expression::All(grown(list, right.root)), height),
        Expression::Any(list) if !all => (Expression::Any(grown(list, right.root)), height),
        root if all => (Expression::All(vec![root, right.root]), height + 1),
        root => (Expression::Any(vec![root, right.root]), height + 1),
    };
    Tree { root, height }
}

fn constant(word: &str) -> Option<Expression> {
    let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
    Some(match word {
        _ if is("true") => Expression::Bool(true),
        _ if is("false") => Expression::Bool(false),
        _ if is("null") => Expression::Null,
        _ if is("undefined") => Expression::Undefined,
        _ => return None,
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a literal becomes the nearest double"
)]
pub(super) fn number(word: &str) -> Option<f64> {
    match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16)
            .ok()
            .map(|value| value as f64),
        None => word.parse().ok().filter(|number: &f64| number.is_finite()),
    }
}

fn too_deep(span: Range<usize>) -> Mistake {
    Mistake::new(
        span,
        "the condition is nested too deeply",
        "take parentheses out, or ask in two queries",
    )
}
