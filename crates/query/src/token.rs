//! Text into tokens.

use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A name or a keyword; which of the two says the place where it stands.
    Word,
    /// `[[name]]`, in which a name may hold every character.
    Quoted,
    String,
    Number,
    OpenParen,
    CloseParen,
    OpenBracket,
    CloseBracket,
    Comma,
    Dot,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    /// A string without its end, or with an escape that is none, of which the span begins there.
    BadString,
    /// `[[` without `]]`, or nothing between them.
    BadQuoted,
    /// `/*` without `*/`.
    BadComment,
    /// Digits and letters run together.
    BadNumber,
    /// What other languages have, or nobody.
    Foreign,
    End,
}

#[derive(Clone, Debug)]
pub(crate) struct Lexeme {
    pub(crate) token: Token,
    pub(crate) span: Range<usize>,
}

/// The tokens of a text, with [`Token::End`] last. White space and `/* comments */` are left out.
pub(crate) fn tokenize(text: &str) -> Vec<Lexeme> {
    let mut lexemes: Vec<Lexeme> = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        if let Some(body) = rest.strip_prefix("/*")
            && let Some(end) = body.find("*/")
        {
            at += end + 4;
            continue;
        }
        let previous = lexemes.last().map(|lexeme| lexeme.token);
        let (token, span) = read(rest, first, previous);
        lexemes.push(Lexeme {
            token,
            span: at + span.start..at + span.end,
        });
        at += span.end.max(first.len_utf8());
    }
    lexemes.push(Lexeme {
        token: Token::End,
        span: text.len()..text.len(),
    });
    lexemes
}

fn read(rest: &str, first: char, previous: Option<Token>) -> (Token, Range<usize>) {
    // Behind a dot a name may begin with a digit; elsewhere that begins a number.
    let in_path = previous == Some(Token::Dot);
    if is_word_start(first) || (in_path && first.is_ascii_digit()) {
        return (Token::Word, 0..word_length(rest));
    }
    let next = rest[first.len_utf8()..].chars().next();
    let goes_on = matches!(
        previous,
        Some(Token::Word | Token::Quoted | Token::CloseBracket | Token::Dot)
    );
    let is_fraction = first == '.' && !goes_on && next.is_some_and(|next| next.is_ascii_digit());
    if first.is_ascii_digit() || is_fraction {
        return number(rest);
    }
    if matches!(first, '\'' | '"') {
        return string(rest, first);
    }
    if let Some(inside) = rest.strip_prefix("[[") {
        return match inside.find("]]") {
            Some(end) if end > 0 => (Token::Quoted, 0..end + 4),
            _ => (Token::BadQuoted, 0..2),
        };
    }
    symbol(rest, first, next)
}

fn symbol(rest: &str, first: char, next: Option<char>) -> (Token, Range<usize>) {
    let one = |token| (token, 0..first.len_utf8());
    match (first, next) {
        ('=' | '&' | '|', Some(next)) if next == first => (Token::Foreign, 0..2),
        ('<', Some('=')) => (Token::LessEqual, 0..2),
        ('>', Some('=')) => (Token::GreaterEqual, 0..2),
        ('<', Some('>')) | ('!', Some('=')) => (Token::NotEqual, 0..2),
        ('(', _) => one(Token::OpenParen),
        (')', _) => one(Token::CloseParen),
        ('[', _) => one(Token::OpenBracket),
        (']', _) => one(Token::CloseBracket),
        (',', _) => one(Token::Comma),
        ('.', _) => one(Token::Dot),
        ('+', _) => one(Token::Plus),
        ('-', Some('-')) => (Token::Foreign, 0..2),
        ('-', _) => one(Token::Minus),
        ('*', _) => one(Token::Star),
        ('/', Some('*')) => (Token::BadComment, 0..rest.len()),
        ('/', _) => one(Token::Slash),
        ('%', _) => one(Token::Percent),
        ('=', _) => one(Token::Equal),
        ('<', _) => one(Token::Less),
        ('>', _) => one(Token::Greater),
        _ => one(Token::Foreign),
    }
}

