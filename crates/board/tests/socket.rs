//! Ports and simulated board over a real socket.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::{Duration, Instant},
};

use board::{
    Board, BoardError, Colour, Echo, Gauge, Lamp, Power, Ranger, Thermometer,
    simulated::{Change, Command, ListenError, Outcome, SimulatedBoard, Vehicle},
};
use tempfile::TempDir;
use tokio::{runtime::Runtime, task::JoinHandle};

struct Desk {
    runtime: Runtime,
    directory: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self {
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("a runtime"),
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("board.sock")
    }

    fn ports(&self) -> Board {
        Board::open(&format!("sim:{}", self.socket().display())).expect("a specification")
    }

    fn serve(&self, board: &SimulatedBoard) -> JoinHandle<()> {
        let _inside = self.runtime.enter();
        let server = board.listen(&self.socket()).expect("a free socket");
        self.runtime.spawn(server.run())
    }

    /// Ends a server as a crash would: its connections die, its socket disappears.
    fn stop(&self, server: JoinHandle<()>) {
        server.abort();
        let _ = self.runtime.block_on(server);
    }
}

#[test]
fn every_port_reaches_its_part() {
    let desk = Desk::new();
    let bay = SimulatedBoard::new(1);
    let _server = desk.serve(&bay);
    let ports = desk.ports();
    desk.runtime.block_on(async {
        let mut ranger = ports.ranger();
        let Echo::Returned { round_trip } = ranger.measure().await.expect("a measurement") else {
            panic!("an empty bay has a floor");
        };
        // 2.5 m at 18 °C are 14.61 ms.
        assert!(round_trip.abs_diff(Duration::from_micros(14_611)) < Duration::from_micros(60));

        let red = Colour::rgb(255, 0, 0);
        let mut lamp = ports.lamp();
        lamp.set(red).await.expect("a lamp");
        assert_eq!(bay.state().lamp.colour, red);
        assert!(bay.marks().lamp_changed.is_some());

        let reading = ports.gauge().read().await.expect("a reading");
        assert_eq!(
            (reading.charge_percent, reading.current_ma),
            (87, Some(-310))
        );
        let celsius = ports.thermometer().celsius().await.expect("a temperature");
        assert!((celsius - 18.0).abs() < 0.5);

        let mut changes = bay.changes();
        ports.power().reboot().await.expect("a restart");
        assert_eq!(changes.try_recv(), Ok(Change::Restarted));
        assert_eq!(bay.state().restarts, 1);
        assert!(bay.state().lamp.colour.is_off());
    });
}

#[test]
fn what_is_not_measured_is_never_a_distance() {
    let desk = Desk::new();
    let bay = SimulatedBoard::new(1);
    let _server = desk.serve(&bay);
    let ports = desk.ports();
    desk.runtime.block_on(async {
        let mut ranger = ports.ranger();
        bay.command(Command::FloorDistance { mm: 5000 });
        assert_eq!(ranger.measure().await.expect("a measurement"), Echo::NoEcho);
        bay.command(Command::SensorStuck { on: true });
        assert_eq!(ranger.measure().await.expect("a measurement"), Echo::Stuck);
        bay.command(Command::CableCut { on: true });
        let error = ranger.measure().await.expect_err("a cut cable");
        assert!(matches!(error, BoardError::Fault { .. }), "{error}");
        assert_eq!(
            bay.state().sample.map(|sample| sample.outcome),
            Some(Outcome::Fault)
        );

        bay.command(Command::Battery {
            charge_percent: None,
            current_ma: None,
            failing_reads_percent: Some(100),
            nonsense_reads_percent: None,
        });
        let error = ports.gauge().read().await.expect_err("a bus that fails");
        assert!(error.to_string().contains("fuel gauge"), "{error}");
    });
}

#[test]
fn ports_outlive_the_board() {
    let desk = Desk::new();
    let ports = desk.ports();
    let (mut lamp, mut ranger) = (ports.lamp(), ports.ranger());
    let early = desk
        .runtime
        .block_on(lamp.set(Colour::OFF))
        .expect_err("no board yet");
    assert!(matches!(early, BoardError::Connect { .. }), "{early}");

    for round in 1..=3 {
        let bay = SimulatedBoard::new(round);
        let server = desk.serve(&bay);
        desk.runtime.block_on(async {
            lamp.set(Colour::rgb(round as u8, 0, 0))
                .await
                .expect("a lamp");
            ranger.measure().await.expect("a measurement");
        });
        assert_eq!(bay.state().lamp.colour.red, round as u8);
        desk.stop(server);
        assert!(!desk.socket().exists(), "the socket goes with its server");
        desk.runtime
            .block_on(ranger.measure())
            .expect_err("no board any more");
    }
}

/// Each question is dropped after it was sent, and the world moved before the next one: an answer
/// left over on the line would tell of the world before.
#[test]
fn a_cancelled_question_does_not_answer_the_next_one() {
    let desk = Desk::new();
    let bay = SimulatedBoard::new(1);
    let _server = desk.serve(&bay);
    let mut ranger = desk.ports().ranger();
    desk.runtime.block_on(async {
        let mut cancelled = 0;
        for n in 0..200 {
            bay.command(Command::FloorDistance { mm: 3000 });
            tokio::select! {
                biased;
                _ = ranger.measure() => {}
                () = yields(n % 5) => cancelled += 1,
            }
            bay.command(Command::FloorDistance { mm: 1000 });
            // Dry air loses one echo in five hundred.
            let mut echo = Echo::NoEcho;
            while echo == Echo::NoEcho {
                echo = ranger.measure().await.expect("a measurement");
            }
            let Echo::Returned { round_trip } = echo else {
                panic!("{echo:?}");
            };
            assert!(round_trip < Duration::from_millis(7), "{round_trip:?}");
        }
        assert!(cancelled > 50, "only {cancelled} questions were cancelled");
    });
}

