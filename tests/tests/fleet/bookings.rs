//! Drivers who book bays, come, give back, give up and stay away, while instances end under them; and bays that are told.
//!
//! A driver whose request was answered by nobody, or by a failure, looks which bookings he has, as a person does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};
use street_tests::{Cow, PATIENCE};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::doors::Doors;
use crate::lamps::Lamp;
use crate::postgres::Postgres;

const BAYS: usize = 6;
const DRIVERS: usize = 8;
/// So long after its begin a booking ends by itself when nobody came.
pub(crate) const NO_SHOW_AFTER: &str = "2";

/// Drivers at their work.
pub(crate) struct Bookings {
    drivers: JoinSet<Driver>,
    lamps: Vec<Arc<Lamp>>,
    stop: watch::Sender<bool>,
}

/// What is written before anybody starts: bays, and drivers with a token each.
pub(crate) async fn prepare(postgres: &Postgres) {
    let bays = (0..BAYS).map(|bay| {
        let id = Lamp::device(bay);
        format!(
            "INSERT INTO devices (id, device_id, lifecycle, project_id, first_seen_at) VALUES ('{id}', '{id}', 'project', 'p', 1);
             INSERT INTO bays (id, project_id, device_id, number, created_at) VALUES ('{id}', 'p', '{id}', '{bay}', 1);"
        )
    });
    let drivers = (0..DRIVERS).map(|driver| {
        let (id, token) = (format!("driver-{driver}"), token(driver));
        format!(
            "INSERT INTO users (id, email, name, role, password_hash, created_at) VALUES ('{id}', '{id}', '{id}', 'driver', '', 1);
             INSERT INTO api_tokens (id, token_hash, user_id, name, created_at)
                 VALUES ('{id}', encode(sha256('{token}'::bytea), 'hex'), '{id}', '', 1);"
        )
    });
    let project = "INSERT INTO customers (id, name, created_at) VALUES ('c', 'Town', 1);
        INSERT INTO projects (id, customer_id, name, enrollment_group_id, created_at) VALUES ('p', 'c', 'Market', 'p', 1);";
    let sql = project.to_owned() + &bays.chain(drivers).collect::<String>();
    postgres.ask(&sql).await.expect("it is written");
}

fn token(driver: usize) -> String {
    format!("driver-{driver}-may-come-in")
}

impl Bookings {
    pub(crate) async fn begin(cow: &Cow, doors: &Arc<Doors>) -> Self {
        let mut lamps = Vec::new();
        for bay in 0..BAYS {
            lamps.push(Arc::new(Lamp::put_up(cow, bay).await));
        }
        let stop = watch::Sender::new(false);
        let mut drivers = JoinSet::new();
        for number in 0..DRIVERS {
            let driver = Driver {
                doors: doors.clone(),
                token: token(number),
                rng: Rng::with_seed(number as u64),
                lamps: lamps.clone(),
                answered: BTreeMap::new(),
                refused: 0,
                unknown: 0,
                longest: Duration::ZERO,
            };
            drivers.spawn(driver.drive(stop.subscribe()));
        }
        Self {
            drivers,
            lamps,
            stop,
        }
    }

