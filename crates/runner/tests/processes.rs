//! The runner with real processes: small shell scripts that print what they see.

use std::time::Duration;

use runner::{
    Backoff, CommandError, DesiredStatus, Exit, LogLine, LogStream, ModuleSpec, ModuleState,
    Options, PlanError, ProcessSpec, RestartPolicy, Runner, RuntimeStatus, Workload,
};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::broadcast;
use tokio::time::timeout;

/// Far more than anything here takes; only a failure waits this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Set for the copy of this test program that is to be killed, see [`nothing_survives_a_killed_runner`].
const VICTIM: &str = "RUNNER_TEST_VICTIM";

fn script(name: &str, script: &str) -> ModuleSpec {
    process(
        name,
        ProcessSpec {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: vec![],
        },
    )
}

fn process(name: &str, process: ProcessSpec) -> ModuleSpec {
    ModuleSpec {
        name: name.into(),
        workload: Workload::Process(process),
        startup_order: u32::MAX,
        restart_policy: RestartPolicy::Never,
        status: DesiredStatus::Running,
    }
}

fn desk() -> Options {
    Options {
        backoff: Backoff::DESK,
        ..Options::default()
    }
}

async fn start(plan: Vec<ModuleSpec>, options: Options) -> (Runner, Lines) {
    let (runner, lines) = Runner::start(plan, options)
        .await
        .expect("the plan is sound");
    (runner, Lines(lines))
}

struct Lines(broadcast::Receiver<LogLine>);

impl Lines {
    async fn next(&mut self) -> LogLine {
        timeout(PATIENCE, self.0.recv())
            .await
            .expect("a line comes")
            .expect("no line was lost")
    }

    async fn next_text(&mut self) -> String {
        self.next().await.text.to_string()
    }
}

async fn state(
    runner: &Runner,
    module: &str,
    wanted: impl FnMut(&ModuleState) -> bool,
) -> ModuleState {
    let mut watch = runner
        .modules()
        .watch(module)
        .expect("the module is in the plan");
    timeout(PATIENCE, watch.wait_for(wanted))
        .await
        .expect("the state is reached")
        .expect("the module's loop runs")
        .clone()
}

fn runs(pid: u32) -> bool {
    // A process that has ended but was not waited for yet still has its directory.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
}

async fn gone(pid: u32) {
    let poll = async {
        while runs(pid) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, poll).await.expect("the process ends");
}

#[tokio::test]
async fn lines_of_both_outputs_arrive_before_the_end_is_reported() {
    let (runner, mut lines) =
        start(vec![script("m", "echo out; echo err >&2; exit 3")], desk()).await;

    let ended = state(&runner, "m", |state| state.status == RuntimeStatus::Failed).await;

    assert_eq!(ended.last_exit, Some(Exit::Code(3)));
    assert_eq!(ended.pid, None);
    let mut seen = [lines.0.try_recv(), lines.0.try_recv()]
        .map(|line| line.expect("both lines are there"))
        .map(|line| (line.module.to_string(), line.stream, line.text.to_string()));
    seen.sort_by_key(|line| line.2.clone());
    assert_eq!(
        seen,
        [
            ("m".into(), LogStream::Stderr, "err".into()),
            ("m".into(), LogStream::Stdout, "out".into())
        ]
    );
    runner.shutdown().await;
}

#[tokio::test]
async fn modules_start_in_start_up_order() {
    let plan = [("late", 2), ("first", 0), ("middle", 1)].map(|(name, order)| ModuleSpec {
        startup_order: order,
        ..script(name, "exec sleep 600")
    });
    let (runner, _lines) = start(plan.to_vec(), desk()).await;

    let mut started = Vec::new();
    for name in ["late", "first", "middle"] {
        let at = state(&runner, name, |state| state.pid.is_some()).await;
        started.push((at.last_start_time, name));
    }
    started.sort();
    let order: Vec<_> = started.into_iter().map(|(_, name)| name).collect();
    assert_eq!(order, ["first", "middle", "late"]);
    runner.shutdown().await;
}

