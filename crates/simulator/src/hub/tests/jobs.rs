//! What a kill leaves of jobs, at whatever byte it comes.

use std::fs;
use std::sync::Arc;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::jobs::Staff;
use crate::registry::{Container, Direction, End, Job, JobState, Task, Transfer, TransferState};

fn job(task: Task) -> Job {
    let now = Timestamp::now();
    Job {
        task,
        condition: "*".to_owned(),
        created: now,
        starts: now,
        max_execution_seconds: 600,
        state: JobState::Waiting,
        runs: Default::default(),
    }
}

fn patch() -> Task {
    Task::ScheduleUpdateTwin {
        twin: json!({"etag": "*", "properties": {"desired": {"interval": 10}}}),
    }
}

fn call() -> Task {
    let mut request = MethodRequest::new("restart", Value::Null);
    request.response_timeout_in_seconds = 5;
    Task::ScheduleDeviceMethod { method: request }
}

/// Does what is due until there is nothing left but calls.
fn run(hub: &Hub) {
    let now = Timestamp::now();
    while hub
        .jobs_due(now, 0, false)
        .expect("the journal can be written")
        .again
        .is_some_and(|wait| wait.is_zero())
    {}
}

fn statistics(hub: &Hub, id: &str) -> Value {
    hub.job(id).expect("it is there")["deviceJobStatistics"].clone()
}

#[test]
fn a_patch_is_in_each_twin_once_wherever_the_journal_was_cut() {
    let directory = tempfile::tempdir().expect("a directory");
    let ids = ["a", "b", "c", "d"];
    {
        let hub = Arc::new(hub(Some(directory.path())));
        for id in ids {
            hub.add_device(id, false, &[]).expect("a fresh id");
        }
        hub.schedule_job("j1", job(patch())).expect("taken");
    }
    let path = directory.path().join("journal-00000001.log");
    let scheduled = fs::read(&path).expect("the journal").len();
    {
        let hub = hub(Some(directory.path()));
        run(&hub);
        assert_eq!(statistics(&hub, "j1")["succeededCount"], 4);
    }
    let whole = fs::read(&path).expect("the journal");
    for cut in (scheduled..=whole.len()).step_by(7) {
        let killed = tempfile::tempdir().expect("a directory");
        fs::write(killed.path().join("journal-00000001.log"), &whole[..cut]).expect("written");
        let hub = hub(Some(killed.path()));
        hub.resume_jobs(Timestamp::now()).expect("written");
        run(&hub);
        assert_eq!(
            hub.job("j1").expect("it is there")["status"],
            "completed",
            "at {cut}"
        );
        assert_eq!(statistics(&hub, "j1")["succeededCount"], 4, "at {cut}");
        for id in ids {
            let twin = hub.twin(&identity(id)).expect("registered");
            assert_eq!(
                twin["properties"]["desired"]["$version"], 2,
                "{id} at {cut}"
            );
        }
    }
}

#[test]
fn many_twins_are_patched_a_group_at_a_time() {
    let hub = Arc::new(hub(None));
    for number in 0..250 {
        hub.add_device(&format!("d{number}"), false, &[])
            .expect("a fresh id");
    }
    hub.schedule_job("j1", job(patch())).expect("taken");
    let look = || hub.jobs_due(Timestamp::now(), 0, false).expect("in memory");
    let mut due = look();
    // A slow machine looks for them more than once.
    while statistics(&hub, "j1")["deviceCount"] == 0 {
        due = look();
    }
    for done in (32..250).step_by(32) {
        assert_eq!(due.again, Some(Duration::ZERO));
        assert_eq!(statistics(&hub, "j1")["pendingCount"], 250 - done);
        due = look();
    }
    assert!(due.again.is_none());
    assert_eq!(statistics(&hub, "j1")["pendingCount"], 0);
}

