//! The enrolment groups of stock and projects at the provisioning service.

use dps_client::service::{Service, ServiceError};
use hub_proto::dps::enrollment::{
    Attestation, Capabilities, EnrollmentGroup, InitialTwin, Keys, ReprovisionPolicy, Terms,
};
use serde_json::{Map, Value};

use crate::app::App;
use crate::store::{StoreError, Transaction};

/// Why there is no group.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// The provisioning service did not do it.
    #[error("the enrolment group is not there")]
    Service(#[from] ServiceError),
    /// The database did not.
    #[error("the enrolment group is not written down")]
    Store(#[from] StoreError),
}

/// Sees to it that the group is at the provisioning service, with keys that the service made, and that its first keys
/// are counted. One that is there stays as it is: its keys are in devices.
pub(crate) async fn ensure(
    app: &App,
    id: &str,
    project_id: Option<&str>,
) -> Result<(), GroupError> {
    match app.provisioning.groups().get(id).await {
        Ok(_) => {}
        Err(ServiceError::NotFound(_)) => create(&app.provisioning, id, project_id).await?,
        Err(error) => return Err(error.into()),
    }
    let mut tx = app.store.begin().await?;
    count_keys(&mut tx, id, 1, app.now()).await?;
    tx.commit().await?;
    Ok(())
}

async fn create(service: &Service, id: &str, project_id: Option<&str>) -> Result<(), ServiceError> {
    let attestation = Attestation::SymmetricKey {
        symmetric_key: Keys::default(),
    };
    let tags = project_id.map(|project_id| {
        let project_id = Value::String(project_id.to_owned());
        Map::from_iter([("project".to_owned(), project_id)])
    });
    let terms = Terms {
        capabilities: Some(Capabilities { iot_edge: true }),
        initial_twin: tags.map(|tags| InitialTwin {
            tags: Some(tags),
            properties: None,
        }),
        // A device that comes from stock brings its modules' twins along.
        reprovision_policy: Some(ReprovisionPolicy {
            update_hub_assignment: true,
            migrate_device_data: true,
        }),
        ..Terms::new(attestation)
    };
    let group = EnrollmentGroup {
        enrollment_group_id: id.to_owned(),
        terms,
    };
    match service.groups().create(&group).await {
        // Somebody else was quicker, with the same.
        Ok(_) | Err(ServiceError::Exists(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes down that the group has its keys number so and so. Keys themselves are never kept here.
pub(crate) async fn count_keys(
    tx: &mut Transaction,
    group: &str,
    number: i64,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO key_versions (enrollment_group_id, number, made_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(group.to_owned())
    .bind(number)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Which keys the group has now, counted from 1; 0 when it never had any from here.
pub(crate) async fn keys_number(tx: &mut Transaction, group: &str) -> Result<i64, StoreError> {
    let number: (i64,) = sqlx::query_as(
        "SELECT COALESCE(MAX(number), 0) FROM key_versions WHERE enrollment_group_id = $1",
    )
    .bind(group.to_owned())
    .fetch_one(&mut **tx)
    .await?;
    Ok(number.0)
}
