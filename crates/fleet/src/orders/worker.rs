//! Carries orders out. Any number of instances may: each claims a line before it asks in its name.

use std::time::Duration;

use dps_client::service::ServiceError;
use hub_proto::dps::registration::{RegistrationId, Status};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::answer::{self, Whereabouts};
use super::groups;
use super::keep::{self, Due};
use super::line::{Heard, LineState, OrderKind, OrderState, Question};
use crate::app::App;
use crate::hub::Call;
use crate::store::{Kind, StoreError};

/// Lines that one instance works on at once: each costs a few requests, and the services have limits.
const AT_ONCE: i64 = 8;
/// How long a device that is not connected is waited for inside one question.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A device registers and connects once before it answers, 26 s at most.
const ANSWER_WITHIN: Duration = Duration::from_secs(45);
/// Looks again at least so often, should an announcement be lost.
const LOOK_EVERY: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(5);

/// Carries out orders until the service ends.
pub async fn run(app: App) {
    let mut changes = app.store.changes();
    if app.store.is_alone()
        && let Err(error) = keep::take_up_again(&app.store, app.now()).await
    {
        // They are due again when the claim of the instance before is over.
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "orders that were under way wait"
        );
    }
    loop {
        match work(&app).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "orders cannot be worked on"
                );
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        }
        let wait = match keep::next_due(&app.store).await {
            Ok(Some(at)) => Duration::from_millis(u64::try_from(at - app.now()).unwrap_or(0)),
            Ok(None) | Err(_) => LOOK_EVERY,
        };
        let placed = async {
            while let Some(change) = changes.next().await {
                if matches!(change.kind, Kind::Order | Kind::Everything) {
                    return;
                }
            }
            std::future::pending::<()>().await;
        };
        // What is not due for less than this is not worth a wake-up of its own.
        let wait = wait.clamp(Duration::from_millis(20), LOOK_EVERY);
        let _ = tokio::time::timeout(wait, placed).await;
    }
}

/// Works on what is due now; how many lines that were.
///
/// # Errors
/// [`StoreError::Database`]: what was claimed is due again later.
pub async fn work(app: &App) -> Result<usize, StoreError> {
    let now = app.now();
    let mut tasks = JoinSet::new();
    for due in keep::due(&app.store, now, AT_ONCE).await? {
        if keep::claim(&app.store, &due, now).await? {
            let app = app.clone();
            tasks.spawn(async move { carry_on(&app, due).await });
        }
    }
    let worked = tasks.len();
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(done) => done?,
            Err(error) => tracing::error!(%error, "a line of an order broke off"),
        }
    }
    finish_rekeys(app).await?;
    Ok(worked)
}

async fn carry_on(app: &App, due: Due) -> Result<(), StoreError> {
    let (heard, whereabouts) = match due.line.question() {
        Some(Question::Enrol) => (enrol(app, &due).await, None),
        Some(Question::Become) => become_it(app, &due).await,
        None => return Ok(()),
    };
    let mut line = due.line.clone();
    line.handle(heard, app.now());
    if line.state != due.line.state {
        tracing::info!(
            order = due.order_id,
            device = due.device_id,
            kind = due.kind.as_str(),
            state = line.state.as_str(),
            problem = line.problem,
            "a device of an order went on"
        );
    }
    keep::save(app, &due, &line, whereabouts.as_ref()).await
}

async fn enrol(app: &App, due: &Due) -> Heard {
    let ensured = match due.kind {
        OrderKind::Assign => groups::ensure(app, &due.group, Some(&due.project_id)).await,
        OrderKind::Return => groups::ensure(app, &app.settings.stock_group, None).await,
        OrderKind::Rekey => Ok(()),
    };
    match ensured {
        Ok(()) => Heard::Enrolled,
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                group = due.group,
                "an enrolment group could not be made"
            );
            Heard::NotEnrolled(
                "The provisioning service does not make its enrolment group.".to_owned(),
            )
        }
    }
}

/// Asks the device to become what it is to be, and believes it only when the provisioning service has the same.
async fn become_it(app: &App, due: &Due) -> (Heard, Option<Whereabouts>) {
    let (name, payload) = match due.kind {
        OrderKind::Return => ("reset", Value::Null),
        OrderKind::Assign | OrderKind::Rekey => match setup(app, due).await {
            Ok(payload) => ("setup", payload),
            Err(heard) => return (heard, None),
        },
    };
    // A board's registration id is its id at the hub, unless the hub was told another.
    let device_id = due.hub_device_id.as_deref().unwrap_or(&due.device_id);
    let call = Call {
        device_id,
        module_id: "provisioning",
        name,
        payload,
        connect_within: CONNECT_WITHIN,
        answer_within: ANSWER_WITHIN,
    };
    let (heard, whereabouts) = answer::read(app.hub.invoke(call).await);
    if heard != Heard::Is {
        return (heard, whereabouts);
    }
    match confirm(app, due).await {
        Ok(registered) => {
            let device_id = registered.device_id.as_deref().unwrap_or(device_id);
            let tag = match due.kind {
                OrderKind::Return => Value::Null,
                OrderKind::Assign | OrderKind::Rekey => json!(due.project_id),
            };
            let patch = json!({"tags": {"project": tag}});
            match app.hub.patch_twin(device_id, None, patch).await {
                Ok(()) => (Heard::Is, Some(registered)),
                Err(error) => (answer::read(Err(error)).0, None),
            }
        }
        Err(heard) => (heard, None),
    }
}

