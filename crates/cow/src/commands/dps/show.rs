//! How the service's documents read on a terminal.

use serde_json::Value;

use crate::output::{self, BAD, FAINT, GOOD, JsonArgs, STRONG, paint};

/// The scope and every enrolment; for a program one document, without the registrations, which have a command of
/// their own.
pub(super) fn overview(overview: &Value, json: JsonArgs) -> anyhow::Result<()> {
    if json.json {
        let mut shown = overview.clone();
        if let Value::Object(shown) = &mut shown {
            shown.remove("registrations");
        }
        return output::document(&shown, json);
    }
    let hubs: Vec<_> = items(overview, "hubs").map(word).collect();
    output::line(&format!(
        "id scope {}  {}",
        paint(text(overview, "idScope"), STRONG),
        paint(
            &format!(
                "at {}, hubs: {}",
                text(overview, "provisioningHost"),
                hubs.join(", ")
            ),
            FAINT
        )
    ))?;
    for enrolled in items(overview, "groups").chain(items(overview, "enrollments")) {
        output::line(&enrolment(enrolled))?;
    }
    Ok(())
}

/// One document a line, or one description.
pub(super) fn each(
    documents: &Value,
    json: JsonArgs,
    describe: fn(&Value) -> String,
) -> anyhow::Result<()> {
    for document in documents.as_array().into_iter().flatten() {
        if json.json {
            output::document(document, json)?;
        } else {
            output::line(&describe(document))?;
        }
    }
    Ok(())
}

/// A group or an individual enrolment, in a line.
pub(super) fn enrolment(enrolled: &Value) -> String {
    let (kind, name) = match enrolled["enrollmentGroupId"].as_str() {
        Some(group) => ("group", group),
        None => ("enrollment", text(enrolled, "registrationId")),
    };
    let mut facts = vec![match enrolled["attestation"]["type"].as_str() {
        Some("symmetricKey") => "symmetric key",
        Some("x509") => "X.509",
        Some(other) => other,
        None => "no attestation",
    }];
    if enrolled["capabilities"]["iotEdge"] == true {
        facts.push("edge devices");
    }
    let device = enrolled["deviceId"]
        .as_str()
        .map(|id| format!("device {id}"));
    facts.extend(device.as_deref());
    let mut line = format!(
        "{kind} {}  {}",
        paint(name, STRONG),
        paint(&facts.join(", "), FAINT)
    );
    if enrolled["provisioningStatus"] == "disabled" {
        line = format!("{line}  {}", paint("disabled", BAD));
    }
    line
}

/// A registration's record, in a line.
pub(super) fn registration(record: &Value) -> String {
    let id = paint(text(record, "registrationId"), STRONG);
    let group = record["symmetricKey"]["enrollmentGroupId"]
        .as_str()
        .or_else(|| record["enrollmentGroupId"].as_str());
    let group = group.map(|group| paint(&format!("  group {group}"), FAINT));
    let status = match text(record, "status") {
        "assigned" => {
            let to = format!(
                "{}/{}",
                text(record, "assignedHub"),
                text(record, "deviceId")
            );
            format!("{} to {to}", paint("assigned", GOOD))
        }
        "failed" => format!("{}: {}", paint("failed", BAD), text(record, "errorMessage")),
        other => other.to_owned(),
    };
    format!("{id}  {status}{}", group.unwrap_or_default())
}

/// An attempt to register: a line on how it ended, and a line for each thing that led there.
pub(super) fn attempt(attempt: &Value) -> String {
    let outcome = text(attempt, "outcome");
    let style = if outcome == "assigned" { GOOD } else { BAD };
    let mut lines = vec![format!(
        "{} {} {}  {}",
        paint(text(attempt, "at"), FAINT),
        paint(text(attempt, "registrationId"), STRONG),
        paint(outcome, style),
        paint(&format!("over {}", text(attempt, "transport")), FAINT),
    )];
    let mut say = |label: &str, value: &Value| {
        if !value.is_null() && value != "" {
            lines.push(format!(
                "  {} {}",
                paint(&format!("{label:9}"), FAINT),
                word(value)
            ));
        }
    };
    say("presented", &attempt["presented"]);
    match &attempt["matched"] {
        Value::Null => say("matched", &"no enrolment".into()),
        matched => say("matched", matched),
    }
    say("because", &attempt["reason"]);
    if let Some(hub) = attempt["hub"].as_str() {
        let given = format!("{hub}/{}", text(attempt, "deviceId"));
        say("given", &given.into());
    }
    lines.join("\n")
}

/// A value as a person reads it: texts bare, objects as their members.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(word).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            let members = members.iter().filter(|(_, value)| !value.is_null());
            let members = members.map(|(name, value)| format!("{name} {}", word(value)));
            members.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}
