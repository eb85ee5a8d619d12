//! Set-ups that cannot be. Each leaves the old identity in place, names the step to whoever asked and in
//! the view, and lets the next one through.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use bay::message::{ChangeOutcome, Mode, SetupRequest, Step};
use provisioning::disk::{Attributes, SimulatedDisk};
use provisioning::view::{StepProgress, StepState, WaitsFor};

use crate::bench::{BOUND, Bench, Log, PROJECT_KEY, STOCK_KEY, Sky, project, request};

/// What is wrong in the world above the device.
#[tokio::test]
async fn nobody_up_there_wants_it() {
    type Case = (fn(&Sky), Step, u16, &'static str);
    let clouds: [Case; 6] = [
        (
            |sky| sky.refuse_registration(401, "unauthorised"),
            Step::Register,
            401,
            "unauthorised",
        ),
        (
            |sky| sky.refuse_registration(404, "unknown-registration"),
            Step::Register,
            404,
            "unknown-registration",
        ),
        (
            |sky| sky.refuse_registration(403, "disabled"),
            Step::Register,
            403,
            "disabled",
        ),
        (
            |sky| sky.refuse_registration(504, "unreachable"),
            Step::Register,
            504,
            "unreachable",
        ),
        (
            |sky| sky.refuse_connection("hub-refuses"),
            Step::Connect,
            502,
            "hub-refuses",
        ),
        (
            |sky| sky.refuse_connection("hub-unreachable"),
            Step::Connect,
            502,
            "hub-unreachable",
        ),
    ];
    for (cloud, step, status, reason) in clouds {
        let bench = Bench::stocked().await;
        let before = bench.config_text();
        let running = bench.start();
        running.until(|view| view.mode() == Mode::Stock).await;
        cloud(&bench.sky);

        let refusal = running.desk.setup(project()).await.expect_err(reason);
        assert_eq!(
            (refusal.step, refusal.status, refusal.reason.as_str()),
            (Some(step), status, reason)
        );
        let change = running.until_change(ChangeOutcome::Failed).await;
        assert_eq!(change.step, Some(step));
        assert!(change.message.contains(reason), "{}", change.message);
        let view = running.until(|view| view.change.is_none()).await;
        assert_eq!(view.mode(), Mode::Stock);
        assert_eq!(
            view.errors.first().map(|trouble| trouble.step),
            Some(Some(step))
        );
        assert_eq!(bench.config_text(), before);
        running.stop().await;

        let running = bench.start();
        let view = running.until(|view| view.mode() == Mode::Stock).await;
        assert_eq!(view.last_change.map(|change| change.step), Some(Some(step)));
        running.stop().await;
    }
}

#[tokio::test]
async fn a_hub_that_refuses_gets_its_old_key_back() {
    let bench = Bench::stocked().await;
    let running = bench.start();
    bench.sky.refuse_connection("hub-refuses");
    running.desk.setup(project()).await.expect_err("refused");
    let deadline = std::time::Instant::now() + BOUND;
    // The new registration may have given the hub the new key for the same device.
    while bench.sky.registered() != ["0neStock", "0neProject", "0neStock"] {
        assert!(
            std::time::Instant::now() < deadline,
            "{:?}",
            bench.sky.registered()
        );
        tokio::task::yield_now().await;
    }
    running.stop().await;
}

#[tokio::test]
async fn a_request_that_makes_no_sense() {
    let log = Log::default();
    let _logging = log.start();
    let bench = Bench::stocked().await;
    let running = bench.start();
    running.until(|view| view.mode() == Mode::Stock).await;
    let garbage = SetupRequest {
        symmetric_key: "c2VjcmV0LWJ1dC1ub3QtYmFzZTY0!".to_owned().into(),
        ..project()
    };
    let refusal = running.desk.setup(garbage).await.expect_err("no key");
    assert_eq!((refusal.status, refusal.step), (400, Some(Step::Check)));
    assert_eq!(refusal.fields[0].field, "symmetricKey");
    let view = running.until(|view| !view.errors.is_empty()).await;
    assert_eq!(view.errors[0].step, Some(Step::Check));
    // The hub and the portal hear of it, too, and not only whoever asked.
    let change = running.until_change(ChangeOutcome::Failed).await;
    assert_eq!(change.step, Some(Step::Check));
    assert!(
        change.message.contains("symmetricKey"),
        "{}",
        change.message
    );
    assert!(!format!("{view:?}{refusal:?}{}", log.text()).contains("c2VjcmV0LWJ1dC1ub3Q"));
    running.stop().await;
}

#[tokio::test]
async fn one_change_at_a_time() {
    let bench = Bench::stocked().await;
    bench.sky.hold();
    let running = bench.start();
    let desk = running.desk.clone();
    let first = tokio::spawn(async move { desk.setup(project()).await });
    running.until(|view| view.change.is_some()).await;

    for refused in [
        running.desk.reset().await,
        running.desk.setup(request("0neOther", PROJECT_KEY)).await,
    ] {
        let refusal = refused.expect_err("one is under way");
        assert_eq!((refusal.status, refusal.reason.as_str()), (409, "busy"));
    }
    let desk = running.desk.clone();
    let second = tokio::spawn(async move { desk.setup(project()).await });
    bench.sky.let_go();
    let first = first.await.expect("no panic").expect("it is taken");
    assert_eq!(second.await.expect("no panic"), Ok(first));
    assert_eq!(bench.sky.registered(), ["0neStock", "0neProject"]);
    running.stop().await;
}

/// What the Edge runtime and the machine can do wrong, after whoever asked has been answered.
#[tokio::test]
async fn what_cannot_be_applied_is_taken_back() {
    for (apply, reboot, step) in [
        ("run:exit 3", "board", Step::Apply),
        ("none", "logind", Step::Reboot),
    ] {
        let mut bench = Bench::stocked().await;
        let before = bench.config_text();
        (bench.apply, bench.reboot) = (apply, reboot);
        let bus = bench.directory.path().join("no-bus");
        let running = bench.start_with(&|name| {
            (name == "DBUS_SYSTEM_BUS_ADDRESS").then(|| format!("unix:path={}", bus.display()))
        });
        running.desk.setup(project()).await.expect("it is answered");
        let change = running.until_change(ChangeOutcome::Failed).await;
        assert_eq!(change.step, Some(step), "{}", change.message);
        assert_eq!(bench.config_text(), before);
        let view = running.until(|view| view.change.is_none()).await;
        assert_eq!(view.mode(), Mode::Stock);
        running.stop().await;
    }
}

/// A device in a project, on a disk that can be told to fail.
fn on_disk() -> Bench<SimulatedDisk> {
    let config = format!(
        "[provisioning]\nsource = \"dps\"\nglobal_endpoint = \"https://dps.example\"\nid_scope = \"0neOld\"\n\n\
         [provisioning.attestation]\nmethod = \"symmetric_key\"\nregistration_id = \"old\"\n\
         symmetric_key = {{ value = \"{STOCK_KEY}\" }}\n"
    );
    let attributes = Attributes {
        mode: 0o600,
        user: 0,
        group: 0,
    };
    Bench::with_disk(|directory| {
        let path = directory.path();
        let image = BTreeMap::from([(path.join("config.toml"), (config.into_bytes(), attributes))]);
        SimulatedDisk::new(&[path, Path::new(&path.join("state"))], &image)
    })
}

/// A full disk, a read-only one, one that belongs to somebody else: from the first byte on, or only once
/// the new identity has been registered.
#[tokio::test]
async fn a_disk_that_does_not_take_it() {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};

    for (kind, reason) in [
        (StorageFull, "disk-full"),
        (ReadOnlyFilesystem, "read-only"),
        (PermissionDenied, "not-allowed"),
    ] {
        for (late, step) in [(false, Step::Check), (true, Step::Backup)] {
            let bench = on_disk();
            let before = bench.disk.seen()[&bench.config()].clone();
            let running = bench.start();
            running.until(|view| view.mode() == Mode::Project).await;
            let disk = bench.disk.clone();
            let fail = move || disk.fail(disk.operations()..usize::MAX, kind);
            if late {
                bench.sky.at_connect(fail);
            } else {
                fail();
            }
            let refusal = running.desk.setup(project()).await.expect_err(reason);
            assert_eq!(
                (refusal.step, refusal.reason.as_str()),
                (Some(step), reason),
                "{}",
                refusal.message
            );
            let view = running
                .until(|view| view.change.is_none() && !view.errors.is_empty())
                .await;
            assert_eq!(view.mode(), Mode::Project);
            assert_eq!(view.errors[0].step, Some(step));
            // Also where the journal cannot be told.
            let change = running.until_change(ChangeOutcome::Failed).await;
            assert_eq!(change.step, Some(step));
            assert_eq!(bench.disk.seen()[&bench.config()], before);

            bench.disk.fail(0..0, kind);
            bench.sky.at_connect(|| {});
            running
                .desk
                .setup(project())
                .await
                .expect("there is room again");
            running
                .until(|view| view.waits_for == Some(WaitsFor::Restart))
                .await;
            running.stop().await;
        }
    }
}

