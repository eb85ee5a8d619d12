//! Imports that a restart or another state interrupts.

use super::*;

const DEVICES: usize = 250;

/// A container that has an import of new devices, in several groups of lines.
async fn filled() -> Storage {
    let storage = Storage::open().await;
    let lines: Vec<String> = (0..DEVICES)
        .map(|number| json!({"id": format!("d{number:03}"), "importMode": "create"}).to_string())
        .collect();
    storage.put("devices.txt", &lines.join("\n"));
    storage
}

impl Bench {
    /// Asks for an import; returns its id.
    async fn enqueued(&self, storage: &Storage) -> String {
        let made = self.ask("POST", "/jobs/create", import(storage)).await;
        made.body["jobId"].as_str().expect("an id").to_owned()
    }

    /// Waits for the end of the import, which has done every line and none of them twice.
    async fn done_once(&self, storage: &Storage, id: &str) {
        let done = self.until_over(id).await;
        assert_eq!(done["status"], "completed");
        assert_eq!(
            storage.text("importErrors.log").as_deref(),
            Some(""),
            "no line was done twice"
        );
        let statistics = self.ask("GET", "/statistics/devices", Value::Null).await;
        assert_eq!(
            statistics.body["totalDeviceCount"], DEVICES,
            "none was left out"
        );
    }
}

#[tokio::test]
async fn an_import_goes_on_after_a_restart_where_it_was() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = filled().await;
    let id = {
        let bench = Bench::with(Some(directory.path()));
        let id = bench.enqueued(&storage).await;
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
    bench.done_once(&storage, &id).await;
    stop.cancel();
}

#[tokio::test]
async fn an_import_is_done_once_when_a_state_from_its_midst_comes_back() {
    let (storage, bench) = (filled().await, Bench::new());
    let _stop = bench.employ();
    let id = bench.enqueued(&storage).await;
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
    bench.done_once(&storage, &id).await;
}
