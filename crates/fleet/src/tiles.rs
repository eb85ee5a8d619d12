//! Where the pictures of a street map come from, as whoever runs the service says: a template of addresses, as tile
//! servers give them. None is known without: every one of them has its own terms.

use axum::http::Uri;
use thiserror::Error;

/// The deepest zoom there is a picture for, unless it is said.
pub const USUAL_MAX_ZOOM: u8 = 19;
/// The deepest that can be said.
pub const MAX_ZOOM: u8 = 22;

/// A tile server: web-mercator squares of 256 points, by zoom, column and row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiles {
    template: String,
    origin: Option<String>,
    attribution: String,
    link: Option<String>,
    max_zoom: u8,
}

/// Why a template is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TilesError {
    /// One of the three is not in it.
    #[error("has no {{{0}}}: write it like https://tiles.example/{{z}}/{{x}}/{{y}}.png")]
    Lacks(char),
    /// It holds a place for something else.
    #[error("has {{{0}}}, which nothing is known for: only {{z}}, {{x}} and {{y}} are filled in")]
    Unknown(String),
    /// A brace without its other half.
    #[error("has a brace without its other half")]
    Brace,
    /// It is no address.
    #[error("is no address of http or https, and no path that begins with a slash")]
    NoAddress,
    /// It names somebody.
    #[error("holds a user name or password, which every browser would be shown")]
    Secret,
    /// The place is in the host's name.
    #[error(
        "has {{z}}, {{x}} or {{y}} in its host: the browser has to be told which hosts it may ask"
    )]
    InHost,
    /// Deeper than there are.
    #[error("goes to zoom {MAX_ZOOM} at most, not {0}")]
    TooDeep(u8),
}

impl Tiles {
    /// From a template of an address with `{z}`, `{x}` and `{y}`, and what has to stand on the map; an address at the end
    /// of that makes it a link.
    ///
    /// # Errors
    /// When the template is none.
    pub fn new(template: &str, attribution: &str, max_zoom: u8) -> Result<Self, TilesError> {
        if max_zoom > MAX_ZOOM {
            return Err(TilesError::TooDeep(max_zoom));
        }
        let template = template.trim();
        let sample = filled(template)?;
        let (words, link) = credit(attribution);
        Ok(Self {
            template: template.to_owned(),
            origin: origin(template, &sample)?,
            attribution: words,
            link,
            max_zoom,
        })
    }

    /// With `{z}`, `{x}` and `{y}` in it.
    #[must_use]
    pub fn template(&self) -> &str {
        &self.template
    }

    /// `https://host[:port]`; `None` when it is this service's own, behind the same proxy.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// Whose the pictures are.
    #[must_use]
    pub fn attribution(&self) -> &str {
        &self.attribution
    }

    /// Where they say more.
    #[must_use]
    pub fn link(&self) -> Option<&str> {
        self.link.as_deref()
    }

    /// The deepest zoom there is a picture for.
    #[must_use]
    pub const fn max_zoom(&self) -> u8 {
        self.max_zoom
    }
}

/// The template with noughts in its places.
fn filled(template: &str) -> Result<String, TilesError> {
    let mut sample = String::with_capacity(template.len());
    let mut found = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        sample.push_str(&rest[..at]);
        let inside = rest[at..].strip_prefix('{').ok_or(TilesError::Brace)?;
        let (name, behind) = inside.split_once('}').ok_or(TilesError::Brace)?;
        if !matches!(name, "z" | "x" | "y") {
            return Err(TilesError::Unknown(name.to_owned()));
        }
        found.push_str(name);
        sample.push('0');
        rest = behind;
    }
    sample.push_str(rest);
    match "zxy".chars().find(|place| !found.contains(*place)) {
        Some(place) => Err(TilesError::Lacks(place)),
        None => Ok(sample),
    }
}

