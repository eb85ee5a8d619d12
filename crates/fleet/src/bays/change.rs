//! What people say of a bay: its number, what it is for, whether it is open, where it is, which board watches it.

use serde::{Deserialize, Deserializer};
use serde_json::json;
use sqlx::Row;
use utoipa::ToSchema;

use super::adopt::free_number;
use super::bay::{Bay, Purpose, read_one};
use super::state::Opening;
use crate::app::{App, new_id};
use crate::audit::{self, Action};
use crate::bookings::withdraw::{self, OpenBookings, Taken};
use crate::entity_tag::IfMatch;
use crate::people::{Caller, Role};
use crate::problem::Problem;
use crate::store::{Kind, StoreError, Transaction, with_fractions};

const LONGEST_NUMBER: usize = 16;

/// A bay to be made before a device comes. One that comes into the project makes its own.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewBay {
    /// Of which project.
    pub project_id: String,
    /// Its number, 1 to 16 characters; the smallest that is free, unless it is said.
    #[schema(min_length = 1, max_length = 16)]
    pub number: Option<String>,
    /// What it is for.
    pub kind: Option<Purpose>,
}

/// What to change of a bay; what is absent stays, `null` takes it away.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BayChange {
    /// Its number, 1 to 16 characters.
    #[schema(min_length = 1, max_length = 16)]
    pub number: Option<String>,
    /// What it is for.
    pub kind: Option<Purpose>,
    /// Whether it is open: for operators.
    pub opening: Option<Opening>,
    /// What becomes of its open bookings when it is closed. Without it it stays open while there are any.
    pub bookings: Option<OpenBookings>,
    /// The board that watches it, of the same project. It leaves the bay it was at.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    pub device_id: Option<Option<String>>,
    /// Where it is: -90 to 90 degrees.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<f64>, minimum = -90, maximum = 90)]
    pub latitude: Option<Option<f64>>,
    /// Where it is: -180 to 180 degrees.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<f64>, minimum = -180, maximum = 180)]
    pub longitude: Option<Option<f64>>,
    /// Where it is on the plan: 0 to 1 from its left edge.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1)]
    pub plan_x: Option<Option<f64>>,
    /// Where it is on the plan: 0 to 1 from its upper edge.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1)]
    pub plan_y: Option<Option<f64>>,
}

/// Tells `null` from nothing.
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A bay the caller sees.
///
/// # Errors
/// 404.
pub async fn find(app: &App, caller: &Caller, id: &str) -> Result<Bay, Problem> {
    let bay = read_one(app.store.reader(), id).await?;
    bay.filter(|bay| caller.sees(&bay.site.customer_id))
        .ok_or_else(|| Problem::not_found("bay"))
}

