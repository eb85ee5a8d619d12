//! Scheduled jobs, with the clock told where it matters.

mod refusals;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::methods::reply;
use super::*;
use crate::jobs::work;

const METHODS: &str = "$iothub/methods/POST/#";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";
const HOUR: Duration = Duration::from_secs(3600);

fn patch(condition: &str) -> Value {
    json!({"type": "scheduleUpdateTwin", "queryCondition": condition,
        "updateTwin": {"deviceId": null, "etag": "*", "tags": {"floor": 3}, "properties": {"desired": {"interval": 10}}}})
}

fn restart(condition: &str) -> Value {
    json!({"type": "scheduleDeviceMethod", "queryCondition": condition, "maxExecutionTimeInSeconds": 60,
        "cloudToDeviceMethod": {"methodName": "restart", "payload": {"delay": 1}, "responseTimeoutInSeconds": 5}})
}

fn later(from_now: Duration) -> String {
    (Timestamp::now() + from_now).to_string()
}

impl Bench {
    async fn scheduled(&self, id: &str, job: Value) -> Value {
        self.made(&format!("/jobs/v2/{id}"), job).await
    }

    async fn job(&self, id: &str) -> Value {
        self.ask("GET", &format!("/jobs/v2/{id}"), Value::Null)
            .await
            .body
    }

    /// Carries out what is due, until nothing waits or runs.
    async fn carry_out(&self) {
        work(self.hub().clone(), CancellationToken::new()).await;
    }

    /// Each device's part in a job.
    async fn runs(&self, id: &str) -> Vec<Value> {
        let query = format!("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '{id}'");
        let answer = self
            .ask("POST", "/devices/query", json!({"query": query}))
            .await;
        assert_eq!(answer.headers["x-ms-item-type"], "deviceJob");
        answer.body.as_array().expect("an array").clone()
    }

    async fn version(&self, device: &str) -> Value {
        let twin = self
            .ask("GET", &format!("/twins/{device}"), Value::Null)
            .await;
        twin.body["properties"]["desired"]["$version"].clone()
    }
}

#[tokio::test]
async fn a_patch_is_in_the_twin_of_each_device_that_it_is_for() {
    let bench = Bench::new();
    for (id, site) in [("a", "north"), ("b", "south"), ("c", "north")] {
        bench.made(&format!("/devices/{id}"), json!({})).await;
        let tags = json!({"tags": {"site": site}});
        bench.ask("PATCH", &format!("/twins/{id}"), tags).await;
    }
    let connected = bench.connect("a", &[DESIRED]);
    let made = bench.scheduled("j1", patch("tags.site = 'north'")).await;
    assert_eq!(made["status"], "queued");
    assert_eq!(made["updateTwin"]["tags"], json!({"floor": 3}));
    assert_eq!(made["maxExecutionTimeInSeconds"], 3600);
    bench.carry_out().await;
    for (id, version) in [("a", 2), ("b", 1), ("c", 2)] {
        assert_eq!(bench.version(id).await, version, "{id}");
    }
    let told = deliveries(&connected)
        .pop()
        .expect("its desired properties");
    assert_eq!(told.payload.as_ref(), br#"{"interval":10,"$version":2}"#);
    let job = bench.job("j1").await;
    assert_eq!(job["status"], "completed");
    assert!(job["endTime"].is_string());
    assert_eq!(
        job["deviceJobStatistics"],
        json!({"deviceCount": 2, "failedCount": 0, "succeededCount": 2, "runningCount": 0, "pendingCount": 0})
    );
    let runs = bench.runs("j1").await;
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[1]["deviceId"], "c");
    assert_eq!(runs[1]["jobType"], "scheduleUpdateTwin");
    assert_eq!(runs[1]["status"], "completed");
    assert_eq!(runs[1]["outcome"], json!({"deviceMethodResponse": null}));
}

#[tokio::test]
async fn a_job_begins_when_it_is_due_and_not_before() {
    let bench = Bench::new();
    bench.made("/devices/a", json!({})).await;
    let mut job = patch("*");
    job["startTime"] = later(HOUR).into();
    assert_eq!(bench.scheduled("j1", job).await["status"], "scheduled");
    let now = Timestamp::now();
    let due = bench.hub().jobs_due(now, 10, false).expect("in memory");
    assert!(due.again.is_some_and(|wait| wait <= HOUR));
    assert_eq!(bench.version("a").await, 1);
    // A device that comes meanwhile is one of those that the job is for.
    bench.made("/devices/b", json!({})).await;
    let due = bench.hub().jobs_due(now + 2 * HOUR, 10, false);
    assert!(due.expect("in memory").again.is_none());
    assert_eq!(bench.version("b").await, 2);
    assert_eq!(bench.job("j1").await["status"], "completed");
}

