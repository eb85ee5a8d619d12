//! Imports that a restart or another state interrupts.

use super::*;

#[tokio::test]
async fn an_import_goes_on_after_a_restart_where_it_was() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = Storage::open().await;
    let lines: Vec<String> = (0..250)
        .map(|number| json!({"id": format!("d{number:03}"), "importMode": "create"}).to_string())
        .collect();
    storage.put("devices.txt", &lines.join("\n"));
    let id = {
        let bench = Bench::with(Some(directory.path()));
        let made = bench.ask("POST", "/jobs/create", import(&storage)).await;
        let id = made.body["jobId"].as_str().expect("an id").to_owned();
        let stop = bench.employ();
        // The first group of lines is in; then the hub is gone.
        bench.until_there("d000").await;
        stop.cancel();
        id
    };
    let bench = loop {
        // The task that carried it out lets go of the state when it is next looked at.
        match Hub::open(Some(directory.path()), names()) {
            Ok(hub) => break Bench::of(hub),
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let stop = bench.employ();
    let done = bench.until_over(&id).await;
    assert_eq!(done["status"], "completed");
    assert_eq!(
        storage.text("importErrors.log").as_deref(),
        Some(""),
        "no line was done twice"
    );
    let statistics = bench.ask("GET", "/statistics/devices", Value::Null).await;
    assert_eq!(statistics.body["totalDeviceCount"], 250);
    stop.cancel();
}

#[tokio::test]
async fn an_import_is_done_once_when_a_state_from_its_midst_comes_back() {
    let (storage, bench) = (Storage::open().await, Bench::new());
    let lines: Vec<String> = (0..250)
        .map(|number| json!({"id": format!("d{number:03}"), "importMode": "create"}).to_string())
        .collect();
    storage.put("devices.txt", &lines.join("\n"));
    let _stop = bench.employ();
    let made = bench.ask("POST", "/jobs/create", import(&storage)).await;
    let id = made.body["jobId"].as_str().expect("an id").to_owned();
    bench.until_there("d000").await;
    let state = bench.hub().lock().state().expect("in memory");
    bench.until_there("d100").await;
    {
        let hub = bench.hub();
        let mut core = hub.lock();
        hub.put(&mut core, state).expect("a state");
        hub.commit_restored(&mut core).expect("in memory");
    }
    let _stop = bench.employ();
    let done = bench.until_over(&id).await;
    assert_eq!(done["status"], "completed");
    assert_eq!(
        storage.text("importErrors.log").as_deref(),
        Some(""),
        "no line was done twice"
    );
    let statistics = bench.ask("GET", "/statistics/devices", Value::Null).await;
    assert_eq!(statistics.body["totalDeviceCount"], 250, "none was skipped");
}
