//! `/enrollments`: who may register with the provisioning service, who has, and why the others were refused.

use std::future::ready;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use serde_json::Value;

use super::parts::{Part, follow};
use super::{Frame, Hub, in_address, moment, show};

/// Attempts shown.
const ATTEMPTS: usize = 60;
/// Registrations shown; a group may have many thousands.
const REGISTRATIONS: usize = 200;

pub(super) fn router() -> Router<Arc<Hub>> {
    Router::new()
        .route("/enrollments", get(page))
        .route("/streams/enrollments", get(stream))
}

#[derive(Template)]
#[template(path = "hub/enrolments.html")]
struct EnrolmentsPage<'a> {
    frame: &'a Frame,
    service: String,
    id_scope: String,
    enrolments: Enrolments,
    registrations: Registrations,
    attempts: Attempts,
}

#[derive(Template)]
#[template(path = "hub/enrolment_rows.html")]
struct Enrolments {
    /// What the service itself answered instead.
    fault: String,
    rows: Vec<Enrolment>,
}

struct Enrolment {
    name: String,
    /// `groups` or `enrollments`, as in the control API.
    kind: &'static str,
    word: &'static str,
    /// Below `/control/dps/`.
    path: String,
    proof: &'static str,
    has_keys: bool,
    edge: bool,
    enabled: bool,
    allocation: String,
    /// How many devices registered by it.
    registered: usize,
}

#[derive(Template)]
#[template(path = "hub/registrations.html")]
struct Registrations {
    rows: Vec<Registration>,
    more: usize,
}

struct Registration {
    id: String,
    path: String,
    status: String,
    hub: String,
    device: String,
    device_path: String,
    group: String,
    at: String,
    error: String,
}

#[derive(Template)]
#[template(path = "hub/attempts.html")]
struct Attempts {
    rows: Vec<Attempt>,
}

struct Attempt {
    key: String,
    at: String,
    id: String,
    outcome: String,
    transport: &'static str,
    presented: String,
    matched: String,
    reason: String,
    placed: String,
}

async fn page(State(hub): State<Arc<Hub>>) -> Response {
    let (overview, enrolments) = look(&hub);
    show(&EnrolmentsPage {
        frame: &hub.frame,
        service: text(&overview["provisioningHost"]),
        id_scope: text(&overview["idScope"]),
        enrolments,
        registrations: registrations(&overview),
        attempts: attempts(&hub),
    })
}

async fn stream(State(hub): State<Arc<Hub>>) -> Response {
    follow(move || {
        let (overview, enrolments) = look(&hub);
        ready(Some(vec![
            Part::new("enrolments", &enrolments),
            Part::new("registrations", &registrations(&overview)),
            Part::new("attempts", &attempts(&hub)),
        ]))
    })
}

fn look(hub: &Hub) -> (Value, Enrolments) {
    match hub.simulator.enrolments() {
        Ok(overview) => {
            let fault = String::new();
            let rows = enrolments(&overview);
            (overview, Enrolments { fault, rows })
        }
        Err(fault) => {
            let fault = fault.to_string();
            (
                Value::Null,
                Enrolments {
                    fault,
                    rows: Vec::new(),
                },
            )
        }
    }
}

fn enrolments(overview: &Value) -> Vec<Enrolment> {
    let registrations = || list(&overview["registrations"]);
    let groups = list(&overview["groups"]).map(|group| {
        let name = text(&group["enrollmentGroupId"]);
        let of_it = registrations().filter(|one| group_of(one) == name);
        enrolment(group, "groups", "group", of_it.count(), &name)
    });
    let single = list(&overview["enrollments"]).map(|one| {
        let name = text(&one["registrationId"]);
        let of_it = registrations()
            .filter(|state| group_of(state).is_empty() && text(&state["registrationId"]) == name);
        enrolment(one, "enrollments", "device", of_it.count(), &name)
    });
    groups.chain(single).collect()
}

fn enrolment(
    document: &Value,
    kind: &'static str,
    word: &'static str,
    registered: usize,
    name: &str,
) -> Enrolment {
    let proof = match document["attestation"]["type"].as_str() {
        Some("x509") => "X.509",
        Some("tpm") => "TPM",
        _ => "key",
    };
    Enrolment {
        path: format!("{kind}/{}", in_address(name)),
        name: name.to_owned(),
        kind,
        word,
        proof,
        has_keys: proof == "key",
        edge: document["capabilities"]["iotEdge"] == true,
        enabled: document["provisioningStatus"] != "disabled",
        allocation: text(&document["allocationPolicy"]),
        registered,
    }
}

fn group_of(registration: &Value) -> String {
    ["symmetricKey", "x509"]
        .iter()
        .map(|proof| text(&registration[proof]["enrollmentGroupId"]))
        .find(|group| !group.is_empty())
        .unwrap_or_default()
}

fn registrations(overview: &Value) -> Registrations {
    let all: Vec<&Value> = list(&overview["registrations"]).collect();
    let shown = all.iter().take(REGISTRATIONS);
    Registrations {
        more: all.len().saturating_sub(REGISTRATIONS),
        rows: shown
            .map(|state| {
                let (id, device) = (text(&state["registrationId"]), text(&state["deviceId"]));
                Registration {
                    path: in_address(&id),
                    id,
                    status: text(&state["status"]),
                    hub: text(&state["assignedHub"]),
                    device_path: in_address(&device),
                    device,
                    group: group_of(state),
                    at: time(&state["lastUpdatedDateTimeUtc"]),
                    error: text(&state["errorMessage"]),
                }
            })
            .collect(),
    }
}

fn attempts(hub: &Hub) -> Attempts {
    let attempts = hub.simulator.registration_attempts(None);
    let rows = list(&attempts).take(ATTEMPTS).map(|attempt| {
        let (hub, device) = (text(&attempt["hub"]), text(&attempt["deviceId"]));
        Attempt {
            key: format!(
                "{}-{}",
                text(&attempt["at"]),
                text(&attempt["registrationId"])
            ),
            at: time(&attempt["at"]),
            id: text(&attempt["registrationId"]),
            outcome: text(&attempt["outcome"]),
            transport: if attempt["transport"] == "https" {
                "HTTPS"
            } else {
                "MQTT"
            },
            presented: text(&attempt["presented"]),
            matched: text(&attempt["matched"]),
            reason: text(&attempt["reason"]),
            placed: if hub.is_empty() {
                hub
            } else {
                format!("{hub}/{device}")
            },
        }
    });
    Attempts {
        rows: rows.collect(),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What is no time is not shown.
fn time(value: &Value) -> String {
    let at = value.as_str().and_then(|at| at.parse::<Timestamp>().ok());
    at.map(moment).unwrap_or_default()
}
