//! Text into tokens, by the rules of edgeHub's lexer grammar: the longest match wins, and of two equally long ones the
//! rule that stands first.
//!
//! That has a consequence nobody expects: a name may hold every character outside `( ) < > @ , ; : \ " / [ ] ? = { }`
//! and white space, so `a+b`, `3-4` and even `'a'||'b'` each are *one* name. Operators made of such characters want
//! spaces around them.

use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Select,
    From,
    Where,
    Into,
    String,
    UnterminatedString,
    Integer,
    Hex,
    Real,
    True,
    False,
    Null,
    Undefined,
    OpenParen,
    CloseParen,
    OpenBrace,
    CloseBrace,
    Comma,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    And,
    Or,
    Not,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Concat,
    Coalesce,
    /// `$name`, or `$body.path[0]`.
    System,
    /// A property's or function's name.
    Name,
    /// A name with brackets in it. No rule of the grammar takes one.
    Path,
    /// A character no rule takes.
    Unknown,
    End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lexeme {
    pub(super) token: Token,
    pub(super) span: Range<usize>,
}

/// The tokens of a text, with [`Token::End`] last. White space and `/* comments */` are left out.
pub(super) fn tokenize(text: &str) -> Vec<Lexeme> {
    let mut lexemes = Vec::new();
    let mut at = 0;
    while let Some(first) = text.as_bytes().get(at) {
        let rest = &text[at..];
        if is_space(*first) {
            at += 1;
        } else if let Some(length) = comment(rest) {
            at += length;
        } else {
            let (token, length) = token(rest, *first);
            lexemes.push(Lexeme {
                token,
                span: at..at + length,
            });
            at += length;
        }
    }
    lexemes.push(Lexeme {
        token: Token::End,
        span: text.len()..text.len(),
    });
    lexemes
}

fn token(rest: &str, first: u8) -> (Token, usize) {
    let second = rest.as_bytes().get(1).copied();
    match (first, second) {
        (b'(', _) => (Token::OpenParen, 1),
        (b')', _) => (Token::CloseParen, 1),
        (b'{', _) => (Token::OpenBrace, 1),
        (b'}', _) => (Token::CloseBrace, 1),
        (b',', _) => (Token::Comma, 1),
        (b'/', _) => (Token::Slash, 1),
        (b'=', _) => (Token::Equal, 1),
        (b'<', Some(b'=')) => (Token::LessEqual, 2),
        (b'<', Some(b'>')) | (b'!', Some(b'=')) => (Token::NotEqual, 2),
        (b'<', _) => (Token::Less, 1),
        (b'>', Some(b'=')) => (Token::GreaterEqual, 2),
        (b'>', _) => (Token::Greater, 1),
        (b'?', Some(b'?')) => (Token::Coalesce, 2),
        (b'?' | b'@' | b';' | b':' | b'\\', _) => (Token::Unknown, 1),
        (b'"', _) => string(rest),
        // An apostrophe may also start a name, and the longer of the two wins.
        (b'\'', _) => {
            let string = string(rest);
            let word = word(rest);
            if word.1 > string.1 { word } else { string }
        }
        _ => word(rest),
    }
}

/// The longest run of name characters, and what it is.
fn word(rest: &str) -> (Token, usize) {
    let path = run(rest, is_path_byte);
    let name = run(rest, is_name_byte);
    if rest.starts_with('$') && path > 1 {
        (Token::System, path)
    } else if path > name {
        (Token::Path, path)
    } else {
        (classify(&rest[..name]), name)
    }
}

fn classify(word: &str) -> Token {
    const KEYWORDS: [(&str, Token); 7] = [
        ("select", Token::Select),
        ("from", Token::From),
        ("where", Token::Where),
        ("into", Token::Into),
        ("and", Token::And),
        ("or", Token::Or),
        ("not", Token::Not),
    ];
    match word {
        "true" => return Token::True,
        "false" => return Token::False,
        "null" => return Token::Null,
        "undefined" => return Token::Undefined,
        "+" => return Token::Plus,
        "-" => return Token::Minus,
        "*" => return Token::Star,
        "%" => return Token::Percent,
        "||" => return Token::Concat,
        _ => {}
    }
    let keyword = KEYWORDS
        .iter()
        .find(|(keyword, _)| word.eq_ignore_ascii_case(keyword));
    match keyword {
        Some((_, token)) => *token,
        None => number(word).unwrap_or(Token::Name),
    }
}

