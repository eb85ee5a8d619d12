//! Projects: where a customer's bays are, and the enrolment group whose keys their devices have.

mod api;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::app::{App, new_id};
use crate::audit::{self, Action};
use crate::bookings::withdraw::{self, Taken};
use crate::check;
use crate::entity_tag::IfMatch;
use crate::moment::Moment;
use crate::paging::{Page, Paging};
use crate::people::{Caller, Role};
use crate::problem::Problem;
use crate::store::{Kind, StoreError, Transaction, with_fractions};

pub use api::router;

/// A project.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub customer_id: String,
    /// How it is called. Two projects may have the same name.
    pub name: String,
    /// Where it is: a street, a square.
    pub place: String,
    /// The place's postcode.
    pub postcode: String,
    /// Whom to ask there.
    pub contact: String,
    /// Where its map begins, in degrees (WGS 84).
    pub latitude: Option<f64>,
    /// Where its map begins, in degrees (WGS 84).
    pub longitude: Option<f64>,
    /// The group its devices are enrolled in.
    pub enrollment_group_id: String,
    /// Since when it is there.
    pub created_at: Moment,
    /// When it was closed, if it was.
    pub closed_at: Option<Moment>,
    /// How many devices it has.
    pub devices: i64,
    /// Counts its changes; it is the entity tag.
    pub version: i64,
}

/// A project to be.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewProject {
    /// Whose it is.
    pub customer_id: String,
    /// How it is called: 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// Where it is.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub place: String,
    /// The place's postcode.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub postcode: String,
    /// Whom to ask there.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub contact: String,
    /// Where its map begins, in degrees.
    #[schema(minimum = -90, maximum = 90)]
    pub latitude: Option<f64>,
    /// Where its map begins, in degrees.
    #[schema(minimum = -180, maximum = 180)]
    pub longitude: Option<f64>,
}

/// What to change of a project; what is absent stays.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectChange {
    /// How it is called: 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// Where it is.
    #[schema(max_length = 200)]
    pub place: Option<String>,
    /// The place's postcode.
    #[schema(max_length = 200)]
    pub postcode: Option<String>,
    /// Whom to ask there.
    #[schema(max_length = 200)]
    pub contact: Option<String>,
    /// Where its map begins, in degrees.
    #[schema(minimum = -90, maximum = 90)]
    pub latitude: Option<f64>,
    /// Where its map begins, in degrees.
    #[schema(minimum = -180, maximum = 180)]
    pub longitude: Option<f64>,
}

