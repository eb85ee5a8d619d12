//! `kill -9` at random points of a mixed load, over and over, on one state directory: what was acknowledged is there
//! after each restart, and no entity tag, version or sequence number repeats or goes back.
//!
//! A hundred kills, or `COW_KILLS` of them. What is done between two of them follows from `COW_SEED`, which is printed;
//! the moment a kill strikes is drawn from it too, in microseconds, so that a slower machine is struck earlier.
//!
//! Each worker of the load has things of its own, does one after the other, and remembers what it was told. Only the
//! last thing it asked for is then unknown: it was done, or it was not.

#[path = "kills/bulk.rs"]
mod bulk;
#[path = "kills/device.rs"]
mod device;
#[path = "kills/reading.rs"]
mod reading;
#[path = "kills/things.rs"]
mod things;
#[path = "kills/twins.rs"]
mod twins;

use std::time::Duration;

use probe::{Place, Rest};
use street_tests::Cow;
use tokio::time::sleep;

use bulk::Bulk;
use device::{Commands, Device};
use reading::Reading;
use things::{Kind, Things};
use twins::Twins;

const KILLS: u64 = 100;
const SEED: u64 = 0x0c0f_fee5;
/// The longest life between two kills.
const LIFE_MICROS: u64 = 60_000;

fn setting(name: &str, usual: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(usual, |text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_however_often_the_hub_is_killed() {
    let (kills, seed) = (setting("COW_KILLS", KILLS), setting("COW_SEED", SEED));
    println!("{kills} kills, COW_SEED={seed}");
    let state = tempfile::tempdir().expect("a temporary directory");
    let arguments = [
        "sim",
        "--state",
        state.path().to_str().expect("a path in UTF-8"),
    ];
    let mut random = fastrand::Rng::with_seed(seed);
    let mut devices = Things::new(Kind::Device, random.fork());
    let mut modules = Things::new(Kind::Module, random.fork());
    let mut configurations = Things::new(Kind::Configuration, random.fork());
    let mut bulk = Bulk::new(random.fork());
    let mut twins = Twins::new(random.fork());
    let mut reading = Reading::default();
    let commands = Commands::default();

    let cow = Cow::start(&arguments).await;
    let place = Place::of(&cow.ready).await.expect("it says where it is");
    let mut rest = Rest::connect(&place).await.expect("it answers");
    modules.prepare(&mut rest).await;
    twins.prepare(&mut rest).await;
    let mut device = Device::prepare(&cow).await;
    cow.kill().await;
    for kill in 0..=kills {
        let cow = Cow::start(&arguments).await;
        let place = Place::of(&cow.ready).await.expect("it says where it is");
        let mut rest = Rest::connect(&place).await.expect("it answers");
        for things in [&mut devices, &mut modules, &mut configurations] {
            things.check(&mut rest).await;
        }
        bulk.check(&mut rest).await;
        twins.check(&mut rest).await;
        device.check(&mut rest).await;
        reading
            .catch_up(&place, &device.telemetry.acknowledged)
            .await;
        device.telemetry.acknowledged.clear();
        if kill == kills {
            device.receive_the_rest(&place, &commands).await;
            break;
        }
        let lives = Duration::from_micros(random.u64(0..LIFE_MICROS));
        // All of it is dropped in the midst of what it does.
        tokio::select! {
            biased;
            () = sleep(lives) => {}
            () = devices.work(&place) => {}
            () = modules.work(&place) => {}
            () = configurations.work(&place) => {}
            () = bulk.work(&place) => {}
            () = twins.work(&place) => {}
            () = device.work(&place, &commands) => {}
            () = commands.work(&cow) => {}
            () = reading.follow(&place) => {}
        }
        cow.kill().await;
        // A start is killed itself, now and then.
        if random.u8(0..10) == 0 {
            let within = Duration::from_micros(random.u64(0..LIFE_MICROS));
            Cow::start_and_kill(&arguments, within).await;
        }
    }
    let done = [
        ("devices", devices.acknowledged),
        ("modules", modules.acknowledged),
        ("configurations", configurations.acknowledged),
        ("bulk requests", bulk.acknowledged),
        ("twins", twins.acknowledged),
        ("messages", device.telemetry.count),
        ("reports", device.reports),
        ("commands", commands.accepted.get()),
        ("events read", reading.events),
    ];
    println!("{done:?}");
    for (what, count) in done {
        assert!(
            count > kills as usize / 4,
            "too few {what} to show anything: {count}"
        );
    }
}
