//! The machine in invented time.

use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

mod against_reference;
mod ends;

const LIMITS: Limits = Limits {
    give_up_after: Duration::from_secs(60),
    answer_within: Duration::from_secs(10),
    ask_again_after: Duration::from_secs(2),
    back_off_first: Duration::from_secs(1),
    back_off_cap: Duration::from_secs(8),
};

const ASSIGNING: &str = r#"{"operationId":"4.b2f1.77aa","status":"assigning"}"#;
const STILL_ASSIGNING: &str = r#"{"operationId":"4.b2f1.77aa","status":"assigning",
    "registrationState":{"registrationId":"r1","status":"assigning"}}"#;
const ASSIGNED: &str = r#"{"operationId":"4.b2f1.77aa","status":"assigned","registrationState":{
    "registrationId":"r1","createdDateTimeUtc":"2026-03-01T10:00:00.1234567Z",
    "assignedHub":"myhub.azure-devices.net","deviceId":"pump7","status":"assigned","substatus":"initialAssignment",
    "lastUpdatedDateTimeUtc":"2026-03-01T10:00:01.1234567Z","etag":"ImUxIg==",
    "payload":{"site":"north"},"symmetricKey":{"enrollmentGroupId":"pumps"}}}"#;
const THROTTLED: &str =
    r#"{"errorCode":429001,"trackingId":"ab12","message":"Too many requests","timestampUtc":"x"}"#;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A machine, its clock, and whoever plays the service.
struct Stage {
    machine: Machine,
    began: Instant,
    now: Instant,
    request: u32,
    progress: Vec<String>,
}

impl Stage {
    fn new(limits: Limits) -> Self {
        let now = Instant::now();
        Self {
            machine: Machine::new(limits, fastrand::Rng::with_seed(7), now),
            began: now,
            now,
            request: 0,
            progress: Vec::new(),
        }
    }

    /// The next output that is no progress.
    fn output(&mut self) -> Option<Output> {
        loop {
            match self.machine.poll_output()? {
                Output::Progress(progress) => self.progress.push(progress.to_string()),
                other => return Some(other),
            }
        }
    }

    /// What is asked now.
    fn asked(&mut self) -> Call {
        match self.output() {
            Some(Output::Send { request, call }) => {
                self.request = request;
                call
            }
            other => panic!("{other:?} in place of a question"),
        }
    }

    fn answer(&mut self, status: u16, retry_after: Option<u64>, body: &str) {
        let answer = Answer {
            status,
            retry_after: retry_after.map(seconds),
            body: body.as_bytes(),
        };
        self.machine.handle_answer(self.request, answer, self.now);
    }

    fn fail(&mut self, why: transport::Error) {
        self.machine.handle_failed(self.request, why, self.now);
    }

    /// Sleeps until the machine wants to be woken, and says how long.
    fn sleep(&mut self) -> Duration {
        assert!(self.output().is_none(), "there is something to do");
        let wake = self.machine.poll_timeout().expect("it is not over");
        let slept = wake - self.now;
        self.now = wake;
        self.machine.handle_timeout(wake);
        slept
    }

    fn result(&mut self) -> Result<Assignment, RegisterError> {
        match self.output() {
            Some(Output::Done(result)) => {
                assert!(self.machine.poll_timeout().is_none() && self.output().is_none());
                result
            }
            other => panic!("{other:?} in place of the end"),
        }
    }

    fn error(&mut self) -> RegisterError {
        self.result().expect_err("no hub")
    }
}

fn status_of(operation_id: &str) -> Call {
    Call::Status {
        operation_id: operation_id.to_owned(),
    }
}

fn lost() -> transport::Error {
    transport::Error::Closed
}

