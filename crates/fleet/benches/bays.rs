//! Ten thousand bays: how long lists, the map and the live stream take, and what memory they need. `cargo bench -p fleet`;
//! with `SERVE=1` it goes on serving, so that somebody can look at it.

#[path = "../src/testing/nowhere.rs"]
mod nowhere;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fleet::app::{App, Clock, Parts, new_id};
use fleet::settings::Settings;
use fleet::store::{Kind, Store};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;

/// How many, unless `COW_BENCH_BAYS` says so.
const BAYS: usize = 10_000;
const FOLLOWERS: usize = 20;
/// A frame with some two hundred bays in it.
const SCREENFUL: &str = "left=0&top=0&right=0.15&bottom=0.15&apart=0.01&most=300";
/// The token of the one who asks; its SHA-256 is written into the database.
const TOKEN: &str = "cow_benchmark_benchmark_benchmark";

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    // `cargo test` runs this too, without `--bench`: then it has nothing to say.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run())
}

async fn run() -> Outcome<()> {
    let directory = tempfile::tempdir()?;
    let database = format!("sqlite:{}", directory.path().join("fleet.db").display());
    let store = Store::open(&database).await?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let settings = Settings {
        listen: address,
        public_url: format!("http://{address}"),
        ..nowhere::settings(database)
    };
    let provisioning = dps_client::service::Service::from_connection_string(
        &settings.provisioning,
        settings.trust.clone(),
    )?;
    let app = App::new(Parts {
        store,
        hub: Arc::new(nowhere::EmptyHub),
        provisioning,
        clock: Clock::system(),
        settings,
    });
    let empty = memory_kib()?;
    let began = Instant::now();
    let Filled { project, ids } = fill(&app).await?;
    println!("{} bays written in {:?}", ids.len(), began.elapsed());
    tokio::spawn(fleet::web::serve(
        app.clone(),
        listener,
        std::future::pending(),
    ));
    let began = Instant::now();
    get(address, "/api/bays?limit=1").await?;
    println!("first list, which reads all of them: {:?}", began.elapsed());
    for (what, path, count) in [
        ("list, 100 bays", "/api/bays?limit=100", 300),
        ("list, 500 bays", "/api/bays?limit=500", 100),
        (
            "one bay",
            &*format!("/api/bays/{}", ids[ids.len() / 2]),
            300,
        ),
        ("map, the page", "/map", 100),
        (
            "map, all bays in groups",
            &*format!("/api/projects/{project}/map?left=0&top=0&right=1&bottom=1&apart=0.03"),
            100,
        ),
        (
            "map, a screenful of bays",
            &*format!("/api/projects/{project}/map?{SCREENFUL}"),
            100,
        ),
        ("NGSI-LD, all bays", "/open-data/ngsi-ld/parking-spots", 20),
    ] {
        let mut took = Vec::with_capacity(count);
        let mut size = 0;
        for _ in 0..count {
            let began = Instant::now();
            size = get(address, path).await?;
            took.push(began.elapsed());
        }
        report(what, &mut took);
        println!("  {size} bytes");
    }
    live(&app, address, "/api/bays/live", &ids).await?;
    let map = format!("/api/projects/{project}/map/live");
    // Bays of the frame: the first fifteen of the first rows.
    let side = (ids.len() as f64).sqrt().ceil() as usize;
    let seen: Vec<String> = ids
        .chunks(side)
        .take(15)
        .flat_map(|row| &row[..15.min(row.len())])
        .cloned()
        .collect();
    live(&app, address, &format!("{map}?{SCREENFUL}"), &seen).await?;
    busy(
        &app,
        address,
        &format!("{map}?left=0&top=0&right=1&bottom=1&apart=0.03"),
        &ids,
    )
    .await?;
    println!("memory: {} KiB, {empty} KiB without bays", memory_kib()?);
    if std::env::var_os("SERVE").is_some() {
        println!("http://{address}/map, Authorization: Bearer {TOKEN}");
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// From a change's commit until every follower has it.
async fn live(app: &App, address: SocketAddr, path: &str, ids: &[String]) -> Outcome<()> {
    let mut tells = follow(
        address,
        path,
        &["data: {\"is\"", "data: {\"bays\":[{\"id\""],
    )
    .await?;
    let mut took = Vec::new();
    for id in ids.iter().step_by((ids.len() / 200).max(1)) {
        change(app, id).await?;
        let began = Instant::now();
        for _ in 0..FOLLOWERS {
            tells.recv().await.ok_or("a follower went")?;
        }
        took.push(began.elapsed());
    }
    let path = path.split('?').next().unwrap_or_default();
    report(
        &format!("live, {path}, to {FOLLOWERS} followers"),
        &mut took,
    );
    Ok(())
}

/// What it costs that many look at all bays while some change all the time.
async fn busy(app: &App, address: SocketAddr, path: &str, ids: &[String]) -> Outcome<()> {
    let mut maps = follow(address, path, &["event: map"]).await?;
    let (began, before) = (Instant::now(), processor_time()?);
    let mut told = 0;
    for id in ids.iter().step_by((ids.len() / 400).max(1)) {
        change(app, id).await?;
        tokio::time::sleep(Duration::from_millis(10)).await;
        while maps.try_recv().is_ok() {
            told += 1;
        }
    }
    let (lasted, used) = (began.elapsed(), processor_time()?.saturating_sub(before));
    println!(
        "all bays in groups, followed by {FOLLOWERS} while 100 bays a second change: {told} maps in {lasted:?}, of a processor {used:?}"
    );
    Ok(())
}

/// Followers of a stream; hears of each line that begins with one of these, once every one of them has had its first.
async fn follow(
    address: SocketAddr,
    path: &str,
    begins: &'static [&str],
) -> Outcome<UnboundedReceiver<()>> {
    let (told, mut tells) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..FOLLOWERS {
        let mut stream = ask(address, path).await?;
        let told = told.clone();
        tokio::spawn(async move {
            let mut line = String::new();
            while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                if begins.iter().any(|begin| line.starts_with(begin)) && told.send(()).is_err() {
                    return;
                }
                line.clear();
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    while tells.try_recv().is_ok() {}
    Ok(tells)
}

/// A car comes or goes.
async fn change(app: &App, id: &str) -> Outcome<()> {
    let mut tx = app.store.begin().await?;
    sqlx::query(
        "UPDATE device_states SET occupancy = CASE occupancy WHEN 'free' THEN 'occupied' ELSE 'free' END
         WHERE device_id = (SELECT device_id FROM bays WHERE id = $1)",
    )
    .bind(id.to_owned())
    .execute(&mut *tx)
    .await?;
    tx.tell(Kind::Bay, id);
    tx.commit().await?;
    Ok(())
}

/// The processor time this process has had.
fn processor_time() -> Outcome<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may hold anything, user and system time are fields 12 and 13, in hundredths of a second.
    let (_, rest) = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}

fn report(what: &str, took: &mut [Duration]) {
    took.sort_unstable();
    let at = |part: usize| took[(took.len() * part / 100).min(took.len() - 1)];
    println!("{what}: p50 {:?}, p99 {:?}", at(50), at(99));
}

struct Filled {
    project: String,
    ids: Vec<String>,
}

async fn fill(app: &App) -> Outcome<Filled> {
    let (customer, project, user) = (new_id(), new_id(), new_id());
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let hash = token_hash();
    for sql in [
        format!("INSERT INTO customers (id, name, created_at) VALUES ('{customer}', 'Town', 1)"),
        format!(
            "INSERT INTO projects (id, customer_id, name, enrollment_group_id, created_at, latitude, longitude)
             VALUES ('{project}', '{customer}', 'Market', 'g', 1, 50.6, 5.5)"
        ),
        format!(
            "INSERT INTO users (id, email, name, role, password_hash, created_at)
             VALUES ('{user}', 'o@town.example', 'Olga', 'operator', '', 1)"
        ),
        format!(
            "INSERT INTO api_tokens (id, token_hash, user_id, name, created_at)
             VALUES ('{}', '{hash}', '{user}', 'benchmark', 1)",
            new_id()
        ),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *tx).await?;
    }
    let count = std::env::var("COW_BENCH_BAYS").map_or(Ok(BAYS), |count| count.parse())?;
    let side = (count as f64).sqrt().ceil() as usize;
    let mut ids = Vec::with_capacity(count);
    for number in 0..count {
        let (id, device) = (new_id(), format!("{number:016x}"));
        let part = |at: usize| (at as f64 + 0.5) / side as f64;
        let (x, y) = (part(number % side), part(number / side));
        sqlx::query(
            "INSERT INTO devices (id, lifecycle, project_id, first_seen_at) VALUES ($1, 'project', $2, 1)",
        )
        .bind(device.clone())
        .bind(project.clone())
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO bays (id, project_id, device_id, number, latitude, longitude, plan_x, plan_y, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)",
        )
        .bind(id.clone())
        .bind(project.clone())
        .bind(device.clone())
        .bind(number.to_string())
        .bind(50.6 + y / 100.0)
        .bind(5.5 + x / 100.0)
        .bind(x)
        .bind(y)
        .execute(&mut *tx)
        .await?;
        let occupancy = ["free", "occupied", "occupied", "unknown"][number % 4];
        sqlx::query(
            "INSERT INTO device_states (device_id, occupancy, occupancy_since, heard_at, lamp_colour, charge_percent, battery_at)
             VALUES ($1, $2, $3, $3, 'green', 80, $3)",
        )
        .bind(device)
        .bind(occupancy)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        ids.push(id);
    }
    tx.commit().await?;
    Ok(Filled { project, ids })
}

/// As the service keeps tokens: SHA-256 in hexadecimal digits.
fn token_hash() -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(TOKEN.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn ask(address: SocketAddr, path: &str) -> Outcome<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut stream = BufReader::new(stream);
    let mut status = String::new();
    stream.read_line(&mut status).await?;
    if !status.contains("200") {
        return Err(format!("{path}: {status}").into());
    }
    Ok(stream)
}

async fn get(address: SocketAddr, path: &str) -> Outcome<usize> {
    let mut body = Vec::new();
    ask(address, path).await?.read_to_end(&mut body).await?;
    Ok(body.len())
}

/// What this process needs of the machine's memory.
fn memory_kib() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(number.ok_or("no VmRSS")?.parse()?)
}