/// Makes a bay; its id.
///
/// # Errors
/// 400 for a project that is not there or not the caller's; 403 below an operator; 409 `number-taken`.
pub async fn create(app: &App, caller: &Caller, new: NewBay) -> Result<String, Problem> {
    caller.at_least(Role::Operator)?;
    let mut tx = app.store.begin().await?;
    let project = sqlx::query(
        "UPDATE projects SET version = version WHERE id = $1 AND closed_at IS NULL RETURNING customer_id",
    )
    .bind(new.project_id.clone())
    .fetch_optional(&mut *tx)
    .await?;
    let customer_id: Option<String> = project.map(|row| row.try_get(0)).transpose()?;
    let customer_id = customer_id
        .filter(|id| caller.sees(id))
        .ok_or_else(|| Problem::field("projectId", "there is no such project, or it is closed"))?;
    let number = match &new.number {
        Some(number) => check_number(number)?,
        None => free_number(&mut tx, &new.project_id).await?,
    };
    let id = new_id();
    let inserted = sqlx::query(
        "INSERT INTO bays (id, project_id, number, kind, created_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(id.clone())
    .bind(new.project_id)
    .bind(number.clone())
    .bind(new.kind.unwrap_or(Purpose::Normal).as_str())
    .bind(app.now())
    .execute(&mut *tx)
    .await;
    inserted.map_err(|error| taken(error.into()))?;
    let detail = json!({"number": number});
    done(
        app,
        caller,
        &mut tx,
        "bay.create",
        &id,
        &customer_id,
        detail,
    )
    .await?;
    tx.commit().await?;
    Ok(id)
}

/// Changes a bay.
///
/// # Errors
/// 400 for a field that cannot be; 403 below an installer, or for `opening` below an operator; 404; 409 `number-taken`,
/// or `bookings-are-open`, which names them, when it is to be closed; 412.
pub async fn change(
    app: &App,
    caller: &Caller,
    id: &str,
    if_match: IfMatch,
    change: BayChange,
) -> Result<Bay, Problem> {
    caller.at_least(Role::Installer)?;
    if change.opening.is_some() {
        caller.at_least(Role::Operator)?;
    }
    let before = find(app, caller, id).await?;
    if_match.check(before.version)?;
    let number = change.number.as_deref().map(check_number).transpose()?;
    let number = number.unwrap_or_else(|| before.number.clone());
    let latitude = change.latitude.unwrap_or(before.latitude);
    let longitude = change.longitude.unwrap_or(before.longitude);
    within("latitude", latitude, 90.0)?;
    within("longitude", longitude, 180.0)?;
    if latitude.is_some() != longitude.is_some() {
        let field = if latitude.is_some() {
            "longitude"
        } else {
            "latitude"
        };
        return Err(Problem::field(
            field,
            "must stand beside the other coordinate",
        ));
    }
    let plan_x = change.plan_x.unwrap_or(before.plan_x);
    let plan_y = change.plan_y.unwrap_or(before.plan_y);
    on_plan("planX", plan_x)?;
    on_plan("planY", plan_y)?;
    if plan_x.is_some() != plan_y.is_some() {
        let field = if plan_x.is_some() { "planY" } else { "planX" };
        return Err(Problem::field(
            field,
            "must stand beside the other coordinate",
        ));
    }
    let opening = change.opening.unwrap_or(before.opening);
    let device_id = change.device_id.unwrap_or_else(|| before.device_id.clone());
    let mut tx = app.store.begin().await?;
    if opening != Opening::Open && before.opening == Opening::Open {
        let open = withdraw::open(&mut tx, Taken::Bay(id)).await?;
        withdraw::settle(
            app,
            caller,
            &mut tx,
            (&before).into(),
            open,
            change.bookings,
        )
        .await?;
    }
    if device_id != before.device_id
        && let Some(device_id) = &device_id
    {
        move_device(&mut tx, device_id, &before).await?;
    }
    let changed = with_fractions(
        "UPDATE bays SET number = $1, kind = $2, admission = $3, device_id = $4, latitude = $5, longitude = $6, plan_x = $7,
             plan_y = $8, version = version + 1
         WHERE id = $9 AND version = $10",
    )
    .bind(number.clone())
    .bind(change.kind.unwrap_or(before.purpose).as_str())
    .bind(opening.as_str())
    .bind(device_id.clone())
    .bind(latitude)
    .bind(longitude)
    .bind(plan_x)
    .bind(plan_y)
    .bind(id.to_owned())
    .bind(before.version)
    .execute(&mut *tx)
    .await;
    let changed = changed.map_err(|error| taken(error.into()))?;
    if changed.rows_affected() == 0 {
        return Err(Problem::changed());
    }
    let detail = json!({
        "number": number, "opening": opening.as_str(), "device": device_id,
        "latitude": latitude, "longitude": longitude, "planX": plan_x, "planY": plan_y,
    });
    let customer_id = &before.site.customer_id;
    done(app, caller, &mut tx, "bay.change", id, customer_id, detail).await?;
    tx.commit().await?;
    find(app, caller, id).await
}

/// Removes a bay nobody ever booked and no board watches.
///
/// # Errors
/// 403 below an operator; 404; 409 `bay-in-use`, or `bookings-are-open`, which names them.
pub async fn remove(
    app: &App,
    caller: &Caller,
    id: &str,
    if_match: IfMatch,
) -> Result<(), Problem> {
    caller.at_least(Role::Operator)?;
    let bay = find(app, caller, id).await?;
    if_match.check(bay.version)?;
    let mut tx = app.store.begin().await?;
    let open = withdraw::open(&mut tx, Taken::Bay(id)).await?;
    if !open.is_empty() {
        return Err(withdraw::refused(open));
    }
    let removed = sqlx::query(
        "DELETE FROM bays WHERE id = $1 AND device_id IS NULL AND NOT EXISTS (SELECT 1 FROM bookings WHERE bay_id = $1)",
    )
    .bind(id.to_owned())
    .execute(&mut *tx)
    .await?;
    if removed.rows_affected() == 0 {
        return Err(Problem::conflict(
            "bay-in-use",
            "A device watches the bay, or it was booked before: close it in place of removing it.",
        ));
    }
    let detail = json!({"number": bay.number});
    done(
        app,
        caller,
        &mut tx,
        "bay.remove",
        id,
        &bay.site.customer_id,
        detail,
    )
    .await?;
    tx.commit().await?;
    Ok(())
}

/// Takes a board from the bay it is at. One nobody has done anything with goes: it was made for the board.
async fn move_device(tx: &mut Transaction, device_id: &str, to: &Bay) -> Result<(), Problem> {
    let found = sqlx::query("SELECT 1 FROM devices WHERE id = $1 AND project_id = $2")
        .bind(device_id.to_owned())
        .bind(to.site.id.clone())
        .fetch_optional(&mut **tx)
        .await?;
    if found.is_none() {
        let detail = "there is no such device in the bay's project";
        return Err(Problem::field("deviceId", detail));
    }
    let from = sqlx::query(
        "UPDATE bays SET device_id = NULL, version = version + 1 WHERE device_id = $1 RETURNING id",
    )
    .bind(device_id.to_owned())
    .fetch_all(&mut **tx)
    .await?;
    for row in from {
        let id: String = row.try_get("id")?;
        sqlx::query(
            "DELETE FROM bays WHERE id = $1 AND version = 2 AND NOT EXISTS (SELECT 1 FROM bookings WHERE bay_id = $1)",
        )
        .bind(id.clone())
        .execute(&mut **tx)
        .await?;
        tx.tell(Kind::Bay, id);
    }
    Ok(())
}

fn check_number(text: &str) -> Result<String, Problem> {
    let number = text.trim();
    let fits = (1..=LONGEST_NUMBER).contains(&number.chars().count());
    if fits && !number.chars().any(char::is_control) {
        return Ok(number.to_owned());
    }
    Err(Problem::field("number", "must be 1 to 16 characters"))
}

fn within(field: &'static str, degrees: Option<f64>, most: f64) -> Result<(), Problem> {
    if degrees.is_none_or(|degrees| (-most..=most).contains(&degrees)) {
        return Ok(());
    }
    Err(Problem::field(
        field,
        format!("must be -{most} to {most} degrees"),
    ))
}

fn on_plan(field: &'static str, part: Option<f64>) -> Result<(), Problem> {
    if part.is_none_or(|part| (0.0..=1.0).contains(&part)) {
        return Ok(());
    }
    Err(Problem::field(field, "must be 0 to 1"))
}

fn taken(error: StoreError) -> Problem {
    if error.is_taken() {
        return Problem::conflict(
            "number-taken",
            "Another bay of the project has that number, or the device was given to another bay.",
        );
    }
    error.into()
}

async fn done(
    app: &App,
    caller: &Caller,
    tx: &mut Transaction,
    action: &'static str,
    id: &str,
    customer_id: &str,
    detail: serde_json::Value,
) -> Result<(), Problem> {
    let action = Action {
        action,
        object_kind: "bay",
        object_id: id,
        customer_id: Some(customer_id),
        detail,
    };
    audit::record(tx, Some(caller), app.now(), action).await?;
    tx.tell(Kind::Bay, id);
    Ok(())
}
