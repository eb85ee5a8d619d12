//! Requests per second: identities one by one and in bulk, twins.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use hyper::Method;
use probe::{Place, Rest};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::super::round::{Round, milliseconds};
use super::{Args, Running};

/// Identities in one bulk request, which is as many as the hub takes.
pub(super) const AT_ONCE: u64 = 100;
/// Devices whose twins are patched.
const TWINS: u64 = 1000;

/// What is asked, by the number of the request.
struct Measured {
    what: &'static str,
    /// What one request does: identities, where it does several.
    each: u64,
    request: fn(u64) -> (Method, String, Value),
}

const MEASURED: [Measured; 6] = [
    Measured {
        what: "nothing that is there (the peer)",
        each: 1,
        request: |_| (Method::GET, "/nothing".to_owned(), Value::Null),
    },
    Measured {
        what: "identity made",
        each: 1,
        request: |number| {
            let id = format!("one-{number}");
            (
                Method::PUT,
                format!("/devices/{id}"),
                json!({"deviceId": id}),
            )
        },
    },
    Measured {
        what: "identities made, 100 a request",
        each: AT_ONCE,
        request: |number| {
            (
                Method::POST,
                "/devices".to_owned(),
                bulk(number * AT_ONCE, AT_ONCE),
            )
        },
    },
    Measured {
        what: "identity read",
        each: 1,
        request: |number| {
            (
                Method::GET,
                format!("/devices/{}", id(number % TWINS)),
                Value::Null,
            )
        },
    },
    Measured {
        what: "twin patched",
        each: 1,
        request: |number| {
            let patch =
                json!({"tags": {"site": "north"}, "properties": {"desired": {"interval": number}}});
            (
                Method::PATCH,
                format!("/twins/{}", id(number % TWINS)),
                patch,
            )
        },
    },
    Measured {
        what: "twin read",
        each: 1,
        request: |number| {
            (
                Method::GET,
                format!("/twins/{}", id(number % TWINS)),
                Value::Null,
            )
        },
    },
];

/// The id of a device of the fleet.
pub(super) fn id(number: u64) -> String {
    format!("bay-{number:07}")
}

/// A bulk request that makes so many devices, each with a small twin, from a number on.
pub(super) fn bulk(from: u64, count: u64) -> Value {
    const SITES: [&str; 4] = ["north", "south", "east", "west"];
    let item = |number: u64| {
        json!({
            "id": id(number), "importMode": "createOrUpdate",
            "tags": {"site": SITES[number as usize % 4], "row": number % 500},
            "properties": {"desired": {"interval": 10, "lamp": {"brightness": number % 101}}},
        })
    };
    (from..from + count).map(item).collect()
}

pub(super) async fn measure(args: &Args, state: &Path) -> Result<()> {
    let hub = Running::start(state).await?;
    populate(&hub.place, TWINS, bulk).await?;
    args.heading(&format!(
        "{:<34}  connections   a second        p50        p99",
        "REST over TLS, journalled"
    ))?;
    for measured in MEASURED {
        for &connections in &args.connections {
            let round = asked(&hub.place, connections, args.length(), measured.request).await?;
            let a_second = round.per_second() * measured.each as f64;
            let (p50, p99) = (round.time(0.5), round.time(0.99));
            let figures = json!({
                "measure": "requests", "what": measured.what, "connections": connections, "perSecond": a_second,
                "p50Micros": p50.as_micros() as u64, "p99Micros": p99.as_micros() as u64,
            });
            let words = format!(
                "{:<34}  {connections:>11}   {a_second:>8.0}   {:>8}   {:>8}",
                measured.what,
                milliseconds(p50),
                milliseconds(p99)
            );
            args.print(&figures, &words)?;
        }
    }
    hub.stop().await
}

/// Asks one request after the other on each of so many connections.
async fn asked(
    place: &Place,
    connections: usize,
    length: Duration,
    request: fn(u64) -> (Method, String, Value),
) -> Result<Round> {
    // Those that are there from the start come before.
    static NEXT: AtomicU64 = AtomicU64::new(TWINS);
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(Rest::connect(place).await?);
    }
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for mut client in clients {
        tasks.spawn(async move {
            let mut times = Vec::new();
            while begun.elapsed() < length {
                let (method, path, body) = request(NEXT.fetch_add(1, Ordering::Relaxed));
                let asked = Instant::now();
                let answer = client.ask(method, &path, &[], &body).await?;
                times.push(asked.elapsed());
                if !answer.status.is_success() && path != "/nothing" {
                    bail!(
                        "{path} was answered with {} {:?}",
                        answer.status,
                        answer.body
                    );
                }
            }
            Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.append(&mut done??);
    }
    Ok(Round::new(begun.elapsed().as_secs_f64(), times))
}

/// Makes a fleet by bulk requests.
pub(super) async fn populate(
    place: &Place,
    devices: u64,
    request: fn(u64, u64) -> Value,
) -> Result<Duration> {
    const CONNECTIONS: usize = 4;
    let begun = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (mut client, next) = (Rest::connect(place).await?, next.clone());
        tasks.spawn(async move {
            loop {
                let from = next.fetch_add(AT_ONCE, Ordering::Relaxed);
                if from >= devices {
                    return Ok(());
                }
                let body = request(from, AT_ONCE.min(devices - from));
                let answer = client.ask(Method::POST, "/devices", &[], &body).await?;
                if answer.json()["isSuccessful"] != true {
                    bail!("a bulk request was answered with {:?}", answer.body);
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(begun.elapsed())
}
