//! The module with a simulated board and no hub within reach: it goes on deciding, numbering and
//! keeping.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bay::message::OccupancyReport;
use bay::{Occupancy, UnknownReason};
use board::simulated::{self, SimulatedBoard, Vehicle};
use hc_sr04::Config;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

/// Long enough for a slow machine; nothing here takes a tenth of it.
const BOUND: Duration = Duration::from_secs(20);

struct Bench {
    directory: tempfile::TempDir,
    board: SimulatedBoard,
    _server: JoinSet<()>,
}

struct Running {
    stop: oneshot::Sender<()>,
    module: JoinHandle<anyhow::Result<()>>,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let board = SimulatedBoard::new(7);
        let server = board
            .listen(&directory.path().join("board.sock"))
            .expect("a free socket");
        let mut servers = JoinSet::new();
        servers.spawn(server.run());
        Self {
            directory,
            board,
            _server: servers,
        }
    }

    fn start(&self) -> Running {
        let state_dir = self.directory.path().join("state").display().to_string();
        let board = format!("sim:{}", self.directory.path().join("board.sock").display());
        let lookup = |name: &str| match name {
            // Nobody listens on port 1.
            "IOTHUB_DEVICE_CONNECTION_STRING" => Some(
                "HostName=localhost;DeviceId=bay-1;ModuleId=hc-sr04;SharedAccessKey=c2VjcmV0"
                    .to_owned(),
            ),
            "IOTEDGE_GATEWAY_MQTT_PORT" => Some("1".to_owned()),
            "BAY_BOARD" => Some(board.clone()),
            "BAY_STATE_DIR" => Some(state_dir.clone()),
            "BAY_HOLD_OFF_MS" => Some("200".to_owned()),
            "BAY_SAMPLE_INTERVAL_MS" => Some("60".to_owned()),
            _ => None,
        };
        let config = Config::from_env(&lookup).expect("all that is needed");
        let (stop, stopped) = oneshot::channel::<()>();
        let module = tokio::spawn(hc_sr04::run(config, async {
            let _ = stopped.await;
        }));
        Running { stop, module }
    }

    fn kept(&self) -> Option<OccupancyReport> {
        let text = std::fs::read(self.directory.path().join("state/hc-sr04.json")).ok()?;
        Some(serde_json::from_slice(&text).expect("a file is whole at every instant"))
    }

    /// Waits until the last report kept is what is wanted.
    async fn until(&self, wanted: impl Fn(&OccupancyReport) -> bool) -> OccupancyReport {
        let deadline = Instant::now() + BOUND;
        loop {
            let kept = self.kept();
            if let Some(report) = kept.as_ref().filter(|report| wanted(report)) {
                return report.clone();
            }
            assert!(Instant::now() < deadline, "still {kept:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Running {
    async fn stop(self) {
        self.stop.send(()).expect("the module runs");
        self.module
            .await
            .expect("the module does not panic")
            .expect("and ends in order");
    }
}

#[tokio::test]
async fn the_truth_does_not_wait_for_a_hub() {
    let bench = Bench::new();
    let running = bench.start();

    let free = bench
        .until(|report| report.occupancy == Occupancy::Free)
        .await;
    assert_eq!(
        free.sequence, 2,
        "after the first report, that it is starting"
    );

    bench.board.command(simulated::Command::CarArrives {
        vehicle: Vehicle::Car,
        over_seconds: 0.0,
    });
    let occupied = bench
        .until(|report| report.occupancy == Occupancy::Occupied)
        .await;
    assert_eq!(occupied.sequence, 3);
    assert_eq!(
        occupied.previous.map(|previous| previous.occupancy),
        Some(Occupancy::Free)
    );

    bench
        .board
        .command(simulated::Command::CableCut { on: true });
    let unknown = bench
        .until(|report| report.occupancy == Occupancy::Unknown)
        .await;
    assert_eq!(
        (unknown.sequence, unknown.reason),
        (4, Some(UnknownReason::SensorFailed))
    );
    running.stop().await;
}

#[tokio::test]
async fn a_restart_goes_on_counting_and_tells_what_was_before() {
    let bench = Bench::new();
    let running = bench.start();
    bench
        .until(|report| report.occupancy == Occupancy::Free)
        .await;
    // As a power cut ends it: without a word.
    running.module.abort();

    let running = bench.start();
    let starting = bench.until(|report| report.sequence == 3).await;
    assert_eq!(
        (starting.occupancy, starting.reason),
        (Occupancy::Unknown, Some(UnknownReason::Starting))
    );
    assert_eq!(
        starting.previous.map(|previous| previous.occupancy),
        Some(Occupancy::Free)
    );
    running.stop().await;
}

#[test]
fn every_mistake_of_the_set_up_is_told_at_once() {
    let told = Command::new(Path::new(env!("CARGO_BIN_EXE_hc-sr04")))
        .env_clear()
        .env("BAY_BOARD", "bread")
        .env("BAY_WINDOW_SIZE", "4")
        .env("BAY_LOG", "loud")
        .output()
        .expect("the program starts");

    assert_eq!(told.status.code(), Some(2));
    assert!(told.stdout.is_empty());
    let lines = String::from_utf8(told.stderr).expect("text");
    assert_eq!(
        lines.lines().collect::<Vec<_>>(),
        [
            "hc-sr04 is set up wrongly:",
            "BAY_LOG is \"loud\": must be error, warn, info, debug or trace",
            "IOTEDGE_WORKLOADURI is not set, and neither is EdgeHubConnectionString, IOTHUB_DEVICE_CONNECTION_STRING or IOTHUB_DEVICE_SECURITY_TYPE: nothing says who this is",
            "BAY_BOARD is \"bread\": no board is called \"bread\": write linux: with the parts of this machine, as in linux:trigger=GPIO23,echo=GPIO24, or sim:PATH with the socket of a simulated board, as in sim:/run/bay/board.sock",
            "BAY_WINDOW_SIZE is \"4\": must be an odd number, so that the median is one of the measurements",
        ]
    );
}
