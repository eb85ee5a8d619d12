//! A map as it is asked for, and as it is followed.

use axum::http::Method;
use serde_json::{Value, json};

use crate::app::new_id;
use crate::people::Role;
use crate::store::Kind;
use crate::testing::stream::Stream;
use crate::testing::{Site, Somebody};

/// A project with so many bays on its plan and on the earth, one in three of them free, the others silent.
async fn lot(count: usize) -> (Site, Somebody, String) {
    let site = Site::new().await;
    let customer = site.customer("Town").await;
    let project = new_id();
    let mut sql = format!(
        "INSERT INTO projects (id, customer_id, name, enrollment_group_id, created_at)
         VALUES ('{project}', '{customer}', 'Market', 'g', 1);"
    );
    let now = site.app.now();
    for number in 0..count {
        let part = (number as f64 + 0.5) / count as f64;
        let (longitude, latitude) = (5.0 + part, 50.0 + part);
        sql.push_str(&format!(
            "INSERT INTO devices (id, lifecycle, project_id, first_seen_at) VALUES ('d{number}', 'project', '{project}', 1);
             INSERT INTO bays (id, project_id, device_id, number, longitude, latitude, plan_x, plan_y, created_at)
             VALUES ('b{number}', '{project}', 'd{number}', '{number}', {longitude}, {latitude}, {part}, 0.5, 1);"
        ));
        if number % 3 == 0 {
            sql.push_str(&format!(
                "INSERT INTO device_states (device_id, occupancy, occupancy_since, heard_at)
                 VALUES ('d{number}', 'free', {now}, {now});"
            ));
        }
    }
    write(&site, &sql).await;
    let operator = site.somebody(Role::Operator, Some(&customer)).await;
    (site, operator, project)
}

async fn write(site: &Site, sql: &str) {
    let mut tx = site.app.store.begin().await.expect("a transaction");
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
        .execute(&mut *tx)
        .await;
    done.expect("it is written");
    tx.commit().await.expect("it is committed");
}

fn numbers(seen: &Value) -> Vec<&str> {
    let bays = seen["bays"].as_array().expect("bays");
    let mut numbers: Vec<&str> = bays
        .iter()
        .filter_map(|bay| bay["number"].as_str())
        .collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test]
async fn only_what_is_in_the_frame_is_told_and_all_of_it_is_counted() {
    let (site, operator, project) = lot(9).await;
    let path = format!("/api/projects/{project}/map");
    let all = site.get(&operator, &path).await.json();
    assert_eq!(numbers(&all).len(), 9);
    assert_eq!(all["counts"], json!({"free": 3, "unknown": 6}));
    let left = site
        .get(
            &operator,
            &format!("{path}?left=0&right=0.3&top=0&bottom=1"),
        )
        .await;
    assert_eq!(numbers(&left.json()), ["0", "1", "2"]);
    assert_eq!(left.json()["counts"], all["counts"]);
    let above = site
        .get(&operator, &format!("{path}?bottom=0.4"))
        .await
        .json();
    assert_eq!(numbers(&above), Vec::<&str>::new());
    // On the earth north is up.
    let north = format!("{path}?ground=earth&left=5&top=51&right=6&bottom=50.8");
    assert_eq!(
        numbers(&site.get(&operator, &north).await.json()),
        ["7", "8"]
    );
}

#[tokio::test]
async fn too_many_are_shown_as_groups_with_what_they_show() {
    let (site, operator, project) = lot(90).await;
    let path = format!("/api/projects/{project}/map?left=0&right=1&top=0&bottom=1&most=20");
    let seen = site.get(&operator, &path).await.json();
    let clusters = seen["clusters"].as_array().expect("clusters");
    assert!(!clusters.is_empty() && clusters.len() <= 5, "{seen}");
    let sum = |of: fn(&Value) -> &Value| {
        clusters
            .iter()
            .filter_map(|one| of(one).as_u64())
            .sum::<u64>()
    };
    assert_eq!(sum(|one| &one["count"]) as usize + numbers(&seen).len(), 90);
    assert_eq!(sum(|one| &one["signs"]["free"]), 30);
    // Near enough, each is by itself.
    let near = format!("/api/projects/{project}/map?left=0&right=0.1&top=0&bottom=1&most=20");
    assert_eq!(numbers(&site.get(&operator, &near).await.json()).len(), 9);
}

#[tokio::test]
async fn a_bay_without_a_place_is_named_beside_the_map() {
    let (site, operator, project) = lot(2).await;
    write(
        &site,
        "UPDATE bays SET latitude = NULL, longitude = NULL WHERE id = 'b1'",
    )
    .await;
    let path = format!("/api/projects/{project}/map?ground=earth");
    let seen = site.get(&operator, &path).await.json();
    assert_eq!(numbers(&seen), ["0"]);
    assert_eq!(seen["unplaced"][0]["number"], "1");
    assert_eq!(seen["unplaced"][0]["x"], Value::Null);
}

