//! Making, reading, changing and removing enrolments and groups.

use axum::http::{HeaderMap, header};
use dps_client::service::{Enrollments, ServiceError};
use hub_proto::dps::enrollment::{Attestation, Keys};
use serde_json::{Value, json};

use super::entry::{Entry, EntryChange, EntryView, apply, view};
use super::{house, problem};
use crate::app::App;
use crate::audit::{self, Action};
use crate::paging::{Page, Paging};
use crate::people::Caller;
use crate::problem::Problem;

/// Makes an entry; the service makes its keys. Asked again with the same, it is what there is.
///
/// # Errors
/// 409 `exists` when there is one that says something else; 400 for what the service refuses.
pub(crate) async fn create<T: Entry>(
    app: &App,
    caller: &Caller,
    of: Enrollments<'_, T>,
    entry: T,
) -> Result<(bool, EntryView), Problem> {
    house(caller)?;
    let (made, is_new) = match of.get(entry.name()).await {
        Ok(found) if says_the_same(&found, &entry) => (found, false),
        Ok(_) => {
            let detail = format!(
                "There is such an {} already, and it says something else: change it.",
                T::WHAT
            );
            return Err(Problem::conflict("exists", detail));
        }
        Err(ServiceError::NotFound(_)) => {
            let made = of.create(&entry).await;
            (made.map_err(|error| problem(&error, T::WHAT))?, true)
        }
        Err(error) => return Err(problem(&error, T::WHAT)),
    };
    if is_new {
        record::<T>(app, caller, "create", made.name(), json!({})).await?;
    }
    Ok((is_new, view(&made)))
}

/// Whether making the second would have made the first.
fn says_the_same<T: Entry>(found: &T, wanted: &T) -> bool {
    let shown = |entry: &T| {
        let mut view = view(entry);
        (view.created_at, view.updated_at, view.etag) = (None, None, None);
        view
    };
    let (found, mut wanted) = (shown(found), shown(wanted));
    // What nobody asked for, the service chose.
    wanted.allocation_policy = wanted.allocation_policy.or(found.allocation_policy);
    if wanted.iot_hubs.is_empty() {
        wanted.iot_hubs.clone_from(&found.iot_hubs);
    }
    found == wanted
}

/// One entry.
///
/// # Errors
/// 404 when it is not there.
pub(crate) async fn get<T: Entry>(
    caller: &Caller,
    of: Enrollments<'_, T>,
    id: &str,
) -> Result<EntryView, Problem> {
    house(caller)?;
    let entry = of.get(id).await.map_err(|error| problem(&error, T::WHAT))?;
    Ok(view(&entry))
}

/// Entries, a page at a time, in the service's order. `next` is the service's own word for where the next begins.
///
/// # Errors
/// 400 for a page that cannot be.
pub(crate) async fn list<T: Entry>(
    caller: &Caller,
    of: Enrollments<'_, T>,
    paging: &Paging,
) -> Result<Page<EntryView>, Problem> {
    house(caller)?;
    let limit = u32::try_from(paging.limit()?).unwrap_or(u32::MAX);
    let mut pages = of.query(Some(limit));
    if let Some(after) = &paging.after {
        pages = pages.after(super::continuation(after)?);
    }
    let page = pages.next().await;
    let items = page
        .map_err(|error| problem(&error, T::WHAT))?
        .unwrap_or_default();
    Ok(Page {
        items: items.iter().map(view).collect(),
        next: pages.continuation().map(str::to_owned),
    })
}

/// Changes an entry and shows it as it is then, with its new entity tag.
///
/// # Errors
/// 404 when it is not there, 412 when it is not what was read, 400 for what the service refuses.
pub(crate) async fn change<T: Entry>(
    app: &App,
    caller: &Caller,
    of: Enrollments<'_, T>,
    id: &str,
    headers: &HeaderMap,
    mut change: EntryChange,
) -> Result<EntryView, Problem> {
    house(caller)?;
    let failed = |error: ServiceError| problem(&error, T::WHAT);
    let mut entry = of.get(id).await.map_err(failed)?;
    if_match(headers, entry.said().etag.as_deref())?;
    if let Some(device_id) = change.device_id.take() {
        entry.set_device_id(device_id)?;
    }
    let changed = json!({"tags": change.tags.is_some(), "desiredProperties": change.desired_properties.is_some(),
                         "provisioningStatus": change.provisioning_status});
    apply(entry.said_mut(), change);
    // Written without keys, an entry keeps those it has.
    if let Attestation::SymmetricKey { symmetric_key } = &mut entry.said_mut().attestation {
        *symmetric_key = Keys::default();
    }
    of.update(&entry).await.map_err(failed)?;
    record::<T>(app, caller, "change", entry.name(), changed).await?;
    // What the service answers to a change may be what was asked; what it has is what counts.
    let entry = of.get(id).await.map_err(failed)?;
    Ok(view(&entry))
}

/// Removes an entry. Devices stay at their hubs.
///
/// # Errors
/// 404 when it is not there, 412 when it is not what was read.
pub(crate) async fn delete<T: Entry>(
    app: &App,
    caller: &Caller,
    of: Enrollments<'_, T>,
    id: &str,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    house(caller)?;
    let failed = |error: ServiceError| problem(&error, T::WHAT);
    let entry = of.get(id).await.map_err(failed)?;
    if_match(headers, entry.said().etag.as_deref())?;
    of.delete(id, entry.said().etag.as_deref())
        .await
        .map_err(failed)?;
    record::<T>(app, caller, "delete", entry.name(), json!({})).await
}

/// Writes down what was done with an entry.
pub(crate) async fn record<T: Entry>(
    app: &App,
    caller: &Caller,
    verb: &'static str,
    id: &str,
    detail: Value,
) -> Result<(), Problem> {
    let is_group = T::WHAT == "enrolment group";
    let action = match (is_group, verb) {
        (true, "create") => "group.create",
        (true, "change") => "group.change",
        (true, "delete") => "group.delete",
        (true, "device-key") => "group.device-key",
        (true, _) => "group.rotate-keys",
        (false, "create") => "enrollment.create",
        (false, "change") => "enrollment.change",
        (false, "delete") => "enrollment.delete",
        (false, "device-key") => "enrollment.device-key",
        (false, _) => "enrollment.rotate-keys",
    };
    let action = Action {
        action,
        object_kind: if is_group { "group" } else { "enrollment" },
        object_id: id,
        customer_id: None,
        detail,
    };
    let mut tx = app.store.begin().await?;
    audit::record(&mut tx, Some(caller), app.now(), action).await?;
    tx.commit().await?;
    Ok(())
}

fn if_match(headers: &HeaderMap, etag: Option<&str>) -> Result<(), Problem> {
    let Some(wanted) = headers.get(header::IF_MATCH) else {
        return Ok(());
    };
    let wanted = wanted.to_str().unwrap_or_default().trim();
    if wanted == "*" || Some(wanted) == etag {
        return Ok(());
    }
    Err(Problem::changed())
}
