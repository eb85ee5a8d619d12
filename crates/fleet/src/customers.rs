//! Customers: whose projects they are, and who is to be asked.

mod api;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::app::{App, new_id};
use crate::audit::{self, Action};
use crate::check;
use crate::entity_tag::IfMatch;
use crate::moment::Moment;
use crate::paging::{Page, Paging};
use crate::people::{Caller, Role};
use crate::problem::Problem;
use crate::store::{Kind, StoreError, Transaction};

pub use api::router;

/// A customer.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// Its id.
    pub id: String,
    /// How it is called.
    pub name: String,
    /// Whom to ask.
    pub contact_name: String,
    /// Where to write.
    pub contact_email: String,
    /// Where to call.
    pub contact_phone: String,
    /// Since when it is one.
    pub created_at: Moment,
    /// Counts its changes; it is the entity tag.
    pub version: i64,
}

/// A customer to be.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewCustomer {
    /// How it is called: 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// Whom to ask.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub contact_name: String,
    /// Where to write.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub contact_email: String,
    /// Where to call.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub contact_phone: String,
}

/// What to change of a customer; what is absent stays.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomerChange {
    /// How it is called: 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// Whom to ask.
    #[schema(max_length = 200)]
    pub contact_name: Option<String>,
    /// Where to write.
    #[schema(max_length = 200)]
    pub contact_email: Option<String>,
    /// Where to call.
    #[schema(max_length = 200)]
    pub contact_phone: Option<String>,
}

/// Adds a customer.
///
/// # Errors
/// 400 when a field is not what it has to be, 403 unless the caller is an administrator of all customers.
pub async fn create(app: &App, caller: &Caller, new: NewCustomer) -> Result<Customer, Problem> {
    of_the_house(caller)?;
    let customer = Customer {
        id: new_id(),
        name: check::name("name", &new.name)?,
        contact_name: check::line("contactName", &new.contact_name)?,
        contact_email: check::line("contactEmail", &new.contact_email)?,
        contact_phone: check::line("contactPhone", &new.contact_phone)?,
        created_at: Moment(app.now()),
        version: 1,
    };
    let mut tx = app.store.begin().await?;
    sqlx::query(
        "INSERT INTO customers (id, name, contact_name, contact_email, contact_phone, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&customer.id)
    .bind(&customer.name)
    .bind(&customer.contact_name)
    .bind(&customer.contact_email)
    .bind(&customer.contact_phone)
    .bind(customer.created_at.0)
    .execute(&mut *tx)
    .await?;
    done(app, caller, &mut tx, "customer.create", &customer).await?;
    tx.commit().await?;
    Ok(customer)
}

/// The customers that the caller sees, in the order they came.
///
/// # Errors
/// 403 for drivers and installers.
pub async fn list(app: &App, caller: &Caller, paging: &Paging) -> Result<Page<Customer>, Problem> {
    caller.at_least(Role::Operator)?;
    let limit = paging.limit()?;
    let rows = sqlx::query(
        "SELECT * FROM customers WHERE id > $1 AND ($2 IS NULL OR id = $2) ORDER BY id LIMIT $3",
    )
    .bind(paging.after())
    .bind(caller.customer_id.clone())
    .bind(limit + 1)
    .fetch_all(app.store.reader())
    .await?;
    let items = rows.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Page::cut(items, limit, |customer: &Customer| {
        customer.id.clone()
    }))
}

/// One customer.
///
/// # Errors
/// 404 when it is not there or not the caller's, 403 for drivers and installers.
pub async fn get(app: &App, caller: &Caller, id: &str) -> Result<Customer, Problem> {
    caller.at_least(Role::Operator)?;
    let row = sqlx::query("SELECT * FROM customers WHERE id = $1")
        .bind(id)
        .fetch_optional(app.store.reader())
        .await?;
    let customer = row.as_ref().map(read).transpose()?;
    customer
        .filter(|customer| caller.sees(&customer.id))
        .ok_or_else(|| Problem::not_found("customer"))
}