fn number(rest: &str) -> (Token, Range<usize>) {
    let digits = |from: usize| {
        let end = rest[from..].find(|char: char| !char.is_ascii_digit());
        end.map_or(rest.len(), |end| from + end)
    };
    let is_hex = rest.starts_with("0x") || rest.starts_with("0X");
    let mut end = if is_hex {
        let end = rest[2..].find(|char: char| !char.is_ascii_hexdigit());
        end.map_or(rest.len(), |end| 2 + end)
    } else {
        let mut end = digits(0);
        if rest[end..].starts_with('.') {
            end = digits(end + 1);
        }
        if rest[end..].starts_with(['e', 'E']) {
            let signed = usize::from(rest[end + 1..].starts_with(['+', '-']));
            let exponent = digits(end + 1 + signed);
            if exponent > end + 1 + signed {
                end = exponent;
            }
        }
        end
    };
    let more = word_length(&rest[end..]);
    let token = if more > 0 || (is_hex && end == 2) {
        Token::BadNumber
    } else {
        Token::Number
    };
    end += more;
    (token, 0..end)
}

/// Up to the same quote, unless an escape is none or the text ends.
fn string(rest: &str, quote: char) -> (Token, Range<usize>) {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        if char::from(*byte) == quote {
            return (Token::String, 0..at + 1);
        }
        at += match (byte, bytes.get(at + 1)) {
            (b'\\', Some(b'"' | b'\'' | b'\\')) => 2,
            (b'\\', Some(b'u')) if is_four_hex(bytes.get(at + 2..at + 6)) => 6,
            // Nothing behind it can be told apart any more.
            (b'\\', _) => return (Token::BadString, at..rest.len()),
            _ => 1,
        };
    }
    (Token::BadString, 0..rest.len())
}

fn is_four_hex(digits: Option<&[u8]>) -> bool {
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

fn word_length(rest: &str) -> usize {
    rest.find(|char| !is_word_start(char) && !char.is_ascii_digit())
        .unwrap_or(rest.len())
}

/// `$` begins the service's own names, as `$version`.
fn is_word_start(char: char) -> bool {
    char.is_alphabetic() || matches!(char, '_' | '$')
}

/// What a string literal with its quotes says. Halves of surrogate pairs that lack the other half are replaced.
pub(crate) fn unescape(literal: &str) -> String {
    let inside = &literal[1..literal.len() - 1];
    if !inside.contains('\\') {
        return inside.to_owned();
    }
    let mut units: Vec<u16> = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(char) = rest.chars().next() {
        rest = &rest[char.len_utf8()..];
        if char != '\\' {
            units.extend(char.encode_utf16(&mut [0; 2]).iter());
            continue;
        }
        let escaped = rest.as_bytes().first().copied().unwrap_or(b'\\');
        let unit = rest.get(1..5).filter(|_| escaped == b'u');
        match unit.and_then(|digits| u16::from_str_radix(digits, 16).ok()) {
            Some(unit) => {
                units.push(unit);
                rest = &rest[5..];
            }
            None => {
                units.push(u16::from(escaped));
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
    String::from_utf16_lossy(&units)
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
    fn one_token_each() {
        let cases = [
            ("deviceId", Token::Word),
            ("$version", Token::Word),
            ("größe_2", Token::Word),
            ("[[my config]]", Token::Quoted),
            ("[[it's [1]]]", Token::Quoted),
            ("[[]]", Token::BadQuoted),
            (r#"'a\'b'"#, Token::String),
            (r#""a\u00e9\\""#, Token::String),
            ("12", Token::Number),
            ("1.5e-3", Token::Number),
            (".5", Token::Number),
            ("0x1F", Token::Number),
            ("0x", Token::BadNumber),
            ("5kg", Token::BadNumber),
            ("1e", Token::BadNumber),
            ("'a", Token::BadString),
            ("/* a", Token::BadComment),
            ("<>", Token::NotEqual),
            ("==", Token::Foreign),
            ("\u{1F697}", Token::Foreign),
        ];
        for (text, token) in cases {
            let words = words(text);
            assert_eq!(words.first().map(|first| first.0), Some(token), "{text}");
        }
    }

    #[test]
    fn a_path_is_words_and_dots_even_with_digits() {
        let tokens: Vec<&str> = words("tags.7a.[[b c]].d[0]/* x */.$e")
            .iter()
            .map(|word| word.1)
            .collect();
        assert_eq!(
            tokens,
            [
                "tags", ".", "7a", ".", "[[b c]]", ".", "d", "[", "0", "]", ".", "$e"
            ]
        );
    }

    #[test]
    fn escapes_are_read() {
        assert_eq!(unescape(r#"'a\'\"\\b'"#), "a'\"\\b");
        assert_eq!(unescape(r"'\ud83d\ude97\u00e9'"), "\u{1F697}é");
        assert_eq!(unescape(r"'\ud83d'"), "\u{FFFD}");
        assert_eq!(words(r"'a\x'")[0], (Token::BadString, r"\x'"));
    }
}
