//! Text into a number the way .NET reads one with `NumberStyles.Any` and the invariant culture, which is what
//! `as_number` does: white space around, a sign on either side, parentheses for "negative", the sign `¤`, thousands
//! separators anywhere before the decimal point, an exponent, and the words for infinity.

/// The number, or none. "Not a number" is none too: to an expression it is undefined.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let mut reader = Reader::new(text);
    match reader.number() {
        Some(number) => Some(number),
        None => word(text),
    }
}

fn word(text: &str) -> Option<f64> {
    let word = text.trim();
    let (sign, rest) = match word.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, word.strip_prefix('+').unwrap_or(word)),
    };
    rest.eq_ignore_ascii_case("infinity")
        .then_some(sign * f64::INFINITY)
}

struct Reader<'a> {
    rest: &'a str,
    /// Digits, decimal point and exponent, for the standard parser.
    digits: String,
    negative: bool,
    signed: bool,
    in_parentheses: bool,
    currency: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            digits: String::with_capacity(text.len()),
            negative: false,
            signed: false,
            in_parentheses: false,
            currency: false,
        }
    }

    fn number(&mut self) -> Option<f64> {
        self.before();
        if !self.mantissa() {
            return None;
        }
        self.exponent();
        self.after();
        // .NET lets zero characters follow, for the sake of buffers that are longer than their text.
        if self.in_parentheses || self.rest.bytes().any(|byte| byte != 0) {
            return None;
        }
        let number: f64 = self.digits.parse().ok()?;
        Some(if self.negative { -number } else { number })
    }

    /// White space, one sign or opening parenthesis, one currency sign, in any order; but no white space between a sign
    /// and the digits unless a currency sign stands there.
    fn before(&mut self) {
        loop {
            let may_skip = !self.signed || self.currency;
            let taken =
                (may_skip && self.take(is_white)) || self.sign() || self.open() || self.currency();
            if !taken {
                return;
            }
        }
    }

    fn after(&mut self) {
        while self.take(is_white) || self.sign() || self.close() || self.currency() {}
    }

    /// Whether there was a digit.
    fn mantissa(&mut self) -> bool {
        let mut any = false;
        let mut point = false;
        while let Some(char) = self.rest.chars().next() {
            match char {
                '0'..='9' => {
                    any = true;
                    self.digits.push(char);
                }
                '.' if !point => {
                    point = true;
                    if !any {
                        self.digits.push('0');
                    }
                    self.digits.push('.');
                }
                ',' if any && !point => {}
                _ => break,
            }
            self.rest = &self.rest[1..];
        }
        if self.digits.ends_with('.') {
            self.digits.push('0');
        }
        any
    }

    /// An exponent without digits is none, and then the letter is what does not belong there.
    fn exponent(&mut self) {
        let Some(after) = self.rest.strip_prefix(['e', 'E']) else {
            return;
        };
        let (sign, digits) = match after.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", after.strip_prefix('+').unwrap_or(after)),
        };
        let length = digits.bytes().take_while(u8::is_ascii_digit).count();
        if length > 0 {
            self.digits.push('e');
            self.digits.push_str(sign);
            self.digits.push_str(&digits[..length]);
            self.rest = &digits[length..];
        }
    }

    fn sign(&mut self) -> bool {
        if self.signed {
            return false;
        }
        self.negative = self.rest.starts_with('-');
        self.signed = self.take(|char| matches!(char, '+' | '-'));
        self.signed
    }

    fn open(&mut self) -> bool {
        if self.signed || !self.take(|char| char == '(') {
            return false;
        }
        self.signed = true;
        self.in_parentheses = true;
        self.negative = true;
        true
    }

    fn close(&mut self) -> bool {
        let closed = self.in_parentheses && self.take(|char| char == ')');
        self.in_parentheses &= !closed;
        closed
    }

    fn currency(&mut self) -> bool {
        let found = !self.currency && self.take(|char| char == '¤');
        self.currency |= found;
        found
    }

    fn take(&mut self, wanted: fn(char) -> bool) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

fn is_white(char: char) -> bool {
    matches!(char, ' ' | '\t'..='\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_dotnet_reads() {
        let cases = [
            ("3", 3.0),
            (" \t-3.50 ", -3.5),
            ("3-", -3.0),
            ("3 -", -3.0),
            ("(3)", -3.0),
            ("( 3 )", f64::NAN),
            ("1,234,5.5", 12345.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("+5e3", 5000.0),
            ("5E-3", 0.005),
            ("5e", f64::NAN),
            ("10e1000", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("infinity", f64::INFINITY),
            ("¤5", 5.0),
            ("-¤ 5", -5.0),
            ("5\0", 5.0),
            ("- 5", f64::NAN),
            ("--5", f64::NAN),
            ("-5-", f64::NAN),
            ("(5", f64::NAN),
            ("5)", f64::NAN),
            (",5", f64::NAN),
            (".", f64::NAN),
            ("", f64::NAN),
            ("NaN", f64::NAN),
            ("0x10", f64::NAN),
            ("5 apples", f64::NAN),
            ("٣", f64::NAN),
        ];
        for (text, number) in cases {
            let expected = (!number.is_nan()).then_some(number);
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}