#[test]
fn devices_are_looked_for_a_slice_at_a_time() {
    let hub = Arc::new(hub(None));
    for number in 0..5000 {
        hub.add_device(&format!("d{number:04}"), false, &[])
            .expect("a fresh id");
    }
    let condition = "tags.site = 'nowhere' OR CONTAINS(tags.a, 'b') OR version >= 1";
    let wanted = Job {
        condition: condition.to_owned(),
        ..job(call())
    };
    let status = |id| hub.job(id).expect("it is there")["status"].clone();
    let look = || {
        let due = hub.jobs_due(Timestamp::now(), 0, false);
        due.expect("in memory").again
    };
    hub.schedule_job("cancelled", wanted.clone())
        .expect("taken");
    assert_eq!(look(), Some(Duration::ZERO));
    assert_eq!(status("cancelled"), "queued");
    hub.cancel_job("cancelled").expect("it is there");
    hub.schedule_job("j1", wanted).expect("taken");
    assert_eq!(look(), Some(Duration::ZERO));
    // A job that is due for longer does not begin the work anew.
    let earlier = Job {
        condition: "deviceId = 'd0001'".to_owned(),
        starts: Timestamp::now() - Duration::from_secs(60),
        ..job(call())
    };
    hub.schedule_job("earlier", earlier).expect("taken");
    // Others have their turn in between.
    hub.remove_device("d4999").expect("it is there");
    hub.add_device("d5000", false, &[]).expect("a fresh id");
    hub.add_device("c", false, &[]).expect("a fresh id");
    while status("j1") == "queued" {
        assert_eq!(status("earlier"), "queued");
        look();
    }
    run(&hub);
    assert_eq!(statistics(&hub, "j1")["deviceCount"], 5000);
    assert_eq!(statistics(&hub, "earlier")["deviceCount"], 1);
    assert_eq!(status("cancelled"), "cancelled");
    assert_eq!(statistics(&hub, "cancelled")["deviceCount"], 0);
}

#[tokio::test]
async fn a_method_that_was_called_before_a_kill_is_not_called_again() {
    let directory = tempfile::tempdir().expect("a directory");
    {
        let hub = Arc::new(hub(Some(directory.path())));
        for id in ["called", "waiting"] {
            hub.add_device(id, false, &[]).expect("a fresh id");
        }
        hub.schedule_job("j1", job(call())).expect("taken");
        let now = Timestamp::now();
        let mut calls = hub.jobs_due(now, 1, false).expect("written").calls;
        let call = calls.pop().expect("the first device");
        let client = connect(&hub, "called");
        subscribe(&hub, &client, &[METHODS]);
        // It is on its way to the device, and the hub is gone before the answer.
        tokio::select! {
            biased;
            () = hub.call_for_job(&call) => panic!("nobody answers"),
            () = client.mailbox.changed() => {}
        }
        assert_eq!(received(&client).expect("connected").len(), 1);
    }
    let hub = Arc::new(hub(Some(directory.path())));
    assert_eq!(statistics(&hub, "j1")["runningCount"], 1);
    hub.resume_jobs(Timestamp::now()).expect("written");
    assert_eq!(statistics(&hub, "j1")["failedCount"], 1);
    let due = hub.jobs_due(Timestamp::now(), 10, false).expect("written");
    let calls: Vec<&str> = due.calls.iter().map(|call| call.device.as_str()).collect();
    assert_eq!(calls, ["waiting"]);
    hub.call_for_job(&due.calls[0]).await;
    assert_eq!(hub.job("j1").expect("it is there")["status"], "completed");
}

#[test]
fn a_job_that_had_not_begun_begins_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    {
        let hub = Arc::new(hub(Some(directory.path())));
        hub.add_device("a", false, &[]).expect("a fresh id");
        hub.schedule_job("j1", job(patch())).expect("taken");
    }
    let hub = hub(Some(directory.path()));
    hub.resume_jobs(Timestamp::now()).expect("written");
    run(&hub);
    assert_eq!(hub.job("j1").expect("it is there")["status"], "completed");
}

#[test]
fn a_full_disk_holds_jobs_up_and_loses_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let hub = Arc::new(hub(Some(directory.path())));
    hub.add_device("a", false, &[]).expect("a fresh id");
    hub.schedule_job("j1", job(call())).expect("taken");
    hub.lock().journal.fill_disk();
    let now = Timestamp::now();
    for _ in 0..3 {
        assert!(hub.jobs_due(now, 10, false).is_err());
    }
    assert!(hub.schedule_job("j2", job(call())).is_err());
}

/// Puts a state in the place of what the hub has, as a reset does.
fn put(hub: &Hub, state: super::super::HubState) {
    let mut core = hub.lock();
    hub.put(&mut core, state).expect("a state");
    hub.commit_restored(&mut core).expect("in memory");
}

