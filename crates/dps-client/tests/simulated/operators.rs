//! What an operator does with enrolments.

use dps_client::service::{KeySlot, ServiceError};
use dps_client::{RegisterError, register};
use hub_proto::dps::enrollment::{Attestation, BulkMode};
use hub_proto::dps::registration::Status;

use super::*;

const NO_KEYS: Attestation = Attestation::SymmetricKey {
    symmetric_key: Keys {
        primary_key: None,
        secondary_key: None,
    },
};

#[tokio::test]
async fn an_enrolment_is_made_read_changed_and_removed() {
    let bench = Bench::start().await;
    let service = bench.service();
    let enrollments = service.enrollments();
    let made = enrollments.create(&enrollment("pump7", NO_KEYS)).await;
    assert!(made.expect("made").terms.etag.is_some());
    let keys = enrollments
        .keys("pump7")
        .await
        .expect("the service made some");

    let read = enrollments.get("pump7").await.expect("there");
    let Attestation::SymmetricKey { symmetric_key } = &read.terms.attestation else {
        panic!("{read:?}")
    };
    assert!(symmetric_key.is_empty(), "reading shows no key");

    let mut changed = read.clone();
    disabled(&mut changed.terms);
    let changed = enrollments.update(&changed).await.expect("changed");
    assert_ne!(changed.terms.etag, read.terms.etag);
    assert_eq!(
        enrollments.keys("pump7").await.expect("keys"),
        keys,
        "and keeps its keys"
    );

    let stale = enrollments.update(&read).await;
    assert!(matches!(stale, Err(ServiceError::Changed(_))), "{stale:?}");
    let stale = enrollments
        .delete("pump7", read.terms.etag.as_deref())
        .await;
    assert!(matches!(stale, Err(ServiceError::Changed(_))), "{stale:?}");
    enrollments
        .replace(&read)
        .await
        .expect("whatever became of it");
    enrollments.delete("pump7", None).await.expect("removed");

    let gone = enrollments.get("pump7").await;
    assert!(matches!(gone, Err(ServiceError::NotFound(_))), "{gone:?}");
    let gone = enrollments.delete("pump7", None).await;
    assert!(matches!(gone, Err(ServiceError::NotFound(_))), "{gone:?}");
    let gone = enrollments.replace(&read).await;
    assert!(matches!(gone, Err(ServiceError::NotFound(_))), "{gone:?}");
}

#[tokio::test]
async fn groups_come_in_pages() {
    let bench = Bench::start().await;
    let service = bench.service();
    let groups = service.groups();
    for number in 0..5 {
        let group = group(&format!("group{number}"), NO_KEYS);
        groups.create(&group).await.expect("made");
    }
    let mut pages = groups.query(Some(2));
    let mut sizes = Vec::new();
    let mut ids = Vec::new();
    while let Some(page) = pages.next().await.expect("a page") {
        sizes.push(page.len());
        ids.extend(page.into_iter().map(|group| group.enrollment_group_id));
    }
    assert_eq!(sizes, [2, 2, 1]);
    assert_eq!(ids, ["group0", "group1", "group2", "group3", "group4"]);
    assert_eq!(groups.query(None).all().await.expect("all").len(), 5);
    let enrollments = service.enrollments();
    assert_eq!(enrollments.query(None).all().await.expect("none").len(), 0);
}

#[tokio::test]
async fn keys_change_without_losing_a_device() {
    let bench = Bench::start().await;
    let service = bench.service();
    let groups = service.groups();
    groups.create(&group("stock", NO_KEYS)).await.expect("made");
    let id = "bay1".parse().expect("an id");
    let old = groups.derive_key("stock", &id).await.expect("derived");
    let register = async |key: &SymmetricKey| {
        let device = bench.keyed("bay1", key, Protocol::Https);
        register(&device, limits()).await
    };

    let pair = groups
        .regenerate("stock", KeySlot::Secondary)
        .await
        .expect("made");
    let new = pair.secondary.derive(&id);
    assert!(register(&old).await.is_ok() && register(&new).await.is_ok());

    let promoted = groups.promote_secondary("stock").await.expect("moved");
    assert_eq!(promoted.primary, pair.secondary);
    assert_eq!(groups.keys("stock").await.expect("keys"), promoted);
    assert!(register(&new).await.is_ok());
    let error = register(&old).await.expect_err("opens nothing any more");
    assert!(matches!(error, RegisterError::Unauthorized(_)), "{error:?}");
}

#[tokio::test]
async fn what_came_of_a_device_is_read_and_forgotten() {
    let bench = Bench::start().await;
    let service = bench.service();
    let made = group("stock", keys("stock"));
    service.groups().create(&made).await.expect("made");
    let id = "bay1".parse().expect("an id");
    let records = service.registrations();
    let none = records.get(&id).await;
    assert!(matches!(none, Err(ServiceError::NotFound(_))), "{none:?}");

    let device = bench.keyed("bay1", &key("stock").derive("bay1"), Protocol::Https);
    register(&device, limits()).await.expect("a hub");
    let record = records.get(&id).await.expect("a record");
    assert_eq!(record.status, Status::Assigned);
    assert_eq!(record.device_id.as_deref(), Some("bay1"));
    assert_eq!(
        records
            .of_group("stock", None)
            .all()
            .await
            .expect("all")
            .len(),
        1
    );

    let stale = records.delete(&id, Some("another")).await;
    assert!(matches!(stale, Err(ServiceError::Changed(_))), "{stale:?}");
    records
        .delete(&id, record.etag.as_deref())
        .await
        .expect("forgotten");
    assert!(matches!(
        records.get(&id).await,
        Err(ServiceError::NotFound(_))
    ));
}

#[tokio::test]
async fn many_enrolments_go_in_one_request() {
    let bench = Bench::start().await;
    let service = bench.service();
    let enrollments = service.enrollments();
    let ten: Vec<_> = (0..10)
        .map(|number| enrollment(&format!("pump{number}"), keys("pumps")))
        .collect();
    let made = enrollments
        .bulk(BulkMode::Create, &ten)
        .await
        .expect("made");
    assert!(made.is_successful, "{made:?}");
    let again = enrollments
        .bulk(BulkMode::Create, &ten[..1])
        .await
        .expect("an answer");
    assert!(!again.is_successful);
    assert_eq!(again.errors[0].registration_id.as_deref(), Some("pump0"));

    // What is read has no keys, and is written back with those it has.
    let read = enrollments.query(None).all().await.expect("all");
    let changed = enrollments.bulk(BulkMode::UpdateIfMatchEtag, &read).await;
    assert!(changed.expect("changed").is_successful);
    assert_eq!(
        enrollments.keys("pump3").await.expect("keys").primary,
        key("pumps")
    );

    let removed = enrollments
        .bulk(BulkMode::Delete, &ten)
        .await
        .expect("removed");
    assert!(removed.is_successful);
    assert_eq!(enrollments.query(None).all().await.expect("none").len(), 0);
}

#[tokio::test]
async fn another_services_key_opens_nothing() {
    let bench = Bench::start().await;
    let other = Bench::start().await;
    let text = other
        .simulator
        .info()
        .provisioning_service_connection_string;
    let service = Service::from_connection_string(&text, bench.trust.clone())
        .expect("a service")
        .with_port(bench.simulator.info().https.port());
    let refused = service.groups().query(None).all().await;
    assert!(
        matches!(refused, Err(ServiceError::Unauthorized(_))),
        "{refused:?}"
    );
}
