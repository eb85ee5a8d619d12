use bay::message::{ChangeKind, ChangeOutcome, Mode};
use provisioning::view::WaitsFor;

use crate::bench::{Bench, Log, PROJECT_KEY, SERIAL, STOCK_KEY, TEMPLATE, project, request};

/// Stock, project, stock: with a restart after each change, and nothing secret told on the way.
#[tokio::test]
async fn from_a_fresh_card_to_a_project_and_back() {
    let log = Log::default();
    let _logging = log.start();
    let mut told = Vec::new();

    let bench = Bench::stocked().await;
    assert!(!bench.card().exists(), "the card is clean");
    assert!(bench.config_text().starts_with(TEMPLATE));
    assert!(bench.config_text().contains(STOCK_KEY));

    let running = bench.start();
    let view = running.until(|view| view.mode() == Mode::Stock).await;
    assert_eq!(view.identity.serial.as_deref(), Some(SERIAL));
    assert_eq!(view.identity.hub.as_deref(), Some("hub.example"));
    assert_eq!(view.waits_for, None);
    told.push(format!("{view:?}"));

    let answer = running.desk.setup(project()).await.expect("it is taken");
    assert_eq!(
        (answer.kind, answer.outcome, answer.hub.as_deref()),
        (
            ChangeKind::Setup,
            ChangeOutcome::Running,
            Some("hub.example")
        )
    );
    told.push(format!("{answer:?}"));
    let view = running
        .until(|view| view.waits_for == Some(WaitsFor::Restart))
        .await;
    assert_eq!(
        view.last_change.as_ref().map(|change| change.outcome),
        Some(ChangeOutcome::Running)
    );
    told.push(format!("{view:?}"));
    let again = running
        .desk
        .setup(project())
        .await
        .expect("the same answer");
    assert_eq!(again, answer);
    running.stop().await;

    let running = bench.start();
    let change = running.until_change(ChangeOutcome::Done).await;
    assert_eq!(
        (change.kind, change.interrupted),
        (ChangeKind::Setup, false)
    );
    let view = running.until(|view| view.change.is_none()).await;
    assert_eq!(view.mode(), Mode::Project);
    told.push(serde_json::to_string(&view).expect("a view"));
    assert!(bench.config_text().contains(PROJECT_KEY));
    assert!(!bench.config_text().contains(STOCK_KEY));
    let done = running.desk.setup(project()).await.expect("nothing to do");
    assert_eq!(done.outcome, ChangeOutcome::Done);

    running.desk.reset().await.expect("it is taken");
    running
        .until(|view| view.waits_for == Some(WaitsFor::Restart))
        .await;
    running.stop().await;
    let running = bench.start();
    let change = running.until_change(ChangeOutcome::Done).await;
    assert_eq!(change.kind, ChangeKind::Reset);
    running.until(|view| view.mode() == Mode::Stock).await;
    running.stop().await;

    assert!(bench.config_text().starts_with(TEMPLATE));
    let left: Vec<_> = std::fs::read_dir(bench.directory.path())
        .expect("a directory")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.contains("config"))
        .collect();
    assert_eq!(left, ["config.toml"], "no backup with a key in it");
    told.push(log.text());
    assert!(told.concat().contains("registered"), "it was told at all");
    for text in told {
        for secret in [STOCK_KEY, PROJECT_KEY, "314159"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    assert_eq!(
        bench.sky.registered(),
        ["0neStock", "0neProject", "0neStock"]
    );
}

#[tokio::test]
async fn a_person_claims_a_device_that_has_nothing() {
    let bench = Bench::new();
    let running = bench.start();
    let view = running
        .until(|view| view.waits_for == Some(WaitsFor::Claim))
        .await;
    assert_eq!(view.mode(), Mode::None);
    let refusal = running.desk.reset().await.expect_err("nothing to go to");
    assert_eq!((refusal.status, refusal.reason.as_str()), (409, "no-stock"));

    running
        .desk
        .claim(request("0neStock", STOCK_KEY))
        .await
        .expect("it is taken");
    running.restarts(&bench).await;
    running.stop().await;

    let running = bench.start();
    running.until(|view| view.mode() == Mode::Stock).await;
    let refusal = running
        .desk
        .claim(project())
        .await
        .expect_err("it has an identity");
    assert_eq!(refusal.reason, "has-identity");
    running.stop().await;
}

/// With an Edge runtime that takes a configuration while the machine runs, nothing has to restart.
#[tokio::test]
async fn a_machine_that_need_not_restart() {
    let mut bench = Bench::new();
    bench.reboot = "none";
    let running = bench.start();
    running
        .desk
        .claim(request("0neStock", STOCK_KEY))
        .await
        .expect("it is taken");
    let change = running.until_change(ChangeOutcome::Done).await;
    assert_eq!(change.kind, ChangeKind::Claim);
    running.stop().await;
}

/// A card that somebody prepared anew gives a device another identity, whatever it was.
#[tokio::test]
async fn a_new_card_claims_a_device_again() {
    let bench = Bench::stocked().await;
    bench.give_card("0neOther");
    let running = bench.start();
    running
        .until(|view| view.waits_for == Some(WaitsFor::Restart))
        .await;
    running.stop().await;

    let running = bench.start();
    let view = running
        .until(|view| view.change.is_none() && view.mode() == Mode::Stock)
        .await;
    assert_eq!(view.identity.id_scope.as_deref(), Some("0neOther"));
    running.stop().await;
}

/// With neither a portal nor a neighbour, nobody holds the desk but the loop itself.
#[tokio::test]
async fn a_device_that_nobody_can_ask_goes_on() {
    let bench = Bench::new();
    bench.give_card("0neStock");
    let running = bench.start_alone();
    running.restarts(&bench).await;
    running.stop().await;
}

#[tokio::test]
async fn without_modules_there_is_no_test() {
    let bench = Bench::new();
    let running = bench.start();
    let refusal = running.desk.test().await.expect_err("no modules");
    assert_eq!(
        (refusal.status, refusal.reason.as_str()),
        (503, "no-modules")
    );
    let refusal = running.desk.start_sign_in().await.expect_err("no service");
    assert_eq!(refusal.reason, "no-claim-service");
    running.stop().await;
}