#[tokio::test]
async fn one_carries_jobs_out_however_often_another_state_comes() {
    let tasks = TaskTracker::new();
    let hub = Arc::new(hub(None));
    let employ = || {
        let staff = Staff {
            tasks: tasks.clone(),
            stop: CancellationToken::new(),
            authority_pem: String::new(),
        };
        hub.employ(staff).expect("in memory");
    };
    employ();
    hub.add_device("a", false, &[]).expect("a fresh id");
    let later = Job {
        starts: Timestamp::now() + Duration::from_secs(3600),
        ..job(patch())
    };
    hub.schedule_job("later", later).expect("taken");
    assert_eq!(tasks.len(), 1);
    for _ in 0..3 {
        let state = hub.lock().state().expect("in memory");
        put(&hub, state);
        employ();
        tokio::task::yield_now().await;
        assert_eq!(tasks.len(), 1);
    }
    // That one also does what the other state has.
    let mut state = hub.lock().state().expect("in memory");
    state.registry.jobs.insert("now".to_owned(), job(patch()));
    put(&hub, state);
    employ();
    let done = async {
        while hub.job("now").expect("it is there")["status"] != "completed" {
            tokio::task::yield_now().await;
        }
    };
    let bound = Duration::from_secs(20);
    timeout(bound, done).await.expect("it is carried out");
    assert_eq!(tasks.len(), 1);
}

#[tokio::test]
async fn a_call_of_a_state_that_is_gone_changes_nothing_in_the_next() {
    let hub = Arc::new(hub(None));
    hub.add_device("a", false, &[]).expect("a fresh id");
    hub.schedule_job("j1", job(call())).expect("taken");
    let call = |most| {
        let due = hub.jobs_due(Timestamp::now(), most, false);
        due.expect("in memory").calls.pop()
    };
    let before = call(1).expect("the device's turn");
    let state = hub.lock().state().expect("in memory");
    put(&hub, state);
    hub.call_for_job(&before).await;
    assert_eq!(statistics(&hub, "j1")["pendingCount"], 1);
    let again = call(1).expect("the device's turn, as in the state");
    hub.call_for_job(&again).await;
    assert_eq!(statistics(&hub, "j1")["failedCount"], 1, "nobody is there");
}

#[test]
fn what_a_transfer_of_a_state_that_is_gone_comes_to_is_not_for_the_next() {
    let hub = Arc::new(hub(None));
    let made = hub.enqueue_transfer(Transfer {
        direction: Direction::Export { exclude_keys: true },
        output: Container::new("http://127.0.0.1/container"),
        devices_blob: "devices.txt".to_owned(),
        configurations_blob: None,
        created: Timestamp::now(),
        state: TransferState::Enqueued,
    });
    let id = made.expect("the first")["jobId"].clone();
    let status = || {
        hub.transfer(id.as_str().expect("an id"))
            .expect("it is there")["status"]
            .clone()
    };
    assert!(
        hub.begin_transfers() && !hub.begin_transfers(),
        "one does it"
    );
    let before = hub.next_errand().expect("it is open");
    let state = hub.lock().state().expect("in memory");
    put(&hub, state);
    assert!(before.over.is_cancelled());
    hub.end_errand(&before, End::Failed, None);
    assert_eq!(status(), "running");
    assert!(!hub.begin_transfers(), "whoever did it lives on");
    let again = hub.next_errand().expect("it is open, as in the state");
    hub.end_errand(&again, End::Completed, None);
    assert_eq!(status(), "completed");
    assert!(hub.next_errand().is_none() && !hub.begin_transfers());
}

#[test]
fn times_beyond_every_calendar_stop_nobody() {
    let hub = Arc::new(hub(None));
    hub.add_device("a", false, &[]).expect("a fresh id");
    let mut state = hub.lock().state().expect("in memory");
    let endless = Job {
        max_execution_seconds: u64::MAX,
        ..job(call())
    };
    let over = Job {
        state: JobState::Ended {
            end: End::Completed,
            at: Timestamp::MAX,
            reason: None,
        },
        ..job(call())
    };
    state.registry.jobs.insert("endless".to_owned(), endless);
    state.registry.jobs.insert("over".to_owned(), over);
    put(&hub, state);
    let now = Timestamp::now();
    let due = hub.jobs_due(now, 1, false).expect("in memory");
    assert_eq!(due.calls.len(), 1);
    hub.forget_jobs(now).expect("in memory");
    assert!(hub.job("over").is_ok());
}
