//! A valid request of every operation, and what has to be there for it.

mod control;
mod devices;
mod enrolling;
mod fleet;
mod testing;
mod work;

use serde_json::Value;

use super::{Asked, Face, World, bytes};
use crate::simulator::Simulator;

/// One operation.
#[derive(Debug)]
pub(super) struct Operation {
    /// What is asked before, as often as it takes.
    pub(super) given: Vec<Asked>,
    pub(super) valid: Asked,
    /// What answers the valid request, any refusal if nothing is said. Not always a success: nobody here is online to
    /// take a method.
    pub(super) status: Option<u16>,
}

/// A request that makes what has to be there: method, target, body.
type Given = (&'static str, &'static str, Value);

/// How the tables tell of an operation.
struct Told {
    method: &'static str,
    /// Path and query.
    target: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: Value,
    status: Option<u16>,
    given: Vec<Given>,
}

impl Told {
    fn of(method: &'static str, target: &'static str, body: Value) -> Self {
        Self {
            method,
            target,
            headers: &[],
            body,
            status: Some(200),
            given: Vec::new(),
        }
    }

    fn with(self, headers: &'static [(&'static str, &'static str)]) -> Self {
        Self { headers, ..self }
    }

    fn given(self, given: impl Into<Vec<Given>>) -> Self {
        Self {
            given: given.into(),
            ..self
        }
    }

    fn answered(self, status: u16) -> Self {
        let status = Some(status);
        Self { status, ..self }
    }

    /// What one request alone cannot bring about is refused, and still read.
    fn refused(self) -> Self {
        Self {
            status: None,
            ..self
        }
    }

    fn on(self, face: Face, token: &str) -> Operation {
        let asked = |method: &str, target: &str, headers: &[(&str, &str)], body: &Value| {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let common = match face {
                Face::Https => ("authorization", token),
                Face::Control => ("content-type", "application/json"),
            };
            let headers = std::iter::once(common).chain(headers.iter().copied());
            let version = (face == Face::Https).then_some(("api-version", "2021-04-12"));
            Asked {
                face,
                method: method.to_owned(),
                path: path.split('/').skip(1).map(str::to_owned).collect(),
                query: pairs
                    .chain(version)
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                headers: headers
                    .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
                    .collect(),
                body: bytes(body),
            }
        };
        // It is made anew, so that nothing gathers in it from one request to the next.
        let given = self.given.iter().flat_map(|(method, target, body)| {
            let made = match body["deviceId"].as_str() {
                Some(id) if *method == "POST" => format!("{target}/{id}"),
                _ => (*target).to_owned(),
            };
            let gone = asked("DELETE", &made, &[("if-match", "*")], &Value::Null);
            [gone, asked(method, target, &[], body)]
        });
        Operation {
            given: given.collect(),
            valid: asked(self.method, self.target, self.headers, &self.body),
            status: self.status,
        }
    }
}

/// Every operation.
pub(super) fn every(simulator: &Simulator) -> Vec<Operation> {
    let info = simulator.info();
    let owner = World::token(&info.service_connection_string);
    let operator = World::token(&info.provisioning_service_connection_string);
    let on = |face, told: Vec<Told>, token: &str| -> Vec<Operation> {
        told.into_iter().map(|told| told.on(face, token)).collect()
    };
    let mut all = on(Face::Https, fleet::told(), &owner);
    all.extend(on(Face::Https, work::told(), &owner));
    all.extend(on(Face::Https, enrolling::told(), &operator));
    all.extend(devices::registering(simulator));
    all.extend(on(Face::Control, control::told(), ""));
    all.extend(on(Face::Control, work::of_control(), ""));
    all.extend(on(Face::Control, testing::told(), ""));
    all.extend(on(Face::Https, testing::blobs(), ""));
    all
}
