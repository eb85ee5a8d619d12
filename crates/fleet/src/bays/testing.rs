//! A service with a project, people and bays for tests, on whichever database, with devices that answer as they are told.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::app::{App, Clock, Parts, new_id};
use crate::hub::{Asked, Call, Hub, HubError, MethodAnswer};
use crate::people::{Caller, Role};
use crate::settings::Settings;
use crate::store::testing::{Kept, every};
use crate::store::{Kind, Store};

pub(crate) const MINUTE: i64 = 60_000;
/// 2026-11-21T12:00:00Z.
pub(crate) const BEGIN: i64 = 1_795_262_400_000;

/// The service, its devices, and the hands of its clock.
pub(crate) struct Town {
    pub(crate) app: App,
    pub(crate) devices: Arc<Devices>,
    pub(crate) project_id: String,
    clock: Arc<AtomicI64>,
    _kept: Kept,
}

/// One town on each engine there is here.
pub(crate) async fn towns() -> Vec<Town> {
    let mut towns = Vec::new();
    for kept in every().await {
        towns.push(Town::on(kept).await);
    }
    towns
}

impl Town {
    async fn on(kept: Kept) -> Self {
        let clock = Arc::new(AtomicI64::new(BEGIN));
        let hands = Arc::clone(&clock);
        let devices = Arc::new(Devices::default());
        let settings = Settings {
            no_show_after_s: 20 * 60,
            ..crate::testing::settings(String::new())
        };
        let app = App::new(Parts {
            store: kept.store.clone(),
            hub: Arc::clone(&devices) as Arc<dyn Hub>,
            provisioning: dps_client::service::Service::from_connection_string(
                &settings.provisioning,
                settings.trust.clone(),
            )
            .expect("a connection string"),
            clock: Clock::by(move || {
                Timestamp::from_millisecond(hands.load(Ordering::SeqCst)).expect("a time")
            }),
            settings,
        });
        let (customer_id, project_id) = (new_id(), new_id());
        write(
            &kept.store,
            "INSERT INTO customers (id, name, created_at) VALUES ($1, 'Town', 1)",
            &[&customer_id],
        )
        .await;
        write(
            &kept.store,
            "INSERT INTO projects (id, customer_id, name, enrollment_group_id, created_at) VALUES ($1, $2, 'Market', $1, 1)",
            &[&project_id, &customer_id],
        )
        .await;
        Self {
            app,
            devices,
            project_id,
            clock,
            _kept: kept,
        }
    }

    /// Somebody of this role, of no customer.
    pub(crate) async fn somebody(&self, role: Role) -> Caller {
        let user_id = new_id();
        write(
            &self.app.store,
            "INSERT INTO users (id, email, name, role, password_hash, created_at) VALUES ($1, $1, $1, $2, '', 1)",
            &[&user_id, role.as_str()],
        )
        .await;
        Caller {
            name: user_id.clone(),
            user_id,
            role,
            customer_id: None,
            language: "en".into(),
        }
    }

    /// A board of the project, and the bay that becomes of it.
    pub(crate) async fn bay(&self) -> String {
        let device_id = new_id();
        write(
            &self.app.store,
            "INSERT INTO devices (id, device_id, lifecycle, project_id, first_seen_at) VALUES ($1, $1, 'project', $2, 1)",
            &[&device_id, &self.project_id],
        )
        .await;
        super::adopt::adopt(&self.app).await.expect("a bay");
        let row: (String,) = sqlx::query_as("SELECT id FROM bays WHERE device_id = $1")
            .bind(device_id)
            .fetch_one(self.app.store.reader())
            .await
            .expect("a bay");
        row.0
    }

    /// Its device says this, now.
    pub(crate) async fn says(&self, bay_id: &str, occupancy: &str) {
        let mut tx = self.app.store.begin().await.expect("a transaction");
        sqlx::query(
            "INSERT INTO device_states (device_id, occupancy, occupancy_since, heard_at)
             SELECT device_id, $1, $2, $2 FROM bays WHERE id = $3
             ON CONFLICT (device_id) DO UPDATE
                 SET occupancy = $1, occupancy_since = $2, heard_at = $2",
        )
        .bind(occupancy.to_owned())
        .bind(self.app.now())
        .bind(bay_id.to_owned())
        .execute(&mut *tx)
        .await
        .expect("it is written");
        tx.tell(Kind::Bay, bay_id);
        tx.commit().await.expect("it is committed");
        self.heard(bay_id).await;
    }

