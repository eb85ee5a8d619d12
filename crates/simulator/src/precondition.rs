//! `If-Match`: what has to hold of a thing before a service writes or removes it.

/// What has to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precondition<'a> {
    /// Nothing.
    None,
    /// It is not there yet.
    Absent,
    /// It is there.
    Present,
    /// Its entity tag is this one, with or without quotes.
    Tag(&'a str),
}

/// What does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// It is there, and was to be new.
    Exists,
    /// It is not there.
    Missing,
    /// Its entity tag is another one.
    Changed,
}

impl<'a> Precondition<'a> {
    /// What an `If-Match` header asks for. SDKs write `*`, `"*"`, and tags with or without quotes.
    pub(crate) fn of_header(if_match: Option<&'a str>) -> Self {
        match if_match.map(str::trim) {
            None | Some("") => Self::None,
            Some("*" | "\"*\"") => Self::Present,
            Some(tag) => Self::Tag(tag),
        }
    }

    /// Holds this against the entity tag of what is there.
    ///
    /// # Errors
    /// How it does not hold.
    pub(crate) fn check(self, stored: Option<&str>) -> Result<(), Mismatch> {
        let bare = |tag: &str| tag.trim_matches(['"', '\\']).to_owned();
        match (self, stored) {
            (Self::None, _) | (Self::Absent, None) | (Self::Present, Some(_)) => Ok(()),
            (Self::Absent, Some(_)) => Err(Mismatch::Exists),
            (Self::Present | Self::Tag(_), None) => Err(Mismatch::Missing),
            (Self::Tag(tag), Some(own)) if bare(own) == bare(tag) => Ok(()),
            (Self::Tag(_), Some(_)) => Err(Mismatch::Changed),
        }
    }
}