/// `-?[0-9]+`, `0x[0-9a-f]+`, `-?[0-9]*.[0-9]+` with an optional exponent, or `-?[0-9]*` with one. The last makes `e5`
/// a number to the lexer, though to nobody else.
fn number(word: &str) -> Option<Token> {
    if let Some(digits) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        let hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        return hex.then_some(Token::Hex);
    }
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if !is_digits(digits) {
            return None;
        }
    }
    match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            let fits = (whole.is_empty() || is_digits(whole)) && is_digits(fraction);
            fits.then_some(Token::Real)
        }
        None if exponent.is_some() => {
            (mantissa.is_empty() || is_digits(mantissa)).then_some(Token::Real)
        }
        None => is_digits(mantissa).then_some(Token::Integer),
    }
}

/// A quoted string: up to the same quote, or, unterminated, up to the end or to an escape that is none.
fn string(rest: &str) -> (Token, usize) {
    let bytes = rest.as_bytes();
    let quote = bytes[0];
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        if *byte == quote {
            return (Token::String, at + 1);
        }
        at += match (byte, bytes.get(at + 1)) {
            (b'\\', Some(b'"' | b'\'' | b'\\')) => 2,
            (b'\\', Some(b'u')) if is_four_hex(bytes.get(at + 2..at + 6)) => 6,
            (b'\\', _) => return (Token::UnterminatedString, at),
            _ => 1,
        };
    }
    (Token::UnterminatedString, at)
}

fn comment(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix("/*")?;
    body.find("*/").map(|end| end + 4)
}

fn run(rest: &str, belongs: fn(u8) -> bool) -> usize {
    rest.bytes()
        .position(|byte| !belongs(byte))
        .unwrap_or(rest.len())
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_path_byte(byte: u8) -> bool {
    !is_space(byte)
        && !matches!(
            byte,
            b'(' | b')'
                | b'<'
                | b'>'
                | b'@'
                | b','
                | b';'
                | b':'
                | b'\\'
                | b'"'
                | b'/'
                | b'?'
                | b'='
                | b'{'
                | b'}'
        )
}

fn is_name_byte(byte: u8) -> bool {
    is_path_byte(byte) && !matches!(byte, b'[' | b']')
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_four_hex(digits: Option<&[u8]>) -> bool {
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(Token, &str)> {
        tokenize(text)
            .into_iter()
            .filter(|lexeme| lexeme.token != Token::End)
            .map(|lexeme| (lexeme.token, &text[lexeme.span]))
            .collect()
    }

    #[test]
    fn the_longest_match_wins_and_then_the_first_rule() {
        let one_token = [
            ("a+b", Token::Name),
            ("3-4", Token::Name),
            ("'a'||'b'", Token::Name),
            ("it's", Token::Name),
            ("-key", Token::Name),
            ("-0x1F", Token::Name),
            ("1.", Token::Name),
            ("&&", Token::Name),
            ("True", Token::Name),
            ("$", Token::Name),
            ("'a'", Token::String),
            ("'a b'", Token::String),
            (r#""a\"\\\u00e9""#, Token::String),
            ("'a b", Token::UnterminatedString),
            ("-12", Token::Integer),
            ("0x1F", Token::Hex),
            (".5", Token::Real),
            ("1e+5", Token::Real),
            ("e5", Token::Real),
            ("||", Token::Concat),
            ("AnD", Token::And),
            ("$a.b[0]", Token::System),
            ("a[0]", Token::Path),
            ("[32]", Token::Path),
            ("'a'[0]", Token::Path),
            ("?", Token::Unknown),
        ];
        for (text, token) in one_token {
            assert_eq!(words(text), [(token, text)]);
        }
    }

    #[test]
    fn punctuation_ends_a_name() {
        assert_eq!(
            words("a!=b<>c"),
            [
                (Token::Name, "a!"),
                (Token::Equal, "="),
                (Token::Name, "b"),
                (Token::NotEqual, "<>"),
                (Token::Name, "c"),
            ]
        );
        assert_eq!(words("a != 3")[1], (Token::NotEqual, "!="));
        assert_eq!(words("3/4").len(), 3);
        assert_eq!(words("a ??? b")[2], (Token::Unknown, "?"));
    }

    #[test]
    fn a_bad_escape_ends_the_string_early() {
        assert_eq!(
            words(r#""a\x""#),
            [
                (Token::UnterminatedString, "\"a"),
                (Token::Unknown, "\\"),
                (Token::Name, "x"),
                (Token::UnterminatedString, "\""),
            ]
        );
    }

    #[test]
    fn comments_are_skipped_only_when_they_end() {
        assert_eq!(words("a /* all */ x").len(), 2);
        assert_eq!(words("/messages/*").len(), 4);
        // The star of a source opens a comment when one is closed anywhere behind it.
        assert_eq!(words("/messages/* /* all */ x").len(), 3);
        assert_eq!(words("/**/a"), [(Token::Name, "a")]);
    }
}
