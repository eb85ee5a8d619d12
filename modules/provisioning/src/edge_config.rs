//! The Edge configuration of a device: reading the identity in it, and changing that and nothing
//! else.
//!
//! Two formats: `/etc/aziot/config.toml` of IoT Edge 1.2 and later, and `/etc/iotedge/config.yaml`
//! of 1.0 and 1.1. Which one a file is in is seen from its content; its name only settles what an
//! empty file will be.
//!
//! A file belongs to its operator. So it is never printed anew from a parsed tree: a parser says
//! where things stand, and only those bytes are replaced. What changes is
//!
//! - the values of the identity, where they stand, in the style they stand in (headers, dotted keys,
//!   inline tables, block or flow); values that say the right thing already are left as they are;
//! - keys of another identity, which are removed with their line (see [`with_dps`]): commented out
//!   they would leave a key lying about that nobody watches, and the backup has them until the
//!   change is confirmed. Comments on lines of their own stay, whatever they speak of;
//! - nothing else. A section in comments, as the templates have them, stays a comment.
//!
//! The result is read by a real parser again before anybody gets it, and must say the new identity
//! and else what it said before. A form of file too odd for that is refused, by line and column.
//!
//! It does *not* read or write any file, nor know whether the Edge runtime likes the rest.
//!
//! **Invariant:** no error, debug output or log shows a line of the file, for it may hold keys.
//!
//! [`with_dps`]: EdgeConfig::with_dps

mod error;
mod flow;
mod identity;
mod splice;
mod toml_edit;
mod toml_text;
mod wanted;
mod yaml_edit;
mod yaml_text;

use std::fmt;
use std::path::Path;

use serde_json::Value;

pub use error::{ConfigError, Position, Problem};
pub use identity::{DpsIdentity, Endpoint, EndpointError, Identity, Method, Who};

/// Longest file looked at: a hundred times what anybody writes by hand.
const MAX_BYTES: usize = 1 << 20;
const BOM: &str = "\u{feff}";

/// The language a configuration is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `config.toml` of IoT Edge 1.2 and later.
    Toml,
    /// `config.yaml` of IoT Edge 1.0 and 1.1.
    Yaml,
}

/// A configuration that makes sense, as it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct EdgeConfig {
    format: Format,
    text: String,
    identity: Identity,
}

impl EdgeConfig {
    /// Reads a file's content. `path` is where it comes from: errors name it, and its ending
    /// settles the format of a file without content.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], with line and column: it is not UTF-8, or not what its format asks for.
    pub fn parse(content: &[u8], path: &Path) -> Result<Self, ConfigError> {
        let fail = |problem| ConfigError::new(path, problem);
        if content.len() > MAX_BYTES {
            return Err(fail(Problem::TooLarge));
        }
        let text = std::str::from_utf8(content).map_err(|error| {
            let line = 1 + content[..error.valid_up_to()]
                .iter()
                .filter(|&&byte| byte == b'\n')
                .count();
            fail(Problem::NotUtf8 { line })
        })?;
        let body = body(text);
        let format = detect(body, path);
        let tree = read(format, body).map_err(fail)?;
        Ok(Self {
            format,
            text: text.to_owned(),
            identity: identity::find(format, &tree),
        })
    }

    /// A configuration in which nothing has been said yet, in the format that `path` calls for.
    #[must_use]
    pub fn empty(path: &Path) -> Self {
        Self {
            format: detect("", path),
            text: String::new(),
            identity: Identity::None,
        }
    }

    /// The language it is written in.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The identity in force.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The identity in force, if it is one of the provisioning service with its key at hand.
    #[must_use]
    pub fn dps(&self) -> Option<&DpsIdentity> {
        match &self.identity {
            Identity::Dps(identity) => Some(identity),
            Identity::None | Identity::Other(_) => None,
        }
    }

    /// The file's content. It holds keys.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The same configuration with another identity; `path` is named in errors.
    ///
    /// Removed are the keys of a connection string, of manual authentication, of X.509 and TPM
    /// attestation, and a `device_id`. Kept is everything else of the section, as `payload` and the
    /// reprovisioning switches. Missing keys go behind their neighbours, a missing section to the
    /// file's end. A second call changes nothing.
    ///
    /// # Errors
    ///
    /// [`Problem::Unsupported`] or [`Problem::Shared`] when the section stands in a form that cannot
    /// be changed without touching more than it.
    pub fn with_dps(&self, identity: &DpsIdentity, path: &Path) -> Result<Self, ConfigError> {
        let fail = |problem| ConfigError::new(path, problem);
        let body = body(&self.text);
        let wanted = wanted::provisioning(self.format, identity);
        let splices = match self.format {
            Format::Toml => toml_edit::edit(body, &wanted),
            Format::Yaml => yaml_edit::edit(body, &wanted),
        }
        .map_err(fail)?;
        let changed = format!(
            "{}{}",
            &self.text[..self.text.len() - body.len()],
            splices.apply(body)
        );
        self.proven(changed, identity, path)
            .ok_or_else(|| fail(Problem::Unsupported { at: None }))
    }

    /// What was written, read back: it says the new identity, and else what it said before.
    fn proven(&self, text: String, identity: &DpsIdentity, path: &Path) -> Option<Self> {
        let changed = Self::parse(text.as_bytes(), path).ok()?;
        let rest = |config: &Self| {
            let mut tree = read(self.format, body(&config.text)).ok()?;
            if let Value::Object(keys) = &mut tree {
                keys.shift_remove(wanted::SECTION);
            }
            // An empty document and one that only had the section say the same.
            Some(if tree.is_null() {
                Value::Object(serde_json::Map::new())
            } else {
                tree
            })
        };
        let proven = changed.format == self.format
            && changed.dps() == Some(identity)
            && rest(self)? == rest(&changed)?;
        proven.then_some(changed)
    }
}

impl fmt::Debug for EdgeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeConfig")
            .field("format", &self.format)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// The text behind a byte order mark, which is nobody's content.
fn body(text: &str) -> &str {
    text.strip_prefix(BOM).unwrap_or(text)
}

/// The first line that says something decides: TOML begins with a header or `key =`, and no YAML
/// document of mappings does.
fn detect(body: &str, path: &Path) -> Format {
    let by_name = match path.extension() {
        Some(ending) if ending == "yaml" || ending == "yml" => Format::Yaml,
        _ => Format::Toml,
    };
    let says = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let Some(line) = body.lines().map(str::trim).find(says) else {
        return by_name;
    };
    if line.starts_with(['{', '%', '?']) || line.starts_with("---") {
        return Format::Yaml;
    }
    if line.starts_with('[') {
        return Format::Toml;
    }
    // What follows the key, which may hold anything if it is quoted.
    let unquoted = match line.chars().next() {
        Some(quote @ ('"' | '\'')) => line[1..].split_once(quote).map_or("", |(_, rest)| rest),
        _ => line,
    };
    let key = unquoted.trim_start_matches(|c: char| {
        c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '\t' | '"' | '\'')
    });
    match key.chars().next() {
        Some('=') => Format::Toml,
        Some(':') => Format::Yaml,
        _ => by_name,
    }
}

fn read(format: Format, body: &str) -> Result<Value, Problem> {
    match format {
        Format::Toml => toml_text::tree(body),
        Format::Yaml => yaml_text::Document::parse(body).and_then(|document| document.tree()),
    }
}