#[tokio::test]
async fn the_plans_environment_is_added_and_a_later_value_wins() {
    let script = "echo \"$GREETING|$IOTEDGE_DEVICEID|${PATH:+path}\"";
    let env = [
        ("GREETING", "hello"),
        ("IOTEDGE_DEVICEID", "x"),
        ("IOTEDGE_DEVICEID", "bay-01"),
    ];
    let spec = process(
        "m",
        ProcessSpec {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: env
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        },
    );
    let (runner, mut lines) = start(vec![spec], desk()).await;
    assert_eq!(lines.next_text().await, "hello|bay-01|path");
    runner.shutdown().await;
}

#[tokio::test]
async fn a_crash_is_restarted_with_back_off() {
    let spec = ModuleSpec {
        restart_policy: RestartPolicy::Always,
        ..script("m", "exit 1")
    };
    let (runner, _lines) = start(vec![spec], desk()).await;
    state(&runner, "m", |state| state.status == RuntimeStatus::Backoff).await;
    let again = state(&runner, "m", |state| state.restart_count >= 3).await;
    assert_eq!(again.last_exit, Some(Exit::Code(1)));
    runner.shutdown().await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_a_state() {
    let spec = process(
        "m",
        ProcessSpec {
            program: "/nonexistent/module".into(),
            args: vec![],
            env: vec![],
        },
    );
    let (runner, _lines) = start(vec![spec], desk()).await;
    let failed = state(&runner, "m", |state| state.status == RuntimeStatus::Failed).await;
    assert_eq!(failed.last_exit, Some(Exit::NotStarted));
    let problem = failed.problem.expect("a reason");
    assert!(problem.contains("/nonexistent/module"), "{problem}");
    runner.shutdown().await;
}

#[tokio::test]
async fn stop_start_restart_and_kill() {
    let spec = ModuleSpec {
        restart_policy: RestartPolicy::Always,
        ..script(
            "m",
            "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done",
        )
    };
    let (runner, mut lines) = start(vec![spec], desk()).await;
    assert_eq!(lines.next_text().await, "up");

    runner.modules().stop("m").await.expect("it is there");
    assert_eq!(lines.next_text().await, "bye");
    let stopped = state(&runner, "m", |state| state.status == RuntimeStatus::Stopped).await;
    assert_eq!(stopped.last_exit, Some(Exit::Code(0)));

    runner.modules().start("m").await.expect("it is there");
    assert_eq!(lines.next_text().await, "up");

    runner.modules().restart("m").await.expect("it is there");
    assert_eq!(lines.next_text().await, "bye");
    assert_eq!(lines.next_text().await, "up");
    let restarted = state(&runner, "m", |state| state.pid.is_some()).await;
    assert_eq!(restarted.restart_count, 0);

    runner.modules().kill("m").await.expect("it is there");
    assert_eq!(lines.next_text().await, "up");
    let crashed = state(&runner, "m", |state| state.restart_count == 1).await;
    assert_eq!(crashed.last_exit, Some(Exit::Signal(9)));
    assert_eq!(crashed.last_exit.map(Exit::code), Some(137));

    assert_eq!(
        runner.modules().kill("other").await,
        Err(CommandError::Unknown("other".into()))
    );
    runner.shutdown().await;
}

#[tokio::test]
async fn a_module_that_will_not_end_is_killed_after_its_grace() {
    let options = Options {
        stop_grace: Duration::from_millis(50),
        ..desk()
    };
    let (runner, mut lines) = start(
        vec![script(
            "m",
            "trap '' TERM; echo up; while :; do sleep 0.01; done",
        )],
        options,
    )
    .await;
    assert_eq!(lines.next_text().await, "up");
    let pid = state(&runner, "m", |state| state.pid.is_some()).await.pid;
    let watch = runner
        .modules()
        .watch("m")
        .expect("the module is in the plan");

    timeout(PATIENCE, runner.shutdown())
        .await
        .expect("shutdown ends");

    assert_eq!(watch.borrow().last_exit, Some(Exit::Signal(9)));
    assert!(!runs(pid.expect("it ran")));
}

#[tokio::test]
async fn what_a_module_left_running_ends_with_it() {
    let (runner, mut lines) = start(vec![script("m", "sleep 600 & echo $!; exit 0")], desk()).await;
    let orphan = lines.next_text().await.parse().expect("a process id");
    state(&runner, "m", |state| state.status == RuntimeStatus::Stopped).await;
    gone(orphan).await;
    runner.shutdown().await;
}

#[tokio::test]
async fn a_stopped_module_waits_to_be_started() {
    let spec = ModuleSpec {
        status: DesiredStatus::Stopped,
        ..script("m", "echo up; exec sleep 600")
    };
    let (runner, mut lines) = start(vec![spec], desk()).await;
    let idle = state(&runner, "m", |_| true).await;
    assert_eq!(
        (idle.status, idle.last_start_time),
        (RuntimeStatus::Stopped, None)
    );
    runner.modules().start("m").await.expect("it is there");
    assert_eq!(lines.next_text().await, "up");
    runner.shutdown().await;
}

#[tokio::test]
async fn a_name_in_the_plan_twice_is_refused() {
    let refused = Runner::start(vec![script("m", ""), script("m", "")], desk()).await;
    assert_eq!(refused.err(), Some(PlanError::Duplicate("m".into())));
}

#[tokio::test]
async fn a_killed_runners_modules_are_gone_when_it_returns() {
    // Long enough that a stop in good order would be noticed.
    let options = Options {
        stop_grace: PATIENCE * 2,
        ..desk()
    };
    let stubborn = ModuleSpec {
        restart_policy: RestartPolicy::Always,
        ..script(
            "stubborn",
            "trap '' TERM; echo up; while :; do sleep 1; done",
        )
    };
    let waiting = ModuleSpec {
        status: DesiredStatus::Stopped,
        ..script("waiting", "true")
    };
    let (runner, mut lines) = start(vec![stubborn, waiting], options).await;
    assert_eq!(lines.next_text().await, "up");
    let pid = runner
        .modules()
        .state("stubborn")
        .and_then(|state| state.pid);
    timeout(PATIENCE, runner.kill()).await.expect("it ends");
    assert!(!runs(pid.expect("it runs")));
}

#[tokio::test]
async fn dropping_the_runner_kills_its_modules() {
    let (runner, mut lines) = start(
        vec![script("m", "sleep 600 & echo $$ $!; trap '' TERM; wait")],
        desk(),
    )
    .await;
    let pids = lines.next_text().await;
    drop(runner);
    for pid in pids.split(' ') {
        gone(pid.parse().expect("a process id")).await;
    }
}

/// A copy of this test program runs only [`victim`], which starts a module and is then killed with SIGKILL.
#[tokio::test]
async fn nothing_survives_a_killed_runner() {
    let mut copy = tokio::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "victim", "--nocapture"])
        .env(VICTIM, "1")
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("this program starts again");
    let mut output = BufReader::new(copy.stdout.take().expect("it is piped")).lines();
    let find_pids = async {
        loop {
            let line = output
                .next_line()
                .await
                .expect("readable")
                .expect("the pids come");
            if let Some((_, pids)) = line.split_once("pids ") {
                return pids.to_owned();
            }
        }
    };
    let pids: Vec<u32> = timeout(PATIENCE, find_pids)
        .await
        .expect("the victim's module starts")
        .split(' ')
        .map(|pid| pid.parse().expect("a process id"))
        .collect();
    assert!(
        pids.iter().all(|&pid| runs(pid)),
        "module and its child run"
    );

    copy.start_kill().expect("the copy runs");

    for pid in pids {
        gone(pid).await;
    }
}

/// Does nothing as a test of its own; see [`nothing_survives_a_killed_runner`].
#[tokio::test]
async fn victim() {
    if std::env::var_os(VICTIM).is_none() {
        return;
    }
    let module = script(
        "m",
        "trap '' TERM HUP INT; sleep 600 & echo pids $$ $!; wait",
    );
    let (_runner, mut lines) = start(vec![module], desk()).await;
    println!("{}", lines.next_text().await);
    std::future::pending::<()>().await;
}
