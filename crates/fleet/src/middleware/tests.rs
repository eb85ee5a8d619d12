use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::{Value, json};

use crate::people::Role;
use crate::testing::street::Street;
use crate::testing::{Answer, Site, Somebody};

async fn house() -> (std::sync::Arc<Street>, Site, Somebody) {
    let (street, site) = Street::with_stock(0).await;
    let administrator = site.somebody(Role::Administrator, None).await;
    (street, site, administrator)
}

async fn post(site: &Site, who: &Somebody, path: &str, body: Value) -> Answer {
    site.ask(who, Method::POST, path, body).await
}

fn code(answer: &Answer) -> (u16, Value) {
    (answer.status.as_u16(), answer.json()["code"].clone())
}

#[tokio::test]
async fn an_enrolment_is_made_once_read_changed_and_removed() {
    let (_street, site, who) = house().await;
    let new = json!({"registrationId": "pump7", "tags": {"town": "Herstal"}, "desiredProperties": {"period": 8}});
    let made = post(&site, &who, "/api/enrollments", new.clone()).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.json()["deviceId"], "pump7");
    assert_eq!(made.json()["tags"], json!({"town": "Herstal"}));
    // The same again is what there is; something else is not silently ignored.
    assert_eq!(post(&site, &who, "/api/enrollments", new).await.status, 200);
    let other = json!({"registrationId": "pump7", "tags": {"town": "Seraing"}});
    let refused = post(&site, &who, "/api/enrollments", other).await;
    assert_eq!(code(&refused), (409, json!("exists")));

    let read = site.get(&who, "/api/enrollments/pump7").await;
    let tag = read.header("etag").to_owned();
    assert!(!tag.is_empty());
    let change = json!({"tags": {"town": null, "floor": 2}, "provisioningStatus": "disabled"});
    let changed = site
        .ask(&who, Method::PATCH, "/api/enrollments/pump7", change)
        .await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.json()["tags"], json!({"floor": 2}));
    assert_eq!(changed.json()["desiredProperties"], json!({"period": 8}));
    assert_eq!(changed.json()["provisioningStatus"], "disabled");
    assert_ne!(
        changed.header("etag"),
        tag,
        "the answer is the state after the change"
    );
    let stale = Request::patch("/api/enrollments/pump7")
        .header(header::AUTHORIZATION, format!("Bearer {}", who.token))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::IF_MATCH, tag)
        .body(Body::from(r#"{"tags": {"floor": 3}}"#))
        .expect("a request");
    assert_eq!(site.send(stale).await.status, 412);

    for answer in [&made, &read, &changed] {
        assert!(
            !answer.text.contains("Key\":"),
            "no key is shown: {}",
            answer.text
        );
    }
    let delete = async || {
        site.ask(&who, Method::DELETE, "/api/enrollments/pump7", Value::Null)
            .await
    };
    assert_eq!(delete().await.status, 204);
    assert_eq!(delete().await.status, 404);
    assert_eq!(site.get(&who, "/api/enrollments/pump7").await.status, 404);
    let change = json!({"tags": {}});
    let gone = site
        .ask(&who, Method::PATCH, "/api/enrollments/pump7", change)
        .await;
    assert_eq!(code(&gone), (404, json!("not-found")));
}

#[tokio::test]
async fn bad_requests_name_the_field() {
    let (_street, site, who) = house().await;
    for (body, field) in [
        (json!({}), "registrationId"),
        (json!({"registrationId": ""}), "registrationId"),
        (json!({"registrationId": "a b"}), "registrationId"),
        (json!({"registrationId": "a", "tags": 5}), "tags"),
        (
            json!({"registrationId": "a", "primaryKey": "x"}),
            "primaryKey",
        ),
        (json!({"registrationId": "a", "deviceId": ""}), "deviceId"),
    ] {
        let answer = post(&site, &who, "/api/enrollments", body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["field"]),
            (400, &json!(field)),
            "{answer:?}"
        );
    }
    let after = site.get(&who, "/api/groups?after=%0d%0ax").await;
    assert_eq!(
        (after.status.as_u16(), &after.json()["field"]),
        (400, &json!("after"))
    );
    assert_eq!(
        site.get(&who, "/api/registrations/no%20id").await.status,
        404
    );
    let none = site.get(&who, "/api/groups/none/registrations").await;
    assert_eq!(code(&none), (404, json!("not-found")));
}