#[tokio::test]
async fn a_frame_that_is_none_names_its_field() {
    let (site, operator, project) = lot(1).await;
    for (query, field) in [
        ("left=1&right=0", "right"),
        ("top=1&bottom=1", "bottom"),
        ("ground=earth&top=50&bottom=51", "bottom"),
        ("left=NaN", "left"),
        ("top=inf", "top"),
        ("most=0", "most"),
        ("most=501", "most"),
        ("apart=-1", "apart"),
        ("apart=NaN", "apart"),
    ] {
        let path = format!("/api/projects/{project}/map?{query}");
        let refused = site.get(&operator, &path).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.json()["field"]),
            (400, &json!(field)),
            "{query}"
        );
    }
    for path in [
        format!("/api/projects/{project}/map?zoom=3"),
        format!("/api/projects/{project}/map?ground=moon"),
    ] {
        assert_eq!(site.get(&operator, &path).await.status, 400, "{path}");
    }
}

#[tokio::test]
async fn a_map_is_for_whoever_sees_the_project() {
    let (site, _, project) = lot(1).await;
    let elsewhere = site.customer("Elsewhere").await;
    let stranger = site.somebody(Role::Administrator, Some(&elsewhere)).await;
    let driver = site.somebody(Role::Driver, None).await;
    for path in [
        format!("/api/projects/{project}/map"),
        format!("/api/projects/{project}/map/live"),
    ] {
        assert_eq!(site.get(&stranger, &path).await.status, 404, "{path}");
    }
    let seen = site
        .get(&driver, &format!("/api/projects/{project}/map"))
        .await;
    assert_eq!(numbers(&seen.json()), ["0"]);
    assert_eq!(
        site.get(&driver, "/api/projects/none/map").await.status,
        404
    );
}

async fn occupied(site: &Site, number: usize) {
    let mut tx = site.app.store.begin().await.expect("a transaction");
    let sql =
        format!("UPDATE device_states SET occupancy = 'occupied' WHERE device_id = 'd{number}'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&mut *tx)
        .await
        .expect("it is written");
    tx.tell(Kind::Bay, format!("b{number}"));
    tx.commit().await.expect("it is committed");
}

#[tokio::test]
async fn what_changes_in_the_frame_is_told_and_what_changes_elsewhere_is_counted() {
    let (site, operator, project) = lot(9).await;
    // Whoever looks first has all of them read, and that is news of its own.
    site.get(&operator, &format!("/api/projects/{project}/map"))
        .await;
    let path = format!("/api/projects/{project}/map/live?left=0&right=0.5&top=0&bottom=1");
    let mut stream = Stream::open(&site, &operator, &path).await;
    let (name, seen) = stream.next().await;
    assert_eq!(
        (&*name, numbers(&seen)),
        ("map", vec!["0", "1", "2", "3", "4"])
    );
    occupied(&site, 6).await;
    let (name, data) = stream.next().await;
    assert_eq!(
        (&*name, &data["counts"]),
        ("counts", &json!({"free": 2, "occupied": 1, "unknown": 6}))
    );
    occupied(&site, 3).await;
    let (name, data) = stream.next().await;
    assert_eq!(&*name, "bays");
    let told = &data["bays"][0];
    assert_eq!(
        (&told["number"], &told["sign"]),
        (&json!("3"), &json!("occupied"))
    );
    assert!(told["x"].is_number());
    // One that is moved into the frame is seen there.
    let change = json!({"planX": 0.1, "planY": 0.1});
    let moved = site
        .ask(&operator, Method::PATCH, "/api/bays/b8", change)
        .await;
    assert_eq!(moved.status, 200);
    let seen = stream.until("map").await;
    assert_eq!(numbers(&seen), ["0", "1", "2", "3", "4", "8"]);
}

#[tokio::test]
async fn groups_are_told_again_when_what_they_show_has_changed() {
    let (site, operator, project) = lot(90).await;
    let path = format!("/api/projects/{project}/map/live?left=0&right=1&top=0&bottom=1&most=20");
    let mut stream = Stream::open(&site, &operator, &path).await;
    let free = |seen: &Value| {
        let clusters = seen["clusters"].as_array().expect("clusters").iter();
        clusters
            .filter_map(|one| one["signs"]["free"].as_u64())
            .sum::<u64>()
    };
    let (_, seen) = stream.next().await;
    assert_eq!(free(&seen), 30);
    occupied(&site, 45).await;
    assert_eq!(free(&stream.until("map").await), 29);
}

#[tokio::test]
async fn ten_thousand_bays_are_a_small_page() {
    let (site, operator, project) = lot(300).await;
    let page = site
        .get(&operator, &format!("/map?project={project}"))
        .await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("/bays/b1"), "a page has no bay in it");
    assert!(page.text.len() < 16 * 1024, "{}", page.text.len());
}