async fn yields(times: usize) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_killed_boards_socket_is_replaced_and_a_living_ones_is_not() {
    let desk = Desk::new();
    drop(std::os::unix::net::UnixListener::bind(desk.socket()).expect("a socket nobody serves"));
    let bay = SimulatedBoard::new(1);
    let server = desk.serve(&bay);
    let _inside = desk.runtime.enter();
    let error = bay.listen(&desk.socket()).expect_err("it is served");
    assert!(matches!(error, ListenError::Taken { .. }), "{error}");
    desk.stop(server);

    std::fs::write(desk.socket(), "precious").expect("a file");
    let error = bay.listen(&desk.socket()).expect_err("it is a file");
    assert!(matches!(error, ListenError::Occupied { .. }), "{error}");
    assert_eq!(
        std::fs::read(desk.socket()).expect("still there"),
        b"precious"
    );
}

#[test]
fn the_wire_is_as_documented() {
    let desk = Desk::new();
    let bay = SimulatedBoard::new(1);
    let _server = desk.serve(&bay);
    let mut stream = UnixStream::connect(desk.socket()).expect("a connection");
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a time-out");
    let mut answers = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut ask = |request: &str| {
        // In one write: a port that hangs up in the middle would break the next.
        let line = format!("{request}\n");
        stream.write_all(line.as_bytes()).expect("a request");
        let mut answer = String::new();
        answers.read_line(&mut answer).expect("an answer");
        answer.trim_end().to_owned()
    };
    assert!(ask(r#"{"do":"measure"}"#).starts_with(r#"{"echo":"returned","roundTripNs":1"#));
    assert_eq!(
        ask(r##"{"do":"setLamp","colour":"#0a0b0c"}"##),
        r#"{"lamp":"set"}"#
    );
    assert!(ask(r#"{"do":"readGauge"}"#).contains(r#""chargePercent":87"#));
    assert!(ask(r#"{"do":"readThermometer"}"#).starts_with(r#"{"celsius":1"#));
    assert_eq!(ask(r#"{"do":"reboot"}"#), r#"{"power":"restarting"}"#);
    for nonsense in [
        "",
        "{}",
        r#"{"do":"explode"}"#,
        r#"{"do":"setLamp","colour":"mauve"}"#,
    ] {
        assert!(ask(nonsense).starts_with(r#"{"fault":"the request is not understood"#));
    }
    bay.command(Command::SensorStuck { on: true });
    assert_eq!(ask(r#"{"do":"measure"}"#), r#"{"echo":"stuck"}"#);
    bay.command(Command::SensorStuck { on: false });
    bay.command(Command::FloorDistance { mm: 6000 });
    assert_eq!(ask(r#"{"do":"measure"}"#), r#"{"echo":"none"}"#);

    // A line too long to be a request is refused, and the port hung up on.
    let endless = "x".repeat(2000);
    assert!(ask(&endless).starts_with(r#"{"fault""#));
    let mut rest = String::new();
    let _ = answers.read_line(&mut rest);
    assert_eq!(rest, "");
}

#[test]
fn watchers_see_samples_lamp_and_commands() {
    let desk = Desk::new();
    let bay = SimulatedBoard::new(1);
    let _server = desk.serve(&bay);
    let mut changes = bay.changes();
    let ports = desk.ports();
    let arrives = Command::CarArrives {
        vehicle: Vehicle::Van,
        over_seconds: 0.0,
    };
    bay.command(arrives);
    desk.runtime.block_on(async {
        ports.ranger().measure().await.expect("a measurement");
        ports
            .lamp()
            .set(Colour::rgb(0, 9, 0))
            .await
            .expect("a lamp");
        ports
            .lamp()
            .set(Colour::rgb(0, 9, 0))
            .await
            .expect("a lamp");
    });
    assert_eq!(changes.try_recv(), Ok(Change::Commanded(arrives)));
    let Ok(Change::Sampled(sample)) = changes.try_recv() else {
        panic!("the measurement was not told");
    };
    assert!(sample.distance_mm.is_some_and(|mm| mm < 550));
    assert_eq!(changes.try_recv(), Ok(Change::Lamp(Colour::rgb(0, 9, 0))));
    assert!(
        changes.try_recv().is_err(),
        "the same colour again is no change"
    );
    let marks = bay.marks();
    assert!(marks.vehicle_first_measured >= marks.vehicle_arrived);
    assert!(marks.lamp_changed > marks.vehicle_first_measured);
}

/// The board must not be what a latency measurement measures. The bound is generous for a debug
/// build on a busy machine; the usual figure is under 0.1 ms.
#[test]
fn a_measurement_takes_well_under_a_millisecond() {
    let desk = Desk::new();
    let bay = SimulatedBoard::new(1);
    let _server = desk.serve(&bay);
    let mut ranger = desk.ports().ranger();
    let mut took: Vec<Duration> = desk.runtime.block_on(async {
        let mut took = Vec::new();
        for _ in 0..500 {
            let asked = Instant::now();
            ranger.measure().await.expect("a measurement");
            took.push(asked.elapsed());
        }
        took
    });
    took.sort();
    assert!(
        took[250] < Duration::from_millis(1),
        "median {:?}",
        took[250]
    );
    println!("median {:?}, 99 % {:?}", took[250], took[495]);
}
