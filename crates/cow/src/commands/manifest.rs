use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use manifest::template::{self, Board, Expansion, Model, Platform, Surroundings};
use manifest::{Manifest, Problem, Reading, Severity, excerpt};
use serde_json::{Value, json};

use crate::output::{self, BAD, FAINT, GOOD, JsonArgs, STRONG};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Say everything that is wrong or odd about a template or manifest
    #[command(after_help = "Exit codes: 0 usable, warnings or not; 1 an error was found.")]
    Check {
        /// deployment.template.json, or a manifest made from one
        file: PathBuf,
        /// The platform of images that name none
        #[arg(long, default_value = "amd64", value_parser = platform)]
        platform: Platform,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Make the manifest of a template
    #[command(
        after_help = "Variables come from the environment, and from the .env file beside the template."
    )]
    Build {
        /// deployment.template.json
        file: PathBuf,
        /// The platform of images that name none: amd64, arm64v8 or arm32v7 [default: amd64, or the board's]
        #[arg(long, value_parser = platform)]
        platform: Option<Platform>,
        /// Write it to a file instead of standard output
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        board: BoardArgs,
    },
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "For a board")]
pub(crate) struct BoardArgs {
    /// Give the modules the devices of a board, in place of the simulated one: pi3, pi4, pi5 or pi-zero-2
    #[arg(long, value_name = "MODEL", value_parser = model)]
    board: Option<Model>,
    /// What is wired to it, as in docs/raspberry-pi.md [default: its wiring, and the first gauge that answers]
    #[arg(long, value_name = "KEY=VALUE,…", requires = "board", value_parser = wiring)]
    wiring: Option<String>,
    /// The number of the GPIO chip its header is on [default: 0]
    #[arg(long, value_name = "N", requires = "board")]
    gpio_chip: Option<u32>,
    /// The number of its group gpio [default: 993, as in Raspberry Pi OS 12]
    #[arg(long, value_name = "GID", requires = "board")]
    gpio_group: Option<u32>,
    /// The number of its group i2c [default: 994, as in Raspberry Pi OS 12]
    #[arg(long, value_name = "GID", requires = "board")]
    i2c_group: Option<u32>,
    /// The number of its group spi, for a strip [default: 995, as in Raspberry Pi OS 12]
    #[arg(long, value_name = "GID", requires = "board")]
    spi_group: Option<u32>,
}

/// A template's directory: its modules, and the variables that hold there.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    dotenv: Vec<(String, String)>,
}

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check {
            file,
            platform,
            json,
        } => check(&file, platform, json),
        Command::Build {
            file,
            platform,
            board,
            output,
        } => build(&file, platform, board, output.as_deref()),
    }
}

/// Reads a template or a manifest. A template comes out expanded.
pub(crate) fn read(text: &str, beside: &Path, platform: Platform) -> anyhow::Result<Expansion> {
    if template::is_template(text) {
        return Ok(template::expand(text, platform, &Directory::of(beside)?));
    }
    let reading = Manifest::read(text);
    let document = match reading.manifest {
        Some(_) => Some(serde_json::from_str(text)?),
        None => None,
    };
    Ok(Expansion { document, reading })
}

impl BoardArgs {
    fn read(self) -> Option<Board> {
        let model = self.board?;
        let usual = model.board();
        if self.gpio_chip.is_none() && !model.has_one_chip_number() {
            eprintln!(
                "{}: which GPIO chip has the header of a {} depends on its kernel: /dev/gpiochip{} is given; `cow board probe` \
                 there says which it is, and --gpio-chip names another",
                output::paint("warning", STRONG),
                model.name(),
                usual.gpio_chip
            );
        }
        Some(Board {
            gpio_chip: self.gpio_chip.unwrap_or(usual.gpio_chip),
            gpio_group: self.gpio_group.unwrap_or(usual.gpio_group),
            i2c_group: self.i2c_group.unwrap_or(usual.i2c_group),
            spi_group: self.spi_group.unwrap_or(usual.spi_group),
            wiring: self.wiring.unwrap_or(usual.wiring),
        })
    }
}

impl Directory {
    /// The directory a file is in.
    pub(crate) fn of(file: &Path) -> anyhow::Result<Self> {
        let path = file.parent().unwrap_or(Path::new("")).to_owned();
        let dotenv = path.join(".env");
        let dotenv = match fs::read_to_string(&dotenv) {
            Ok(text) => template::parse_dotenv(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", dotenv.display()));
            }
        };
        Ok(Self { path, dotenv })
    }
}

