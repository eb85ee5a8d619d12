//! A device on a bench.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bay::message::{ChangeOutcome, ChangeReport, SetupRequest};
use board::simulated::{Change, SimulatedBoard};
use provisioning::cloud::Cloud;
use provisioning::desk::Desk;
use provisioning::disk::{Disk, RealDisk};
use provisioning::edge_config::DpsIdentity;
use provisioning::identity::{Assigned, Failure};
use provisioning::view::View;
use provisioning::{Config, Surroundings, run_in};
use tempfile::TempDir;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Long enough for a slow machine.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

pub(crate) const STOCK_KEY: &str = "c3RvY2stc3RvY2stc3RvY2stc3RvY2stc3RvY2stISE=";
pub(crate) const PROJECT_KEY: &str = "cHJvamVjdC1wcm9qZWN0LXByb2plY3QtcHJvamVjdCE=";
pub(crate) const SERIAL: &str = "10000000a1b2c3d4";

/// What a file looks like that an operator has put some work into.
pub(crate) const TEMPLATE: &str =
    "# made by hand\nhostname = \"bay\"   # keep\n\n[agent]\nname = \"edgeAgent\"\n";

pub(crate) fn request(scope: &str, key: &str) -> SetupRequest {
    SetupRequest {
        id_scope: scope.to_owned(),
        registration_id: SERIAL.to_owned(),
        symmetric_key: key.to_owned().into(),
        global_endpoint: None,
    }
}

pub(crate) fn project() -> SetupRequest {
    request("0neProject", PROJECT_KEY)
}

/// The provisioning service and the hub: they say what they are told to.
#[derive(Clone)]
pub(crate) struct Sky {
    inner: Arc<SkyInner>,
}

struct SkyInner {
    register: Mutex<Result<Assigned, Failure>>,
    connect: Mutex<Result<(), Failure>>,
    /// Who registered, in order.
    registered: Mutex<Vec<String>>,
    /// How many may register before it is held up.
    places: Semaphore,
    /// Run when the hub is asked.
    at_connect: Mutex<Option<Box<dyn FnMut() + Send>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sky {
    pub(crate) fn clear() -> Self {
        let assigned = Assigned {
            hub: "hub.example".to_owned(),
            device_id: SERIAL.to_owned(),
        };
        Self {
            inner: Arc::new(SkyInner {
                register: Mutex::new(Ok(assigned)),
                connect: Mutex::new(Ok(())),
                registered: Mutex::default(),
                places: Semaphore::new(1000),
                at_connect: Mutex::default(),
            }),
        }
    }

    pub(crate) fn refuse_registration(&self, status: u16, reason: &'static str) {
        *lock(&self.inner.register) = Err(Failure::new(status, reason, format!("DPS: {reason}")));
    }

    pub(crate) fn refuse_connection(&self, reason: &'static str) {
        *lock(&self.inner.connect) = Err(Failure::new(502, reason, format!("hub: {reason}")));
    }

    pub(crate) fn accept_connection(&self) {
        *lock(&self.inner.connect) = Ok(());
    }

    pub(crate) fn at_connect(&self, act: impl FnMut() + Send + 'static) {
        *lock(&self.inner.at_connect) = Some(Box::new(act));
    }

    /// Holds up everybody who registers from here on.
    pub(crate) fn hold(&self) {
        self.inner.places.forget_permits(1000);
    }

    pub(crate) fn let_go(&self) {
        self.inner.places.add_permits(1000);
    }

    pub(crate) fn registered(&self) -> Vec<String> {
        lock(&self.inner.registered).clone()
    }
}

impl Cloud for Sky {
    async fn register(&self, identity: &DpsIdentity) -> Result<Assigned, Failure> {
        lock(&self.inner.registered).push(identity.id_scope.clone());
        if let Ok(place) = self.inner.places.acquire().await {
            place.forget();
        }
        lock(&self.inner.register).clone()
    }

