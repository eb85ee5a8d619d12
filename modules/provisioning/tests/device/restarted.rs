//! Restarts that nobody asked for, and the two ways to run working on one device.

use bay::message::{ChangeOutcome, Mode};
use provisioning::view::WaitsFor;

use crate::bench::{BOUND, Bench, PROJECT_KEY, STOCK_KEY, Sky, project};

#[tokio::test]
async fn a_cut_before_anything_is_written_leaves_the_old_identity() {
    let bench = Bench::stocked().await;
    let before = bench.config_text();
    bench.sky.hold();
    let running = bench.start();
    let desk = running.desk.clone();
    let asked = tokio::spawn(async move { desk.setup(project()).await });
    running.until(|view| view.change.is_some()).await;
    running.kill().await;
    assert_eq!(
        asked
            .await
            .expect("no panic")
            .expect_err("nobody answers")
            .status,
        503
    );

    let running = bench.start();
    let change = running.until_change(ChangeOutcome::RolledBack).await;
    assert!(change.interrupted);
    assert!(change.message.contains("as before"), "{}", change.message);
    running.until(|view| view.mode() == Mode::Stock).await;
    assert_eq!(bench.config_text(), before);
    running.stop().await;
}

#[tokio::test]
async fn a_cut_after_it_is_written_leads_to_the_new_identity() {
    let mut bench = Bench::stocked().await;
    // Something that takes its time: the cut comes in the middle of it.
    bench.apply = "run:exec sleep 600";
    let running = bench.start();
    running.desk.setup(project()).await.expect("it is answered");
    running.kill().await;

    bench.apply = "none";
    let running = bench.start();
    running
        .until(|view| view.waits_for == Some(WaitsFor::Restart))
        .await;
    running.stop().await;
    let running = bench.start();
    let change = running.until_change(ChangeOutcome::Done).await;
    assert!(change.interrupted);
    running.until(|view| view.mode() == Mode::Project).await;
    assert!(bench.config_text().contains(PROJECT_KEY));
    running.stop().await;
}

/// Whoever has the lock while the restarted machine comes up, does not have it for ever.
#[tokio::test]
async fn a_change_is_finished_though_the_journal_was_busy_at_the_start() {
    let bench = Bench::stocked().await;
    let running = bench.start();
    running.desk.setup(project()).await.expect("it is answered");
    running
        .until(|view| view.waits_for == Some(WaitsFor::Restart))
        .await;
    running.stop().await;

    let lock = bench.state().join("identity.lock");
    let lock = std::fs::File::open(lock).expect("a lock");
    lock.lock().expect("it is free");
    let running = bench.start();
    running
        .until(|view| view.waits_for == Some(WaitsFor::Confirmation))
        .await;
    drop(lock);
    let change = running.until_change(ChangeOutcome::Done).await;
    assert!(change.message.contains("0neProject"), "{}", change.message);
    running.stop().await;
}

/// The first identity is in the state directory before it is gone from the card, and is tried again by
/// the next start.
#[tokio::test]
async fn a_cut_while_the_first_identity_is_taken() {
    let mut bench = Bench::new();
    bench.give_card("0neStock");
    bench.sky.refuse_registration(504, "unreachable");
    let running = bench.start();
    running
        .until(|view| matches!(view.waits_for, Some(WaitsFor::Retry { .. })))
        .await;
    assert!(!bench.card().exists());
    running.kill().await;

    bench.sky = Sky::clear();
    let running = bench.start();
    running
        .until(|view| view.waits_for == Some(WaitsFor::Restart))
        .await;
    running.stop().await;
    let running = bench.start();
    running.until(|view| view.mode() == Mode::Stock).await;
    assert!(bench.config_text().contains(STOCK_KEY));
    running.stop().await;
}

/// The Edge module writes and restarts the machine; the host's service has the runtime take it at boot,
/// and only then is it done.
#[tokio::test]
async fn a_module_leaves_applying_to_the_host() {
    let bench = Bench::stocked().await;
    let module = |name: &str| match name {
        // Nobody listens on port 1, so it has no link; what it is asked for comes by its desk.
        "IOTHUB_DEVICE_CONNECTION_STRING" => Some(
            "HostName=localhost;DeviceId=bay-1;ModuleId=provisioning;SharedAccessKey=c2VjcmV0"
                .to_owned(),
        ),
        "IOTEDGE_GATEWAY_MQTT_PORT" => Some("1".to_owned()),
        "BAY_APPLY" => Some("at-boot".to_owned()),
        _ => None,
    };
    let running = bench.start_with(&module);
    running.desk.setup(project()).await.expect("it is answered");
    running
        .until(|view| view.waits_for == Some(WaitsFor::Restart))
        .await;
    running.stop().await;

    // However the two come up, the module waits for the host.
    let early = bench.start_with(&module);
    let view = early
        .until(|view| view.waits_for == Some(WaitsFor::Confirmation))
        .await;
    assert_eq!(
        view.last_change.map(|change| change.outcome),
        Some(ChangeOutcome::Running)
    );
    let applied = bench.directory.path().join("applied");
    let touch = format!("run:touch {}", applied.display());
    let host = bench.start_with(&|name| (name == "BAY_APPLY").then(|| touch.clone()));
    host.until_change(ChangeOutcome::Done).await;
    assert!(applied.exists());
    let seen = tokio::time::timeout(BOUND, early.until_change(ChangeOutcome::Done)).await;
    assert!(!seen.expect("it looks around").interrupted);
    early.until(|view| view.mode() == Mode::Project).await;
    host.stop().await;
    early.stop().await;
}
