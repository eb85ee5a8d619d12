use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use manifest::route::{
    Condition, Explanation, Route, RouteError, RouteWarning, RoutedMessage, SampleMessage,
};
use manifest::{Position, excerpt};
use serde_json::{Value, json};

use crate::output::{self, BAD, FAINT, GOOD, JsonArgs, STRONG};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Compile a route as edgeHub does, and say whether a message goes this way
    #[command(after_help = "\
Examples:
  cow route check 'FROM /messages/modules/battery/* WHERE $body.alarm != \"none\" INTO $upstream'
  cow route check --condition 'as_number(level) > 3' --message message.json

A message, of which every part may be left out:
  {\"systemProperties\": {\"connectionModuleId\": \"battery\", \"outputName\": \"level\",
                        \"contentType\": \"application/json\", \"contentEncoding\": \"utf-8\"},
   \"properties\": {\"level\": \"5\"}, \"body\": {\"alarm\": \"low\"}}

Exit codes: 0 it compiles, whatever becomes of the message; 1 it does not.")]
    Check(Args),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The route, or the condition
    #[arg(value_name = "ROUTE", allow_hyphen_values = true)]
    text: String,
    /// A JSON file with a message to try on it
    #[arg(long, value_name = "FILE")]
    message: Option<PathBuf>,
    /// It is a condition alone, what follows WHERE
    #[arg(long)]
    condition: bool,
    #[command(flatten)]
    json: JsonArgs,
}

/// What compiled.
enum Compiled {
    Route(Box<Route>),
    Condition(Box<Condition>),
}

/// What there is to print, and whether the text compiles.
#[derive(Debug, Default)]
struct Answer {
    lines: Vec<String>,
    complaints: Vec<String>,
    compiles: bool,
}

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Check(args) = command;
    let message = args.message.as_deref().map(read).transpose()?;
    let answer = answer(&args, message.as_ref());
    for line in &answer.lines {
        output::line(line)?;
    }
    for complaint in &answer.complaints {
        eprintln!("{complaint}");
    }
    Ok(ExitCode::from(u8::from(!answer.compiles)))
}

fn answer(args: &Args, message: Option<&SampleMessage>) -> Answer {
    let text = args.text.as_str();
    let (compiled, warnings) = match compile(text, args.condition) {
        Ok(compiled) => compiled,
        Err(errors) => {
            return Answer {
                lines: refusal(text, &errors, args.json),
                ..Answer::default()
            };
        }
    };
    let result = message.and_then(|message| compiled.verdict(message));
    if args.json.json {
        return Answer {
            lines: vec![json!({"ok": true, "result": result}).to_string()],
            complaints: warnings
                .iter()
                .map(|warning| format!("warning: {warning}"))
                .collect(),
            compiles: true,
        };
    }
    let mut lines = vec![format!(
        "{} {}",
        output::paint("compiles:", GOOD),
        compiled.canonical()
    )];
    for warning in &warnings {
        let position = Position {
            line: warning.line,
            column: warning.column,
        };
        let label = output::paint("warning", STRONG);
        lines.push(shown(
            text,
            position,
            &label,
            &warning.message,
            warning.help.as_deref(),
        ));
    }
    if let Some(message) = message {
        explain(&mut lines, text, &compiled, message, result);
    }
    Answer {
        lines,
        complaints: Vec::new(),
        compiles: true,
    }
}

fn compile(text: &str, condition: bool) -> Result<(Compiled, Vec<RouteWarning>), Vec<RouteError>> {
    if condition {
        let (condition, warnings) = Condition::parse_with_warnings(text)?;
        return Ok((Compiled::Condition(Box::new(condition)), warnings));
    }
    let route = Route::parse(text)?;
    let warnings = route.warnings().to_vec();
    Ok((Compiled::Route(Box::new(route)), warnings))
}

fn read(file: &Path) -> anyhow::Result<SampleMessage> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let document: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
    SampleMessage::from_json(document).with_context(|| format!("{} is no message", file.display()))
}

fn refusal(text: &str, errors: &[RouteError], json: JsonArgs) -> Vec<String> {
    if json.json {
        let errors: Vec<Value> = errors
            .iter()
            .map(|error| json!({"line": error.line, "column": error.column, "message": error.message}))
            .collect();
        return vec![json!({"ok": false, "errors": errors}).to_string()];
    }
    let label = output::paint("error", BAD);
    let one = |error: &RouteError| {
        let position = Position {
            line: error.line,
            column: error.column,
        };
        shown(
            text,
            position,
            &label,
            &error.message,
            error.help.as_deref(),
        )
    };
    errors.iter().map(one).collect()
}

fn shown(text: &str, position: Position, label: &str, message: &str, help: Option<&str>) -> String {
    let [line, caret] = excerpt(text, position);
    let bar = output::paint("|", FAINT);
    let mut shown = format!("{position}: {label}: {message}\n");
    shown += &format!("  {bar} {line}\n  {bar} {}", output::paint(&caret, BAD));
    if let Some(help) = help {
        shown += &format!("\n  {} {help}", output::paint("=", FAINT));
    }
    shown
}