#[test]
fn the_captured_exchange_ends_with_a_hub() {
    let mut stage = Stage::new(LIMITS);
    assert_eq!(stage.asked(), Call::Register);
    stage.answer(202, Some(3), ASSIGNING);
    assert_eq!(stage.sleep(), seconds(3));
    assert_eq!(stage.asked(), status_of("4.b2f1.77aa"));
    stage.answer(202, Some(5), STILL_ASSIGNING);
    assert_eq!(stage.sleep(), seconds(5));
    assert_eq!(stage.asked(), status_of("4.b2f1.77aa"));
    stage.answer(200, None, ASSIGNED);
    let assignment = stage.result().expect("a hub");
    assert_eq!(assignment.hub, "myhub.azure-devices.net");
    assert_eq!(assignment.device_id, "pump7");
    assert_eq!(assignment.payload, Some(json!({"site": "north"})));
    assert_eq!(
        stage.progress,
        [
            "registering",
            "the service is choosing a hub; asking again in 3.0s",
            "the service is choosing a hub; asking again in 5.0s",
            "assigned to myhub.azure-devices.net as pump7"
        ]
    );
}

#[test]
fn a_device_that_has_its_hub_gets_it_at_once() {
    let mut stage = Stage::new(LIMITS);
    stage.asked();
    stage.answer(200, None, ASSIGNED);
    assert_eq!(stage.result().expect("a hub").device_id, "pump7");
    assert_eq!(stage.now, stage.began);
}

#[test]
fn without_a_word_on_when_it_asks_again_after_its_own_time() {
    let mut stage = Stage::new(LIMITS);
    stage.asked();
    stage.answer(202, None, ASSIGNING);
    assert_eq!(stage.sleep(), LIMITS.ask_again_after);
    stage.asked();
    stage.answer(202, Some(0), ASSIGNING);
    assert_eq!(
        stage.sleep(),
        MIN_WAIT,
        "0 is no leave to flood the service"
    );
}

#[test]
fn what_the_service_says_decides_what_comes_of_it() {
    let refusal = |number: u32| {
        format!(r#"{{"errorCode":{number},"trackingId":"ab12","message":"No","timestampUtc":"x"}}"#)
    };
    let failed = r#"{"operationId":"4","status":"failed","registrationState":{"status":"failed",
        "errorCode":400207,"errorMessage":"the webhook says no"}}"#;
    let disabled =
        r#"{"operationId":"4","status":"disabled","registrationState":{"status":"disabled"}}"#;
    let bare = r#"{"operationId":"","status":"failed"}"#;
    let no_hub = r#"{"operationId":"4","status":"assigned","registrationState":{"status":"assigned","deviceId":"d"}}"#;
    let no_device = r#"{"operationId":"4","status":"assigned",
        "registrationState":{"status":"assigned","assignedHub":"h","deviceId":""}}"#;
    let odd_hub = r#"{"operationId":"4","status":"assigned",
        "registrationState":{"status":"assigned","assignedHub":"h/../d","deviceId":"d"}}"#;
    let unknown = r#"{"operationId":"4","status":"pondering"}"#;
    let wild = r##"{"operationId":"4/#","status":"assigning"}"##;
    let unauthorized = &refusal(401_002);
    for (status, body, expected) in [
        (
            401,
            unauthorized.as_str(),
            "Unauthorized(401002 No, tracking id ab12)",
        ),
        (401, "", "Unauthorized(401)"),
        (401, "<html>", "Unauthorized(401)"),
        (
            404,
            &refusal(404_201),
            "NotFound(404201 No, tracking id ab12)",
        ),
        (403, &refusal(403_004), "Disabled"),
        (
            403,
            &refusal(403_001),
            "Refused(403001 No, tracking id ab12)",
        ),
        (
            400,
            &refusal(400_004),
            "Refused(400004 No, tracking id ab12)",
        ),
        (302, "", "Refused(302)"),
        (428, "", "Refused(428)"),
        (200, failed, "Failed(Some(400207), the webhook says no)"),
        (202, failed, "Failed(Some(400207), the webhook says no)"),
        (200, bare, "Failed(None, )"),
        (200, disabled, "Disabled"),
        (200, no_hub, "Malformed(assigned hub)"),
        (200, odd_hub, "Malformed(assigned hub)"),
        (200, no_device, "Malformed(device id)"),
        (
            200,
            r#"{"operationId":"4","status":"assigned"}"#,
            "Malformed(assignment)",
        ),
        (
            202,
            r#"{"operationId":"","status":"assigning"}"#,
            "Malformed(operation id)",
        ),
        (202, wild, "Malformed(operation id)"),
        (200, unknown, "Malformed(operation)"),
        (200, "", "Malformed(operation)"),
        (0, ASSIGNED, "Malformed(status)"),
        (101, ASSIGNED, "Malformed(status)"),
    ] {
        let mut stage = Stage::new(LIMITS);
        stage.asked();
        stage.answer(status, Some(1), body);
        let told = match stage.error() {
            RegisterError::Unauthorized(refusal) => format!("Unauthorized({refusal})"),
            RegisterError::NotFound(refusal) => format!("NotFound({refusal})"),
            RegisterError::Refused(refusal) => format!("Refused({refusal})"),
            RegisterError::Disabled => "Disabled".to_owned(),
            RegisterError::Failed { code, message } => format!("Failed({code:?}, {message})"),
            RegisterError::Malformed(what) => format!("Malformed({what})"),
            other => format!("{other:?}"),
        };
        assert_eq!(told, expected, "{status} {body}");
    }
}