fn origin(template: &str, sample: &str) -> Result<Option<String>, TilesError> {
    // What a header's list of hosts would take for its end.
    if sample.contains([';', ',', '"', '\'', '\\', '<', '>']) {
        return Err(TilesError::NoAddress);
    }
    let uri: Uri = sample.parse().map_err(|_| TilesError::NoAddress)?;
    let Some(authority) = uri.authority() else {
        let is_path = sample.starts_with('/') && !sample.starts_with("//");
        return if is_path {
            Ok(None)
        } else {
            Err(TilesError::NoAddress)
        };
    };
    let scheme = uri.scheme_str().unwrap_or_default();
    if !matches!(scheme, "http" | "https") || authority.host().is_empty() {
        return Err(TilesError::NoAddress);
    }
    if authority.as_str().contains('@') {
        return Err(TilesError::Secret);
    }
    let origin = format!("{scheme}://{authority}");
    if template.starts_with(&origin) {
        Ok(Some(origin))
    } else {
        Err(TilesError::InHost)
    }
}

fn credit(attribution: &str) -> (String, Option<String>) {
    let attribution = attribution.trim();
    match attribution.rsplit_once(' ') {
        Some((words, link)) if link.starts_with("https://") || link.starts_with("http://") => {
            (words.trim().to_owned(), Some(link.to_owned()))
        }
        _ => (attribution.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(template: &str) -> Result<Option<String>, TilesError> {
        Tiles::new(template, "©", 19).map(|tiles| tiles.origin)
    }

    #[test]
    fn a_template_says_which_host_a_browser_may_ask() {
        for (template, origin) in [
            (
                "https://tiles.example/{z}/{x}/{y}.png",
                Some("https://tiles.example"),
            ),
            (
                "http://10.0.0.1:8081/{z}/{y}/{x}?key=a",
                Some("http://10.0.0.1:8081"),
            ),
            ("/tiles/{z}/{x}/{y}.webp", None),
        ] {
            assert_eq!(of(template), Ok(origin.map(str::to_owned)), "{template}");
        }
    }

    #[test]
    fn a_bad_template_is_told_apart() {
        for (template, error) in [
            ("https://tiles.example/{z}/{x}.png", TilesError::Lacks('y')),
            ("https://tiles.example/", TilesError::Lacks('z')),
            (
                "https://{s}.tiles.example/{z}/{x}/{y}.png",
                TilesError::Unknown("s".into()),
            ),
            ("https://tiles.example/{z}/{x}/{y", TilesError::Brace),
            ("https://tiles.example/}{z}/{x}/{y}", TilesError::Brace),
            ("tiles.example/{z}/{x}/{y}.png", TilesError::NoAddress),
            ("//tiles.example/{z}/{x}/{y}.png", TilesError::NoAddress),
            ("ftp://tiles.example/{z}/{x}/{y}.png", TilesError::NoAddress),
            ("javascript:alert({z}{x}{y})", TilesError::NoAddress),
            (
                "https://tiles.example; script-src */{z}/{x}/{y}",
                TilesError::NoAddress,
            ),
            (
                "https://me:secret@tiles.example/{z}/{x}/{y}",
                TilesError::Secret,
            ),
            ("https://t{x}.example/{z}/{x}/{y}.png", TilesError::InHost),
        ] {
            assert_eq!(of(template), Err(error), "{template}");
        }
        let deep = Tiles::new("/{z}/{x}/{y}", "", 23);
        assert_eq!(deep, Err(TilesError::TooDeep(23)));
    }

    #[test]
    fn an_address_behind_the_words_makes_them_a_link() {
        let tiles = |words| Tiles::new("/{z}/{x}/{y}", words, 19).expect("a template");
        let linked = tiles("© Town of Liège https://town.example/licence");
        assert_eq!(linked.attribution(), "© Town of Liège");
        assert_eq!(linked.link(), Some("https://town.example/licence"));
        let plain = tiles("© javascript:alert(1)");
        assert_eq!(
            (plain.attribution(), plain.link()),
            ("© javascript:alert(1)", None)
        );
    }
}