#[tokio::test]
async fn a_time_that_is_over_means_at_once_and_needs_no_zone() {
    let bench = Bench::new();
    for (id, time) in [
        ("j1", "2020-01-01T00:00:00"),
        ("j2", "2020-01-01T00:00:00.123+02:00"),
    ] {
        let mut job = patch("*");
        job["startTime"] = time.into();
        assert_eq!(bench.scheduled(id, job).await["status"], "queued");
    }
    bench.carry_out().await;
    let job = bench.job("j2").await;
    assert_eq!(job["status"], "completed");
    assert_eq!(job["deviceJobStatistics"]["deviceCount"], 0);
}

#[tokio::test]
async fn each_device_says_what_came_of_its_method() {
    let bench = Bench::new();
    for id in ["away", "fine", "grumpy"] {
        bench.made(&format!("/devices/{id}"), json!({})).await;
    }
    let fine = bench.connect("fine", &[METHODS]);
    let grumpy = bench.connect("grumpy", &[METHODS]);
    bench.scheduled("j1", restart("*")).await;
    let (_, asked, _) = tokio::join!(
        bench.carry_out(),
        reply(&bench, &fine, 200, "{\"done\":true}"),
        reply(&bench, &grumpy, 500, "\"no\""),
    );
    assert_eq!(asked, ("restart".to_owned(), json!({"delay": 1})));
    let job = bench.job("j1").await;
    assert_eq!(job["status"], "completed");
    assert_eq!(job["cloudToDeviceMethod"]["methodName"], "restart");
    assert_eq!(job["deviceJobStatistics"]["failedCount"], 1);
    assert_eq!(job["deviceJobStatistics"]["succeededCount"], 2);
    let runs = bench.runs("j1").await;
    assert_eq!(runs[0]["error"]["code"], "DeviceNotOnline");
    assert_eq!(
        runs[1]["outcome"]["deviceMethodResponse"],
        json!({"status": 200, "payload": {"done": true}})
    );
    assert_eq!(
        runs[2]["outcome"]["deviceMethodResponse"],
        json!({"status": 500, "payload": "no"})
    );
    let query = "SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'j1' AND devices.jobs.status = 'failed'";
    let failed = bench
        .ask("POST", "/devices/query", json!({"query": query}))
        .await;
    assert_eq!(failed.body[0]["deviceId"], "away");
    assert_eq!(failed.body.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_job_that_was_cancelled_calls_nobody() {
    let bench = Bench::new();
    bench.made("/devices/a", json!({})).await;
    let mut job = restart("*");
    job["startTime"] = later(HOUR).into();
    bench.scheduled("j1", job).await;
    let cancelled = bench.ask("POST", "/jobs/v2/j1/cancel", Value::Null).await;
    assert_eq!(cancelled.body["status"], "cancelled");
    bench.carry_out().await;
    // Cancelling what is over changes nothing.
    let again = bench.ask("POST", "/jobs/v2/j1/cancel", Value::Null).await;
    assert_eq!(again.body, cancelled.body);

    // One that runs: the device that was called may answer, and the one that is waited for is not called any more.
    let mut job = restart("*");
    job["cloudToDeviceMethod"]["connectTimeoutInSeconds"] = 300.into();
    bench.scheduled("j2", job).await;
    let due = bench.hub().jobs_due(Timestamp::now(), 10, false);
    let call = due.expect("in memory").calls.pop().expect("one device");
    let cancelled = bench.ask("POST", "/jobs/v2/j2/cancel", Value::Null).await;
    assert_eq!(cancelled.body["status"], "cancelled");
    let client = bench.connect("a", &[METHODS]);
    bench.hub().call_for_job(&call).await;
    assert!(deliveries(&client).is_empty());
    assert_eq!(bench.runs("j2").await[0]["status"], "canceled");
}

#[tokio::test]
async fn a_job_takes_no_longer_than_it_may() {
    let bench = Bench::new();
    bench.made("/devices/a", json!({})).await;
    bench.made("/devices/b", json!({})).await;
    let mut job = restart("*");
    job["maxExecutionTimeInSeconds"] = 10.into();
    bench.scheduled("j1", job).await;
    let now = Timestamp::now();
    let due = bench.hub().jobs_due(now, 1, false).expect("in memory");
    assert_eq!(due.calls.len(), 1);
    assert_eq!(bench.job("j1").await["status"], "running");
    bench
        .hub()
        .jobs_due(now + Duration::from_secs(11), 0, false)
        .expect("in memory");
    let job = bench.job("j1").await;
    assert_eq!(job["status"], "completed");
    assert_eq!(job["deviceJobStatistics"]["failedCount"], 2);
    assert_eq!(bench.runs("j1").await[1]["error"]["code"], "GenericTimeout");
}

#[tokio::test]
async fn ten_jobs_are_under_way_and_the_next_is_refused_or_waits() {
    let bench = Bench::new();
    bench.made("/devices/a", json!({})).await;
    let mut planned = restart("*");
    planned["startTime"] = later(Duration::from_secs(1)).into();
    bench.scheduled("planned", planned).await;
    for number in 0..10 {
        bench.scheduled(&format!("j{number}"), restart("*")).await;
    }
    let refused = bench.ask("PUT", "/jobs/v2/more", restart("*")).await;
    assert_eq!(refused.refused(), 429_004);
    let now = Timestamp::now();
    bench.hub().jobs_due(now, 0, false).expect("in memory");
    let soon = now + Duration::from_secs(2);
    bench.hub().jobs_due(soon, 0, false).expect("in memory");
    assert_eq!(bench.job("j9").await["status"], "running");
    assert_ne!(bench.job("planned").await["status"], "running");
    bench.ask("POST", "/jobs/v2/j3/cancel", Value::Null).await;
    bench.hub().jobs_due(soon, 0, false).expect("in memory");
    assert_eq!(bench.job("planned").await["status"], "running");
}

#[tokio::test]
async fn jobs_are_listed_by_type_and_status_page_by_page() {
    let bench = Bench::new();
    for number in 0..5 {
        bench.scheduled(&format!("j{number}"), patch("*")).await;
    }
    bench.carry_out().await;
    let mut planned = restart("*");
    planned["startTime"] = later(HOUR).into();
    bench.scheduled("planned", planned).await;
    let list = async |query: &str, size: &str, from: Option<&str>| {
        let token = bench.token("iothubowner", "localhost", 60);
        let mut headers = vec![
            ("authorization", token.as_str()),
            ("x-ms-max-item-count", size),
        ];
        headers.extend(from.map(|from| ("x-ms-continuation", from)));
        let path = format!("/jobs/v2/query?api-version=2021-04-12{query}");
        bench.send("GET", &path, &headers, Value::Null).await
    };
    let ids = |answer: &Answer| -> Vec<String> {
        let jobs = answer.body.as_array().expect("an array");
        jobs.iter()
            .map(|job| job["jobId"].as_str().expect("an id").to_owned())
            .collect()
    };
    let page = list("&jobType=ScheduleUpdateTwin&jobStatus=completed", "2", None).await;
    assert_eq!(page.headers["x-ms-item-type"], "jobResponse");
    assert_eq!(ids(&page), ["j0", "j1"]);
    assert_eq!(page.body[0]["jobType"], "scheduleUpdateTwin");
    let next = page.headers["x-ms-continuation"].to_str().expect("ASCII");
    let page = list(
        "&jobType=ScheduleUpdateTwin&jobStatus=completed",
        "3",
        Some(next),
    )
    .await;
    assert_eq!(ids(&page), ["j2", "j3", "j4"]);
    assert!(!page.headers.contains_key("x-ms-continuation"));
    assert_eq!(
        ids(&list("&jobStatus=scheduled", "10", None).await),
        ["planned"]
    );
    assert_eq!(ids(&list("&jobType=export", "10", None).await).len(), 0);
    assert_eq!(ids(&list("", "10", None).await).len(), 6);
    for wrong in ["&jobType=reboot", "&jobStatus=done"] {
        assert_eq!(list(wrong, "10", None).await.refused(), 400_004);
    }
    assert_eq!(list("", "10", Some("?")).await.refused(), 400_004);
}

#[tokio::test]
async fn a_job_is_forgotten_thirty_days_after_its_end() {
    let bench = Bench::new();
    bench.scheduled("j1", patch("*")).await;
    bench.carry_out().await;
    let days = |days: u32| Timestamp::now() + days * 24 * HOUR;
    bench.hub().forget_jobs(days(29)).expect("in memory");
    assert_eq!(bench.job("j1").await["status"], "completed");
    bench.hub().forget_jobs(days(31)).expect("in memory");
    let gone = bench.ask("GET", "/jobs/v2/j1", Value::Null).await;
    assert_eq!(gone.refused(), 404_002);
}