    /// Has everybody stop, and holds what they were answered against what is written and what the lamps show.
    pub(crate) async fn finish(self, postgres: &Postgres) {
        self.stop.send_replace(true);
        let drivers = self.drivers.join_all().await;
        let mut answered = BTreeMap::new();
        for driver in &drivers {
            answered.extend(driver.answered.clone());
        }
        let told = until_lamps_are_told(postgres, &self.lamps).await;
        let written = bookings(postgres).await;
        let mut stages = BTreeMap::<&str, usize>::new();
        for (id, state) in &answered {
            let written = written.get(id).unwrap_or_else(|| panic!("{id} is lost"));
            let agrees = match state.as_str() {
                "booked" => true,
                "in-use" => matches!(written.state.as_str(), "in-use" | "over"),
                ended => written.state == ended,
            };
            assert!(agrees, "{id} was {state}, and is {}", written.state);
        }
        for booking in written.values() {
            *stages.entry(&booking.state).or_default() += 1;
        }
        nobody_had_what_another_had(postgres).await;
        for stage in ["over", "cancelled", "no-show"] {
            assert!(
                stages.contains_key(stage),
                "nothing was {stage}: {stages:?}"
            );
        }
        let checked_in = "SELECT COUNT(*) FROM bookings WHERE checked_in_at IS NOT NULL";
        let checked_in = postgres
            .ask(checked_in)
            .await
            .expect("the database answers");
        let refused: usize = drivers.iter().map(|driver| driver.refused).sum();
        let unknown: usize = drivers.iter().map(|driver| driver.unknown).sum();
        let longest = drivers.iter().map(|driver| driver.longest).max();
        println!(
            "{} bookings answered with 201, {refused} refused, {unknown} questions without an answer: 0 lost, 0 twice; {} written whose answer was cut off",
            answered.len(),
            written.len() - answered.len()
        );
        println!(
            "what became of them: {stages:?}, {} checked in; longest without an answer {:.1} s",
            checked_in.trim(),
            longest.unwrap_or_default().as_secs_f64()
        );
        println!("{told} of {BAYS} lamps show what is booked, the others are being told");
    }
}

/// Goes through what was done, in the order it was done: nobody books a bay before the one who had it is gone.
async fn nobody_had_what_another_had(postgres: &Postgres) {
    let sql = "SELECT b.bay_id, a.action, b.id FROM audit a JOIN bookings b ON b.id = a.object_id ORDER BY a.number";
    let done = postgres.ask(sql).await.expect("the database answers");
    let mut holders = BTreeMap::new();
    for row in done.lines() {
        let columns: Vec<&str> = row.split('|').collect();
        let [bay, action, booking] = columns[..] else {
            panic!("{row}");
        };
        match action {
            "booking.create" => assert_eq!(holders.insert(bay, booking), None, "{row}"),
            "booking.check-in" => assert_eq!(holders.get(bay), Some(&booking), "{row}"),
            "booking.conflict" => {}
            _ => assert_eq!(holders.remove(bay), Some(booking), "{row}"),
        }
    }
}

/// A booking as it is written.
struct Written {
    bay: String,
    state: String,
    /// Whether its lamp is to be told something yet.
    is_due: bool,
}

async fn bookings(postgres: &Postgres) -> BTreeMap<String, Written> {
    let sql = "SELECT id, bay_id, state, lamp_next_at IS NOT NULL FROM bookings";
    let rows = postgres.ask(sql).await.expect("the database answers");
    let rows = rows.lines().map(|row| {
        let columns: Vec<&str> = row.split('|').collect();
        let written = Written {
            bay: columns[1].to_owned(),
            state: columns[2].to_owned(),
            is_due: columns[3] == "t",
        };
        (columns[0].to_owned(), written)
    });
    rows.collect()
}

