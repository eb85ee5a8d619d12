use std::sync::Mutex;

use axum::http::Method;
use serde_json::json;

use super::*;
use crate::people::Role;
use crate::settings::{HubStrings, Settings};
use crate::testing::{Site, Somebody};

/// A hub with some devices, which notes what it was asked.
struct Known {
    host: &'static str,
    devices: &'static [&'static str],
    asked: Mutex<Vec<String>>,
}

impl Known {
    fn new(host: &'static str, devices: &'static [&'static str]) -> Arc<Self> {
        Arc::new(Self {
            host,
            devices,
            asked: Mutex::default(),
        })
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("a lock"))
    }

    fn note(&self, device_id: &str) -> Result<(), HubError> {
        self.asked
            .lock()
            .expect("a lock")
            .push(device_id.to_owned());
        if self.devices.contains(&device_id) {
            Ok(())
        } else {
            Err(HubError::Unknown)
        }
    }
}

impl Hub for Known {
    fn hosts(&self) -> Vec<String> {
        vec![self.host.to_owned()]
    }

    fn invoke<'a>(&'a self, call: Call<'a>) -> Asked<'a, MethodAnswer> {
        Box::pin(async move {
            self.note(call.device_id)?;
            Ok(MethodAnswer {
                status: 200,
                payload: json!({"passed": true, "parts": []}),
            })
        })
    }

    fn twin<'a>(&'a self, id: &'a str, _: Option<&'a str>) -> Asked<'a, Option<Value>> {
        Box::pin(async move { Ok(self.note(id).is_ok().then(|| json!({"of": self.host}))) })
    }

    fn patch_twin<'a>(&'a self, id: &'a str, _: Option<&'a str>, _: Value) -> Asked<'a, ()> {
        Box::pin(async move { self.note(id) })
    }

    fn device<'a>(&'a self, id: &'a str) -> Asked<'a, Option<Value>> {
        Box::pin(async move { Ok(self.note(id).is_ok().then(|| json!({"of": self.host}))) })
    }

    fn enable<'a>(&'a self, id: &'a str, _: bool) -> Asked<'a, ()> {
        Box::pin(async move { self.note(id) })
    }

    fn delete<'a>(&'a self, id: &'a str) -> Asked<'a, ()> {
        Box::pin(async move { self.note(id) })
    }
}

/// A service over these hubs, with boards where the provisioning service has put them.
async fn site(hubs: &[Arc<Known>], boards: &[(&str, Option<&str>)]) -> (Site, Somebody) {
    let site = Site::over(|store| {
        let hubs = hubs.iter().map(|hub| Arc::clone(hub) as Arc<dyn Hub>);
        Arc::new(Hubs::new(store, hubs.collect()))
    })
    .await;
    for (id, hub) in boards {
        let mut tx = site.app.store.begin().await.expect("a transaction");
        sqlx::query("INSERT INTO devices (id, device_id, hub, lifecycle, first_seen_at) VALUES ($1, $1, $2, 'stock', 1)")
            .bind((*id).to_owned())
            .bind(hub.map(str::to_owned))
            .execute(&mut *tx)
            .await
            .expect("it is written");
        tx.commit().await.expect("it is committed");
    }
    let operator = site.somebody(Role::Operator, None).await;
    (site, operator)
}

#[tokio::test]
async fn each_device_is_asked_at_its_own_hub() {
    let north = Known::new("north.example", &["a", "c"]);
    let south = Known::new("south.example", &["b", "c", "d"]);
    let boards = [
        ("a", Some("north.example")),
        ("b", Some("SOUTH.example")),
        // It was on the one and is on the other.
        ("c", Some("south.example")),
        ("d", None),
    ];
    let (site, operator) = site(&[north.clone(), south.clone()], &boards).await;
    for (id, at_north, at_south) in [
        ("a", vec!["a"], vec![]),
        ("b", vec![], vec!["b"]),
        ("c", vec![], vec!["c"]),
        ("d", vec!["d"], vec!["d"]),
    ] {
        let path = format!("/api/devices/{id}/test");
        let answer = site.ask(&operator, Method::POST, &path, Value::Null).await;
        assert_eq!(answer.json()["passed"], true, "{id}: {answer:?}");
        assert_eq!(
            (north.asked(), south.asked()),
            (
                at_north.into_iter().map(str::to_owned).collect(),
                at_south.into_iter().map(str::to_owned).collect(),
            )
        );
    }
    let twin = site.app.hub.twin("d", None).await.expect("an answer");
    assert_eq!(twin, Some(json!({"of": "south.example"})));
    assert_eq!(
        site.app.hub.twin("nobody", None).await.expect("an answer"),
        None
    );
    let device = site.get(&operator, "/api/devices/b").await.json();
    assert_eq!(device["isElsewhere"], false);
}

#[tokio::test]
async fn a_device_on_a_hub_of_somebody_else_is_said_to_be_there() {
    let north = Known::new("north.example", &["a"]);
    let boards = [("a", Some("an-alias")), ("z", Some("west.example"))];
    let (site, operator) = site(std::slice::from_ref(&north), &boards).await;
    // The only hub there is may have another name there.
    let answer = site
        .ask(&operator, Method::POST, "/api/devices/a/test", Value::Null)
        .await;
    assert_eq!(answer.json()["passed"], true, "{answer:?}");

    let answer = site
        .ask(&operator, Method::POST, "/api/devices/z/test", Value::Null)
        .await;
    assert_eq!(answer.json()["passed"], false);
    let problem = answer.json()["problem"].to_string();
    assert!(
        problem.contains("is on hub west.example, which this service does not speak to"),
        "{problem}"
    );
    let error = site
        .app
        .hub
        .enable("z", false)
        .await
        .expect_err("it is elsewhere");
    let problem = crate::problem::Problem::from(error);
    assert_eq!((problem.status, problem.code), (409, "device-elsewhere"));
    let device = site.get(&operator, "/api/devices/z").await.json();
    assert_eq!(
        (&device["hub"], &device["isElsewhere"]),
        (&json!("west.example"), &json!(true))
    );
    let page = site.get(&operator, "/stock/z").await;
    assert!(
        page.text.contains("not spoken to by this service"),
        "{}",
        page.text
    );
}

#[test]
fn how_far_is_read_is_written_under_a_name_of_each_hubs_own() {
    let strings = |host: &str, name: &str| HubStrings {
        service: String::new(),
        events: format!(
            "Endpoint=sb://{host}/;SharedAccessKeyName=service;SharedAccessKey=c2VjcmV0;EntityPath={name}"
        ),
    };
    let names = |hubs: Vec<HubStrings>| {
        let settings = Settings {
            hubs,
            ..crate::testing::settings(String::new())
        };
        let sources = crate::ingest::sources(&settings).into_iter();
        sources.map(|source| source.name).collect::<Vec<_>>()
    };
    let (north, south) = (strings("n.example", "north"), strings("s.example", "south"));
    assert_eq!(names(vec![north.clone()]), ["north"]);
    assert_eq!(names(vec![north.clone(), south]), ["north", "south"]);
    let twin = strings("s.example", "north");
    assert_eq!(
        names(vec![north, twin]),
        ["n.example:5671/north", "s.example:5671/north"]
    );
}
