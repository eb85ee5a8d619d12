//! Conditions on a request: `If-Match` and `If-None-Match`.

/// What a request says of the version it is about. Entity tags without quotes; `*` for any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) matches: Option<String>,
    pub(crate) matches_not: Option<String>,
}

/// Which condition does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// `If-Match`.
    Match,
    /// `If-None-Match`.
    NoneMatch,
}

impl Condition {
    pub(crate) fn new(matches: Option<&str>, matches_not: Option<&str>) -> Self {
        let bare = |tag: &str| tag.trim().trim_matches('"').to_owned();
        Self {
            matches: matches.map(bare),
            matches_not: matches_not.map(bare),
        }
    }

    /// Holds the conditions against the entity tag of what is there.
    pub(crate) fn check(&self, etag: Option<&str>) -> Result<(), Unmet> {
        let is = |tag: &str| etag.is_some_and(|etag| tag == "*" || tag == etag);
        match self {
            Self {
                matches: Some(tag), ..
            } if !is(tag) => Err(Unmet::Match),
            Self {
                matches_not: Some(tag),
                ..
            } if is(tag) => Err(Unmet::NoneMatch),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_hold_against_what_is_there() {
        for (matches, matches_not, etag, expected) in [
            (None, None, None, Ok(())),
            (Some("\"a\""), None, Some("a"), Ok(())),
            (Some("a"), None, Some("b"), Err(Unmet::Match)),
            (Some("*"), None, None, Err(Unmet::Match)),
            (None, Some("*"), None, Ok(())),
            (None, Some("*"), Some("a"), Err(Unmet::NoneMatch)),
            (None, Some("\"a\""), Some("b"), Ok(())),
            (None, Some("\"a\""), Some("a"), Err(Unmet::NoneMatch)),
        ] {
            let condition = Condition::new(matches, matches_not);
            assert_eq!(condition.check(etag), expected, "{condition:?} {etag:?}");
        }
    }
}