/// What `setup` is given: the device's own key, derived here; never the group's.
async fn setup(app: &App, due: &Due) -> Result<Value, Heard> {
    let id = registration_id(due)?;
    let keys = match app.provisioning.groups().keys(&due.group).await {
        Ok(keys) => keys,
        Err(error) => return Err(not_answered(&error)),
    };
    let key = match due.kind {
        OrderKind::Rekey if due.key_hash.as_deref() == Some(&keep::hash(&keys.secondary)) => {
            keys.secondary
        }
        OrderKind::Rekey => {
            let why = "The group's second key is not the one this order was placed for.";
            return Err(Heard::Refused(400, why.to_owned()));
        }
        OrderKind::Assign | OrderKind::Return => keys.primary,
    };
    Ok(json!({
        "idScope": app.settings.id_scope,
        "registrationId": due.device_id,
        "symmetricKey": key.derive(&id).to_base64(),
    }))
}

/// Where the provisioning service has put it; it must have done so in the group it is to be in.
async fn confirm(app: &App, due: &Due) -> Result<Whereabouts, Heard> {
    let id = registration_id(due)?;
    let record = match app.provisioning.registrations().get(&id).await {
        Ok(record) => record,
        Err(error) => return Err(not_answered(&error)),
    };
    let expected = match due.kind {
        OrderKind::Return => &app.settings.stock_group,
        OrderKind::Assign | OrderKind::Rekey => &due.group,
    };
    // Not every version of the service says which group a record is of.
    let group = record.symmetric_key.as_ref();
    let group = group.and_then(|key| key.get("enrollmentGroupId")?.as_str());
    if record.status != Status::Assigned || group.is_some_and(|group| group != expected) {
        let why = "It says it is there, and the provisioning service has it elsewhere.";
        return Err(Heard::Refused(502, why.to_owned()));
    }
    Ok(Whereabouts {
        hub: record.assigned_hub,
        device_id: record.device_id,
    })
}

fn registration_id(due: &Due) -> Result<RegistrationId, Heard> {
    due.device_id
        .parse()
        .map_err(|_| Heard::Refused(400, "Its id is no registration id.".to_owned()))
}

/// The device was told nothing.
fn not_answered(error: &ServiceError) -> Heard {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "the provisioning service does not answer an order"
    );
    Heard::Later {
        after_ms: 10_000,
        why: "The provisioning service does not answer.".to_owned(),
    }
}

/// Puts the new key of each finished order of new keys in force: the second key becomes the first, and what was the
/// first opens nothing any more. Asked twice it does it once, since the order knows its key by its hash.
async fn finish_rekeys(app: &App) -> Result<(), StoreError> {
    let rows: Vec<(String, String, String, String, Option<String>)> = sqlx::query_as(
        "SELECT o.id, o.project_id, p.customer_id, p.enrollment_group_id, o.key_hash
         FROM orders o JOIN projects p ON p.id = o.project_id
         WHERE o.kind = 'rekey' AND o.state = 'open'
             AND NOT EXISTS (SELECT 1 FROM order_lines l WHERE l.order_id = o.id AND l.state <> $1)",
    )
    .bind(LineState::Joined.as_str())
    .fetch_all(app.store.reader())
    .await?;
    for (order, project, customer, group, key_hash) in rows {
        match promote(app, &group, key_hash.as_deref()).await {
            Ok(state) => {
                let now = app.now();
                let mut tx = app.store.begin().await?;
                if state == OrderState::Done {
                    let number = groups::keys_number(&mut tx, &group).await? + 1;
                    groups::count_keys(&mut tx, &group, number, now).await?;
                }
                keep::end(&mut tx, &order, state, &project, &customer, now).await?;
                tx.commit().await?;
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                order,
                "new keys could not be put in force yet"
            ),
        }
    }
    Ok(())
}

async fn promote(
    app: &App,
    group: &str,
    key_hash: Option<&str>,
) -> Result<OrderState, ServiceError> {
    let groups = app.provisioning.groups();
    let keys = groups.keys(group).await?;
    if key_hash == Some(&keep::hash(&keys.primary)) {
        return Ok(OrderState::Done);
    }
    if key_hash != Some(&keep::hash(&keys.secondary)) {
        // Somebody changed the keys by another way; what devices have is not this order's any more.
        return Ok(OrderState::Failed);
    }
    groups.promote_secondary(group).await?;
    Ok(OrderState::Done)
}