/// Changes a customer.
///
/// # Errors
/// As [`create`] and [`get`]; 412 when it is not the version that was read.
pub async fn change(
    app: &App,
    caller: &Caller,
    id: &str,
    if_match: IfMatch,
    change: CustomerChange,
) -> Result<Customer, Problem> {
    of_the_house(caller)?;
    let before = get(app, caller, id).await?;
    if_match.check(before.version)?;
    let text = |field, new: Option<String>, old: String| {
        new.map_or(Ok(old), |new| check::line(field, &new))
    };
    let name = change.name.unwrap_or(before.name);
    let customer = Customer {
        name: check::name("name", &name)?,
        contact_name: text("contactName", change.contact_name, before.contact_name)?,
        contact_email: text("contactEmail", change.contact_email, before.contact_email)?,
        contact_phone: text("contactPhone", change.contact_phone, before.contact_phone)?,
        version: before.version + 1,
        ..before
    };
    let mut tx = app.store.begin().await?;
    let changed = sqlx::query(
        "UPDATE customers SET name = $1, contact_name = $2, contact_email = $3, contact_phone = $4, version = $5
         WHERE id = $6 AND version = $7",
    )
    .bind(&customer.name)
    .bind(&customer.contact_name)
    .bind(&customer.contact_email)
    .bind(&customer.contact_phone)
    .bind(customer.version)
    .bind(id)
    .bind(before.version)
    .execute(&mut *tx)
    .await?;
    if changed.rows_affected() == 0 {
        return Err(Problem::changed());
    }
    done(app, caller, &mut tx, "customer.change", &customer).await?;
    tx.commit().await?;
    Ok(customer)
}

/// Removes a customer who has no project and nobody who signs in.
///
/// # Errors
/// As [`change`]; 409 while there is a project or a user.
pub async fn delete(
    app: &App,
    caller: &Caller,
    id: &str,
    if_match: IfMatch,
) -> Result<(), Problem> {
    of_the_house(caller)?;
    let customer = get(app, caller, id).await?;
    if_match.check(customer.version)?;
    let mut tx = app.store.begin().await?;
    let deleted = sqlx::query("DELETE FROM customers WHERE id = $1 AND version = $2")
        .bind(id)
        .bind(customer.version)
        .execute(&mut *tx)
        .await
        .map_err(StoreError::from);
    match deleted {
        Err(error) if error.is_missing_reference() => {
            return Err(Problem::conflict(
                "customer-in-use",
                "The customer has projects or people: they go first.",
            ));
        }
        Err(error) => return Err(error.into()),
        Ok(deleted) if deleted.rows_affected() == 0 => return Err(Problem::changed()),
        Ok(_) => {}
    }
    done(app, caller, &mut tx, "customer.delete", &customer).await?;
    tx.commit().await?;
    Ok(())
}

/// Customers, keys and what reports go where are for whoever answers for all customers.
pub(crate) fn of_the_house(caller: &Caller) -> Result<(), Problem> {
    caller.at_least(Role::Administrator)?;
    if caller.customer_id.is_some() {
        let detail = "You administer one customer; this needs somebody who administers all.";
        return Err(Problem::forbidden(detail));
    }
    Ok(())
}

async fn done(
    app: &App,
    caller: &Caller,
    tx: &mut Transaction,
    action: &'static str,
    customer: &Customer,
) -> Result<(), Problem> {
    let action = Action {
        action,
        object_kind: "customer",
        object_id: &customer.id,
        customer_id: Some(&customer.id),
        detail: json!({"name": customer.name}),
    };
    audit::record(tx, Some(caller), app.now(), action).await?;
    tx.tell(Kind::Project, &customer.id);
    Ok(())
}

fn read(row: &AnyRow) -> Result<Customer, sqlx::Error> {
    Ok(Customer {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        contact_name: row.try_get("contact_name")?,
        contact_email: row.try_get("contact_email")?,
        contact_phone: row.try_get("contact_phone")?,
        created_at: Moment(row.try_get("created_at")?),
        version: row.try_get("version")?,
    })
}

#[cfg(test)]
mod tests;
