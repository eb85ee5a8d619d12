use std::sync::Arc;

use axum::http::Method;
use dps_client::service::Service;
use hub_proto::dps::enrollment::{Attestation, IndividualEnrollment, Keys, Terms};
use serde_json::{Value, json};

use super::*;
use crate::app::Parts;
use crate::hub::Hub as _;
use crate::people::Role;
use crate::stock;
use crate::testing::street::Street;
use crate::testing::{Answer, Site, Somebody};

async fn post(site: &Site, who: &Somebody, id: &str, what: &str) -> Answer {
    let path = format!("/api/devices/{id}/{what}");
    site.ask(who, Method::POST, &path, Value::Null).await
}

async fn read(site: &Site, who: &Somebody, id: &str) -> Value {
    site.get(who, &format!("/api/devices/{id}")).await.json()
}

#[tokio::test]
async fn a_device_that_is_cut_off_neither_connects_nor_registers() {
    let (street, _) = Street::with_stock(0).await;
    let hub = Arc::new(street.hub());
    let provisioning = (street.service(), street.simulator.info().id_scope);
    let site = Site::with(hub.clone(), Some(provisioning)).await;
    stock::open(&site.app).await.expect("the stock");
    for id in ["board00", "board01"] {
        street.image(&site, id).await;
    }
    let group = site.app.settings.stock_group.clone();
    stock::read_group(&site.app, &group).await.expect("read");
    let operator = site.somebody(Role::Operator, None).await;
    let status =
        async |id| hub.device(id).await.expect("an answer").expect("a device")["status"].clone();

    let answer = post(&site, &operator, "board00", "disable").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_ne!(answer.json()["disabledAt"], Value::Null);
    assert_ne!(answer.json()["blockedAt"], Value::Null);
    assert_eq!(status("board00").await, "disabled");
    assert!(!street.is_let_in("board00").await, "it registers anew");
    assert!(
        street.is_let_in("board01").await,
        "its neighbour has done nothing"
    );
    assert_eq!(status("board00").await, "disabled");
    // Asked again, nothing is different.
    let again = post(&site, &operator, "board00", "disable").await;
    assert_eq!(again.json()["blockedAt"], answer.json()["blockedAt"]);

    let answer = post(&site, &operator, "board00", "enable").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["disabledAt"], Value::Null);
    assert_eq!(answer.json()["blockedAt"], Value::Null);
    assert_eq!(status("board00").await, "enabled");
    assert!(street.is_let_in("board00").await);
    let left = street.service().enrollments().get("board00").await;
    assert!(matches!(left, Err(ServiceError::NotFound(_))), "{left:?}");
}

#[tokio::test]
async fn an_enrolment_of_its_own_keeps_its_keys() {
    let (street, site) = Street::with_stock(1).await;
    let operator = site.somebody(Role::Operator, None).await;
    let service = street.service();
    let own = Attestation::SymmetricKey {
        symmetric_key: Keys::default(),
    };
    let entry = IndividualEnrollment {
        registration_id: "board00".parse().expect("an id"),
        device_id: None,
        registration_state: None,
        terms: Terms::new(own),
    };
    service.enrollments().create(&entry).await.expect("made");
    let before = service.enrollments().keys("board00").await.expect("keys");
    for (what, status) in [
        ("disable", ProvisioningStatus::Disabled),
        ("enable", ProvisioningStatus::Enabled),
    ] {
        assert_eq!(post(&site, &operator, "board00", what).await.status, 200);
        let entry = service
            .enrollments()
            .get("board00")
            .await
            .expect("it stays");
        assert_eq!(entry.terms.provisioning_status, status);
        let keys = service.enrollments().keys("board00").await.expect("keys");
        assert_eq!(keys.primary.to_base64(), before.primary.to_base64());
    }
}

#[tokio::test]
async fn what_was_done_by_half_is_said_and_shown() {
    let (street, site) = Street::with_stock(1).await;
    let operator = site.somebody(Role::Operator, None).await;
    street.board("board00", |board| board.hub_is_gone = true);
    let half = post(&site, &operator, "board00", "disable").await;
    assert_eq!(
        (half.status.as_u16(), half.json()["code"].as_str()),
        (502, Some("half-done"))
    );
    assert!(half.text.contains("its hub did not cut it off"), "{half:?}");
    let device = read(&site, &operator, "board00").await;
    assert_eq!(device["disabledAt"], Value::Null);
    assert_ne!(device["blockedAt"], Value::Null);
    assert!(!street.is_let_in("board00").await);
    let page = site.get(&operator, "/api/devices?lifecycle=stock").await;
    assert_eq!(page.json()["items"][0]["blockedAt"], device["blockedAt"]);
    let customer = site.customer("Town").await;
    let project = site
        .ask(
            &operator,
            Method::POST,
            "/api/projects",
            json!({"customerId": customer, "name": "Market"}),
        )
        .await
        .json()["id"]
        .clone();
    let order = json!({"projectId": project, "quantity": 1});
    let order = site
        .ask(&operator, Method::POST, "/api/orders", order)
        .await;
    assert_eq!(
        order.json()["code"],
        "not-enough-stock",
        "nobody orders what may not register"
    );

    // The other half, once the hub is there again.
    street.board("board00", |board| board.hub_is_gone = false);
    let whole = post(&site, &operator, "board00", "disable").await;
    assert_eq!(whole.status, 200, "{whole:?}");
    assert_ne!(whole.json()["disabledAt"], Value::Null);
    assert_eq!(whole.json()["blockedAt"], device["blockedAt"], "since then");

    street.board("board00", |board| board.hub_is_gone = true);
    let half = post(&site, &operator, "board00", "enable").await;
    assert_eq!(half.json()["code"], "half-done");
    let device = read(&site, &operator, "board00").await;
    assert_eq!(device["blockedAt"], Value::Null);
    assert_ne!(device["disabledAt"], Value::Null);
}

#[tokio::test]
async fn without_the_provisioning_service_only_the_hub_cuts_it_off() {
    let (street, site) = Street::with_stock(1).await;
    let somebody = site.somebody(Role::Operator, None).await;
    let nowhere = "HostName=localhost:1;SharedAccessKeyName=owner;SharedAccessKey=c2VjcmV0";
    let settings = site.app.settings.clone();
    let app = App::new(Parts {
        store: site.app.store.clone(),
        hub: street.clone(),
        provisioning: Service::from_connection_string(nowhere, settings.trust.clone())
            .expect("a service"),
        clock: site.app.clock.clone(),
        settings,
    });
    let caller = Caller {
        user_id: somebody.id.clone(),
        name: "An operator".into(),
        role: Role::Operator,
        customer_id: None,
        language: "en".into(),
    };
    let any = IfMatch(None);
    let half = enable(&app, &caller, "board00", any, false).await;
    let half = half.expect_err("half of it");
    assert_eq!((half.status, half.code), (502, "half-done"));
    assert!(half.detail.contains("it may still register"), "{half:?}");
    assert_eq!(street.board("board00", |board| board.enabled), Some(false));
    let device = read(&site, &somebody, "board00").await;
    assert_ne!(device["disabledAt"], Value::Null);
    assert_eq!(device["blockedAt"], Value::Null);
    street.board("board00", |board| board.hub_is_gone = true);
    let failed = enable(&app, &caller, "board00", IfMatch(None), true).await;
    let failed = failed.expect_err("nothing of it");
    assert_eq!(failed.code, "hub-failed");
    assert_eq!(
        read(&site, &somebody, "board00").await,
        device,
        "nothing is written"
    );
}
