//! Devices whose bays are booked.

use super::*;

/// One device in a project, and a booking of its bay for tomorrow: the bay's id and the booking's.
async fn booked(site: &Site, town: &Town, driver: &Somebody) -> (String, String) {
    let order = town.placed(site, json!({"quantity": 1})).await;
    go_by(site, 60).await;
    assert_eq!(town.read(site, &order).await["state"], "done");
    crate::bays::adopt::adopt(&site.app).await.expect("a bay");
    let bays = site.get(&town.operator, "/api/bays").await.json();
    let bay = text(&bays["items"][0]["id"]);
    let begins = site.app.now() + 24 * 3_600_000;
    let wish = json!({"bayId": bay, "beginsAt": crate::moment::Moment(begins), "minutes": 60});
    let made = site.ask(driver, Method::POST, "/api/bookings", wish).await;
    assert_eq!(made.status, 201, "{made:?}");
    (bay, text(&made.json()["id"]))
}

#[tokio::test]
async fn a_device_whose_bay_is_booked_goes_only_by_a_word_on_the_bookings() {
    let (street, site) = Street::with_stock(1).await;
    let town = town(&site).await;
    let driver = site.somebody(Role::Driver, None).await;
    let (bay, booking) = booked(&site, &town, &driver).await;
    let back = json!({"kind": "return", "deviceIds": ["board00"]});
    let refused = town.order(&site, back.clone()).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    let refused = refused.json();
    assert_eq!(refused["code"], "bookings-are-open");
    assert_eq!(refused["field"], "bookings");
    assert_eq!(refused["bookings"][0]["id"], booking);
    assert_eq!(refused["bookings"][0]["bay"], "1");
    assert!(
        street.board("board00", |board| board
            .asked
            .iter()
            .all(|(name, _)| name != "reset")),
        "nothing is begun"
    );
    assert_eq!(device(&site.app, "board00").await.0, "project");

    let mut cancel = back;
    cancel["bookings"] = json!("cancel");
    let order = town.placed(&site, cancel).await;
    let path = format!("/api/bookings/{booking}");
    let told = site.get(&driver, &path).await.json();
    assert_eq!(told["state"], "cancelled");
    assert_eq!(told["notices"], json!(["withdrawn"]), "its driver is told");
    let page = site.get(&driver, "/bookings").await;
    assert!(page.text.contains("notice-withdrawn"), "{}", page.text);
    go_by(&site, 60).await;
    assert_eq!(town.read(&site, &order).await["state"], "done");
    crate::bays::adopt::adopt(&site.app)
        .await
        .expect("it leaves");
    let left = site.get(&town.operator, &format!("/api/bays/{bay}")).await;
    assert_eq!(left.json()["deviceId"], Value::Null);
}

#[tokio::test]
async fn bookings_stay_where_another_device_will_watch_the_bay() {
    let (_street, site) = Street::with_stock(1).await;
    let town = town(&site).await;
    let driver = site.somebody(Role::Driver, None).await;
    let (_, booking) = booked(&site, &town, &driver).await;
    let keep = json!({"kind": "return", "deviceIds": ["board00"], "bookings": "keep"});
    let order = town.placed(&site, keep).await;
    go_by(&site, 60).await;
    assert_eq!(town.read(&site, &order).await["state"], "done");
    let path = format!("/api/bookings/{booking}");
    assert_eq!(site.get(&driver, &path).await.json()["state"], "booked");

    // Nor does the project end while somebody counts on it.
    let close = format!("/api/projects/{}/close", town.project);
    let refused = site
        .ask(&town.operator, Method::POST, &close, Value::Null)
        .await;
    assert_eq!(refused.json()["code"], "bookings-are-open", "{refused:?}");
    let cancel = format!("{path}/cancel");
    let done = site
        .ask(&town.operator, Method::POST, &cancel, Value::Null)
        .await;
    assert_eq!(done.status, 200, "{done:?}");
    let closed = site
        .ask(&town.operator, Method::POST, &close, Value::Null)
        .await;
    assert_eq!(closed.status, 200, "{closed:?}");
}

#[tokio::test]
async fn only_a_return_asks_for_it() {
    let (_street, site) = Street::with_stock(1).await;
    let town = town(&site).await;
    for (terms, field) in [
        (json!({"quantity": 1, "bookings": "cancel"}), "bookings"),
        (
            json!({"kind": "return", "deviceIds": ["board00"], "bookings": "forget"}),
            "bookings",
        ),
    ] {
        let answer = town.order(&site, terms).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["field"]),
            (400, &json!(field)),
            "{answer:?}"
        );
    }
}
