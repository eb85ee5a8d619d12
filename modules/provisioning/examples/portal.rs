//! The portal with a desk that only plays a device: to look at its pages, and to test them in a browser.
//!
//! `cargo run -p provisioning --example portal [none|stock|project]` prints one line,
//! `{"portal":"http://127.0.0.1:…","pin":"…"}`, and serves until Ctrl-C. Scope `0ne0refused` is refused; every other
//! set-up takes a second, and works.

use std::io::{Write as _, stdout};
use std::time::Duration;

use bay::message::{
    ChangeAnswer, ChangeKind, ChangeOutcome, ChangeReport, Mode, PartReport, SetupRequest, Step,
    TestReport,
};
use jiff::{SignedDuration, Timestamp};
use provisioning::desk::{Clerk, Desk, Refusal, Request};
use provisioning::portal::{Pin, PortalOptions, serve};
use provisioning::view::{
    ChangeProgress, LinkState, SignIn, StepProgress, StepState, Trouble, View, WaitsFor,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;
use tokio::time::sleep;

const SERIAL: &str = "10000000abcdef01";
const PACE: Duration = Duration::from_millis(300);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mode = match std::env::args().nth(1).as_deref() {
        None | Some("stock") => Mode::Stock,
        Some("none") => Mode::None,
        Some("project") => Mode::Project,
        Some(other) => anyhow::bail!("{other} is no mode; use: portal [none|stock|project]"),
    };
    let (desk, clerk) = Desk::open(View {
        can_sign_in: true,
        link: LinkState::Connected {
            since: Timestamp::now(),
        },
        ..View::default()
    });
    let device = Device { clerk };
    device.become_one(mode, "0ne00112233", SERIAL);
    if mode == Mode::None {
        device.show(|view| {
            view.link = LinkState::Unknown;
            view.waits_for = Some(WaitsFor::Claim);
        });
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let pin = Pin::random()?;
    let line = json!({"portal": format!("http://{}", listener.local_addr()?), "pin": pin.expose()});
    writeln!(stdout(), "{line}")?;
    let options = PortalOptions::new(pin)?;
    let stop = async {
        let _ = ctrl_c().await;
    };
    tokio::select! {
        () = serve(listener, desk, &options, stop) => Ok(()),
        () = device.play() => Ok(()),
    }
}

struct Device {
    clerk: Clerk,
}

impl Device {
    async fn play(mut self) {
        while let Some(request) = self.clerk.requests.recv().await {
            match request {
                Request::Claim {
                    registration,
                    answer,
                } => {
                    let _ = answer.send(self.change(ChangeKind::Claim, &registration).await);
                }
                Request::Setup {
                    registration,
                    answer,
                } => {
                    let _ = answer.send(self.change(ChangeKind::Setup, &registration).await);
                }
                Request::Reset { answer } => {
                    let stock = SetupRequest {
                        id_scope: "0ne00112233".into(),
                        registration_id: SERIAL.into(),
                        ..SetupRequest::default()
                    };
                    let _ = answer.send(self.change(ChangeKind::Reset, &stock).await);
                }
                Request::Test { answer } => {
                    let _ = answer.send(Ok(self.test().await));
                }
                Request::StartSignIn { answer } => {
                    self.show(|view| view.sign_in = Some(sign_in()));
                    let _ = answer.send(Ok(()));
                }
                Request::CancelSignIn { answer } => {
                    self.show(|view| view.sign_in = None);
                    let _ = answer.send(Ok(()));
                }
            }
        }
    }

    fn show(&self, change: impl FnOnce(&mut View)) {
        self.clerk.view.send_modify(change);
    }

    fn become_one(&self, mode: Mode, id_scope: &str, registration_id: &str) {
        let is_one = mode != Mode::None;
        let told = |text: &str| is_one.then(|| text.to_owned());
        self.show(|view| {
            view.identity.serial = Some(SERIAL.into());
            view.identity.mode = mode;
            view.identity.id_scope = told(id_scope);
            view.identity.registration_id = told(registration_id);
            view.identity.hub = told("car-park.azure-devices.net");
            view.identity.device_id = told(registration_id);
            view.global_endpoint = told("global.azure-devices-provisioning.net");
            view.waits_for = None;
        });
    }

    async fn change(&self, kind: ChangeKind, to: &SetupRequest) -> Result<ChangeAnswer, Refusal> {
        let started_at = Timestamp::now();
        let mut progress = ChangeProgress {
            kind,
            registration_id: to.registration_id.clone(),
            id_scope: to.id_scope.clone(),
            started_at,
            steps: Step::ALL
                .map(|step| StepProgress {
                    step,
                    state: StepState::Waiting,
                    took_ms: None,
                    message: None,
                })
                .into(),
        };
        let report = |outcome, step, message: &str| ChangeReport {
            kind,
            outcome,
            step,
            message: message.into(),
            started_at,
            ended_at: Some(Timestamp::now()),
            interrupted: false,
        };
        for at in 0..progress.steps.len() {
            progress.steps[at].state = StepState::Running;
            self.show(|view| view.change = Some(progress.clone()));
            let step = progress.steps[at].step;
            sleep(if step == Step::Register {
                3 * PACE
            } else {
                PACE / 3
            })
            .await;
            if step == Step::Register && to.id_scope == "0ne0refused" {
                let message = "the provisioning service does not know this key: compare it with the enrolment";
                self.show(|view| {
                    view.change = None;
                    let report = report(ChangeOutcome::Failed, Some(step), message);
                    view.last_change = Some(report);
                    view.errors.insert(
                        0,
                        Trouble {
                            at: Timestamp::now(),
                            step: Some(step),
                            message: message.into(),
                        },
                    );
                });
                return Err(Refusal::new(502, "unauthorised", message).at(step));
            }
            progress.steps[at].state = StepState::Done;
            progress.steps[at].took_ms = Some(if step == Step::Register { 903 } else { 12 });
        }
        self.show(|view| {
            view.change = None;
            let message = "it is assigned to car-park.azure-devices.net, and the hub lets it in";
            view.last_change = Some(report(ChangeOutcome::Done, None, message));
        });
        let mode = match kind {
            ChangeKind::Setup => Mode::Project,
            ChangeKind::Claim | ChangeKind::Reset => Mode::Stock,
        };
        self.become_one(mode, &to.id_scope, &to.registration_id);
        Ok(ChangeAnswer {
            kind,
            outcome: ChangeOutcome::Done,
            registration_id: to.registration_id.clone(),
            hub: Some("car-park.azure-devices.net".into()),
            device_id: Some(to.registration_id.clone()),
            message: "it has its new identity".into(),
        })
    }

    async fn test(&self) -> TestReport {
        self.show(|view| view.testing = true);
        sleep(3 * PACE).await;
        let part =
            |part: &str, method: &str, value: Option<Value>, message: Option<&str>, took_ms| {
                PartReport {
                    part: part.into(),
                    method: method.into(),
                    passed: message.is_none(),
                    value,
                    message: message.map(str::to_owned),
                    took_ms,
                }
            };
        let distance =
            json!({"distanceMm": 742, "echoes": 5, "spreadMm": 3, "temperatureCelsius": 18.5});
        let late = "it did not answer within 5 s: see that its module runs and its cable is in";
        let report = TestReport {
            passed: false,
            started_at: Timestamp::now(),
            took_ms: 5003,
            parts: vec![
                part("hc-sr04", "measure", Some(distance), None, 64),
                part("light", "identify", None, Some(late), 5000),
                part(
                    "battery",
                    "getBatteryLevel",
                    Some(json!({"chargePercent": 87, "voltageMv": 7420, "alarm": "none"})),
                    None,
                    21,
                ),
            ],
        };
        self.show(|view| {
            view.testing = false;
            view.test = Some(report.clone());
        });
        report
    }
}

fn sign_in() -> SignIn {
    SignIn {
        user_code: "WDJB-MJHT".into(),
        verification_uri: "https://claim.example/device".into(),
        verification_uri_complete: Some("https://claim.example/device?user_code=WDJB-MJHT".into()),
        expires_at: Timestamp::now() + SignedDuration::from_mins(15),
    }
}
