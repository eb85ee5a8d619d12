//! The module with a simulated board and no hub within reach: it shows that it does not know, in
//! time, and leaves the lamp dark.

use std::time::Duration;

use bay::Colour;
use board::simulated::SimulatedBoard;
use light::Config;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

/// Long enough for a slow machine.
const BOUND: Duration = Duration::from_secs(20);

async fn until(board: &SimulatedBoard, wanted: impl Fn(&[Colour]) -> bool) -> Vec<Colour> {
    let deadline = Instant::now() + BOUND;
    loop {
        let shown: Vec<_> = board
            .lamp_history()
            .iter()
            .map(|change| change.colour)
            .collect();
        if wanted(&shown) {
            return shown;
        }
        assert!(Instant::now() < deadline, "still {shown:?}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_lamp_nobody_speaks_to_blinks_and_goes_dark_with_its_module() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("board.sock");
    let board = SimulatedBoard::new(7);
    let server = tokio::spawn(board.listen(&socket).expect("a free socket").run());
    let lookup = |name: &str| match name {
        // Nobody listens on port 1.
        "IOTHUB_DEVICE_CONNECTION_STRING" => Some(
            "HostName=localhost;DeviceId=bay-1;ModuleId=light;SharedAccessKey=c2VjcmV0".to_owned(),
        ),
        "IOTEDGE_GATEWAY_MQTT_PORT" => Some("1".to_owned()),
        "BAY_BOARD" => Some(format!("sim:{}", socket.display())),
        _ => None,
    };
    let config = Config::from_env(&lookup).expect("all that is needed");
    let (stop, stopped) = oneshot::channel::<()>();
    let module = tokio::spawn(light::run(config, async {
        let _ = stopped.await;
    }));

    let shown = until(&board, |shown| {
        shown
            .iter()
            .filter(|colour| **colour == Colour::WHITE)
            .count()
            == 3
    })
    .await;
    let lit: Vec<_> = shown
        .into_iter()
        .skip_while(|colour| colour.is_off())
        .collect();
    assert_eq!(
        lit,
        [
            Colour::WHITE,
            Colour::OFF,
            Colour::WHITE,
            Colour::OFF,
            Colour::WHITE
        ]
    );

    stop.send(()).expect("the module runs");
    module
        .await
        .expect("the module does not panic")
        .expect("and ends in order");
    assert!(board.state().lamp.colour.is_off());
    server.abort();
}
