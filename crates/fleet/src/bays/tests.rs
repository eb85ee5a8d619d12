//! The API and the pages of bays, as whoever may and may not asks for them.

use axum::http::Method;
use serde_json::{Value, json};

use crate::app::new_id;
use crate::people::Role;
use crate::testing::{Site, Somebody};
use crate::words::Words;

/// A town with a board in a project; the bay of it.
async fn town() -> (Site, Somebody, String, String) {
    let site = Site::new().await;
    let customer = site.customer("Town").await;
    let (project, device) = (new_id(), "10000000a1b2c3d4");
    let mut tx = site.app.store.begin().await.expect("a transaction");
    for sql in [
        "INSERT INTO projects (id, customer_id, name, enrollment_group_id, created_at) VALUES ($1, $2, 'Market <b>', $1, 1)",
        "INSERT INTO devices (id, lifecycle, project_id, first_seen_at) VALUES ($3, 'project', $1, 1)",
        "INSERT INTO device_states (device_id, occupancy, occupancy_since, heard_at, charge_percent, battery_at)
         VALUES ($3, 'free', $4, $4, 87, $4)",
    ] {
        // Each statement takes what it needs of them.
        let sql = sql
            .replace("$1", &format!("'{project}'"))
            .replace("$2", &format!("'{customer}'"))
            .replace("$3", &format!("'{device}'"))
            .replace("$4", &site.app.now().to_string());
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *tx).await;
        done.expect("it is written");
    }
    tx.commit().await.expect("it is committed");
    super::adopt::adopt(&site.app).await.expect("a bay");
    let operator = site.somebody(Role::Operator, Some(&customer)).await;
    let bays = site.get(&operator, "/api/bays").await.json();
    let id = bays["items"][0]["id"].as_str().expect("a bay").to_owned();
    (site, operator, id, project)
}

#[tokio::test]
async fn drivers_see_what_they_need_and_others_nothing() {
    let (site, operator, id, _) = town().await;
    let path = format!("/api/bays/{id}");
    let whole = site.get(&operator, &path).await.json();
    assert_eq!(whole["deviceId"], "10000000a1b2c3d4");
    assert_eq!(whole["battery"]["chargePercent"], 87);
    assert_eq!(
        (&whole["sign"], &whole["number"]),
        (&json!("free"), &json!("1"))
    );
    let driver = site.somebody(Role::Driver, None).await;
    let seen = site.get(&driver, &path).await.json();
    assert_eq!(seen["occupancy"], "free");
    for hidden in ["deviceId", "battery", "bookings", "heardAt"] {
        assert_eq!(seen[hidden], Value::Null, "{seen}");
    }
    let elsewhere = site.customer("Elsewhere").await;
    let stranger = site.somebody(Role::Administrator, Some(&elsewhere)).await;
    for path in [
        path.clone(),
        format!("/bays/{id}"),
        "/devices/10000000a1b2c3d4".to_owned(),
    ] {
        assert_eq!(site.get(&stranger, &path).await.status, 404, "{path}");
    }
    let body = json!({"bayId": id, "minutes": 30});
    let booked = site
        .ask(&stranger, Method::POST, "/api/bookings", body)
        .await;
    assert_eq!(booked.status, 404);
    assert_eq!(site.get(&driver, "/devices").await.status, 403);
    let sensor = site
        .get(&operator, "/devices/10000000a1b2c3d4/sensors/hc-sr04")
        .await;
    assert_eq!(sensor.json()["occupancy"], "free");
    assert_eq!(site.get(&operator, "/devices/none").await.status, 404);
}

#[tokio::test]
async fn a_bay_is_placed_closed_and_never_by_a_driver() {
    let (site, operator, id, project) = town().await;
    let path = format!("/api/bays/{id}");
    let place = json!({"planX": 0.25, "planY": 0.5, "number": "A 1", "kind": "charging"});
    let placed = site
        .ask(&operator, Method::PATCH, &path, place.clone())
        .await;
    assert_eq!(placed.json()["planX"], 0.25, "{placed:?}");
    for (body, field) in [
        (json!({"planX": 2}), "planX"),
        (json!({"latitude": 50}), "longitude"),
        (json!({"number": " "}), "number"),
        (json!({"deviceId": "nobody"}), "deviceId"),
        (json!({"colour": "red"}), "colour"),
    ] {
        let refused = site.ask(&operator, Method::PATCH, &path, body).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.json()["field"]),
            (400, &json!(field))
        );
    }
    let driver = site.somebody(Role::Driver, None).await;
    assert_eq!(
        site.ask(&driver, Method::PATCH, &path, place).await.status,
        403
    );
    let other = json!({"projectId": project, "number": "A 1"});
    let taken = site.ask(&operator, Method::POST, "/api/bays", other).await;
    assert_eq!(taken.json()["code"], "number-taken", "{taken:?}");
    let closed = site
        .ask(
            &operator,
            Method::PATCH,
            &path,
            json!({"opening": "closed"}),
        )
        .await;
    assert_eq!(closed.json()["sign"], "closed");
    let body = json!({"bayId": id, "minutes": 30});
    let booked = site.ask(&driver, Method::POST, "/api/bookings", body).await;
    assert_eq!(booked.json()["code"], "bay-is-closed");
    let removed = site
        .ask(&operator, Method::DELETE, &path, Value::Null)
        .await;
    assert_eq!(removed.json()["code"], "bay-in-use");
}

