use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use manifest::template::{self, Expansion, Platform, Surroundings};
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
        /// The platform of images that name none: amd64, arm64v8 or arm32v7
        #[arg(long, default_value = "amd64", value_parser = platform)]
        platform: Platform,
        /// Write it to a file instead of standard output
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
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
            output,
        } => build(&file, platform, output.as_deref()),
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

fn build(file: &Path, platform: Platform, output: Option<&Path>) -> anyhow::Result<ExitCode> {
    let text = text_of(file)?;
    let Expansion { document, reading } = template::expand(&text, platform, &Directory::of(file)?);
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
