//! Types: what edgeHub compiles, and what it refuses to.
//!
//! Every expression has a type before any message is seen. Application and system properties are strings, a body path
//! is a value of unknown type, and an operator refuses operands of the wrong types. The checker reports what edgeHub
//! reports, in its order, follow-up errors included: a refused expression is `undefined`, and what is built on it may be
//! refused for that.

mod operator;

use std::ops::Range;

use super::Finding;
use super::body::BodyPath;
use super::function::{self, Kind, TWIN_CHANGE_INCLUDES};
use super::lint;
use super::syntax::{Call, Expr, ExprKind, Mistake, UnaryOp};
use super::tree::{Node, NodeKind};
use super::value::{Type, Value};

/// A condition that compiles, and what a reader may have meant differently.
pub(super) struct Checked {
    pub(super) root: Node,
    pub(super) warnings: Vec<Finding>,
}

/// What a condition may look at beside the message itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Whether the route takes twin change notifications only: no other has `twin_change_includes`.
    about_twins: bool,
    /// Whether it is a route of the hub itself, which knows its senders' twins.
    of_hub: bool,
}

impl Rules {
    pub(super) fn of_edge(about_twins: bool) -> Self {
        Self {
            about_twins,
            of_hub: false,
        }
    }

    pub(super) fn of_hub(about_twins: bool) -> Self {
        Self {
            about_twins,
            of_hub: true,
        }
    }
}

/// Gives every expression its type.
pub(super) fn check(text: &str, condition: &Expr, rules: Rules) -> Result<Checked, Vec<Finding>> {
    let mut checker = Checker {
        text,
        rules,
        errors: Vec::new(),
        warnings: Vec::new(),
    };
    let root = checker.node(condition);
    if !checker.errors.is_empty() {
        return Err(checker.errors);
    }
    checker.warnings.extend(lint::never_true(&root));
    Ok(Checked {
        root,
        warnings: checker.warnings,
    })
}

