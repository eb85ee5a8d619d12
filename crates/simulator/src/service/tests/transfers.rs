//! Import and export, against a container of blobs of the tests' own.

mod container;
mod interrupted;
mod refusals;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::container::Storage;
use super::*;
use crate::jobs::Staff;

impl Bench {
    /// Lets jobs be carried out, until the returned token is cancelled.
    fn employ(&self) -> CancellationToken {
        let stop = CancellationToken::new();
        let staff = Staff {
            tasks: TaskTracker::new(),
            stop: stop.clone(),
            authority_pem: String::new(),
        };
        self.hub()
            .employ(staff)
            .expect("the journal can be written");
        stop
    }

    async fn transferred(&self, job: Value) -> Value {
        let made = self.ask("POST", "/jobs/create", job).await;
        assert_eq!(made.status, 200, "{made:?}");
        assert_eq!(made.body["status"], "enqueued");
        let id = made.body["jobId"].as_str().expect("an id").to_owned();
        self.until_over(&id).await
    }

    async fn until_over(&self, id: &str) -> Value {
        let over = async {
            loop {
                let job = self
                    .ask("GET", &format!("/jobs/{id}"), Value::Null)
                    .await
                    .body;
                if !["enqueued", "running"].contains(&job["status"].as_str().expect("a status")) {
                    return job;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(20), over)
            .await
            .expect("it ends")
    }

    /// Waits until an import has made that device.
    async fn until_there(&self, id: &str) {
        let path = format!("/devices/{id}");
        let there = async {
            while self.ask("GET", &path, Value::Null).await.status != 200 {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), there)
            .await
            .expect("it comes");
    }

    async fn device(&self, id: &str) -> Value {
        self.ask("GET", &format!("/devices/{id}"), Value::Null)
            .await
            .body
    }
}

fn import(storage: &Storage) -> Value {
    json!({"type": "import", "inputBlobContainerUri": storage.uri, "outputBlobContainerUri": storage.uri})
}

fn export(storage: &Storage) -> Value {
    json!({"type": "export", "outputBlobContainerUri": storage.uri, "excludeKeysInExport": false})
}

#[tokio::test]
async fn what_was_exported_makes_the_same_devices_elsewhere() {
    let (storage, bench) = (Storage::open().await, Bench::new());
    let _stop = bench.employ();
    bench
        .made(
            "/devices/edge01",
            json!({"capabilities": {"iotEdge": true}}),
        )
        .await;
    bench
        .made(
            "/devices/pump7",
            json!({"status": "disabled", "statusReason": "frost"}),
        )
        .await;
    bench
        .made("/devices/pump7/modules/valve", json!({"managedBy": "me"}))
        .await;
    let twin = json!({"tags": {"site": "north"}, "properties": {"desired": {"interval": 10}}});
    bench.ask("PATCH", "/twins/pump7", twin).await;
    bench
        .made("/configurations/winter", json!({"priority": 3}))
        .await;
    let mut job = export(&storage);
    job["includeConfigurations"] = true.into();
    let done = bench.transferred(job).await;
    assert_eq!(
        (&done["status"], &done["progress"]),
        (&json!("completed"), &json!(100))
    );
    assert!(done["endTimeUtc"].is_string());
    assert!(!done.to_string().contains("s3cret"), "{done}");
    let lines = storage.lines("devices.txt");
    let ids: Vec<_> = lines
        .iter()
        .map(|line| (line["id"].as_str(), line["moduleId"].as_str()))
        .collect();
    assert_eq!(
        ids,
        [
            (Some("edge01"), None),
            (Some("edge01"), Some("$edgeAgent")),
            (Some("edge01"), Some("$edgeHub")),
            (Some("pump7"), None),
            (Some("pump7"), Some("valve")),
        ]
    );
    assert_eq!(lines[3]["tags"], json!({"site": "north"}));
    assert_eq!(lines[3]["properties"]["desired"]["interval"], 10);
    assert_eq!(storage.lines("configurations.txt")[0]["id"], "winter");

    let elsewhere = Bench::new();
    let _stop = elsewhere.employ();
    let mut job = import(&storage);
    job["includeConfigurations"] = true.into();
    let done = elsewhere.transferred(job).await;
    assert_eq!(done["status"], "completed", "{done}");
    assert_eq!(storage.text("importErrors.log").as_deref(), Some(""));
    for id in ["edge01", "pump7"] {
        let (here, there) = (bench.device(id).await, elsewhere.device(id).await);
        for name in ["authentication", "status", "statusReason", "capabilities"] {
            assert_eq!(here[name], there[name], "{id} {name}");
        }
    }
    let twin = elsewhere.ask("GET", "/twins/pump7", Value::Null).await.body;
    assert_eq!(twin["tags"], json!({"site": "north"}));
    assert_eq!(twin["properties"]["desired"]["interval"], 10);
    let module = elsewhere
        .ask("GET", "/devices/pump7/modules/valve", Value::Null)
        .await;
    assert_eq!(module.body["managedBy"], "me");
    let configuration = elsewhere
        .ask("GET", "/configurations/winter", Value::Null)
        .await;
    assert_eq!(configuration.body["priority"], 3);
}

#[tokio::test]
async fn keys_can_be_left_out() {
    let (storage, bench) = (Storage::open().await, Bench::new());
    let _stop = bench.employ();
    bench.made("/devices/a", json!({})).await;
    let mut job = export(&storage);
    job["excludeKeysInExport"] = true.into();
    job["outputBlobName"] = "without keys.txt".into();
    bench.transferred(job).await;
    let lines = storage.lines("without%20keys.txt");
    let authentication = &lines[0]["authentication"];
    assert_eq!(authentication["type"], "sas");
    assert_eq!(
        authentication["symmetricKey"],
        json!({"primaryKey": null, "secondaryKey": null})
    );
}

#[tokio::test]
async fn each_import_mode_does_what_it_says_and_what_fails_is_in_the_log() {
    let (storage, bench) = (Storage::open().await, Bench::new());
    let _stop = bench.employ();
    let mut tags = BTreeMap::new();
    for id in ["there", "kept", "gone1", "gone2", "stays", "tagged"] {
        let made = bench.made(&format!("/devices/{id}"), json!({})).await;
        tags.insert(id, made["etag"].clone());
    }
    let twin = bench.ask("GET", "/twins/tagged", Value::Null).await.body;
    let lines = [
        json!({"id": "new1", "importMode": "create", "status": "disabled", "tags": {"site": "north"}, "twinETag": "AAAA"}),
        json!({"id": "there", "importMode": "create"}),
        json!({"id": "new2"}),
        json!({"id": "there", "importMode": "createOrUpdate", "status": "disabled"}),
        json!({"id": "new3", "importMode": "createOrUpdateIfMatchETag", "eTag": "AAAA"}),
        json!({"id": "kept", "importMode": "createOrUpdateIfMatchETag", "eTag": "AAAA", "status": "disabled"}),
        json!({"id": "kept", "importMode": "updateIfMatchETag", "eTag": tags["kept"], "statusReason": "ice"}),
        json!({"id": "nobody", "importMode": "update"}),
        json!({"id": "gone1", "importMode": "delete"}),
        json!({"id": "gone2", "importMode": "deleteIfMatchETag", "eTag": tags["gone2"]}),
        json!({"id": "stays", "importMode": "deleteIfMatchETag", "eTag": "AAAA"}),
        json!({"id": "nobody", "importMode": "delete"}),
        json!({"id": "tagged", "importMode": "updateTwin", "tags": {"row": 1}}),
        json!({"id": "tagged", "importMode": "updateTwinIfMatchETag", "twinETag": twin["etag"], "tags": {"row": 2}}),
        json!({"id": "new1", "moduleId": "valve", "importMode": "create",
            "properties": {"desired": {"a": 1, "$version": 7}, "reported": {"b": 2, "$version": 9}}}),
        json!({"id": "x", "importMode": "upsert"}),
        json!({"id": "y", "status": "on"}),
    ];
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    storage.put(
        "many.txt",
        &format!("\u{feff}{}\r\n\r\n{{\"id\":\r\n", text.join("\r\n")),
    );
    let mut job = import(&storage);
    job["inputBlobName"] = "many.txt".into();
    let done = bench.transferred(job).await;
    assert_eq!(
        (&done["status"], &done["failureReason"]),
        (&json!("completed"), &json!(null))
    );
    let errors = storage.lines("importErrors.log");
    let told: Vec<_> = errors
        .iter()
        .map(|error| {
            (
                error["deviceId"].as_str(),
                error["errorCode"].as_u64().expect("a number"),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (Some("there"), 409_001),
            (Some("kept"), 412_001),
            (Some("nobody"), 404_001),
            (Some("stays"), 412_001),
            (Some("nobody"), 404_001),
            (Some("tagged"), 412_001),
            (None, 400_012),
            (None, 400_012),
            (None, 400_012),
        ]
    );
    let said = |at: usize| errors[at]["errorStatus"].as_str().expect("text").to_owned();
    assert!(
        said(6).starts_with("Invalid device format in line 16: importMode must be"),
        "{}",
        said(6)
    );
    assert!(said(7).contains("line 17: status "), "{}", said(7));
    assert_eq!(bench.device("new1").await["status"], "disabled");
    assert_eq!(bench.device("there").await["status"], "disabled");
    let kept = bench.device("kept").await;
    assert_eq!(
        (&kept["status"], &kept["statusReason"]),
        (&json!("enabled"), &json!("ice"))
    );
    for (id, status) in [
        ("new2", 200),
        ("new3", 200),
        ("gone1", 404),
        ("gone2", 404),
        ("stays", 200),
        ("x", 404),
    ] {
        let found = bench
            .ask("GET", &format!("/devices/{id}"), Value::Null)
            .await;
        assert_eq!(found.status, status, "{id}");
    }
    let twin = bench.ask("GET", "/twins/tagged", Value::Null).await.body;
    assert_eq!(twin["tags"], json!({"row": 1}));
    let module = bench
        .ask("GET", "/twins/new1/modules/valve", Value::Null)
        .await
        .body;
    assert_eq!(module["properties"]["desired"]["a"], 1);
    assert_eq!(module["properties"]["reported"]["b"], 2);
}

#[tokio::test]
async fn an_import_overwrites_the_twin_unless_its_tag_is_another() {
    let (storage, bench) = (Storage::open().await, Bench::new());
    let _stop = bench.employ();
    for id in ["a", "b"] {
        bench.made(&format!("/devices/{id}"), json!({})).await;
        let old = json!({"tags": {"old": 1}, "properties": {"desired": {"old": 1}}});
        bench.ask("PATCH", &format!("/twins/{id}"), old).await;
    }
    let line = |id: &str, etag: &str| json!({"id": id, "twinETag": etag, "statusReason": "seen", "tags": {"new": 1}, "properties": {"desired": {"new": 1}}});
    storage.put(
        "devices.txt",
        &format!("{}\n{}", line("a", "*"), line("b", "AAAA")),
    );
    bench.transferred(import(&storage)).await;
    let twin = bench.ask("GET", "/twins/a", Value::Null).await.body;
    assert_eq!(twin["tags"], json!({"new": 1}));
    assert_eq!(twin["properties"]["desired"]["old"], Value::Null);
    let twin = bench.ask("GET", "/twins/b", Value::Null).await.body;
    assert_eq!(twin["tags"], json!({"old": 1}));
    // The two tags are looked at one by one, as documented.
    assert_eq!(bench.device("b").await["statusReason"], "seen");
    assert_eq!(storage.lines("importErrors.log")[0]["errorCode"], 412_001);
}

#[tokio::test]
async fn one_transfer_is_under_way_at_a_time_and_can_be_cancelled() {
    let (storage, bench) = (Storage::open().await, Bench::new());
    // Nobody carries jobs out yet.
    let made = bench.ask("POST", "/jobs/create", export(&storage)).await;
    let refused = bench.ask("POST", "/jobs/create", export(&storage)).await;
    assert_eq!(refused.refused(), 403_003);
    let path = format!("/jobs/{}", made.body["jobId"].as_str().expect("an id"));
    assert_eq!(bench.ask("DELETE", &path, Value::Null).await.status, 204);
    assert_eq!(
        bench.ask("GET", &path, Value::Null).await.body["status"],
        "cancelled"
    );
    assert_eq!(bench.ask("DELETE", &path, Value::Null).await.status, 204);
    let _stop = bench.employ();
    let done = bench.transferred(export(&storage)).await;
    assert_eq!(done["status"], "completed");
    let nobody = bench.ask("DELETE", "/jobs/nobody", Value::Null).await;
    assert_eq!(nobody.refused(), 404_002);
}
