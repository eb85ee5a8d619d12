//! Two instances of the operator's service on one PostgreSQL, under load, while instances, the database and the way to
//! the hub break: what devices sent is there, and it is there once; what drivers booked is booked, and by nobody else.
//!
//! `COW_FLEET_EVENTS=N` has each device send N events in place of the short run's; the figures are printed with
//! `-- --nocapture`.

#[path = "fleet/bookings.rs"]
mod bookings;
#[path = "fleet/doors.rs"]
mod doors;
#[path = "fleet/instance.rs"]
mod instance;
#[path = "fleet/lamps.rs"]
mod lamps;
#[path = "fleet/load.rs"]
mod load;
#[path = "fleet/postgres.rs"]
mod postgres;
#[path = "fleet/wire.rs"]
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use street_tests::Cow;
use tokio::time::sleep;

use self::bookings::Bookings;
use self::doors::Doors;
use self::instance::Instance;
use self::load::{DEVICES, Load};
use self::postgres::Postgres;
use self::wire::Wire;

/// Longest time from a break until events are written again: a lease, a pause, and a busy machine.
const RECOVERS_WITHIN: Duration = Duration::from_secs(60);

/// What is in the database, as the service's own tables say.
async fn written(postgres: &Postgres) -> usize {
    let count = postgres
        .ask("SELECT COUNT(*) FROM occupancy_history WHERE device_id LIKE 'bay-%'")
        .await;
    count.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Waits until so many events are written; returns how long that took.
async fn until(postgres: &Postgres, count: usize, what: &str) -> Duration {
    let begun = Instant::now();
    loop {
        let found = written(postgres).await;
        if found >= count {
            return begun.elapsed();
        }
        let waited = begun.elapsed();
        assert!(
            waited < RECOVERS_WITHIN,
            "{what}: {found} of {count} after {waited:?}"
        );
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_and_no_booking_is_lost_or_counted_twice() {
    let Some(mut postgres) = Postgres::start().await else {
        eprintln!(
            "two instances on one PostgreSQL are NOT tested: it is not installed here (Debian: postgresql)"
        );
        return;
    };
    let each: usize = std::env::var("COW_FLEET_EVENTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(120);
    let cow = Cow::start(&["sim", "--headless"]).await;
    let wire = Wire::to(&cow.ready).await;
    // It makes the tables, and what is in them before anybody works is written by hand.
    let maker = Instance::start(&cow.ready, &wire, &postgres).await;
    maker.stop().await;
    bookings::prepare(&postgres).await;
    let (mut first, mut second) = (
        Instance::start(&cow.ready, &wire, &postgres).await,
        Instance::start(&cow.ready, &wire, &postgres).await,
    );
    let doors = Arc::new(Doors::to(&first.address, &second.address));
    let bookings = Bookings::begin(&cow, &doors).await;
    let load = Load::begin(&cow, each).await;
    let share = DEVICES * each / 8;
    let mut pauses = Vec::new();

    until(&postgres, share, "both run").await;
    first.kill().await;
    let gone = until(
        &postgres,
        written(&postgres).await + share,
        "one was killed",
    )
    .await;
    pauses.push(("one instance killed", gone));
    first = Instance::start(&cow.ready, &wire, &postgres).await;
    doors.moved(0, &first.address);

    second.kill().await;
    let gone = until(
        &postgres,
        written(&postgres).await + share,
        "the other was killed",
    )
    .await;
    pauses.push(("the other killed", gone));
    second = Instance::start(&cow.ready, &wire, &postgres).await;
    doors.moved(1, &second.address);

    let before = written(&postgres).await;
    postgres.kill().await;
    sleep(Duration::from_secs(1)).await;
    postgres.start_again().await;
    let gone = until(&postgres, before + share, "the database was killed").await;
    pauses.push(("PostgreSQL killed", gone));

    wire.cut(Duration::from_secs(1)).await;
    let gone = until(
        &postgres,
        written(&postgres).await + share,
        "the wire was cut",
    )
    .await;
    pauses.push(("hub's link cut", gone));

    second.stop().await;
    let sent = load.finish().await;
    let caught_up = until(&postgres, sent.len(), "one was stopped").await;

    let rows = postgres
        .ask("SELECT device_id, sequence, occupancy FROM occupancy_history WHERE device_id LIKE 'bay-%' ORDER BY device_id, sequence")
        .await
        .expect("the database answers");
    let rows: Vec<&str> = rows.lines().collect();
    assert_eq!(rows.len(), sent.len(), "every event is there once");
    for (row, sent) in rows.iter().zip(&sent) {
        assert_eq!(row, sent);
    }
    let current = postgres
        .ask("SELECT COUNT(*) FROM device_states s JOIN message_numbers n ON n.device_id = s.device_id AND n.sequence = s.sequence WHERE s.device_id LIKE 'bay-%'")
        .await
        .expect("the database answers");
    assert_eq!(
        current.trim(),
        DEVICES.to_string(),
        "every state is the newest"
    );
    println!(
        "{} events of {DEVICES} devices, {} of them sent twice: {} written, 0 lost, 0 twice",
        sent.len(),
        load::repeated(each),
        rows.len()
    );
    for (what, pause) in pauses {
        println!(
            "{what}: {share} more events written after {:.1} s",
            pause.as_secs_f64()
        );
    }
    println!(
        "all there {:.1} s after the last was sent",
        caught_up.as_secs_f64()
    );
    bookings.finish(&postgres).await;
    first.stop().await;
}