/// Adds a project. Its enrolment group is made with the first order: nothing outside this database is touched.
///
/// # Errors
/// 400 when a field is not what it has to be, also for a customer that is not there or not the caller's; 403 below an
/// operator.
pub async fn create(app: &App, caller: &Caller, new: NewProject) -> Result<Project, Problem> {
    caller.at_least(Role::Operator)?;
    check::place(new.latitude, new.longitude)?;
    let no_customer = || Problem::field("customerId", "there is no such customer");
    if !caller.sees(&new.customer_id) {
        return Err(no_customer());
    }
    let id = new_id();
    let project = Project {
        enrollment_group_id: format!("project-{id}"),
        id,
        customer_id: new.customer_id,
        name: check::name("name", &new.name)?,
        place: check::line("place", &new.place)?,
        postcode: check::line("postcode", &new.postcode)?,
        contact: check::line("contact", &new.contact)?,
        latitude: new.latitude,
        longitude: new.longitude,
        created_at: Moment(app.now()),
        closed_at: None,
        devices: 0,
        version: 1,
    };
    let mut tx = app.store.begin().await?;
    let inserted = with_fractions(
        "INSERT INTO projects
             (id, customer_id, name, place, postcode, contact, latitude, longitude, enrollment_group_id, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(&project.id)
    .bind(&project.customer_id)
    .bind(&project.name)
    .bind(&project.place)
    .bind(&project.postcode)
    .bind(&project.contact)
    .bind(project.latitude)
    .bind(project.longitude)
    .bind(&project.enrollment_group_id)
    .bind(project.created_at.0)
    .execute(&mut *tx)
    .await
    .map_err(StoreError::from);
    match inserted {
        Err(error) if error.is_missing_reference() => return Err(no_customer()),
        Err(error) => return Err(error.into()),
        Ok(_) => {}
    }
    done(app, caller, &mut tx, "project.create", &project).await?;
    tx.commit().await?;
    Ok(project)
}

/// The projects that the caller sees, of one customer or of all, in the order they came; closed ones too.
///
/// # Errors
/// 403 for drivers.
pub async fn list(
    app: &App,
    caller: &Caller,
    customer_id: Option<&str>,
    paging: &Paging,
) -> Result<Page<Project>, Problem> {
    caller.at_least(Role::Installer)?;
    let limit = paging.limit()?;
    let rows = sqlx::query(
        "SELECT p.*, (SELECT COUNT(*) FROM devices d WHERE d.project_id = p.id) AS devices FROM projects p
         WHERE p.id > $1 AND ($2 IS NULL OR p.customer_id = $2) AND ($3 IS NULL OR p.customer_id = $3)
         ORDER BY p.id LIMIT $4",
    )
    .bind(paging.after())
    .bind(caller.customer_id.clone())
    .bind(customer_id.map(str::to_owned))
    .bind(limit + 1)
    .fetch_all(app.store.reader())
    .await?;
    let items = rows.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Page::cut(items, limit, |project: &Project| {
        project.id.clone()
    }))
}

/// One project.
///
/// # Errors
/// 404 when it is not there or not the caller's; 403 for drivers.
pub async fn get(app: &App, caller: &Caller, id: &str) -> Result<Project, Problem> {
    caller.at_least(Role::Installer)?;
    let row = sqlx::query(
        "SELECT p.*, (SELECT COUNT(*) FROM devices d WHERE d.project_id = p.id) AS devices FROM projects p
         WHERE p.id = $1",
    )
    .bind(id)
    .fetch_optional(app.store.reader())
    .await?;
    let project = row.as_ref().map(read).transpose()?;
    project
        .filter(|project| caller.sees(&project.customer_id))
        .ok_or_else(|| Problem::not_found("project"))
}

/// Changes a project.
///
/// # Errors
/// As [`create`] and [`get`]; 412 when it is not the version that was read.
pub async fn change(
    app: &App,
    caller: &Caller,
    id: &str,
    if_match: IfMatch,
    change: ProjectChange,
) -> Result<Project, Problem> {
    caller.at_least(Role::Operator)?;
    let before = get(app, caller, id).await?;
    if_match.check(before.version)?;
    let text = |field, new: Option<String>, old: String| {
        new.map_or(Ok(old), |new| check::line(field, &new))
    };
    let name = change.name.unwrap_or(before.name);
    let project = Project {
        name: check::name("name", &name)?,
        place: text("place", change.place, before.place)?,
        postcode: text("postcode", change.postcode, before.postcode)?,
        contact: text("contact", change.contact, before.contact)?,
        latitude: change.latitude.or(before.latitude),
        longitude: change.longitude.or(before.longitude),
        version: before.version + 1,
        ..before
    };
    check::place(project.latitude, project.longitude)?;
    let mut tx = app.store.begin().await?;
    let changed = with_fractions(
        "UPDATE projects SET name = $1, place = $2, postcode = $3, contact = $4, latitude = $5, longitude = $6, version = $7
         WHERE id = $8 AND version = $9",
    )
    .bind(&project.name)
    .bind(&project.place)
    .bind(&project.postcode)
    .bind(&project.contact)
    .bind(project.latitude)
    .bind(project.longitude)
    .bind(project.version)
    .bind(id)
    .bind(before.version)
    .execute(&mut *tx)
    .await?;
    if changed.rows_affected() == 0 {
        return Err(Problem::changed());
    }
    done(app, caller, &mut tx, "project.change", &project).await?;
    tx.commit().await?;
    Ok(project)
}

/// Closes a project that has given back its devices: its history stays, orders for it are refused.
///
/// # Errors
/// As [`change`]; 409 while it has devices or an open order, and `bookings-are-open`, which names them, while somebody has
/// booked one of its bays.
pub async fn close(
    app: &App,
    caller: &Caller,
    id: &str,
    if_match: IfMatch,
) -> Result<Project, Problem> {
    caller.at_least(Role::Operator)?;
    let before = get(app, caller, id).await?;
    if_match.check(before.version)?;
    if before.closed_at.is_some() {
        return Ok(before);
    }
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let open = withdraw::open(&mut tx, Taken::AllOf(id)).await?;
    if !open.is_empty() {
        return Err(withdraw::refused(open));
    }
    let closed = sqlx::query(
        "UPDATE projects SET closed_at = $1, version = version + 1 WHERE id = $2 AND version = $3
             AND NOT EXISTS (SELECT 1 FROM devices WHERE project_id = $2)
             AND NOT EXISTS (SELECT 1 FROM orders WHERE project_id = $2 AND state = 'open')",
    )
    .bind(now)
    .bind(id)
    .bind(before.version)
    .execute(&mut *tx)
    .await?;
    if closed.rows_affected() == 0 {
        return Err(Problem::conflict(
            "project-in-use",
            "The project has devices or an open order: return the devices first.",
        ));
    }
    let project = Project {
        closed_at: Some(Moment(now)),
        version: before.version + 1,
        ..before
    };
    done(app, caller, &mut tx, "project.close", &project).await?;
    tx.commit().await?;
    Ok(project)
}

async fn done(
    app: &App,
    caller: &Caller,
    tx: &mut Transaction,
    action: &'static str,
    project: &Project,
) -> Result<(), Problem> {
    let action = Action {
        action,
        object_kind: "project",
        object_id: &project.id,
        customer_id: Some(&project.customer_id),
        detail: json!({"name": project.name, "place": project.place}),
    };
    audit::record(tx, Some(caller), app.now(), action).await?;
    tx.tell(Kind::Project, &project.id);
    Ok(())
}

fn read(row: &AnyRow) -> Result<Project, sqlx::Error> {
    Ok(Project {
        id: row.try_get("id")?,
        customer_id: row.try_get("customer_id")?,
        name: row.try_get("name")?,
        place: row.try_get("place")?,
        postcode: row.try_get("postcode")?,
        contact: row.try_get("contact")?,
        latitude: row.try_get("latitude")?,
        longitude: row.try_get("longitude")?,
        enrollment_group_id: row.try_get("enrollment_group_id")?,
        created_at: Moment(row.try_get("created_at")?),
        closed_at: Moment::of(row.try_get("closed_at")?),
        devices: row.try_get("devices")?,
        version: row.try_get("version")?,
    })
}
