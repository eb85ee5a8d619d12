//! Devices as goods: which board is where, in whose project, with which keys. What a device says of its bay is elsewhere.

pub mod access;
mod api;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::any::AnyRow;
use tokio::task::JoinSet;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::audit::{self, Action};
use crate::hub::Call;
use crate::hubs;
use crate::moment::Moment;
use crate::paging::{Page, Paging};
use crate::people::{Caller, Role};
use crate::problem::Problem;
use crate::store::{Kind, Transaction};

pub use api::router;

/// A test asks three modules, each for a minute at most.
const TEST_WITHIN: Duration = Duration::from_secs(75);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Devices that are tested at once.
const TESTS_AT_ONCE: usize = 8;

/// Where a device is between the box and the bay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lifecycle {
    /// It has no place in stock yet.
    Unregistered,
    /// It waits for a project.
    Stock,
    /// It is on its way to a project.
    Assigning,
    /// It is a project's.
    Project,
    /// It is on its way back to stock.
    Resetting,
}

impl Lifecycle {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Unregistered, "unregistered"),
        (Self::Stock, "stock"),
        (Self::Assigning, "assigning"),
        (Self::Project, "project"),
        (Self::Resetting, "resetting"),
    ];

    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(lifecycle, _)| *lifecycle == self)
            .map_or("unregistered", |(_, word)| word)
    }

    fn of(word: &str) -> Self {
        Self::ALL
            .iter()
            .find(|(_, known)| *known == word)
            .map_or(Self::Unregistered, |(lifecycle, _)| *lifecycle)
    }
}

/// One board.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Its serial number, which is its registration id.
    pub id: String,
    /// The hub that the provisioning service has put it on.
    pub hub: Option<String>,
    /// Whether that is none of the hubs this service speaks to: then it is not reached, and not heard.
    pub is_elsewhere: bool,
    /// What that hub calls it.
    pub hub_device_id: Option<String>,
    /// Where it is.
    pub lifecycle: Lifecycle,
    /// In whose project, or on the way to which.
    pub project_id: Option<String>,
    /// That project's name.
    pub project_name: Option<String>,
    /// Whose project that is.
    pub customer_id: Option<String>,
    /// The group whose keys it was given.
    pub enrollment_group_id: Option<String>,
    /// Which of the group's keys it was given, counted from 1.
    pub keys_version: i64,
    /// When it registered first.
    pub first_seen_at: Moment,
    /// When it last said anything.
    pub last_seen_at: Option<Moment>,
    /// Since when its hub lets it connect no more.
    pub disabled_at: Option<Moment>,
    /// Since when the provisioning service lets it register no more. A device with one of the two is half cut off.
    pub blocked_at: Option<Moment>,
    /// Counts its changes; it is the entity tag.
    pub version: i64,
}

impl Device {
    /// Whether it was cut off, wholly or by half.
    #[must_use]
    pub const fn is_disabled(&self) -> bool {
        self.disabled_at.is_some() || self.blocked_at.is_some()
    }

    /// Whether only one of hub and provisioning service did what they were asked.
    #[must_use]
    pub const fn is_half_disabled(&self) -> bool {
        self.disabled_at.is_some() != self.blocked_at.is_some()
    }
}

/// Which devices.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct DeviceFilter {
    /// In this place of their life only.
    pub lifecycle: Option<Lifecycle>,
    /// Of this project only.
    pub project_id: Option<String>,
    /// On this hub only.
    pub hub: Option<String>,
    /// Whose serial number contains this only.
    pub contains: Option<String>,
}

/// What a device's parts answered, or why it did not.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tested {
    /// Which device.
    pub device_id: String,
    /// Whether every part of it works.
    pub passed: bool,
    /// The device's report: `{"passed", "startedAt", "tookMs", "parts": [{"part", "passed", "value", "message", "tookMs"}]}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Value>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The devices that the caller sees, by their serial numbers. Stock is nobody's, so only those see it who see every
/// customer.
///
/// # Errors
/// 403 for drivers.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &DeviceFilter,
    paging: &Paging,
) -> Result<Page<Device>, Problem> {
    caller.at_least(Role::Installer)?;
    let limit = paging.limit()?;
    let rows = sqlx::query(
        "SELECT d.*, p.name AS project_name, p.customer_id,
             (SELECT s.heard_at FROM device_states s WHERE s.device_id = d.id) AS heard_at
         FROM devices d LEFT JOIN projects p ON p.id = d.project_id
         WHERE d.id > $1 AND ($2 IS NULL OR p.customer_id = $2) AND ($3 IS NULL OR d.lifecycle = $3)
             AND ($4 IS NULL OR d.project_id = $4) AND ($5 IS NULL OR d.hub = $5)
             AND ($6 IS NULL OR REPLACE(d.id, $6, '') <> d.id)
         ORDER BY d.id LIMIT $7",
    )
    .bind(paging.after())
    .bind(caller.customer_id.clone())
    .bind(filter.lifecycle.map(Lifecycle::as_str))
    .bind(filter.project_id.clone())
    .bind(filter.hub.clone())
    .bind(filter.contains.as_deref().map(str::to_ascii_lowercase))
    .bind(limit + 1)
    .fetch_all(app.store.reader())
    .await?;
    let hosts = app.hub.hosts();
    let items = rows.iter().map(|row| read(row, &hosts));
    let items = items.collect::<Result<_, _>>()?;
    Ok(Page::cut(items, limit, |device: &Device| device.id.clone()))
}