    async fn connect(&self, _: &DpsIdentity, _: &Assigned) -> Result<(), Failure> {
        if let Some(act) = lock(&self.inner.at_connect).as_mut() {
            act();
        }
        lock(&self.inner.connect).clone()
    }
}

/// A machine: its files, its board, and what is in the sky above it.
pub(crate) struct Bench<D = RealDisk> {
    pub(crate) directory: TempDir,
    pub(crate) disk: D,
    pub(crate) sky: Sky,
    pub(crate) board: SimulatedBoard,
    pub(crate) apply: &'static str,
    /// Instead of the board, for a machine that takes what is applied without a restart.
    pub(crate) reboot: &'static str,
    power: JoinHandle<()>,
}

/// The module, running.
pub(crate) struct Running<K = Desk> {
    pub(crate) desk: K,
    stop: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Bench {
    /// A machine with a configuration that names nobody.
    pub(crate) fn new() -> Self {
        let bench = Self::with_disk(|_| RealDisk);
        fs::write(bench.config(), TEMPLATE).expect("room on disk");
        bench
    }

    pub(crate) fn config_text(&self) -> String {
        fs::read_to_string(self.config()).expect("a configuration")
    }

    pub(crate) fn give_card(&self, scope: &str) {
        let text = format!(
            "id_scope = \"{scope}\"\nregistration_id = \"{SERIAL}\"\nsymmetric_key = \"{STOCK_KEY}\"\nportal_pin = \"314159\"\n"
        );
        fs::write(self.card(), text).expect("room on disk");
    }

    /// A machine that has been claimed from its card.
    pub(crate) async fn stocked() -> Self {
        let bench = Self::new();
        bench.give_card("0neStock");
        let running = bench.start();
        running.restarts(&bench).await;
        running.stop().await;
        let running = bench.start();
        running.until_change(ChangeOutcome::Done).await;
        running.stop().await;
        bench
    }
}

impl<D: Disk + Clone + Send + 'static> Bench<D>
where
    D::File: Send,
    D::Lock: Send,
{
    pub(crate) fn with_disk(disk: impl FnOnce(&TempDir) -> D) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let board = SimulatedBoard::new(7);
        let socket = directory.path().join("board.sock");
        let power = tokio::spawn(board.listen(&socket).expect("a free socket").run());
        Self {
            disk: disk(&directory),
            directory,
            sky: Sky::clear(),
            board,
            apply: "none",
            reboot: "board",
            power,
        }
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.directory.path().join("config.toml")
    }

    pub(crate) fn card(&self) -> PathBuf {
        self.directory.path().join("cow-identity.toml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub(crate) fn environment(&self, name: &str) -> Option<String> {
        let path = |path: PathBuf| Some(path.display().to_string());
        match name {
            "BAY_EDGE_CONFIG" => path(self.config()),
            "BAY_STATE_DIR" => path(self.state()),
            "BAY_IDENTITY_FILE" => path(self.card()),
            "BAY_SERIAL" => Some(SERIAL.to_owned()),
            "BAY_APPLY" => Some(self.apply.to_owned()),
            "BAY_REBOOT" => Some(self.reboot.to_owned()),
            "BAY_BOARD" => Some(format!(
                "sim:{}",
                self.directory.path().join("board.sock").display()
            )),
            "BAY_PORTAL" => Some("off".to_owned()),
            _ => None,
        }
    }

    pub(crate) fn start(&self) -> Running {
        self.start_with(&|_| None)
    }

    /// Starts the module with nobody at its desk.
    pub(crate) fn start_alone(&self) -> Running<()> {
        let Running { desk, stop, task } = self.start();
        drop(desk);
        Running {
            desk: (),
            stop,
            task,
        }
    }

    /// Starts the module, with some variables of its own.
    pub(crate) fn start_with(&self, own: &dyn Fn(&str) -> Option<String>) -> Running {
        let lookup = |name: &str| own(name).or_else(|| self.environment(name));
        let config = Config::from_env(&lookup).expect("all that is needed");
        let desk = Desk::open(View::default());
        let front = desk.0.clone();
        let surroundings = Surroundings {
            cloud: self.sky.clone(),
            disk: self.disk.clone(),
            desk,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(run_in(surroundings, config, async {
            let _ = stopped.await;
        }));
        Running {
            desk: front,
            stop,
            task,
        }
    }
}

impl<D> Drop for Bench<D> {
    fn drop(&mut self) {
        self.power.abort();
    }
}

impl Running {
    pub(crate) async fn until(&self, wanted: impl FnMut(&View) -> bool) -> View {
        let mut view = self.desk.watch();
        let seen = timeout(BOUND, view.wait_for(wanted)).await;
        match seen {
            Ok(seen) => seen.expect("the module runs").clone(),
            Err(_) => panic!("still {:#?}", self.desk.view()),
        }
    }

    pub(crate) async fn until_change(&self, outcome: ChangeOutcome) -> ChangeReport {
        let view = self
            .until(|view| {
                view.last_change
                    .as_ref()
                    .is_some_and(|change| change.outcome == outcome)
            })
            .await;
        view.last_change.expect("just seen")
    }
}

impl<K> Running<K> {
    /// Waits until the board was asked to restart.
    pub(crate) async fn restarts<D>(&self, bench: &Bench<D>) {
        let mut changes = bench.board.changes();
        let before = bench.board.state().restarts;
        let restarted = async {
            // It may have come before anybody looked.
            if before > 0 {
                return;
            }
            while !matches!(changes.recv().await, Ok(Change::Restarted)) {}
        };
        timeout(BOUND, restarted).await.expect("it restarts");
    }

    /// Stops it as the system does.
    pub(crate) async fn stop(self) {
        self.stop.send(()).expect("it runs");
        self.task
            .await
            .expect("it does not panic")
            .expect("and ends in order");
    }

    /// Stops it as a power cut does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Everything that is logged on this thread, at every level.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&lock(&self.0)).into_owned()
    }

    pub(crate) fn start(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        lock(&self.0).extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