/// While the old key is put back, a new set-up waits: of two registrations at once, the service forgets one.
#[tokio::test]
async fn the_next_set_up_registers_when_the_old_key_is_back() {
    let bench = Bench::stocked().await;
    let running = bench.start();
    running.until(|view| view.mode() == Mode::Stock).await;
    let before = bench.sky.registered().len();
    let since = |bench: &Bench| bench.sky.registered().split_off(before);
    bench.sky.refuse_connection("hub-refuses");
    let sky = bench.sky.clone();
    bench.sky.at_connect(move || sky.hold());
    let refusal = running.desk.setup(project()).await.expect_err("refused");
    assert_eq!(refusal.step, Some(Step::Connect));

    let desk = running.desk.clone();
    let next = tokio::spawn(async move { desk.setup(project()).await });
    let is_registering =
        |step: &StepProgress| (step.step, step.state) == (Step::Register, StepState::Running);
    running
        .until(|view| {
            let change = view.change.as_ref();
            change.is_some_and(|change| change.steps.iter().any(is_registering))
        })
        .await;
    assert_eq!(since(&bench), ["0neProject", "0neStock"]);

    bench.sky.at_connect(|| {});
    bench.sky.accept_connection();
    bench.sky.let_go();
    next.await
        .expect("no panic")
        .expect("nothing is in its way");
    assert_eq!(since(&bench), ["0neProject", "0neStock", "0neProject"]);
    running.stop().await;
}

#[tokio::test]
async fn a_card_that_cannot_be_used_is_told() {
    let bench = Bench::new();
    std::fs::write(bench.card(), "id_scope = 7").expect("room on disk");
    let running = bench.start();
    let view = running.until(|view| !view.errors.is_empty()).await;
    assert!(
        view.errors[0].message.contains("cow-identity.toml"),
        "{:?}",
        view.errors
    );
    assert_eq!(view.waits_for, Some(WaitsFor::Claim));
    running.stop().await;
}
