//! `deployment.template.json` into a manifest, as the Edge tools do it.
//!
//! Placeholders are replaced in the text, before it is read as JSON:
//!
//! - `${NAME}` and `$NAME` by variables. A `$NAME` that is no variable stays as it is, for `$upstream` and `$edgeHub`
//!   look the same; it is an error when it is written in capitals, as variables are.
//! - `${MODULES.light}` by the image of `modules/light`, for the chosen platform; `${MODULES.light.arm64v8}` for that
//!   one; with `.debug` at the end for its debug image. `${MODULEDIR<../light>.amd64}` names the directory.
//!
//! Then create options written as an object become strings of at most 512 characters, and `$schema-template` goes.
//! Problems are reported where they stand in the template.

mod board;
mod dotenv;
mod image;
mod placeholder;

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use serde_json::{Map, Value as Json};

use self::board::Device;
pub use self::board::{Board, Model};
pub use self::dotenv::parse as parse_dotenv;
use self::image::{ImageError, ModuleFile};
use self::placeholder::{Placeholder, placeholders};
use crate::create_options;
use crate::manifest::{Interface, Manifest, Reading, read};
use crate::node;
use crate::position::Position;
use crate::problem::{Problem, Severity};
use crate::source_text::SourceText;
use crate::suggest::closest;

/// The platform of image placeholders that name none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Platform {
    /// `amd64`
    #[default]
    Amd64,
    /// `arm64v8`: a Raspberry Pi with a 64-bit system.
    Arm64v8,
    /// `arm32v7`: a Raspberry Pi with a 32-bit system.
    Arm32v7,
}

/// What a template asks of the place it is in.
pub trait Surroundings {
    /// A variable, from the environment or else from the `.env` beside the template.
    fn variable(&self, name: &str) -> Option<String>;

    /// The text of `module.json` in a directory, whose path is relative to the template's.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    fn module_json(&self, directory: &str) -> io::Result<String>;
}

/// A template expanded, and everything there is to say about it.
#[derive(Clone, Debug)]
pub struct Expansion {
    /// The deployment manifest, unless there is an error among the problems.
    pub document: Option<Json>,
    /// The same, read. Its problems are those of the template too.
    pub reading: Reading,
}

impl Platform {
    /// Every platform.
    pub const ALL: [Self; 3] = [Self::Amd64, Self::Arm64v8, Self::Arm32v7];

    /// Its name in tags, in `module.json` and in placeholders.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64v8 => "arm64v8",
            Self::Arm32v7 => "arm32v7",
        }
    }
}

/// Whether a document is a template and no manifest: it says so, or asks for images by their modules.
pub fn is_template(text: &str) -> bool {
    text.contains("\"$schema-template\"")
        || text.contains("${MODULES.")
        || text.contains("${MODULEDIR<")
}

/// Expands a template for a platform and reads the result.
pub fn expand(text: &str, platform: Platform, around: &impl Surroundings) -> Expansion {
    expand_with(text, platform, None, around)
}

/// The same, with the modules' create options fitted to a board: modules of a simulated board get this one, and every
/// module gets the devices that `devices` of its `module.json` asks for.
pub fn expand_for(
    text: &str,
    platform: Platform,
    board: &Board,
    around: &impl Surroundings,
) -> Expansion {
    expand_with(text, platform, Some(board), around)
}

fn expand_with(
    text: &str,
    platform: Platform,
    board: Option<&Board>,
    around: &impl Surroundings,
) -> Expansion {
    let mut expander = Expander {
        text,
        platform,
        around,
        interfaces: BTreeMap::new(),
        devices: BTreeMap::new(),
        problems: Vec::new(),
    };
    let replacements = expander.replacements();
    let source = SourceText::replace(text, replacements);
    let Reading {
        mut manifest,
        problems,
    } = read(&source, &expander.interfaces, true);
    let mut all = expander.problems;
    all.extend(problems);
    let document = node::parse(source.text()).ok().map(|root| root.to_json());
    let document = document.and_then(|mut document| {
        if let Some(board) = board {
            for module in board::fit(&mut document, board, &expander.devices) {
                all.push(Problem {
                    severity: Severity::Warning,
                    ..problem(
                        text,
                        text.find(&format!("\"{module}\"")).unwrap_or(0),
                        format!("{module} is given no device"),
                        "what it needs is in `devices` of its module.json: name its image as \
                         `${MODULES.NAME}`, or write its create options"
                            .to_owned(),
                    )
                });
            }
        }
        match manifest_from(document) {
            Ok(document) => {
                if board.is_some() && manifest.is_some() {
                    manifest = Manifest::read(&document.to_string()).manifest;
                }
                Some(document)
            }
            Err((module, error)) => {
                let at = text.find(&format!("\"{module}\"")).unwrap_or(0);
                all.push(problem(
                    text,
                    at,
                    format!("{module}: {error}"),
                    String::new(),
                ));
                None
            }
        }
    });
    all.sort_by_key(|problem| problem.position);
    let reading = Reading {
        manifest,
        problems: all,
    };
    let has_errors = reading.has_errors();
    Expansion {
        document: document.filter(|_| !has_errors),
        reading: Reading {
            manifest: reading.manifest.filter(|_| !has_errors),
            problems: reading.problems,
        },
    }
}

struct Expander<'a, S> {
    text: &'a str,
    platform: Platform,
    around: &'a S,
    /// What the modules whose images were asked for say of themselves, under the names of their directories.
    interfaces: BTreeMap<String, Interface>,
    /// The devices that modules ask for, under their images.
    devices: BTreeMap<String, Vec<Device>>,
    problems: Vec<Problem>,
}