/// One device.
///
/// # Errors
/// 404 when it is not there or not the caller's; 403 for drivers.
pub async fn get(app: &App, caller: &Caller, id: &str) -> Result<Device, Problem> {
    caller.at_least(Role::Installer)?;
    let device = get_any(app, id).await?;
    let is_seen = match &device.customer_id {
        Some(customer) => caller.sees(customer),
        None => caller.customer_id.is_none(),
    };
    if is_seen {
        Ok(device)
    } else {
        Err(Problem::not_found("device"))
    }
}

/// One device, whoever asks.
pub(crate) async fn get_any(app: &App, id: &str) -> Result<Device, Problem> {
    let row = sqlx::query(
        "SELECT d.*, p.name AS project_name, p.customer_id,
             (SELECT s.heard_at FROM device_states s WHERE s.device_id = d.id) AS heard_at
         FROM devices d LEFT JOIN projects p ON p.id = d.project_id WHERE d.id = $1",
    )
    .bind(id.to_ascii_lowercase())
    .fetch_optional(app.store.reader())
    .await?;
    let hosts = app.hub.hosts();
    let device = row.as_ref().map(|row| read(row, &hosts)).transpose()?;
    device.ok_or_else(|| Problem::not_found("device"))
}

/// Has a device test its parts, and waits for its report: up to a minute.
///
/// # Errors
/// As [`get`]. That the device fails, or does not answer, is no error: the result says so.
pub async fn test(app: &App, caller: &Caller, id: &str) -> Result<Tested, Problem> {
    let device = get(app, caller, id).await?;
    let mut tx = app.store.begin().await?;
    done(app, caller, &mut tx, "device.test", &device, json!({})).await?;
    tx.commit().await?;
    Ok(ask_for_test(app, device).await)
}

/// Has each of these devices test its parts, some at once; in the order of their serial numbers.
pub(crate) async fn test_all(app: &App, devices: Vec<Device>) -> Vec<Tested> {
    let mut waiting = devices.into_iter();
    let mut tasks = JoinSet::new();
    let mut tested = Vec::new();
    loop {
        while tasks.len() < TESTS_AT_ONCE {
            let Some(device) = waiting.next() else { break };
            let app = app.clone();
            tasks.spawn(async move { ask_for_test(&app, device).await });
        }
        match tasks.join_next().await {
            Some(Ok(one)) => tested.push(one),
            Some(Err(error)) => tracing::error!(%error, "a test broke off"),
            None => break,
        }
    }
    tested.sort_by(|one, other| one.device_id.cmp(&other.device_id));
    tested
}

async fn ask_for_test(app: &App, device: Device) -> Tested {
    let call = Call {
        device_id: device.hub_device_id.as_deref().unwrap_or(&device.id),
        module_id: "provisioning",
        name: "test",
        payload: Value::Null,
        connect_within: CONNECT_WITHIN,
        answer_within: TEST_WITHIN,
    };
    let answer = app.hub.invoke(call).await;
    let (report, problem) = match answer {
        Ok(answer) if answer.status == 200 => (Some(answer.payload), None),
        Ok(answer) => {
            let why = answer.payload.get("message").and_then(Value::as_str);
            let why = why.unwrap_or("It says no, and not why.").to_owned();
            (None, Some(why))
        }
        Err(error) => (None, Some(error.to_string())),
    };
    let passed = report.as_ref().and_then(|report| report.get("passed"));
    Tested {
        passed: passed == Some(&Value::Bool(true)),
        device_id: device.id,
        report,
        problem,
    }
}

async fn done(
    app: &App,
    caller: &Caller,
    tx: &mut Transaction,
    action: &'static str,
    device: &Device,
    detail: Value,
) -> Result<(), Problem> {
    let action = Action {
        action,
        object_kind: "device",
        object_id: &device.id,
        customer_id: device.customer_id.as_deref(),
        detail,
    };
    audit::record(tx, Some(caller), app.now(), action).await?;
    tx.tell(Kind::Device, &device.id);
    Ok(())
}

fn read(row: &AnyRow, hosts: &[String]) -> Result<Device, sqlx::Error> {
    let hub: Option<String> = row.try_get("hub")?;
    let is_elsewhere = hub
        .as_ref()
        .is_some_and(|hub| !hosts.is_empty() && !hosts.iter().any(|host| hubs::is_same(host, hub)));
    let (seen, heard): (Option<i64>, Option<i64>) =
        (row.try_get("last_seen_at")?, row.try_get("heard_at")?);
    Ok(Device {
        id: row.try_get("id")?,
        hub,
        is_elsewhere,
        hub_device_id: row.try_get("device_id")?,
        lifecycle: Lifecycle::of(row.try_get("lifecycle")?),
        project_id: row.try_get("project_id")?,
        project_name: row.try_get("project_name")?,
        customer_id: row.try_get("customer_id")?,
        enrollment_group_id: row.try_get("enrollment_group_id")?,
        keys_version: row.try_get("keys_version")?,
        first_seen_at: Moment(row.try_get("first_seen_at")?),
        last_seen_at: Moment::of(seen.max(heard)),
        disabled_at: Moment::of(row.try_get("disabled_at")?),
        blocked_at: Moment::of(row.try_get("blocked_at")?),
        version: row.try_get("version")?,
    })
}
