//! Queries over the fleet, and what another client notices of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use hyper::Method;
use probe::{Place, Rest};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::super::round::{Round, milliseconds};
use super::Args;
use super::requests::id;

/// What is asked, and what that shows.
const QUERIES: [(&str, &str); 6] = [
    (
        "by id, which is indexed",
        "SELECT * FROM devices WHERE deviceId = 'bay-0000777'",
    ),
    ("all twins", "SELECT * FROM devices"),
    (
        "a scan that finds none",
        "SELECT * FROM devices WHERE tags.site = 'nowhere'",
    ),
    (
        "a scan that finds 1 in 500",
        "SELECT * FROM devices WHERE tags.row = 7",
    ),
    (
        "counted by site",
        "SELECT tags.site, COUNT() AS n FROM devices GROUP BY tags.site",
    ),
    (
        "sorted, the first ten",
        "SELECT TOP 10 deviceId FROM devices ORDER BY properties.desired.lamp.brightness, deviceId DESC",
    ),
];

const PAGE: &str = "1000";
/// Between two requests of the other client.
const PAUSE: Duration = Duration::from_millis(1);

pub(super) async fn measure(args: &Args, place: &Place) -> Result<()> {
    args.heading(&format!(
        "{:<28}  first page    all pages   results   another's p50        p99",
        format!("Queries, {} twins", args.devices)
    ))?;
    let mut client = Rest::connect(place).await?;
    let alone = beside(place, async {
        sleep(args.length()).await;
        Ok(())
    })
    .await?;
    report(args, "none", None, &alone)?;
    for (what, text) in QUERIES {
        let (mut first, mut whole, mut results) = (Vec::new(), Vec::new(), 0);
        let other = beside(place, async {
            let begun = Instant::now();
            while begun.elapsed() < args.length() || whole.is_empty() {
                let asked = Instant::now();
                let (pages_first, found) = pages(&mut client, text).await?;
                whole.push(asked.elapsed());
                first.push(pages_first);
                results = found;
            }
            Ok(())
        })
        .await?;
        let times = (Round::new(1.0, first), Round::new(1.0, whole), results);
        report(args, what, Some(&times), &other)?;
    }
    Ok(())
}

/// Walks all pages; returns how long the first took and how many results there are.
async fn pages(client: &mut Rest, text: &str) -> Result<(Duration, usize)> {
    let body = json!({"query": text});
    let (mut first, mut results) = (None, 0);
    let mut continuation: Option<String> = None;
    loop {
        let asked = Instant::now();
        let mut headers = vec![("x-ms-max-item-count", PAGE)];
        headers.extend(
            continuation
                .as_deref()
                .map(|token| ("x-ms-continuation", token)),
        );
        let answer = client
            .ask(Method::POST, "/devices/query", &headers, &body)
            .await?;
        let took = asked.elapsed();
        if !answer.status.is_success() {
            bail!(
                "the query was answered with {} {:?}",
                answer.status,
                answer.body
            );
        }
        first.get_or_insert(took);
        results += answer.json().as_array().map_or(0, Vec::len);
        continuation = answer.header("x-ms-continuation").map(str::to_owned);
        if continuation.is_none() {
            return Ok((first.unwrap_or_default(), results));
        }
    }
}

/// How long another client waits for a twin while `work` is done.
async fn beside(place: &Place, work: impl Future<Output = Result<()>>) -> Result<Round> {
    let mut client = Rest::connect(place).await?;
    let over = Arc::new(AtomicBool::new(false));
    let ends = over.clone();
    let other = tokio::spawn(async move {
        let mut times = Vec::new();
        let path = format!("/twins/{}", id(1));
        while !ends.load(Ordering::Relaxed) {
            let asked = Instant::now();
            client.ask(Method::GET, &path, &[], &Value::Null).await?;
            times.push(asked.elapsed());
            sleep(PAUSE).await;
        }
        anyhow::Ok(times)
    });
    let begun = Instant::now();
    let done = work.await;
    over.store(true, Ordering::Relaxed);
    let times = other.await??;
    done?;
    Ok(Round::new(begun.elapsed().as_secs_f64(), times))
}

fn report(
    args: &Args,
    what: &str,
    times: Option<&(Round, Round, usize)>,
    other: &Round,
) -> Result<()> {
    let micros = |time: Duration| time.as_micros() as u64;
    let half = |round: &Round| round.time(0.5);
    let mut figures = json!({
        "measure": "queries", "what": what, "devices": args.devices,
        "anothersP50Micros": micros(half(other)), "anothersP99Micros": micros(other.time(0.99)),
    });
    let (mut first, mut whole, mut results) = (String::new(), String::new(), String::new());
    if let Some((of_first, of_whole, found)) = times {
        figures["firstPageMicros"] = micros(half(of_first)).into();
        figures["allPagesMicros"] = micros(half(of_whole)).into();
        figures["results"] = (*found).into();
        first = milliseconds(half(of_first));
        whole = milliseconds(half(of_whole));
        results = found.to_string();
    }
    let words = format!(
        "{what:<28}  {first:>10}   {whole:>10}   {results:>7}   {:>13}   {:>8}",
        milliseconds(half(other)),
        milliseconds(other.time(0.99))
    );
    args.print(&figures, &words)
}
