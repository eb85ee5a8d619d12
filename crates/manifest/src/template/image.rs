//! `module.json`: what a module's image is called.

use super::Platform;
use super::board::Device;
use super::placeholder::{Placeholder, placeholders};
use crate::manifest::Interface;
use crate::node::{self, Node, NodeKind};
use crate::position::Position;

/// What is read of a `module.json`. To the keys the Edge tools know come three of ours, lists of names: `inputs` and
/// `outputs`, by which routes are checked, and `devices`, which a board has to give.
#[derive(Debug)]
pub(super) struct ModuleFile {
    repository: String,
    version: String,
    platforms: Vec<String>,
    pub(super) interface: Interface,
    pub(super) devices: Vec<Device>,
}

/// Why there is no image.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ImageError {
    pub(super) message: String,
    pub(super) help: String,
}

impl ModuleFile {
    pub(super) fn read(
        text: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ImageError> {
        let root = node::parse(text).map_err(|error| {
            let message = format!("{}: {}", Position::of(text, error.offset), error.message);
            ImageError::new(message, "")
        })?;
        let image = root.get("image");
        let tag = image.and_then(|image| image.get("tag"));
        let string = |node: Option<&Node>, name: &str| {
            let text = node.and_then(|node| node.get(name)).and_then(Node::as_str);
            expand(text.unwrap_or_default(), &variable)
        };
        let repository = string(image, "repository")?;
        if repository.trim().is_empty() {
            return Err(ImageError::new(
                "there is no `image.repository`",
                "add `\"repository\": \"registry/name\"`",
            ));
        }
        let version = string(tag, "version")?;
        let platforms = tag
            .and_then(|tag| tag.get("platforms"))
            .and_then(Node::fields);
        Ok(Self {
            repository: repository.to_lowercase(),
            version: if version.is_empty() {
                "0.0.0".to_owned()
            } else {
                version
            },
            platforms: platforms
                .unwrap_or_default()
                .iter()
                .map(|field| field.name.clone())
                .collect(),
            interface: Interface {
                inputs: names(&root, "inputs"),
                outputs: names(&root, "outputs"),
            },
            devices: devices(&root)?,
        })
    }

    /// The image for a platform, or for the one a placeholder names.
    pub(super) fn image(
        &self,
        platform: Platform,
        key: Option<&str>,
    ) -> Result<String, ImageError> {
        let platform = match key {
            None => platform.name().to_owned(),
            Some("debug") => format!("{}.debug", platform.name()),
            Some(key) => key.to_owned(),
        };
        if !self.platforms.contains(&platform) {
            let message = format!("there is no platform `{platform}` in `image.tag.platforms`");
            let help = format!("there are {}", self.platforms.join(", "));
            return Err(ImageError::new(
                message,
                if self.platforms.is_empty() { "" } else { &help },
            ));
        }
        Ok(format!("{}:{}-{platform}", self.repository, self.version))
    }
}

impl ImageError {
    fn new(message: impl Into<String>, help: &str) -> Self {
        Self {
            message: message.into(),
            help: help.to_owned(),
        }
    }
}

/// Variables in a text of the file.
fn expand(text: &str, variable: &impl Fn(&str) -> Option<String>) -> Result<String, ImageError> {
    let mut expanded = String::with_capacity(text.len());
    let mut done = 0;
    for (span, placeholder) in placeholders(text) {
        let Placeholder::Variable { name, .. } = placeholder else {
            continue;
        };
        let value = variable(name).ok_or_else(|| {
            let message = format!("the variable `{name}` is not defined");
            ImageError::new(
                message,
                "set it in the environment, or in `.env` beside the template",
            )
        })?;
        expanded.push_str(&text[done..span.start]);
        expanded.push_str(&value);
        done = span.end;
    }
    expanded.push_str(&text[done..]);
    Ok(expanded)
}

fn devices(root: &Node) -> Result<Vec<Device>, ImageError> {
    let names = names(root, "devices").unwrap_or_default();
    let device = |name: &String| {
        let unknown =
            |help: String| ImageError::new(format!("`{name}` in `devices` is not known"), &help);
        Device::of(name).map_err(unknown)
    };
    names.iter().map(device).collect()
}

fn names(root: &Node, key: &str) -> Option<Vec<String>> {
    let NodeKind::Array(items) = &root.get(key)?.kind else {
        return None;
    };
    Some(
        items
            .iter()
            .filter_map(Node::as_str)
            .map(str::to_owned)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(text: &str, platform: Platform, key: Option<&str>) -> Result<String, String> {
        let variable = |name: &str| (name == "SERVER").then(|| "Example.azurecr.io".to_owned());
        ModuleFile::read(text, variable)
            .and_then(|file| file.image(platform, key))
            .map_err(|error| error.message)
    }

    #[test]
    fn an_image_is_repository_version_and_platform() {
        let file = r#"{"image": {"repository": "${SERVER}/Light", "tag": {"version": "0.3.1",
            "platforms": {"amd64": "./Dockerfile", "arm64v8": "./Dockerfile", "amd64.debug": "./Dockerfile.debug"}}}}"#;
        let cases = [
            (None, Ok("example.azurecr.io/light:0.3.1-amd64")),
            (
                Some("arm64v8"),
                Ok("example.azurecr.io/light:0.3.1-arm64v8"),
            ),
            (
                Some("debug"),
                Ok("example.azurecr.io/light:0.3.1-amd64.debug"),
            ),
            (
                Some("amd64.debug"),
                Ok("example.azurecr.io/light:0.3.1-amd64.debug"),
            ),
            (
                Some("arm32v7"),
                Err("there is no platform `arm32v7` in `image.tag.platforms`"),
            ),
        ];
        for (key, expected) in cases {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(image(file, Platform::Amd64, key), expected);
        }
    }

    #[test]
    fn a_file_that_says_too_little_is_an_error() {
        let cases = [
            ("{", "1:1: Unterminated object"),
            ("{}", "there is no `image.repository`"),
            (
                r#"{"image": {"repository": "$NOWHERE/x"}}"#,
                "the variable `NOWHERE` is not defined",
            ),
            (
                r#"{"image": {"repository": "x"}}"#,
                "there is no platform `amd64` in `image.tag.platforms`",
            ),
            (
                r#"{"image": {"repository": "x"}, "devices": ["gpio", "spi"]}"#,
                "`spi` in `devices` is not known",
            ),
        ];
        for (file, expected) in cases {
            assert_eq!(
                image(file, Platform::Amd64, None),
                Err(expected.to_owned()),
                "{file}"
            );
        }
    }
}
