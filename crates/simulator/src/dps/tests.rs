//! The provisioning service without sockets: what a device's questions lead to, and what a restart leaves.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hub_proto::dps::enrollment::{EnrollmentGroup, IndividualEnrollment};
use hub_proto::dps::error::ErrorBody;
use hub_proto::dps::registration::{Operation, RegistrationState, Status, Substatus, audience};
use hub_proto::identity::Identity;
use hub_proto::sas::{SymmetricKey, Unsigned};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::Answer;
use super::attempts::Transport;
use super::attestation::Proof;
use super::registering::Caller;
use super::{Dps, DpsLever, EnrollFault, Linked, Opening};
use crate::hub::{Hub, Names};
use crate::precondition::Precondition;

mod allocating;
mod answers;
mod connections;
mod devices;
mod enrolling;
mod kills;
mod placing;
mod registering;
mod service;

/// A service with its hubs, the first of which is `localhost`.
struct Bench {
    dps: Arc<Dps>,
    hubs: Vec<Arc<Hub>>,
}

/// The hubs of a bench with more than one.
const THREE: [&str; 3] = ["localhost", "127.0.0.2", "127.0.0.3"];

fn bench(hubs: &[&str], state: Option<&Path>) -> Bench {
    let open = |name: &&str| {
        let names = Names {
            hub: (*name).to_owned(),
            gateway: (*name).to_owned(),
            accepted: vec![(*name).to_owned()],
        };
        let state = state.map(|state| state.join(name));
        let hub = Hub::open(state.as_deref(), names).expect("the state can be read");
        hub.ensure_policies().expect("it can be written");
        Arc::new(hub)
    };
    let hubs: Vec<Arc<Hub>> = hubs.iter().map(open).collect();
    let state = state.map(|state| state.join("dps"));
    let dps = Dps::open(opening(&hubs, state.as_deref())).expect("the state can be read");
    dps.make_ready().expect("it can be written");
    Bench {
        dps: Arc::new(dps),
        hubs,
    }
}

fn opening<'a>(hubs: &[Arc<Hub>], state: Option<&'a Path>) -> Opening<'a> {
    let linked = |hub: &Arc<Hub>| Linked {
        hub: hub.clone(),
        weight: 1,
        latency_ms: 0,
    };
    Opening {
        state,
        linked: hubs.iter().map(linked).collect(),
        retry_after: Duration::ZERO,
        deployment: None,
        authority_pem: String::new(),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
    }
}

/// A service beside one hub, for the tests of those who need one.
pub(crate) fn beside(hub: &Arc<Hub>) -> Arc<Dps> {
    let dps = Dps::open(opening(std::slice::from_ref(hub), None)).expect("in memory");
    Arc::new(dps)
}

fn key(text: &str) -> SymmetricKey {
    SymmetricKey::from_bytes(format!("{text:-<32}").into_bytes())
}

fn with_keys(of: &str) -> Value {
    json!({"type": "symmetricKey", "symmetricKey": {
        "primaryKey": key(of).to_base64(), "secondaryKey": key(&format!("{of} 2")).to_base64(),
    }})
}

/// A document and what is to be different in it.
fn but(mut document: Value, change: &Value) -> Value {
    for (name, value) in change.as_object().expect("an object") {
        document[name] = value.clone();
    }
    document
}

impl Bench {
    /// Enrols a device with the keys `{id}` and `{id} 2`.
    fn enrol(&self, id: &str, change: &Value) -> IndividualEnrollment {
        let document = json!({"registrationId": id, "attestation": with_keys(id)});
        let enrollment = serde_json::from_value(but(document, change)).expect("an enrolment");
        self.dps
            .put_enrollment(id, enrollment, Precondition::None)
            .expect("it is taken")
    }

    /// Enrols a group with the keys `{id}` and `{id} 2`.
    fn enrol_group(&self, id: &str, change: &Value) -> EnrollmentGroup {
        let document = json!({"enrollmentGroupId": id, "attestation": with_keys(id)});
        let group = serde_json::from_value(but(document, change)).expect("a group");
        self.dps
            .put_group(id, group, Precondition::None)
            .expect("it is taken")
    }

    fn token(&self, id: &str, key: &SymmetricKey) -> String {
        let expiry = Timestamp::now().as_second() + 60;
        Unsigned::new(&audience(&self.dps.id_scope(), id), expiry).sign(key)
    }

    fn ask<T>(&self, id: &str, token: &str, ask: impl Fn(&Caller<'_>) -> T) -> T {
        ask(&Caller {
            id_scope: &self.dps.id_scope(),
            registration_id: id,
            proof: Proof::Token(token),
            transport: Transport::Mqtt,
        })
    }

    fn register(&self, id: &str, key: &SymmetricKey) -> Answer {
        let token = self.token(id, key);
        let body = json!({"registrationId": id, "payload": null}).to_string();
        self.ask(id, &token, |caller| {
            self.dps.register(caller, body.as_bytes())
        })
    }

    fn poll(&self, id: &str, key: &SymmetricKey, operation_id: &str) -> Answer {
        let token = self.token(id, key);
        self.ask(id, &token, |caller| {
            self.dps.operation(caller, operation_id)
        })
    }

    /// Registers and asks once more: what a device does that has not to wait.
    fn settle(&self, id: &str, key: &SymmetricKey) -> RegistrationState {
        let begun = self.register(id, key);
        assert_eq!(begun.status, 202, "{}", begun.body);
        let operation: Operation = parsed(&begun);
        let answer = self.poll(id, key, &operation.operation_id);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let operation: Operation = parsed(&answer);
        let state = operation.registration_state.expect("a record");
        assert_eq!(state.status, operation.status);
        state
    }

    fn assigned(&self, id: &str, key: &SymmetricKey) -> RegistrationState {
        let state = self.settle(id, key);
        assert_eq!(state.status, Status::Assigned, "{state:?}");
        state
    }

    fn twin(&self, hub: usize, device: &str) -> Option<Value> {
        let device = Identity::device(device).expect("an id");
        self.hubs[hub].twin(&device).ok()
    }
}

fn parsed<T: serde::de::DeserializeOwned>(answer: &Answer) -> T {
    serde_json::from_str(&answer.body).expect("the documented form")
}

/// The number of a refusal.
fn refused(answer: &Answer) -> u32 {
    let body: ErrorBody = parsed(answer);
    assert_eq!(u32::from(answer.status), body.error_code / 1000);
    assert_eq!(body.tracking_id.len(), 32);
    body.error_code
}