    /// On PostgreSQL what was committed is told a moment later.
    pub(crate) async fn heard(&self, bay_id: &str) {
        let wanted = super::bay::read_one(self.app.store.reader(), bay_id)
            .await
            .expect("a bay");
        let heard = async {
            loop {
                let known = self
                    .app
                    .lot()
                    .get(&self.app, bay_id)
                    .await
                    .expect("the lot");
                if known.as_deref() == wanted.as_ref() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let bound = std::time::Duration::from_secs(10);
        tokio::time::timeout(bound, heard)
            .await
            .expect("it is told");
    }

    /// Lets time go by.
    pub(crate) fn pass(&self, minutes: i64) {
        self.clock.fetch_add(minutes * MINUTE, Ordering::SeqCst);
    }

    /// Everything that happens by itself, until nothing more does.
    pub(crate) async fn settle(&self) {
        crate::bookings::keeper::settle(&self.app)
            .await
            .expect("it settles");
        let due = crate::bookings::keeper::take_up_lamps(&self.app, 100);
        for booking in due.await.expect("the lamps") {
            crate::bookings::keeper::tell_lamp(&self.app, booking).await;
        }
    }
}

async fn write(store: &Store, sql: &'static str, texts: &[&str]) {
    let mut tx = store.begin().await.expect("a transaction");
    let query = texts.iter().fold(sqlx::query(sql), |query, text| {
        query.bind((*text).to_owned())
    });
    query.execute(&mut *tx).await.expect("it is written");
    tx.commit().await.expect("it is committed");
}

/// What was asked of a device: its id, the module and the method, and with what.
pub(crate) type Asking = (String, String, String, Value);

/// Devices that do what they are told, or fail as a test says.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    asked: Mutex<Vec<Asking>>,
    failures: Mutex<VecDeque<Result<MethodAnswer, HubError>>>,
    /// Of device and module.
    faults: Mutex<HashMap<(String, String), String>>,
}

impl Devices {
    /// The next answers, in this order; after them, all is done again.
    pub(crate) fn answer(&self, answer: Result<MethodAnswer, HubError>) {
        self.failures.lock().expect("no panic").push_back(answer);
    }

    /// A module says from here on why it cannot work.
    pub(crate) fn breaks(&self, device: &str, module: &str, why: &str) {
        let part = (device.to_owned(), module.to_owned());
        let mut faults = self.faults.lock().expect("no panic");
        faults.insert(part, why.to_owned());
    }

    /// What was asked since it was last asked for.
    pub(crate) fn asked(&self) -> Vec<Asking> {
        std::mem::take(&mut self.asked.lock().expect("no panic"))
    }
}

impl Hub for Devices {
    fn invoke<'a>(&'a self, call: Call<'a>) -> Asked<'a, MethodAnswer> {
        self.asked.lock().expect("no panic").push((
            call.device_id.to_owned(),
            call.module_id.to_owned(),
            call.name.to_owned(),
            call.payload,
        ));
        let answer = self.failures.lock().expect("no panic").pop_front();
        Box::pin(async move {
            answer.unwrap_or_else(|| {
                Ok(MethodAnswer {
                    status: 200,
                    payload: json!({}),
                })
            })
        })
    }

    fn twin<'a>(&'a self, id: &'a str, module: Option<&'a str>) -> Asked<'a, Option<Value>> {
        let part = (id.to_owned(), module.unwrap_or_default().to_owned());
        let fault = self.faults.lock().expect("no panic").get(&part).cloned();
        Box::pin(async { Ok(fault.map(|why| json!({"properties": {"reported": {"fault": why}}}))) })
    }

    fn patch_twin<'a>(&'a self, _: &'a str, _: Option<&'a str>, _: Value) -> Asked<'a, ()> {
        Box::pin(async { Err(HubError::Unknown) })
    }

    fn device<'a>(&'a self, _: &'a str) -> Asked<'a, Option<Value>> {
        Box::pin(async { Ok(None) })
    }

    fn enable<'a>(&'a self, _: &'a str, _: bool) -> Asked<'a, ()> {
        Box::pin(async { Err(HubError::Unknown) })
    }

    fn delete<'a>(&'a self, _: &'a str) -> Asked<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}