#[tokio::test]
async fn lists_are_paged_by_the_services_own_word() {
    let (_street, site, who) = house().await;
    for number in 0..5 {
        let new = json!({"enrollmentGroupId": format!("group{number}")});
        assert_eq!(post(&site, &who, "/api/groups", new).await.status, 201);
    }
    let mut ids = Vec::new();
    let mut path = "/api/groups?limit=2".to_owned();
    loop {
        let page = site.get(&who, &path).await.json();
        let items = page["items"].as_array().expect("groups");
        ids.extend(items.iter().map(|group| group["enrollmentGroupId"].clone()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        let next = percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC);
        path = format!("/api/groups?limit=2&after={next}");
    }
    // The stock's is one, too.
    assert_eq!(
        ids,
        ["group0", "group1", "group2", "group3", "group4", "stock"]
    );
}

#[tokio::test]
async fn a_devices_key_is_derived_and_a_groups_is_never_shown() {
    let (street, site, who) = house().await;
    let ask = json!({"registrationId": "10000000a1b2c3d4"});
    let answer = post(&site, &who, "/api/groups/stock/derive-key", ask.clone()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let service = street.service();
    let keys = service.groups().keys("stock").await.expect("keys");
    let own = keys
        .primary
        .derive(&"10000000a1b2c3d4".parse().expect("an id"));
    assert_eq!(answer.json()["symmetricKey"], own.to_base64());
    assert_eq!(answer.json()["idScope"], site.app.settings.id_scope);
    let upper = json!({"registrationId": "10000000A1B2C3D4"});
    assert_eq!(
        post(&site, &who, "/api/groups/stock/derive-key", upper)
            .await
            .status,
        400
    );
    assert_eq!(
        post(&site, &who, "/api/groups/none/derive-key", ask.clone())
            .await
            .status,
        404
    );
    for path in ["/api/groups", "/api/groups/stock", "/api/audit"] {
        let text = site.get(&who, path).await.text;
        for key in [
            keys.primary.to_base64(),
            keys.secondary.to_base64(),
            own.to_base64(),
        ] {
            assert!(!text.contains(&key), "{path}");
        }
    }
    // Keys are the administrator's, and nobody's of one customer.
    let town = site.customer("Town").await;
    for who in [
        site.somebody(Role::Operator, None).await,
        site.somebody(Role::Administrator, Some(&town)).await,
    ] {
        let refused = post(&site, &who, "/api/groups/stock/derive-key", ask.clone()).await;
        assert_eq!(refused.status, 403, "{refused:?}");
    }
    let stranger = site.somebody(Role::Administrator, Some(&town)).await;
    for path in [
        "/api/enrollments",
        "/api/groups",
        "/api/registrations/x",
        "/api/groups/stock",
    ] {
        assert_eq!(site.get(&stranger, path).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn keys_rotate_where_nobody_is_cut_off() {
    let (street, site) = Street::with_stock(1).await;
    let who = site.somebody(Role::Administrator, None).await;
    let service = street.service();
    let rotate = async |path: &str, key: &str| post(&site, &who, path, json!({"key": key})).await;
    post(
        &site,
        &who,
        "/api/enrollments",
        json!({"registrationId": "pump7"}),
    )
    .await;
    let before = service.enrollments().keys("pump7").await.expect("keys");
    let path = "/api/enrollments/pump7/rotate-keys";
    assert_eq!(rotate(path, "secondary").await.status, 204);
    let renewed = service.enrollments().keys("pump7").await.expect("keys");
    assert_eq!(renewed.primary, before.primary);
    assert_ne!(renewed.secondary, before.secondary);
    assert_eq!(rotate(path, "promote-secondary").await.status, 204);
    let promoted = service.enrollments().keys("pump7").await.expect("keys");
    assert_eq!(promoted.primary, renewed.secondary);
    assert_eq!(
        rotate("/api/enrollments/none/rotate-keys", "primary")
            .await
            .status,
        404
    );
    // The stock has a device.
    let group = service.groups().keys("stock").await.expect("keys");
    for key in ["primary", "promote-secondary"] {
        let refused = rotate("/api/groups/stock/rotate-keys", key).await;
        assert_eq!(code(&refused), (409, json!("group-in-use")));
    }
    assert_eq!(service.groups().keys("stock").await.expect("keys"), group);
    assert_eq!(
        rotate("/api/groups/stock/rotate-keys", "secondary")
            .await
            .status,
        204
    );
    let refused = site
        .ask(&who, Method::DELETE, "/api/groups/stock", Value::Null)
        .await;
    assert_eq!(code(&refused), (409, json!("group-in-use")));
    assert!(street.is_let_in("board00").await);
}

#[tokio::test]
async fn records_of_registrations_are_read_and_forgotten() {
    let (street, site) = Street::with_stock(1).await;
    let who = site.somebody(Role::Operator, None).await;
    let record = site.get(&who, "/api/registrations/board00").await.json();
    assert_eq!(record["status"], "assigned");
    assert_eq!(record["assignedHub"], street.simulator.info().hub_host_name);
    assert_eq!(record["enrollmentGroupId"], "stock");
    let list = site
        .get(&who, "/api/groups/stock/registrations")
        .await
        .json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
    let path = "/api/registrations/board00";
    assert_eq!(
        site.ask(&who, Method::DELETE, path, Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(site.get(&who, path).await.status, 404);
    assert_eq!(
        site.ask(&who, Method::DELETE, path, Value::Null)
            .await
            .status,
        404
    );
}

async fn import(site: &Site, who: &Somebody, table: &str) -> Answer {
    let request = Request::post("/api/enrollments/import")
        .header(header::AUTHORIZATION, format!("Bearer {}", who.token))
        .header(header::CONTENT_TYPE, "text/csv; charset=utf-8")
        .body(Body::from(table.to_owned()))
        .expect("a request");
    site.send(request).await
}

#[tokio::test]
async fn a_table_is_imported_line_by_line() {
    let (street, site, who) = house().await;
    post(
        &site,
        &who,
        "/api/enrollments",
        json!({"registrationId": "pump3"}),
    )
    .await;
    let mut table = "registrationId,edge,tags.town,desired.period\r\n".to_owned();
    for number in 0..12 {
        table += &format!("pump{number},true,\"Herstal, centre\",8\r\n");
    }
    table += "not an id,true,,\nPUMP1,,,\npump20,perhaps,,\npump21\n";
    let answer = import(&site, &who, &table).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let report = answer.json();
    assert_eq!(
        (&report["created"], &report["exists"], &report["failed"]),
        (&json!(11), &json!(1), &json!(4))
    );
    let lines = report["lines"].as_array().expect("lines");
    assert_eq!(
        lines[0],
        json!({"line": 2, "registrationId": "pump0", "outcome": "created"})
    );
    assert_eq!(lines[3]["outcome"], "exists");
    let problems: Vec<_> = lines[12..]
        .iter()
        .map(|line| line["problem"].as_str().expect("a problem"))
        .collect();
    assert!(problems[0].contains("' '"), "{problems:?}");
    assert!(problems[1].contains("before"), "{problems:?}");
    assert!(problems[2].contains("true or false"), "{problems:?}");
    assert!(problems[3].contains("fields"), "{problems:?}");
    let pump = site.get(&who, "/api/enrollments/pump11").await.json();
    assert_eq!(pump["tags"], json!({"town": "Herstal, centre"}));
    assert_eq!(pump["desiredProperties"], json!({"period": 8}));
    assert_eq!(
        street
            .service()
            .enrollments()
            .query(None)
            .all()
            .await
            .expect("all")
            .len(),
        12
    );
    // Again: nothing is made twice.
    let again = import(&site, &who, &table).await.json();
    assert_eq!(
        (&again["created"], &again["exists"]),
        (&json!(0), &json!(12))
    );
    for (table, why) in [
        ("", "head line"),
        ("registrationId\n", "1 to 1000"),
        ("name\nx\n", "there is no column"),
        ("registrationId,registrationId\nx,x\n", "twice"),
        ("edge\ntrue\n", "registrationId is missing"),
        ("registrationId\n\"x", "never closed"),
    ] {
        let refused = import(&site, &who, table).await;
        assert_eq!(refused.status, 400, "{table}");
        assert!(
            refused.json()["detail"]
                .as_str()
                .expect("a text")
                .contains(why),
            "{refused:?}"
        );
    }
}