/// Waits until no lamp shows another booking than its bay has without somebody who is to tell it; how many show it.
async fn until_lamps_are_told(postgres: &Postgres, lamps: &[Arc<Lamp>]) -> usize {
    let begun = Instant::now();
    loop {
        let shown: Vec<_> = lamps.iter().map(|lamp| lamp.shows()).collect();
        let written = bookings(postgres).await;
        let is_due = |id: &str| written.get(id).is_some_and(|booking| booking.is_due);
        let (mut told, mut untrue) = (0, Vec::new());
        for (bay, shown) in shown.iter().enumerate() {
            let device = Lamp::device(bay);
            let holding = written.iter().find(|(_, booking)| {
                booking.bay == device && matches!(booking.state.as_str(), "booked" | "in-use")
            });
            let holding = holding.map(|(id, _)| id.as_str());
            if shown.as_deref() == holding {
                told += 1;
            } else if !holding.is_none_or(is_due) || !shown.as_deref().is_none_or(is_due) {
                untrue.push(format!(
                    "{device} shows {shown:?} and is booked by {holding:?}"
                ));
            }
        }
        if untrue.is_empty() {
            return told;
        }
        assert!(begun.elapsed() < PATIENCE, "{untrue:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

struct Driver {
    doors: Arc<Doors>,
    token: String,
    rng: Rng,
    lamps: Vec<Arc<Lamp>>,
    /// What each booking was when it was last answered with success.
    answered: BTreeMap<String, String>,
    refused: usize,
    /// How often the answer was none, or that nobody knows.
    unknown: usize,
    /// The longest time one question took.
    longest: Duration,
}

impl Driver {
    async fn drive(mut self, stop: watch::Receiver<bool>) -> Self {
        let mut seen = BTreeSet::new();
        while !*stop.borrow() {
            let bay = self.rng.usize(..BAYS);
            let wish = json!({"bayId": Lamp::device(bay), "minutes": 30});
            let booking = match self.ask_once("/api/bookings", &wish).await {
                Some((201, booking)) => {
                    let id = text(&booking, "id");
                    assert!(seen.insert(id.clone()), "{id} was booked twice");
                    self.answered.insert(id.clone(), text(&booking, "state"));
                    Some(id)
                }
                Some((status, _)) => {
                    assert!((400..500).contains(&status), "{status}");
                    self.refused += 1;
                    None
                }
                None => {
                    let mine = self.doors.read("/api/bookings", &self.token).await;
                    let mine = mine["items"].as_array().expect("a list").iter();
                    let mut ids = mine.map(|booking| text(booking, "id"));
                    // The newest is the first.
                    ids.find(|id| seen.insert(id.clone()))
                }
            };
            match booking {
                Some(booking) => self.use_it(&booking, bay).await,
                None => self.pause(50..150).await,
            }
        }
        self
    }

    /// What people do with bookings.
    async fn use_it(&mut self, booking: &str, bay: usize) {
        self.pause(0..400).await;
        match self.rng.u8(..6) {
            0 => self.step(booking, "cancel").await,
            1 => self.step(booking, "release").await,
            2 => {
                self.step(booking, "check-in").await;
                self.pause(0..400).await;
                self.step(booking, "release").await;
            }
            3 | 4 => {
                let lamp = self.lamps[bay].clone();
                lamp.sees("occupied").await;
                self.pause(200..900).await;
                self.step(booking, "release").await;
                lamp.sees("free").await;
            }
            // Nobody comes, and it ends by itself.
            _ => self.pause(1000..3000).await,
        }
    }

    /// Asks until somebody has answered: doing it twice is doing it once, or a refusal.
    async fn step(&mut self, booking: &str, verb: &str) {
        let path = format!("/api/bookings/{booking}/{verb}");
        let begun = Instant::now();
        loop {
            if let Some((status, answer)) = self.ask_once(&path, &Value::Null).await {
                if status == 200 {
                    self.answered.entry(booking.to_owned()).and_modify(|state| {
                        *state = text(&answer, "state");
                    });
                }
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{path} is not answered");
        }
        self.longest = self.longest.max(begun.elapsed());
    }

    /// The answer; nothing when there was none, or it says that nobody knows.
    async fn ask_once(&mut self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let begun = Instant::now();
        let answer = self.doors.ask("POST", path, &self.token, body).await;
        self.longest = self.longest.max(begun.elapsed());
        let answer = answer.filter(|(status, _)| *status < 500);
        self.unknown += usize::from(answer.is_none());
        answer
    }

    async fn pause(&mut self, ms: std::ops::Range<u64>) {
        sleep(Duration::from_millis(self.rng.u64(ms))).await;
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().expect("a text").to_owned()
}
