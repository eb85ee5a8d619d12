//! The client against a scripted service: what goes over the wire, and what comes of each answer.

mod https;
mod mqtt;
mod server;
mod service;
mod trust;

use std::time::Duration;

use dps_client::Limits;

const ASSIGNING: &str = r#"{"operationId":"4.b2f1.77aa","status":"assigning"}"#;
const ASSIGNED: &str = r#"{"operationId":"4.b2f1.77aa","status":"assigned","registrationState":{
    "registrationId":"r1","assignedHub":"myhub.azure-devices.net","deviceId":"pump7","status":"assigned",
    "substatus":"initialAssignment","payload":{"site":"north"}}}"#;
const UNAUTHORIZED: &str =
    r#"{"errorCode":401002,"trackingId":"ab12","message":"Unauthorized","timestampUtc":"x"}"#;

/// Patient with the machine the tests run on, quick to try again.
fn limits() -> Limits {
    Limits {
        give_up_after: Duration::from_secs(20),
        answer_within: Duration::from_secs(10),
        ask_again_after: Duration::from_millis(10),
        back_off_first: Duration::from_millis(10),
        back_off_cap: Duration::from_millis(100),
    }
}
