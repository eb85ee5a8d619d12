//! Which operands an operator takes.

use std::ops::Range;

use super::super::Finding;
use super::super::syntax::{BinaryOp, Expr};
use super::super::tree::{Node, NodeKind};
use super::super::value::Type;
use super::Checker;

impl Checker<'_> {
    pub(super) fn negate(&mut self, op: &Range<usize>, operand: &Expr, span: Range<usize>) -> Node {
        let operand = self.node(operand);
        match operand.ty {
            Type::Number => Node::new(NodeKind::Negate(Box::new(operand)), Type::Number, span),
            Type::Value => {
                self.not_for_body_values(op, "write `0 - …` instead");
                Node::undefined(span)
            }
            given => {
                self.operand_error(op, &[Type::Number], &[given], "");
                Node::undefined(span)
            }
        }
    }

    pub(super) fn not(&mut self, op: &Range<usize>, operand: &Expr, span: Range<usize>) -> Node {
        let operand = self.node(operand);
        match operand.ty {
            Type::Bool | Type::Null | Type::Value => {
                Node::new(NodeKind::Not(Box::new(operand)), Type::Bool, span)
            }
            given => {
                let help = "NOT binds tighter than a comparison: write `NOT (a = b)`";
                self.operand_error(op, &[Type::Bool], &[given], help);
                Node::undefined(span)
            }
        }
    }

    pub(super) fn binary(
        &mut self,
        op: BinaryOp,
        at: &Range<usize>,
        left: Node,
        right: Node,
        span: Range<usize>,
    ) -> Node {
        let types = (left.ty, right.ty);
        let checked = match op {
            BinaryOp::Modulo if types_fit(types, Type::Number) && is_body(types) => {
                self.not_for_body_values(at, "write `as_number(…) % …` instead");
                return Node::undefined(span);
            }
            BinaryOp::Multiply
            | BinaryOp::Divide
            | BinaryOp::Modulo
            | BinaryOp::Add
            | BinaryOp::Subtract => {
                let ty = if is_body(types) {
                    Type::Value
                } else {
                    Type::Number
                };
                types_fit(types, Type::Number)
                    .then_some(ty)
                    .ok_or(Type::Number)
            }
            BinaryOp::Concat => types_fit(types, Type::String)
                .then_some(Type::String)
                .ok_or(Type::String),
            BinaryOp::And | BinaryOp::Or => return self.logic(op, at, left, right, span),
            BinaryOp::Coalesce => {
                let ty = if is_body(types) { Type::Value } else { left.ty };
                types_fit(types, left.ty).then_some(ty).ok_or(left.ty)
            }
            _ => types_fit(types, left.ty)
                .then_some(Type::Bool)
                .ok_or(left.ty),
        };
        match checked {
            Ok(ty) => Node::new(
                NodeKind::Binary(op, is_body(types), Box::new(left), Box::new(right)),
                ty,
                span,
            ),
            Err(wanted) => {
                let help = self.mismatch_help(op, &left, &right);
                self.operand_error(at, &[wanted, wanted], &[types.0, types.1], &help);
                Node::undefined(span)
            }
        }
    }

    /// A body value on the right is taken only when there is one on the left, where anything may then stand on the
    /// right. That is a slip in edgeHub, and routes that compile there must compile here.
    fn logic(
        &mut self,
        op: BinaryOp,
        at: &Range<usize>,
        left: Node,
        right: Node,
        span: Range<usize>,
    ) -> Node {
        let is_logical = |ty| matches!(ty, Type::Bool | Type::Null | Type::Undefined);
        let left_fits = is_logical(left.ty) || left.ty == Type::Value;
        let right_fits = is_logical(right.ty) || left.ty == Type::Value;
        if !left_fits || !right_fits {
            let help = match (left_fits, right.ty) {
                (true, Type::Value) => "edgeHub takes a body value here only as `… = true`",
                _ => "compare it first: `name = 'value'`",
            };
            self.operand_error(at, &[Type::Bool, Type::Bool], &[left.ty, right.ty], help);
            return Node::undefined(span);
        }
        let body = left.ty == Type::Value;
        let nulls = [left.ty, right.ty]
            .iter()
            .filter(|ty| **ty == Type::Null)
            .count();
        let undefined = left.ty == Type::Undefined || right.ty == Type::Undefined;
        let null_result = if op == BinaryOp::And {
            nulls > 0
        } else {
            nulls == 2
        };
        if (body && null_result) || (nulls == 1 && undefined && !body) {
            let message = format!(
                "edgeHub cannot compile '{}' for these operands",
                &self.text[at.clone()]
            );
            self.errors
                .push(Finding::new(at.clone(), message).help("leave the `null` out"));
            return Node::undefined(span);
        }
        let ty = if null_result { Type::Null } else { Type::Bool };
        Node::new(
            NodeKind::Binary(op, body, Box::new(left), Box::new(right)),
            ty,
            span,
        )
    }

    fn operand_error(&mut self, at: &Range<usize>, wanted: &[Type], given: &[Type], help: &str) {
        let arity = if wanted.len() == 1 { "unary" } else { "binary" };
        let message = format!(
            "Invalid operands to {arity} operator '{}': have {}, expected {}",
            &self.text[at.clone()],
            quoted(given),
            quoted(wanted)
        );
        self.errors
            .push(Finding::new(at.clone(), message).help(help));
    }

    fn not_for_body_values(&mut self, at: &Range<usize>, help: &str) {
        let message = format!(
            "edgeHub cannot compile '{}' for a body value",
            &self.text[at.clone()]
        );
        self.errors
            .push(Finding::new(at.clone(), message).help(help));
    }

    /// What to write instead, for the mismatches people run into.
    fn mismatch_help(&self, op: BinaryOp, left: &Node, right: &Node) -> String {
        let property = |node: &Node| match &node.kind {
            NodeKind::Property(name) | NodeKind::PropertyOr(name, _) => Some(name.clone()),
            NodeKind::System(_) => Some(self.text[node.span.clone()].to_owned()),
            _ => None,
        };
        match (left.ty, right.ty) {
            (Type::Undefined, _) | (_, Type::Undefined) => String::new(),
            (Type::String, Type::String) if op == BinaryOp::Add => "strings are joined by `||`".to_owned(),
            (Type::String, Type::Number) | (Type::Number, Type::String) => {
                let string = if left.ty == Type::String { left } else { right };
                match property(string) {
                    Some(name) => format!("a property is a string: write `as_number({name})`, or put the number in quotes"),
                    None => "compare number with number, or string with string".to_owned(),
                }
            }
            (Type::String, Type::Bool) | (Type::Bool, Type::String) => {
                "a property is a string: put the value in quotes, `'true'`; or put parentheses where they are meant"
                    .to_owned()
            }
            (Type::Null, _) | (_, Type::Null) => "ask `is_defined(…)` instead".to_owned(),
            _ => "both sides are of one type".to_owned(),
        }
    }
}

fn types_fit((left, right): (Type, Type), wanted: Type) -> bool {
    let one = |given| {
        given == wanted
            || (given == Type::Value && wanted != Type::Undefined)
            || (wanted == Type::Value && given != Type::Undefined)
    };
    one(left) && one(right)
}

fn is_body((left, right): (Type, Type)) -> bool {
    left == Type::Value || right == Type::Value
}

fn quoted(types: &[Type]) -> String {
    let names: Vec<String> = types.iter().map(|ty| format!("'{}'", ty.name())).collect();
    names.join(" and ")
}
