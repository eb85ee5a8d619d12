//! Create options as a twin holds them: a string, cut into pieces.
//!
//! A twin once took strings of at most 512 characters, and every tool still cuts at that length: the first piece is
//! `createOptions`, the next `createOptions01`, and so on to `createOptions99`. The runtime sorts them by name, wants
//! them without a gap, and joins them.

/// The most a piece holds, in UTF-16 code units.
pub const PIECE_LENGTH: usize = 512;

/// The most pieces there can be: one without a number and 99 with.
pub const MAX_PIECES: usize = 100;

const KEY: &str = "createOptions";

/// Create options that no twin can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the create options have {length} characters, and a twin holds {}", MAX_PIECES * PIECE_LENGTH)]
pub struct TooLong {
    /// How long they are, in UTF-16 code units.
    pub length: usize,
}

/// Pieces that do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// A piece is missing, or there are two of it.
    #[error("`{expected}` is missing, and `{found}` is there")]
    Gap {
        /// The key that should come next.
        expected: String,
        /// The key that does.
        found: String,
    },
    /// The key goes on with something other than digits.
    #[error(
        "`{0}` is no piece: the pieces are `createOptions`, `createOptions01` to `createOptions99`"
    )]
    NotAPiece(String),
}

/// The name of a piece.
pub fn key(index: usize) -> String {
    if index == 0 {
        KEY.to_owned()
    } else {
        format!("{KEY}{index:02}")
    }
}

/// Whether a key of a module's settings is, or tries to be, a piece.
pub fn is_piece(name: &str) -> bool {
    name.get(..KEY.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(KEY))
}

/// Cuts options into pieces for [`key`] 0, 1, …. A piece never ends inside a character. The empty string is one piece.
///
/// # Errors
///
/// When they are too long.
pub fn split(options: &str) -> Result<Vec<String>, TooLong> {
    let mut pieces = vec![String::new()];
    let mut length = 0;
    for char in options.chars() {
        if length + char.len_utf16() > PIECE_LENGTH {
            pieces.push(String::new());
            length = 0;
        }
        length += char.len_utf16();
        let last = pieces.len() - 1;
        pieces[last].push(char);
    }
    if pieces.len() > MAX_PIECES {
        let length = options.encode_utf16().count();
        return Err(TooLong { length });
    }
    Ok(pieces)
}

/// Joins the pieces among a module's settings, in whatever order they come. None when there is none.
///
/// # Errors
///
/// When one is missing.
pub fn join<'a>(
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Option<String>, JoinError> {
    let mut pieces: Vec<(&str, &str)> = settings
        .into_iter()
        .filter(|(name, _)| is_piece(name))
        .collect();
    pieces.sort_by_key(|(name, _)| name.to_ascii_lowercase());
    for (index, (name, _)) in pieces.iter().enumerate() {
        let digits = &name[KEY.len()..];
        let number = match digits {
            "" => Some(0),
            _ if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
            _ => return Err(JoinError::NotAPiece((*name).to_owned())),
        };
        if number != Some(index) || index >= MAX_PIECES || (index > 0 && digits.is_empty()) {
            return Err(JoinError::Gap {
                expected: key(index),
                found: (*name).to_owned(),
            });
        }
    }
    let any = !pieces.is_empty();
    Ok(any.then(|| pieces.into_iter().map(|(_, piece)| piece).collect()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn join_split(options: &str) -> Option<String> {
        let pieces = split(options).expect("it fits");
        let named: Vec<(String, String)> = pieces
            .into_iter()
            .enumerate()
            .map(|(i, piece)| (key(i), piece))
            .collect();
        let settings = named
            .iter()
            .rev()
            .map(|(name, piece)| (name.as_str(), piece.as_str()));
        join(settings).expect("the pieces fit together")
    }

    #[test]
    fn pieces_end_at_512_and_never_inside_a_character() {
        let cases = [
            ("".to_owned(), vec![0]),
            ("a".repeat(512), vec![512]),
            ("a".repeat(513), vec![512, 1]),
            ("a".repeat(1024), vec![512, 512]),
            ("ü".repeat(513), vec![512, 1]),
            ("€".repeat(1025), vec![512, 512, 1]),
            ("\u{1F697}".repeat(256), vec![512]),
            ("\u{1F697}".repeat(257), vec![512, 2]),
            (format!("a{}", "\u{1F697}".repeat(256)), vec![511, 2]),
            (format!("{}ü", "a".repeat(511)), vec![512]),
            (format!("{}\u{1F697}", "a".repeat(511)), vec![511, 2]),
        ];
        for (options, lengths) in cases {
            let pieces = split(&options).expect("it fits");
            let given: Vec<usize> = pieces
                .iter()
                .map(|piece| piece.encode_utf16().count())
                .collect();
            assert_eq!(given, lengths);
            assert_eq!(join_split(&options), Some(options));
        }
    }

    #[test]
    fn a_hundred_pieces_are_the_most() {
        assert_eq!(
            split(&"a".repeat(51_200)).map(|pieces| pieces.len()),
            Ok(100)
        );
        assert_eq!(split(&"a".repeat(51_201)), Err(TooLong { length: 51_201 }));
        assert_eq!(
            [key(0), key(1), key(10), key(99)],
            [
                "createOptions",
                "createOptions01",
                "createOptions10",
                "createOptions99"
            ]
        );
    }

    #[test]
    fn a_gap_is_an_error() {
        let gap = |expected: &str, found: &str| {
            Err(JoinError::Gap {
                expected: expected.to_owned(),
                found: found.to_owned(),
            })
        };
        assert_eq!(join([("image", "x")]), Ok(None));
        assert_eq!(
            join([
                ("createOptions01", "b"),
                ("image", "x"),
                ("createOptions", "a")
            ]),
            Ok(Some("ab".to_owned()))
        );
        assert_eq!(
            join([("CreateOptions", "a"), ("createoptions01", "b")]),
            Ok(Some("ab".to_owned()))
        );
        assert_eq!(
            join([("createOptions01", "b")]),
            gap("createOptions", "createOptions01")
        );
        assert_eq!(
            join([("createOptions", "a"), ("createOptions02", "c")]),
            gap("createOptions01", "createOptions02")
        );
        assert_eq!(
            join([("createOptions", "a"), ("CreateOptions", "b")]),
            gap("createOptions01", "CreateOptions")
        );
        assert_eq!(
            join([("createOptionsX", "a")]),
            Err(JoinError::NotAPiece("createOptionsX".to_owned()))
        );
    }

    proptest! {
        #[test]
        fn what_is_split_is_joined_again(options in "[a-zü€\u{1F697}]{0,3000}") {
            prop_assert_eq!(join_split(&options), Some(options));
        }
    }
}