impl Compiled {
    fn condition(&self) -> Option<&Condition> {
        match self {
            Self::Route(route) => route.condition(),
            Self::Condition(condition) => Some(condition),
        }
    }

    fn canonical(&self) -> String {
        match self {
            Self::Route(route) => route.to_string(),
            Self::Condition(condition) => condition.canonical().to_owned(),
        }
    }

    /// Whether the source fits. A message that does not say who sent it is taken as sent by whoever the route means.
    fn source_fits(&self, message: &SampleMessage) -> bool {
        match self {
            Self::Route(route) => {
                !message.names_its_source() || route.source().matches(message.source())
            }
            Self::Condition(_) => true,
        }
    }

    fn verdict(&self, message: &SampleMessage) -> Option<bool> {
        if !self.source_fits(message) {
            return Some(false);
        }
        match self.condition() {
            Some(condition) => condition.evaluate(message),
            None => Some(true),
        }
    }
}

/// The verdict in words, and the parts it follows from.
fn explain(
    lines: &mut Vec<String>,
    text: &str,
    compiled: &Compiled,
    message: &SampleMessage,
    result: Option<bool>,
) {
    lines.push(match result {
        Some(true) => output::paint("the message matches", GOOD),
        Some(false) => output::paint("the message does not match", BAD),
        None => output::paint(
            "the message does not match: the condition is undefined",
            BAD,
        ),
    });
    if let Compiled::Route(route) = compiled {
        let why = match (message.names_its_source(), compiled.source_fits(message)) {
            (false, _) => "the message has no connectionModuleId: taken as sent from there",
            (true, true) => "the message comes from there",
            (true, false) => "the message does not come from there",
        };
        lines.push(format!("  FROM {}: {why}", route.source()));
    }
    let Some(condition) = compiled.condition() else {
        return;
    };
    part(lines, &condition.explain(text, message), 1);
    let looks_at_body = text.to_ascii_lowercase().contains("$body.");
    if let Some(reason) = message.body_hidden_because().filter(|_| looks_at_body) {
        let sign = output::paint("=", FAINT);
        lines.push(format!("  {sign} the body is undefined: {reason}"));
    }
}

fn part(lines: &mut Vec<String>, explanation: &Explanation, depth: usize) {
    let words: Vec<&str> = explanation.text.split_whitespace().collect();
    let text = output::paint(&words.join(" "), STRONG);
    lines.push(format!(
        "{}{text} is {}",
        "  ".repeat(depth),
        explanation.value
    ));
    for inner in &explanation.parts {
        part(lines, inner, depth + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(text: &str, condition: bool, message: Option<Value>) -> (Value, usize, bool) {
        let args = Args {
            text: text.to_owned(),
            message: None,
            condition,
            json: JsonArgs { json: true },
        };
        let message =
            message.map(|message| SampleMessage::from_json(message).expect("it is a message"));
        let answer = answer(&args, message.as_ref());
        assert_eq!(answer.lines.len(), 1);
        let line = serde_json::from_str(&answer.lines[0]).expect("it is JSON");
        (line, answer.complaints.len(), answer.compiles)
    }

    #[test]
    fn a_program_is_told_the_result() {
        let ok = |result: Value| json!({"ok": true, "result": result});
        let message = |level: &str| json!({"systemProperties": {"connectionModuleId": "a"}, "properties": {"level": level}});
        let route = "FROM /messages/modules/a/* WHERE as_number(level) > 3 INTO $upstream";
        assert_eq!(ask(route, false, None), (ok(Value::Null), 0, true));
        assert_eq!(
            ask(route, false, Some(message("4"))),
            (ok(json!(true)), 0, true)
        );
        assert_eq!(
            ask(route, false, Some(message("3"))),
            (ok(json!(false)), 0, true)
        );
        assert_eq!(
            ask(route, false, Some(message("x"))),
            (ok(Value::Null), 0, true)
        );
        let other = route.replace("/a/", "/b/");
        assert_eq!(
            ask(&other, false, Some(message("4"))),
            (ok(json!(false)), 0, true)
        );
        assert_eq!(
            ask(&other, false, Some(json!({"properties": {"level": "4"}}))),
            (ok(json!(true)), 0, true)
        );
        assert_eq!(
            ask("level = '4'", true, Some(message("4"))),
            (ok(json!(true)), 0, true)
        );
        assert_eq!(ask("3", true, None), (ok(Value::Null), 1, true));
    }

    #[test]
    fn a_program_is_told_the_errors() {
        let (answer, complaints, compiles) = ask("3 +\n'4' = 7", true, None);
        let expected = json!({"ok": false, "errors": [
            {"line": 1, "column": 3, "message":
                "Invalid operands to binary operator '+': have 'number' and 'string', expected 'number' and 'number'"},
            {"line": 2, "column": 5, "message":
                "Invalid operands to binary operator '=': have 'undefined' and 'number', expected 'undefined' and 'undefined'"},
        ]});
        assert_eq!((answer, complaints, compiles), (expected, 0, false));
    }
}