#[tokio::test]
async fn a_driver_books_over_the_api_and_sees_only_their_own() {
    let (site, operator, id, _) = town().await;
    let (anna, bert) = (
        site.somebody(Role::Driver, None).await,
        site.somebody(Role::Driver, None).await,
    );
    let body = json!({"bayId": id, "minutes": 30, "plate": "1-abc-234"});
    let booked = site
        .ask(&anna, Method::POST, "/api/bookings", body.clone())
        .await;
    assert_eq!(booked.status, 201, "{booked:?}");
    let booking = booked.json();
    assert_eq!(
        (&booking["plate"], &booking["state"]),
        (&json!("1-ABC-234"), &json!("booked"))
    );
    let second = site.ask(&bert, Method::POST, "/api/bookings", body).await;
    assert_eq!(
        (second.status.as_u16(), &second.json()["code"]),
        (409, &json!("bay-is-booked"))
    );
    let path = format!("/api/bookings/{}", booking["id"].as_str().expect("an id"));
    assert_eq!(site.get(&bert, &path).await.status, 404);
    assert_eq!(
        site.get(&bert, "/api/bookings").await.json()["items"],
        json!([])
    );
    assert_eq!(
        site.get(&operator, "/api/bookings").await.json()["items"][0]["id"],
        booking["id"]
    );
    let here = site
        .ask(
            &anna,
            Method::POST,
            &format!("{path}/check-in"),
            Value::Null,
        )
        .await;
    assert_eq!(here.json()["state"], "in-use", "{here:?}");
    let longer = json!({"endsAt": "2026-11-21T14:00:00Z"});
    assert_eq!(
        site.ask(&anna, Method::PATCH, &path, longer).await.status,
        200
    );
    let gone = site
        .ask(&anna, Method::POST, &format!("{path}/release"), Value::Null)
        .await;
    assert_eq!(gone.json()["state"], "over");
    for (body, field) in [
        (json!({"bayId": id}), "endsAt"),
        (json!({"bayId": id, "minutes": 1}), "minutes"),
        (
            json!({"bayId": id, "minutes": 30, "plate": "<script>"}),
            "plate",
        ),
        (
            json!({"bayId": id, "minutes": 30, "beginsAt": "2020-01-01T00:00:00Z"}),
            "beginsAt",
        ),
        (
            json!({"bayId": id, "minutes": 30, "beginsAt": "soon"}),
            "beginsAt",
        ),
    ] {
        let refused = site.ask(&anna, Method::POST, "/api/bookings", body).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.json()["field"]),
            (400, &json!(field))
        );
    }
}

#[tokio::test]
async fn pages_are_there_escaped_and_in_every_language() {
    let (site, operator, id, project) = town().await;
    for path in [
        "/map".to_owned(),
        format!("/map?project={project}"),
        format!("/bays/{id}"),
        "/bookings".to_owned(),
        "/alarms".to_owned(),
        "/commission".to_owned(),
        "/commission?device=10000000A1B2C3D4".to_owned(),
    ] {
        let page = site.get(&operator, &path).await;
        assert_eq!(page.status, 200, "{path}: {page:?}");
        assert!(!page.text.contains("Market <b>"), "{path}");
    }
    let driver = site.somebody(Role::Driver, None).await;
    assert_eq!(site.get(&driver, "/map").await.status, 200);
    assert_eq!(site.get(&driver, "/alarms").await.status, 403);
    assert_eq!(site.get(&driver, "/commission").await.status, 403);
}

/// Names that are put together are not found by reading the templates.
#[test]
fn every_word_of_a_bay_has_words() {
    use super::bay::Purpose;
    use super::state::{Opening, Sign};
    use crate::bookings::booking::Stage;
    let signs = Sign::ALL.map(Sign::key).into_iter();
    let purposes = Purpose::ALL.map(Purpose::key).into_iter();
    let openings = Opening::ALL.map(Opening::key).into_iter();
    let stages = Stage::ALL
        .map(|stage| format!("stage.{}", stage.as_str()))
        .into_iter();
    let notices = [
        "wrong-car",
        "lamp-failed",
        "ends-soon",
        "overstay",
        "no-show",
    ];
    let notices = notices.map(|notice| format!("notice.{notice}")).into_iter();
    let alarms = ["battery", "silence", "fault", "conflict"].map(|kind| format!("alarm.{kind}"));
    for key in signs
        .chain(purposes)
        .chain(openings)
        .chain(stages)
        .chain(notices)
        .chain(alarms)
    {
        assert_ne!(Words::of("en").text(&key).to_string(), key);
    }
}
