//! How long queries over a fleet take: `cargo bench -p query`, with the fleet's size in `FLEET` (100,000 unless told).
//!
//! Each line is the best of several runs: the whole collection scanned for one page, grouped, or looked up by id.

#![expect(clippy::print_stdout, reason = "a measurement is printed")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use query::{Collection, Query};
use serde_json::{Value, json};

const RUNS: usize = 5;

/// What is asked, and what it shows.
const QUERIES: [(&str, &str); 8] = [
    (
        "by id, with the caller's index",
        "SELECT * FROM devices WHERE deviceId = 'bay-77777'",
    ),
    ("the first page of all", "SELECT * FROM devices"),
    (
        "none matches",
        "SELECT * FROM devices WHERE tags.site = 'nowhere'",
    ),
    (
        "one in a thousand matches",
        "SELECT * FROM devices WHERE tags.row = 7 AND properties.reported.state = 'ok'",
    ),
    (
        "a list and a function",
        "SELECT * FROM devices WHERE tags.site IN ['x', 'y', 'z'] OR ENDS_WITH(deviceId, '99999')",
    ),
    (
        "counted",
        "SELECT COUNT() AS n FROM devices WHERE properties.reported.chargePercent < 20",
    ),
    (
        "grouped",
        "SELECT tags.site, COUNT() AS n, AVG(properties.reported.chargePercent) AS charge FROM devices GROUP BY tags.site",
    ),
    (
        "sorted",
        "SELECT TOP 10 deviceId FROM devices ORDER BY properties.reported.chargePercent, deviceId",
    ),
];

fn main() {
    // `cargo test --benches` runs this too, and wants to know only that it works.
    let testing = !std::env::args().any(|argument| argument == "--bench");
    let size = std::env::var("FLEET")
        .ok()
        .and_then(|size| size.parse().ok());
    let fleet = fleet(size.unwrap_or(if testing { 100 } else { 100_000 }));
    println!("{} twins, best of {RUNS}", fleet.len());
    let page = NonZeroUsize::new(100).expect("it is above zero");
    for (shows, text) in QUERIES {
        let start = Instant::now();
        let query = Query::parse(text, &[Collection::DEVICES]).expect("the query is well formed");
        let compiled = start.elapsed();
        let best = (0..RUNS)
            .map(|_| run(&query, &fleet, page))
            .min_by_key(|(time, _)| *time);
        let (best, results) = best.unwrap_or((Duration::ZERO, 0));
        println!("{shows:32} {best:>12.1?}  {results:>4} results, compiled in {compiled:.1?}");
    }
}

fn run(query: &Query, fleet: &BTreeMap<String, Value>, most: NonZeroUsize) -> (Duration, usize) {
    let start = Instant::now();
    let page = match query.values_of("deviceId") {
        Some(ids) => {
            let found = ids.into_iter().filter_map(|id| fleet.get_key_value(id));
            query.page(found, None, most)
        }
        None => query.page(fleet, None, most),
    };
    (start.elapsed(), black_box(page).items.len())
}

fn fleet(size: usize) -> BTreeMap<String, Value> {
    const SITES: [&str; 4] = ["north", "south", "east", "west"];
    let twin = |number: usize| {
        let id = format!("bay-{number}");
        let twin = json!({
            "deviceId": id, "etag": "AAAAAAAAAAE=", "status": "enabled", "connectionState": "Disconnected",
            "lastActivityTime": "2026-03-01T10:00:00.0000000Z", "version": 2,
            "tags": {"site": SITES[number % 4], "row": number % 500},
            "properties": {
                "desired": {"interval": 10, "$version": 1},
                "reported": {
                    "state": if number % 2 == 1 { "ok" } else { "low" }, "chargePercent": number * 7919 % 101,
                    "$version": number % 50
                }
            },
            "capabilities": {"iotEdge": number.is_multiple_of(100)}
        });
        (id, twin)
    };
    (0..size).map(twin).collect()
}