struct Checker<'a> {
    text: &'a str,
    rules: Rules,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Checker<'_> {
    fn node(&mut self, expr: &Expr) -> Node {
        let span = expr.span.clone();
        match &expr.kind {
            ExprKind::Bool(value) => Node::literal(Value::Bool(*value), Type::Bool, span),
            ExprKind::Number(value) => Node::literal(Value::number(*value), Type::Number, span),
            ExprKind::String(value) => {
                Node::literal(Value::string(value.clone()), Type::String, span)
            }
            ExprKind::Null => Node::literal(Value::Null, Type::Null, span),
            ExprKind::Undefined => Node::undefined(span),
            ExprKind::Property(name) => {
                self.warnings.extend(lint::odd_name(name, &span));
                Node::new(NodeKind::Property(name.clone()), Type::String, span)
            }
            ExprKind::System(name) => self.system(name, &span),
            ExprKind::Escaped(name) => self.escaped(name, &span),
            ExprKind::Call(call) => self.call(call, span),
            ExprKind::Unary(UnaryOp::Negate, op, operand) => self.negate(op, operand, span),
            ExprKind::Unary(UnaryOp::Not, op, operand) => self.not(op, operand, span),
            ExprKind::Binary(op, op_span, left, right) => {
                let left = self.node(left);
                let right = self.node(right);
                self.binary(*op, op_span, left, right, span)
            }
            ExprKind::Mistake(mistake, at) => self.mistake(*mistake, at, span),
        }
    }

    /// `$name`: an application property of that very name goes before the body path or system property. In the hub's own
    /// routes it is the other way round.
    fn system(&mut self, name: &str, span: &Range<usize>) -> Node {
        let hidden = self.escaped(name, span);
        if self.rules.of_hub {
            return match hidden.kind {
                NodeKind::System(_) => {
                    let kind = NodeKind::SystemOr(name.to_owned());
                    Node::new(kind, Type::String, span.clone())
                }
                _ => hidden,
            };
        }
        // A name with brackets cannot be a property's.
        if has_brackets(name) {
            return hidden;
        }
        // A bad path has been reported; whatever is built on it sees a property, which is a string.
        let ty = if hidden.ty == Type::Undefined {
            Type::String
        } else {
            hidden.ty
        };
        let kind = NodeKind::PropertyOr(name.to_owned(), Box::new(hidden));
        Node::new(kind, ty, span.clone())
    }

    /// `{$name}`: a body path or a system property.
    fn escaped(&mut self, name: &str, span: &Range<usize>) -> Node {
        if let Some(path) = without_prefix(name, "$body.") {
            return self.body_path(name, path, span);
        }
        if let Some(path) = without_prefix(name, "$twin.").filter(|_| self.rules.of_hub) {
            return self.twin_path(name, path, span);
        }
        if has_brackets(name) {
            return Node::undefined(span.clone());
        }
        self.warnings
            .extend(lint::unknown_system_property(name, span));
        Node::new(
            NodeKind::System(name[1..].to_owned()),
            Type::String,
            span.clone(),
        )
    }

    fn body_path(&mut self, name: &str, path: &str, span: &Range<usize>) -> Node {
        match BodyPath::parse(path) {
            Ok(path) => Node::new(NodeKind::Body(path), Type::Value, span.clone()),
            Err(reason) => {
                let message = format!(
                    "Invalid arguments to built-in function '{name}': {name}(string). Error: Error in $body query"
                );
                self.errors
                    .push(Finding::new(span.clone(), message).help(reason));
                Node::undefined(span.clone())
            }
        }
    }

    fn twin_path(&mut self, name: &str, path: &str, span: &Range<usize>) -> Node {
        const SECTIONS: [&str; 3] = ["tags.", "properties.desired.", "properties.reported."];
        let in_section = SECTIONS
            .iter()
            .any(|section| without_prefix(path, section).is_some());
        let parsed = BodyPath::parse(path);
        let reason = match parsed {
            Ok(path) if in_section => {
                let kind = NodeKind::Twin(path.in_any_case());
                return Node::new(kind, Type::Value, span.clone());
            }
            Ok(_) => {
                "the path starts with `$twin.tags.`, `$twin.properties.desired.` or `$twin.properties.reported.`"
            }
            Err(reason) => reason,
        };
        let message = format!(
            "Invalid arguments to built-in function '{name}': {name}(string). Error: Error in $twin query"
        );
        self.errors
            .push(Finding::new(span.clone(), message).help(reason));
        Node::undefined(span.clone())
    }

    fn call(&mut self, call: &Call, span: Range<usize>) -> Node {
        if call.name.eq_ignore_ascii_case(TWIN_CHANGE_INCLUDES) && self.rules.about_twins {
            return self.twin_change_includes(call, span);
        }
        let Some(function) = function::find(&call.name) else {
            let message = format!("Invalid built-in function '{}'", call.name);
            let help = lint::function_help(&call.name);
            self.errors
                .push(Finding::new(call.name_span.clone(), message).help(help));
            return Node::undefined(span);
        };
        let arguments: Vec<Node> = call
            .arguments
            .iter()
            .map(|argument| self.node(argument))
            .collect();
        let types: Vec<Type> = arguments.iter().map(|argument| argument.ty).collect();
        let ty = match function.kind {
            Kind::Overloads(overloads, ty, _) => overloads
                .iter()
                .any(|wanted| fits(wanted, &types))
                .then_some(ty),
            Kind::Strings(_) => {
                let all = types
                    .iter()
                    .all(|ty| matches!(ty, Type::String | Type::Value));
                (types.len() >= 2 && all).then_some(Type::String)
            }
            Kind::Test(_) => (types.len() == 1).then_some(Type::Bool),
        };
        let Some(ty) = ty else {
            self.argument_error(call, &types, function.usage);
            return Node::undefined(span);
        };
        if function.name == "is_null" && types == [Type::Value] {
            self.warnings.push(lint::inverted_is_null(&call.name_span));
        }
        Node::new(NodeKind::Call(function, arguments), ty, span)
    }

    fn argument_error(&mut self, call: &Call, types: &[Type], usage: &str) {
        let names: Vec<&str> = types.iter().map(|ty| ty.name()).collect();
        let name = &call.name;
        let message = format!(
            "Invalid arguments to built-in function '{name}': {name}({})",
            names.join(", ")
        );
        let help = format!("it takes {usage}");
        self.errors
            .push(Finding::new(call.name_span.clone(), message).help(help));
    }

    fn twin_change_includes(&mut self, call: &Call, span: Range<usize>) -> Node {
        const PREFIXES: [&str; 3] = ["properties.reported.", "properties.desired.", "tags."];
        let starts_well = PREFIXES
            .iter()
            .any(|prefix| without_prefix(&call.text, prefix).is_some());
        let path = match BodyPath::parse(&call.text) {
            Ok(path) if starts_well => path,
            Ok(_) => {
                self.twin_error(
                    call,
                    "the path starts with `properties.reported.`, `properties.desired.` or `tags.`",
                );
                return Node::undefined(span);
            }
            Err(reason) => {
                self.twin_error(call, reason);
                return Node::undefined(span);
            }
        };
        self.warnings
            .push(lint::twin_function_refused(&call.name_span));
        Node::new(NodeKind::TwinChangeIncludes(path), Type::Bool, span)
    }

    fn twin_error(&mut self, call: &Call, help: &str) {
        let name = &call.name;
        let message = format!("Invalid arguments to built-in function '{name}': {name}(string)");
        self.errors
            .push(Finding::new(call.name_span.clone(), message).help(help));
    }

    fn mistake(&mut self, mistake: Mistake, at: &Range<usize>, span: Range<usize>) -> Node {
        let (message, help) = match mistake {
            Mistake::Symbol => {
                let message = format!("Syntax error: invalid symbol '{}'", &self.text[at.clone()]);
                (message, "no operator or name has this character")
            }
            Mistake::ClosedTwice => (
                "Syntax error: unmatched closing ')'".to_owned(),
                "take it out",
            ),
            Mistake::NeverClosed => (
                "Syntax error: missing closing ')'".to_owned(),
                "close what opens here",
            ),
            Mistake::Unterminated => (
                "Syntax error: unterminated string".to_owned(),
                r#"end it with the same quote; inside, write \' \" \\ or \uXXXX"#,
            ),
        };
        self.errors
            .push(Finding::new(at.clone(), message).help(help));
        match mistake {
            Mistake::Unterminated => Node::literal(Value::string(""), Type::String, span),
            _ => Node::undefined(span),
        }
    }
}

/// What follows a prefix that is there in whatever case.
fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start
        .eq_ignore_ascii_case(prefix)
        .then(|| &text[prefix.len()..])
}

fn has_brackets(name: &str) -> bool {
    name.contains(['[', ']'])
}

/// Whether the types are the wanted ones, a body value standing for any.
fn fits(wanted: &[Type], given: &[Type]) -> bool {
    wanted.len() == given.len()
        && wanted
            .iter()
            .zip(given)
            .all(|(wanted, given)| wanted == given || *given == Type::Value)
}