impl<S: Surroundings> Expander<'_, S> {
    fn replacements(&mut self) -> Vec<(Range<usize>, String)> {
        let mut replacements = Vec::new();
        for (span, placeholder) in placeholders(self.text) {
            let value = match placeholder {
                Placeholder::Variable { name, in_braces } => self.variable(&span, name, in_braces),
                Placeholder::Image { directory, key } => self.image(&span, &directory, key),
            };
            if let Some(value) = value {
                replacements.push((span, value));
            }
        }
        replacements
    }

    fn variable(&mut self, span: &Range<usize>, name: &str, in_braces: bool) -> Option<String> {
        if let Some(value) = self.around.variable(name) {
            // Between quotes, where placeholders nearly always stand, the value must stay inside them.
            let is_in_string = is_in_string(&self.text[..span.start]);
            return Some(if is_in_string { escaped(&value) } else { value });
        }
        let is_capital = name.chars().any(|char| char.is_ascii_uppercase())
            && !name.chars().any(|char| char.is_ascii_lowercase());
        if in_braces || is_capital {
            let help = match name.split_once('.') {
                Some((start, _)) => match closest(start, ["MODULES", "MODULEDIR"]) {
                    Some(known) => format!("did you mean `${{{known}…}}`?"),
                    None => "an image is `${MODULES.NAME}`".to_owned(),
                },
                None => "set it in the environment, or in `.env` beside the template".to_owned(),
            };
            self.error(
                span.start,
                format!("the variable `{name}` is not defined"),
                help,
            );
        }
        None
    }

    /// `repository:version-platform`, from the module's own file.
    fn image(&mut self, span: &Range<usize>, directory: &str, key: Option<&str>) -> Option<String> {
        let path = format!("{directory}/module.json");
        let text = match self.around.module_json(directory) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let help =
                    "write the name of a directory that has a `module.json`, or the image itself";
                self.error(span.start, format!("there is no `{path}`"), help.to_owned());
                return None;
            }
            Err(error) => {
                self.error(
                    span.start,
                    format!("cannot read `{path}`: {error}"),
                    String::new(),
                );
                return None;
            }
        };
        let variable = |name: &str| self.around.variable(name);
        let image = ModuleFile::read(&text, variable).and_then(|file| {
            let image = file.image(self.platform, key)?;
            Ok((file, image))
        });
        match image {
            Ok((file, image)) => {
                let name = directory.rsplit('/').next().unwrap_or(directory);
                self.interfaces.insert(name.to_owned(), file.interface);
                self.devices.insert(image.clone(), file.devices);
                Some(escaped(&image))
            }
            Err(ImageError { message, help }) => {
                self.error(span.start, format!("`{path}`: {message}"), help);
                None
            }
        }
    }

    fn error(&mut self, offset: usize, message: String, help: String) {
        self.problems
            .push(problem(self.text, offset, message, help));
    }
}

fn problem(text: &str, offset: usize, message: String, help: String) -> Problem {
    Problem {
        severity: Severity::Error,
        position: Position::of(text, offset),
        message,
        help: (!help.is_empty()).then_some(help),
    }
}

/// Whether the text ends inside a JSON string.
fn is_in_string(before: &str) -> bool {
    let mut inside = false;
    let mut bytes = before.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => inside = !inside,
            b'\\' if inside => drop(bytes.next()),
            _ => {}
        }
    }
    inside
}

/// A text as it stands between the quotes of a JSON string.
fn escaped(text: &str) -> String {
    let literal = Json::from(text).to_string();
    literal[1..literal.len() - 1].to_owned()
}

/// The manifest an expanded template stands for. The error names the module whose options no twin can hold.
fn manifest_from(mut document: Json) -> Result<Json, (String, create_options::TooLong)> {
    if let Json::Object(fields) = &mut document {
        fields.shift_remove("$schema-template");
    }
    cut_create_options("the document", &mut document)?;
    Ok(document)
}

/// Makes strings of create options, wherever a module has settings.
fn cut_create_options(
    name: &str,
    json: &mut Json,
) -> Result<(), (String, create_options::TooLong)> {
    let Json::Object(fields) = json else {
        return Ok(());
    };
    for (key, value) in fields.iter_mut() {
        match value {
            Json::Object(settings)
                if key == "settings"
                    && settings.keys().any(|key| create_options::is_piece(key)) =>
            {
                *settings = cut_settings(settings).map_err(|error| (name.to_owned(), error))?;
            }
            value => cut_create_options(key, value)?,
        }
    }
    Ok(())
}

fn cut_settings(
    settings: &Map<String, Json>,
) -> Result<Map<String, Json>, create_options::TooLong> {
    let pieces = settings
        .iter()
        .filter(|(key, _)| create_options::is_piece(key));
    let mut whole = String::new();
    for (_, piece) in pieces {
        match piece {
            Json::String(text) => whole.push_str(text),
            Json::Null => {}
            options => whole.push_str(&options.to_string()),
        }
    }
    let mut cut = Map::new();
    for (key, value) in settings {
        if !create_options::is_piece(key) {
            cut.insert(key.clone(), value.clone());
        } else if !cut.contains_key(&create_options::key(0)) {
            for (index, piece) in create_options::split(&whole)?.into_iter().enumerate() {
                cut.insert(create_options::key(index), Json::String(piece));
            }
        }
    }
    Ok(cut)
}
