//! Devices that are away, refuse, or are wanted back.

use super::*;

#[tokio::test]
async fn a_device_that_is_away_is_waited_for_while_the_others_go() {
    let (street, site) = Street::with_stock(2).await;
    street.board("board00", |board| board.away = Board::FOREVER);
    let town = town(&site).await;
    let order = town.placed(&site, json!({"quantity": 2})).await;
    go_by(&site, 600).await;
    let read = town.read(&site, &order).await;
    assert_eq!(
        (&read["state"], states(&read)),
        (&json!("open"), vec!["enrolled", "joined"])
    );
    assert_eq!(read["lines"][0]["problem"], "It is not connected.");
    street.board("board00", |board| board.away = 0);
    go_by(&site, 600).await;
    assert_eq!(town.read(&site, &order).await["state"], "done");
}

#[tokio::test]
async fn lost_answers_and_killed_instances_cost_one_more_question() {
    let (street, site) = Street::with_stock(1).await;
    street.board("board00", |board| board.lost = 2);
    let town = town(&site).await;
    let order = town.placed(&site, json!({"quantity": 1})).await;
    // An instance takes the line and is killed.
    let due = crate::orders::keep::due(&site.app.store, site.app.now(), 9)
        .await
        .expect("a line");
    assert!(
        crate::orders::keep::claim(&site.app.store, &due[0], site.app.now())
            .await
            .expect("claimed")
    );
    assert!(
        !crate::orders::keep::claim(&site.app.store, &due[0], site.app.now())
            .await
            .expect("not again")
    );
    go_by(&site, 60).await;
    assert_eq!(
        states(&town.read(&site, &order).await),
        ["picked"],
        "it is another's"
    );
    go_by(&site, 600).await;
    assert_eq!(town.read(&site, &order).await["state"], "done");
    assert!(street.is_let_in("board00").await);
}

#[tokio::test]
async fn an_instance_that_is_alone_goes_on_at_once_with_what_it_was_killed_at() {
    let (_street, site) = Street::with_stock(1).await;
    let town = town(&site).await;
    let order = town.placed(&site, json!({"quantity": 1})).await;
    let (store, now) = (&site.app.store, site.app.now());
    let due = crate::orders::keep::due(store, now, 9).await;
    let due = due.expect("a line").remove(0);
    let claimed = crate::orders::keep::claim(store, &due, now).await;
    assert!(claimed.expect("it answers"));
    crate::orders::keep::take_up_again(store, now)
        .await
        .expect("it is due");
    go_by(&site, 60).await;
    assert_eq!(town.read(&site, &order).await["state"], "done");
}

#[tokio::test]
async fn a_device_that_refuses_is_given_up_and_tried_again() {
    let (street, site) = Street::with_stock(2).await;
    street.board("board01", |board| board.refuses = Some((502, "no hub")));
    let town = town(&site).await;
    let order = town.placed(&site, json!({"quantity": 2})).await;
    go_by(&site, 600).await;
    let read = town.read(&site, &order).await;
    assert_eq!(
        (&read["state"], states(&read)),
        (&json!("partly"), vec!["joined", "failed"])
    );
    assert_eq!(read["lines"][1]["problem"], "register: no hub");
    assert_eq!(
        device(&site.app, "board01").await.0,
        "stock",
        "it was told nothing it took"
    );
    street.board("board01", |board| board.refuses = None);
    let path = format!("/api/orders/{order}/retry");
    let answer = site
        .ask(&town.operator, Method::POST, &path, Value::Null)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    go_by(&site, 600).await;
    assert_eq!(town.read(&site, &order).await["state"], "done");
    let answer = site
        .ask(&town.operator, Method::POST, &path, Value::Null)
        .await;
    assert_eq!(answer.status, 409, "nothing is left to try");
}

#[tokio::test]
async fn a_device_that_does_not_register_anew_has_not_joined() {
    let (street, site) = Street::with_stock(1).await;
    street.board("board00", |board| board.forgets = true);
    let town = town(&site).await;
    let order = town.placed(&site, json!({"quantity": 1})).await;
    go_by(&site, 1_200).await;
    let read = town.read(&site, &order).await;
    assert_eq!(
        (&read["state"], states(&read)),
        (&json!("failed"), vec!["failed"])
    );
    assert!(text(&read["lines"][0]["problem"]).contains("came back as it was"));
    // Nobody else gets a device of which nobody knows what it is; its return makes that sure.
    assert_eq!(device(&site.app, "board00").await.0, "assigning");
    let back = town
        .placed(&site, json!({"kind": "return", "deviceIds": ["board00"]}))
        .await;
    go_by(&site, 600).await;
    assert_eq!(
        town.read(&site, &back).await["state"],
        "failed",
        "its record is the project's still"
    );
}

#[tokio::test]
async fn a_cancelled_order_gives_its_devices_back() {
    let (street, site) = Street::with_stock(2).await;
    street.board("board00", |board| board.away = Board::FOREVER);
    street.board("board01", |board| board.lost = 1);
    let town = town(&site).await;
    let order = town.placed(&site, json!({"quantity": 2})).await;
    while worker::work(&site.app).await.expect("it works") > 0 {}
    assert_eq!(
        states(&town.read(&site, &order).await),
        ["enrolled", "sent"]
    );
    let path = format!("/api/orders/{order}/cancel");
    let answer = site
        .ask(&town.operator, Method::POST, &path, Value::Null)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        device(&site.app, "board00").await.0,
        "stock",
        "it was never reached"
    );
    assert_eq!(
        device(&site.app, "board01").await.0,
        "resetting",
        "it may have been"
    );
    go_by(&site, 600).await;
    let back = text(&answer.json()["returnOrderId"]);
    assert_eq!(town.read(&site, &back).await["state"], "done");
    assert_eq!(device(&site.app, "board01").await.0, "stock");
    let answer = site
        .ask(&town.operator, Method::POST, &path, Value::Null)
        .await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["code"]),
        (409, &json!("order-over"))
    );
}
