mod booked;
mod trouble;

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::worker;
use crate::app::App;
use crate::people::Role;
use crate::testing::street::{Board, Street};
use crate::testing::{Answer, Site, Somebody};

/// A town that orders bays.
struct Town {
    operator: Somebody,
    project: String,
    group: String,
}

async fn project(site: &Site, operator: &Somebody, customer: &str, name: &str) -> Value {
    let new = json!({"customerId": customer, "name": name});
    let answer = site.ask(operator, Method::POST, "/api/projects", new).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

async fn town(site: &Site) -> Town {
    let customer = site.customer("Town").await;
    let operator = site.somebody(Role::Operator, Some(&customer)).await;
    let project = project(site, &operator, &customer, "Market square").await;
    Town {
        operator,
        project: text(&project["id"]),
        group: text(&project["enrollmentGroupId"]),
    }
}

impl Town {
    async fn order(&self, site: &Site, terms: Value) -> Answer {
        let mut new = json!({"projectId": self.project});
        for (name, value) in terms.as_object().expect("terms") {
            new[name] = value.clone();
        }
        site.ask(&self.operator, Method::POST, "/api/orders", new)
            .await
    }

    async fn placed(&self, site: &Site, terms: Value) -> String {
        let answer = self.order(site, terms).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        text(&answer.json()["id"])
    }

    async fn read(&self, site: &Site, order: &str) -> Value {
        site.get(&self.operator, &format!("/api/orders/{order}"))
            .await
            .json()
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn states(order: &Value) -> Vec<&str> {
    let lines = order["lines"].as_array().expect("lines");
    lines
        .iter()
        .map(|line| line["state"].as_str().expect("a state"))
        .collect()
}

/// Works on orders for so long an invented time.
async fn go_by(site: &Site, seconds: u64) {
    for _ in 0..seconds.div_ceil(5) {
        while worker::work(&site.app).await.expect("it works") > 0 {}
        site.pass(Duration::from_secs(5));
    }
}

async fn device(app: &App, id: &str) -> (String, Option<String>, i64) {
    sqlx::query_as("SELECT lifecycle, project_id, keys_version FROM devices WHERE id = $1")
        .bind(id.to_owned())
        .fetch_one(app.store.reader())
        .await
        .expect("a device")
}

#[tokio::test]
async fn from_stock_to_a_project_and_back() {
    let (street, site) = Street::with_stock(3).await;
    let town = town(&site).await;
    let order = town.placed(&site, json!({"quantity": 2})).await;
    assert_eq!(
        states(&town.read(&site, &order).await),
        ["picked", "picked"]
    );
    go_by(&site, 60).await;
    let read = town.read(&site, &order).await;
    assert_eq!(
        (&read["state"], states(&read)),
        (&json!("done"), vec!["joined", "joined"])
    );
    assert_eq!(read["lines"][0]["keysVersion"], 1);
    let (lifecycle, project, keys) = device(&site.app, "board00").await;
    assert_eq!(
        (lifecycle.as_str(), project.as_ref(), keys),
        ("project", Some(&town.project), 1)
    );
    assert_eq!(
        street.board("board00", |board| board.tags["project"].clone()),
        town.project
    );
    let record = street
        .service()
        .registrations()
        .get(&"board00".parse().expect("an id"))
        .await;
    let record = record.expect("a record");
    assert_eq!(
        record.symmetric_key.expect("its group")["enrollmentGroupId"],
        town.group
    );
    let back = town
        .placed(&site, json!({"kind": "return", "deviceIds": ["BOARD00"]}))
        .await;
    go_by(&site, 60).await;
    assert_eq!(town.read(&site, &back).await["state"], "done");
    let (lifecycle, project, _) = device(&site.app, "board00").await;
    assert_eq!((lifecycle.as_str(), project), ("stock", None));
    assert_eq!(
        street.board("board00", |board| board.tags["project"].clone()),
        Value::Null
    );
    // And again: nothing of the first time is in the way.
    let again = town.placed(&site, json!({"deviceIds": ["board00"]})).await;
    go_by(&site, 60).await;
    assert_eq!(town.read(&site, &again).await["state"], "done");
    // Who was sold it, and when.
    let path = format!("/api/orders?deviceId=board00&projectId={}", town.project);
    let sold = site.get(&town.operator, &path).await.json();
    let sold: Vec<&Value> = sold["items"].as_array().expect("orders").iter().collect();
    assert_eq!(
        (sold.len(), &sold[0]["id"]),
        (3, &json!(again)),
        "the newest first"
    );
    let behind = format!("{path}&after={again}&limit=1");
    let behind = site.get(&town.operator, &behind).await.json();
    assert_eq!(behind["items"][0]["id"], sold[1]["id"]);
}

#[tokio::test]
async fn a_device_is_given_its_own_key_and_never_the_groups() {
    let (street, site) = Street::with_stock(2).await;
    let town = town(&site).await;
    town.placed(&site, json!({"quantity": 2})).await;
    go_by(&site, 60).await;
    let service = street.service();
    let keys = service.groups().keys(&town.group).await.expect("keys");
    let mut given = Vec::new();
    for id in ["board00", "board01"] {
        let own = keys.primary.derive(&id.parse().expect("an id")).to_base64();
        for (_, payload) in street.board(id, |board| board.asked.clone()) {
            assert_eq!(payload["symmetricKey"], own);
            for group in [&keys.primary, &keys.secondary] {
                assert!(!payload.to_string().contains(&group.to_base64()));
            }
        }
        given.push(own);
    }
    assert_ne!(given[0], given[1]);
    // Nor is any of them in the database.
    let mut tx = site.app.store.begin().await.expect("a transaction");
    let audit: Vec<(String,)> = sqlx::query_as("SELECT detail FROM audit")
        .fetch_all(&mut *tx)
        .await
        .expect("rows");
    assert!(!audit.is_empty());
    for (detail,) in audit {
        assert!(given.iter().all(|key| !detail.contains(key)));
    }
}

#[tokio::test]
async fn two_orders_at_once_never_take_the_same_device() {
    let (_street, site) = Street::with_stock(5).await;
    let town = town(&site).await;
    let orders = (0..8).map(|_| town.order(&site, json!({"quantity": 2})));
    let answers = futures_util::future::join_all(orders).await;
    let placed: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 202)
        .collect();
    assert_eq!(
        placed.len(),
        2,
        "five devices are enough for two orders of two"
    );
    for refused in answers.iter().filter(|answer| answer.status != 202) {
        assert_eq!(
            (refused.status.as_u16(), refused.json()["code"].clone()),
            (409, json!("not-enough-stock"))
        );
    }
    let mut devices: Vec<_> = placed
        .iter()
        .flat_map(|answer| answer.json()["lines"].as_array().expect("lines").clone())
        .map(|line| text(&line["deviceId"]))
        .collect();
    devices.sort();
    devices.dedup();
    assert_eq!(devices.len(), 4);
}

#[tokio::test]
async fn an_order_for_more_than_there_is_holds_nothing() {
    let (_street, site) = Street::with_stock(1).await;
    let town = town(&site).await;
    let answer = town.order(&site, json!({"quantity": 2})).await;
    assert_eq!(answer.status, 409);
    assert!(
        answer.json()["detail"]
            .as_str()
            .expect("a text")
            .contains("1 devices"),
        "{answer:?}"
    );
    assert_eq!(device(&site.app, "board00").await.0, "stock");
    for (terms, field) in [
        (json!({"quantity": 0}), "quantity"),
        (json!({"quantity": 1001}), "quantity"),
        (json!({}), "quantity"),
        (json!({"quantity": 1, "deviceIds": ["board00"]}), "quantity"),
        (json!({"deviceIds": []}), "deviceIds"),
        (json!({"kind": "return", "quantity": 1}), "quantity"),
        (json!({"kind": "return"}), "deviceIds"),
        (json!({"kind": "sell"}), "kind"),
        (json!({"quantity": 1, "colour": "red"}), "colour"),
    ] {
        let answer = town.order(&site, terms).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["field"]),
            (400, &json!(field)),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn projects_of_one_name_have_keys_of_their_own() {
    let (street, site) = Street::with_stock(2).await;
    let (one, other) = (town(&site).await, town(&site).await);
    assert_ne!(one.group, other.group);
    for town in [&one, &other] {
        town.placed(&site, json!({"quantity": 1})).await;
    }
    go_by(&site, 60).await;
    let service = street.service();
    let keys = service.groups().keys(&one.group).await.expect("keys");
    assert_ne!(
        keys,
        service.groups().keys(&other.group).await.expect("keys")
    );
    for id in ["board00", "board01"] {
        assert!(street.is_let_in(id).await, "{id}");
    }
}

#[tokio::test]
async fn keys_change_without_losing_a_device() {
    let (street, site) = Street::with_stock(3).await;
    let town = town(&site).await;
    town.placed(&site, json!({"quantity": 2})).await;
    go_by(&site, 60).await;
    let service = street.service();
    let before = service.groups().keys(&town.group).await.expect("keys");
    let refused = town.order(&site, json!({"kind": "rekey"})).await;
    assert_eq!(refused.status, 403, "keys are the administrator's");
    let administrator = site.somebody(Role::Administrator, None).await;
    let new = json!({"projectId": town.project, "kind": "rekey"});
    street.board("board01", |board| board.away = 3);
    let answer = site
        .ask(&administrator, Method::POST, "/api/orders", new.clone())
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let order = text(&answer.json()["id"]);
    while worker::work(&site.app).await.expect("it works") > 0 {}
    // Meanwhile both keys open it, and nobody else comes in with the one that goes.
    let assign = town.order(&site, json!({"quantity": 1})).await;
    assert_eq!(
        (assign.status.as_u16(), &assign.json()["code"]),
        (409, &json!("keys-are-changing"))
    );
    assert_eq!(
        service.groups().keys(&town.group).await.expect("keys"),
        before
    );
    go_by(&site, 600).await;
    assert_eq!(town.read(&site, &order).await["state"], "done");
    let after = service.groups().keys(&town.group).await.expect("keys");
    assert_eq!(after.primary, before.secondary);
    assert_ne!(after.secondary, before.primary);
    for id in ["board00", "board01"] {
        assert!(street.is_let_in(id).await, "{id}");
        assert_eq!(device(&site.app, id).await.2, 2);
    }
}

#[tokio::test]
async fn others_see_nothing_of_an_order() {
    let (_street, site) = Street::with_stock(1).await;
    let town = town(&site).await;
    let order = town.placed(&site, json!({"quantity": 1})).await;
    let elsewhere = site.customer("Elsewhere").await;
    let stranger = site.somebody(Role::Administrator, Some(&elsewhere)).await;
    for path in ["", "/cancel", "/retry", "/test"] {
        let method = if path.is_empty() {
            Method::GET
        } else {
            Method::POST
        };
        let path = format!("/api/orders/{order}{path}");
        assert_eq!(
            site.ask(&stranger, method, &path, Value::Null).await.status,
            404,
            "{path}"
        );
    }
    let new = json!({"projectId": town.project, "quantity": 1});
    assert_eq!(
        site.ask(&stranger, Method::POST, "/api/orders", new)
            .await
            .status,
        404
    );
    assert_eq!(
        site.get(&stranger, "/api/orders").await.json()["items"],
        json!([])
    );
    assert_eq!(
        site.get(&stranger, "/api/devices").await.json()["items"],
        json!([])
    );
    assert_eq!(
        site.get(&stranger, "/api/devices/board00").await.status,
        404
    );
    let driver = site.somebody(Role::Driver, None).await;
    assert_eq!(site.get(&driver, "/api/orders").await.status, 403);
}

#[tokio::test]
async fn a_whole_order_is_tested() {
    let (street, site) = Street::with_stock(2).await;
    let town = town(&site).await;
    let order = town.placed(&site, json!({"quantity": 2})).await;
    go_by(&site, 60).await;
    street.board("board01", |board| board.away = Board::FOREVER);
    let path = format!("/api/orders/{order}/test");
    let answer = site
        .ask(&town.operator, Method::POST, &path, Value::Null)
        .await
        .json();
    assert_eq!(answer["passed"], false);
    assert_eq!(answer["devices"][0]["passed"], true);
    assert!(text(&answer["devices"][1]["problem"]).contains("not connected"));
    let answer = site
        .ask(
            &town.operator,
            Method::POST,
            "/api/devices/board00/test",
            Value::Null,
        )
        .await;
    assert_eq!(answer.json()["passed"], true);
}
