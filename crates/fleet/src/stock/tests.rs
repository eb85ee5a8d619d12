use serde_json::{Value, json};

use super::*;
use crate::people::Role;
use crate::testing::street::Street;

#[tokio::test]
async fn a_board_comes_into_stock_by_registering_and_before_it_says_a_word() {
    let (street, site) = Street::with_stock(2).await;
    let operator = site.somebody(Role::Operator, None).await;
    let stock = site.get(&operator, "/api/devices?lifecycle=stock").await;
    let items = stock.json()["items"].as_array().expect("devices").clone();
    let ids: Vec<_> = items.iter().map(|item| item["id"].clone()).collect();
    assert_eq!(ids, ["board00", "board01"]);
    assert_eq!(items[0]["hub"], street.simulator.info().hub_host_name);
    assert_eq!(items[0]["keysVersion"], 1);
    assert_eq!(items[0]["lastSeenAt"], Value::Null);

    // Read again, nothing is new; one more board is.
    let group = site.app.settings.stock_group.clone();
    assert_eq!(read_group(&site.app, &group).await.expect("read"), 0);
    street.image(&site, "board02").await;
    assert_eq!(read_group(&site.app, &group).await.expect("read"), 1);
    let found = site
        .get(&operator, "/api/devices?contains=D02")
        .await
        .json();
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{found}");
    let none = site
        .get(&operator, "/api/devices?contains=%25")
        .await
        .json();
    assert_eq!(none["items"], json!([]), "no pattern, and no SQL");
}

#[tokio::test]
async fn lists_come_in_parts() {
    let (_street, site) = Street::with_stock(3).await;
    let operator = site.somebody(Role::Operator, None).await;
    let first = site.get(&operator, "/api/devices?limit=2").await.json();
    assert_eq!(first["items"].as_array().map(Vec::len), Some(2));
    let next = first["next"].as_str().expect("there is more");
    let rest = site
        .get(&operator, &format!("/api/devices?limit=2&after={next}"))
        .await
        .json();
    assert_eq!(rest["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(rest["next"], Value::Null);
    assert_eq!(
        site.get(&operator, "/api/devices?limit=0").await.status,
        400
    );
}

#[tokio::test]
async fn a_device_is_cut_off_and_let_in_again() {
    let (street, site) = Street::with_stock(1).await;
    let operator = site.somebody(Role::Operator, None).await;
    let post = async |path: &str| {
        site.ask(&operator, axum::http::Method::POST, path, Value::Null)
            .await
    };
    let answer = post("/api/devices/board00/disable").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_ne!(answer.json()["disabledAt"], Value::Null);
    assert_eq!(street.board("board00", |board| board.enabled), Some(false));
    let answer = post("/api/devices/board00/enable").await;
    assert_eq!(answer.json()["disabledAt"], Value::Null);
    assert_eq!(street.board("board00", |board| board.enabled), Some(true));
    assert_eq!(post("/api/devices/nobody/disable").await.status, 404);
}
