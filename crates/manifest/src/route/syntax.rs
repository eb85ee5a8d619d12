//! The syntax tree of a condition, and how it is written down again.

use std::fmt;
use std::ops::Range;

/// An expression and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Expr {
    pub(super) kind: ExprKind,
    pub(super) span: Range<usize>,
    /// How deep the tree below is, so that no input can exhaust the stack.
    pub(super) height: usize,
}

#[derive(Clone, Debug)]
pub(super) enum ExprKind {
    Bool(bool),
    Number(f64),
    String(String),
    Null,
    Undefined,
    /// An application property.
    Property(String),
    /// `$name`, with its dollar sign: an application property of that name, a body path, or a system property.
    System(String),
    /// `{$name}`, with its dollar sign: a body path or a system property.
    Escaped(String),
    Call(Call),
    Unary(UnaryOp, Range<usize>, Box<Expr>),
    Binary(BinaryOp, Range<usize>, Box<Expr>, Box<Expr>),
    /// What edgeHub's grammar takes only in order to name the mistake.
    Mistake(Mistake, Range<usize>),
}

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) name_span: Range<usize>,
    pub(super) arguments: Vec<Expr>,
    /// The arguments as written, white space and comments left out.
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    Symbol,
    ClosedTwice,
    NeverClosed,
    Unterminated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnaryOp {
    Negate,
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BinaryOp {
    Multiply,
    Divide,
    Modulo,
    Add,
    Subtract,
    Concat,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    And,
    Or,
    Coalesce,
}

impl BinaryOp {
    /// How tightly it binds. All of them associate to the left; [`UnaryOp`]s bind tighter than any.
    pub(super) fn precedence(self) -> u8 {
        match self {
            Self::Multiply | Self::Divide | Self::Modulo => 7,
            Self::Add | Self::Subtract | Self::Concat => 6,
            Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual => 5,
            Self::Equal | Self::NotEqual => 4,
            Self::And => 3,
            Self::Or => 2,
            Self::Coalesce => 1,
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Concat => "||",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::And => "AND",
            Self::Or => "OR",
            Self::Coalesce => "??",
        }
    }
}

/// Two expressions are equal when they mean the same, wherever they stand.
impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (ExprKind::Bool(a), ExprKind::Bool(b)) => a == b,
            (ExprKind::Number(a), ExprKind::Number(b)) => a.to_bits() == b.to_bits(),
            (ExprKind::String(a), ExprKind::String(b))
            | (ExprKind::Property(a), ExprKind::Property(b))
            | (ExprKind::System(a), ExprKind::System(b))
            | (ExprKind::Escaped(a), ExprKind::Escaped(b)) => a == b,
            (ExprKind::Null, ExprKind::Null) | (ExprKind::Undefined, ExprKind::Undefined) => true,
            (ExprKind::Call(a), ExprKind::Call(b)) => {
                a.name.eq_ignore_ascii_case(&b.name) && a.arguments == b.arguments
            }
            (ExprKind::Unary(a, _, x), ExprKind::Unary(b, _, y)) => a == b && x == y,
            (ExprKind::Binary(a, _, v, w), ExprKind::Binary(b, _, x, y)) => {
                a == b && v == x && w == y
            }
            (ExprKind::Mistake(a, _), ExprKind::Mistake(b, _)) => a == b,
            _ => false,
        }
    }
}

/// One way of writing it: single spaces, the fewest parentheses, single quotes, `AND`, `!=`.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Bool(value) => write!(f, "{value}"),
            // The language has no word for infinity, but a literal beyond the largest number is one.
            ExprKind::Number(value) if value.is_infinite() => {
                f.write_str(if *value > 0.0 { "1e999" } else { "-1e999" })
            }
            ExprKind::Number(value) => write!(f, "{value}"),
            ExprKind::String(value) => write_string(f, value),
            ExprKind::Null => f.write_str("null"),
            ExprKind::Undefined => f.write_str("undefined"),
            ExprKind::Property(name) | ExprKind::System(name) => f.write_str(name),
            ExprKind::Escaped(name) => write!(f, "{{{name}}}"),
            ExprKind::Call(call) => write_call(f, call),
            // `-5` would be a literal and `-name` a name.
            ExprKind::Unary(UnaryOp::Negate, _, operand) => write!(f, "-({operand})"),
            ExprKind::Unary(UnaryOp::Not, _, operand) => {
                f.write_str("NOT ")?;
                write_operand(f, operand, u8::MAX)
            }
            ExprKind::Binary(op, _, left, right) => {
                write_operand(f, left, op.precedence())?;
                write!(f, " {} ", op.symbol())?;
                write_operand(f, right, op.precedence() + 1)
            }
            ExprKind::Mistake(..) => f.write_str("undefined"),
        }
    }
}

fn write_operand(f: &mut fmt::Formatter<'_>, operand: &Expr, at_least: u8) -> fmt::Result {
    match &operand.kind {
        ExprKind::Binary(op, ..) if op.precedence() < at_least => write!(f, "({operand})"),
        _ => write!(f, "{operand}"),
    }
}

fn write_call(f: &mut fmt::Formatter<'_>, call: &Call) -> fmt::Result {
    write!(f, "{}(", call.name)?;
    for (index, argument) in call.arguments.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{argument}")?;
    }
    f.write_str(")")
}

/// A backslash is written as two `\u005C`: edgeHub replaces `\u` escapes first and `\\` afterwards, so a plain `\\u0041`
/// would become a backslash and an A.
fn write_string(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    f.write_str("'")?;
    for char in value.chars() {
        match char {
            '\\' => f.write_str("\\u005C\\u005C")?,
            '\'' => f.write_str("\\'")?,
            _ => write!(f, "{char}")?,
        }
    }
    f.write_str("'")
}

/// The text of a string literal without its quotes, escapes resolved the way edgeHub does: `\uXXXX` everywhere first,
/// then `\"`, `\'` and `\\`. Half a surrogate pair becomes U+FFFD.
pub(super) fn unescape(inside: &str) -> String {
    if !inside.contains('\\') {
        return inside.to_owned();
    }
    let mut units = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(char) = rest.chars().next() {
        if let Some(unit) = unicode_escape(rest) {
            units.push(unit);
            rest = &rest[6..];
        } else {
            units.extend_from_slice(char.encode_utf16(&mut [0; 2]));
            rest = &rest[char.len_utf8()..];
        }
    }
    let text = String::from_utf16_lossy(&units);
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let escaped = chars.next_if(|next| char == '\\' && matches!(next, '"' | '\'' | '\\'));
        plain.push(escaped.unwrap_or(char));
    }
    plain
}

fn unicode_escape(text: &str) -> Option<u16> {
    let digits = text
        .strip_prefix("\\u")
        .or_else(|| text.strip_prefix("\\U"))?
        .get(..4)?;
    let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex {
        u16::from_str_radix(digits, 16).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved_in_two_passes() {
        let cases = [
            ("plain", "plain"),
            (r#"\"\'\\"#, r#""'\"#),
            (r"Tsch\u00FCss", "Tschüss"),
            (r"\uD83D\uDE97", "\u{1F697}"),
            (r"\\u0041", r"\A"),
            (r"\u005C\u005Cn", r"\n"),
            (r"\u005C'", "'"),
            (r"\uD83Dx", "\u{FFFD}x"),
        ];
        for (written, meant) in cases {
            assert_eq!(unescape(written), meant, "{written}");
        }
    }
}
