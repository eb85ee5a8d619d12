//! What goes to the terminal, or to the program that reads us.

use std::io::{self, IsTerminal, Write};

use clap::builder::styling::{AnsiColor, Style};
use serde_json::Value;

/// Bold, for what a reader looks for first.
pub(crate) const STRONG: Style = Style::new().bold();
/// Dimmed, for what a reader needs seldom.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// For what is well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// For what is not.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

/// An error that is the caller's: the exit code is 2, as for arguments that cannot be parsed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsedWrongly(pub(crate) String);

#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct JsonArgs {
    /// Print JSON for a program: one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Prints one line to standard output at once, for a reader may be waiting for it.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()?;
    Ok(())
}

/// Prints a document: on one line for a program, indented for a person.
pub(crate) fn document(value: &Value, json: JsonArgs) -> anyhow::Result<()> {
    if json.json {
        line(&value.to_string())
    } else {
        line(&format!("{value:#}"))
    }
}

/// Prints an error and what caused it, once, in one line.
pub(crate) fn complain(error: &anyhow::Error) {
    let label = styled("error:", BAD, io::stderr().is_terminal());
    eprintln!("{label} {error:#}");
}

/// Tells a person something that no program needs to read.
pub(crate) fn note(text: &str) {
    eprintln!(
        "{} {text}",
        styled("note:", FAINT, io::stderr().is_terminal())
    );
}

/// Shows a line a module printed.
pub(crate) fn log_line(module: &str, text: &str) {
    let module = styled(module, FAINT, io::stderr().is_terminal());
    // Standard error may be gone; that must not end whoever logs.
    let _ = writeln!(io::stderr(), "{module} {text}");
}

/// `text` in a style when standard output shows colours, else as it is.
pub(crate) fn paint(text: &str, style: Style) -> String {
    styled(text, style, io::stdout().is_terminal())
}

fn styled(text: &str, style: Style, terminal: bool) -> String {
    // https://no-color.org: present and not empty means no colours.
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if terminal && !unwanted {
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}