#[test]
fn a_busy_service_is_asked_again_never_sooner_than_it_said() {
    for status in [429, 500, 503, 599] {
        let mut stage = Stage::new(LIMITS);
        stage.asked();
        stage.answer(status, Some(5), THROTTLED);
        let slept = stage.sleep();
        assert!(slept >= seconds(5) && slept <= seconds(6), "{slept:?}");
        assert_eq!(stage.asked(), Call::Register);
        stage.answer(202, Some(3), ASSIGNING);
        stage.sleep();
        stage.asked();
        stage.answer(status, None, "");
        assert!(
            stage.sleep() <= seconds(1),
            "a good answer ends a series of bad ones"
        );
        assert_eq!(stage.asked(), status_of("4.b2f1.77aa"));
    }
}

#[test]
fn back_off_doubles_up_to_the_cap_less_a_random_part() {
    let limits = Limits {
        give_up_after: seconds(3600),
        ..LIMITS
    };
    let mut stage = Stage::new(limits);
    for longest in [1, 2, 4, 8, 8, 8] {
        stage.asked();
        stage.fail(lost());
        let slept = stage.sleep();
        assert!(
            slept <= seconds(longest) && slept >= seconds(longest) / 2,
            "{slept:?}"
        );
    }
}

#[test]
fn a_connection_lost_while_polling_is_asked_again_by_operation() {
    let mut stage = Stage::new(LIMITS);
    stage.asked();
    stage.fail(lost());
    stage.sleep();
    assert_eq!(stage.asked(), Call::Register, "there is no operation yet");
    stage.answer(202, Some(3), ASSIGNING);
    stage.sleep();
    stage.asked();
    stage.fail(lost());
    stage.sleep();
    assert_eq!(stage.asked(), status_of("4.b2f1.77aa"));
    stage.answer(200, None, ASSIGNED);
    assert!(stage.result().is_ok());
    assert!(
        stage
            .progress
            .contains(&"registering again, attempt 2".to_owned())
    );
}

#[test]
fn an_operation_that_the_service_forgot_is_begun_anew() {
    let mut stage = Stage::new(LIMITS);
    stage.asked();
    stage.answer(202, Some(3), ASSIGNING);
    stage.sleep();
    stage.asked();
    stage.answer(404, None, "");
    stage.sleep();
    assert_eq!(stage.asked(), Call::Register);
    stage.answer(404, None, "");
    assert!(matches!(stage.error(), RegisterError::NotFound(_)));
}

#[test]
fn silence_ends_the_connection_and_an_answer_that_comes_later_is_passed_over() {
    let mut stage = Stage::new(LIMITS);
    stage.asked();
    let first = stage.request;
    assert_eq!(stage.sleep(), LIMITS.answer_within);
    assert!(matches!(stage.output(), Some(Output::Abandon)));
    let late = Answer {
        status: 200,
        retry_after: None,
        body: ASSIGNED.as_bytes(),
    };
    stage.machine.handle_answer(first, late, stage.now);
    stage.sleep();
    assert_eq!(stage.asked(), Call::Register);
    stage.machine.handle_answer(first, late, stage.now);
    stage.machine.handle_failed(first, lost(), stage.now);
    assert!(stage.output().is_none());
    stage.answer(200, None, ASSIGNED);
    assert!(stage.result().is_ok());
}