impl Surroundings for Directory {
    fn variable(&self, name: &str) -> Option<String> {
        let own = || {
            self.dotenv
                .iter()
                .rfind(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
        };
        std::env::var(name).ok().or_else(own)
    }

    fn module_json(&self, directory: &str) -> io::Result<String> {
        fs::read_to_string(self.path.join(directory).join("module.json"))
    }
}

fn check(file: &Path, platform: Platform, json: JsonArgs) -> anyhow::Result<ExitCode> {
    let text = text_of(file)?;
    let Reading { manifest, problems } = read(&text, file, platform)?.reading;
    if json.json {
        let listed: Vec<Value> = problems.iter().map(as_json).collect();
        output::line(&json!({"ok": manifest.is_some(), "problems": listed}).to_string())?;
    } else {
        for problem in &problems {
            output::line(&shown(file, &text, problem))?;
        }
        output::line(&verdict(file, manifest.as_ref(), &problems))?;
    }
    Ok(ExitCode::from(u8::from(manifest.is_none())))
}

fn build(
    file: &Path,
    platform: Option<Platform>,
    board: BoardArgs,
    output: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let text = text_of(file)?;
    let platform = platform.or(board.board.map(Model::platform));
    let (platform, around) = (platform.unwrap_or_default(), Directory::of(file)?);
    let Expansion { document, reading } = match board.read() {
        None => template::expand(&text, platform, &around),
        Some(board) => template::expand_for(&text, platform, &board, &around),
    };
    // Standard output holds the manifest, so problems go beside it.
    for problem in &reading.problems {
        eprintln!("{}", shown(file, &text, problem));
    }
    let Some(document) = document else {
        eprintln!("{}", verdict(file, None, &reading.problems));
        return Ok(ExitCode::FAILURE);
    };
    let document = format!("{document:#}");
    match output {
        None => output::line(&document)?,
        Some(output) => {
            fs::write(output, document + "\n")
                .with_context(|| format!("cannot write {}", output.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn text_of(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn platform(name: &str) -> Result<Platform, String> {
    let known = Platform::ALL
        .into_iter()
        .find(|platform| platform.name() == name);
    known.ok_or_else(|| "write amd64, arm64v8 or arm32v7".to_owned())
}

fn model(name: &str) -> Result<Model, String> {
    let known = Model::ALL.into_iter().find(|model| model.name() == name);
    known.ok_or_else(|| format!("write {}", Model::ALL.map(Model::name).join(", ")))
}

fn wiring(text: &str) -> Result<String, String> {
    let parts = text.strip_prefix("linux:").unwrap_or(text);
    match board::Board::open(&format!("linux:{parts}")) {
        Ok(_) => Ok(parts.to_owned()),
        Err(error) => Err(format!("{:#}", anyhow::Error::from(error))),
    }
}

fn as_json(problem: &Problem) -> Value {
    json!({
        "severity": problem.severity.to_string(),
        "line": problem.position.line,
        "column": problem.position.column,
        "message": problem.message,
        "help": problem.help,
    })
}

fn shown(file: &Path, text: &str, problem: &Problem) -> String {
    let severity = match problem.severity {
        Severity::Error => output::paint("error", BAD),
        Severity::Warning => output::paint("warning", STRONG),
    };
    let [line, caret] = excerpt(text, problem.position);
    let bar = output::paint("|", FAINT);
    let mut shown = format!(
        "{}:{}: {severity}: {}\n",
        file.display(),
        problem.position,
        problem.message
    );
    shown += &format!("  {bar} {line}\n  {bar} {}\n", output::paint(&caret, BAD));
    if let Some(help) = &problem.help {
        shown += &format!("  {} {help}\n", output::paint("=", FAINT));
    }
    shown
}

fn verdict(file: &Path, manifest: Option<&Manifest>, problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = problems.len() - errors;
    let counted =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let found = match (errors, warnings) {
        (0, 0) => output::paint("no problems", GOOD),
        (0, warnings) => counted(warnings, "warning"),
        (errors, 0) => output::paint(&counted(errors, "error"), BAD),
        (errors, warnings) => {
            let errors = output::paint(&counted(errors, "error"), BAD);
            format!("{errors} and {}", counted(warnings, "warning"))
        }
    };
    let held = manifest.map_or_else(String::new, |manifest| {
        let modules = manifest
            .agent
            .modules
            .iter()
            .filter(|module| !module.is_system)
            .count();
        let routes = manifest.hub.routes.len();
        format!(
            " in {} and {}",
            counted(modules, "module"),
            counted(routes, "route")
        )
    });
    format!("{}: {found}{held}", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_s_wiring_is_one_that_modules_read() {
        for model in Model::ALL {
            let usual = model.board().wiring;
            assert_eq!(wiring(&usual).as_ref(), Ok(&usual));
            assert_eq!(wiring(&format!("linux:{usual}")), Ok(usual));
        }
    }
}
