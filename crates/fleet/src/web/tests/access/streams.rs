//! What streams tell, and to whom, and for how long.

use axum::http::Method;
use serde_json::{Value, json};

use super::harbour::{Harbour, MARK};
use crate::people::Role;
use crate::testing::stream::Stream;
use crate::testing::{Site, Somebody};

const STREAMS: [&str; 3] = ["/live", "/api/bays/live", "/devices/live"];

/// A bay of the town's, made as an operator makes it; its id.
async fn town_bay(site: &Site, town: &str, operator: &Somebody) -> String {
    let project = json!({"customerId": town, "name": "Market"});
    let project = site
        .ask(operator, Method::POST, "/api/projects", project)
        .await;
    let bay = json!({"projectId": project.json()["id"]});
    let bay = site.ask(operator, Method::POST, "/api/bays", bay).await;
    assert_eq!(bay.status, 201, "{bay:?}");
    bay.json()["id"].as_str().expect("an id").to_owned()
}

async fn change(site: &Site, who: &Somebody, method: Method, path: &str, body: Value) {
    let answer = site.ask(who, method, path, body).await;
    assert!(answer.status.is_success(), "{path}: {answer:?}");
}

#[tokio::test]
async fn nobody_hears_of_what_is_anothers() {
    let harbour = Harbour::new().await;
    let site = &harbour.site;
    let town = site.customer("Town").await;
    let operator = site.somebody(Role::Operator, None).await;
    let own = site
        .somebody(Role::Installer, Some(&harbour.customer))
        .await;
    let bay = town_bay(site, &town, &operator).await;
    let harbours = harbour.id("bays");
    let mut strangers = Vec::new();
    for role in Role::ALL {
        let stranger = site.somebody(role, Some(&town)).await;
        for path in STREAMS {
            if role > Role::Driver || path != "/devices/live" {
                let stream = Stream::open(site, &stranger, path).await;
                strangers.push((format!("{role:?}: {path}"), stream));
            }
        }
    }
    let mut owners = Vec::new();
    for path in STREAMS {
        owners.push((path, Stream::open(site, &own, path).await));
    }
    let begun = site.app.now();
    let (post, patch) = (Method::POST, Method::PATCH);
    let of = |word: &str| format!("/api/{word}/{}", harbour.id(word));
    change(
        site,
        &operator,
        patch.clone(),
        &of("bays"),
        json!({"number": "harbour 2"}),
    )
    .await;
    change(
        site,
        &operator,
        patch.clone(),
        &of("projects"),
        json!({"name": "harbour wall"}),
    )
    .await;
    let acknowledge = format!("{}/acknowledge", of("alarms"));
    change(site, &operator, post.clone(), &acknowledge, Value::Null).await;
    let later = crate::moment::Moment(begun + 3_600_000);
    let booking = json!({"bayId": harbours, "beginsAt": later, "minutes": 30});
    change(site, &harbour.driver, post, "/api/bookings", booking).await;
    let town_path = format!("/api/bays/{bay}");
    change(
        site,
        &operator,
        patch,
        &town_path,
        json!({"number": "town 2"}),
    )
    .await;
    for (path, mut stream) in owners {
        assert!(stream.tells(harbours).await, "{path}: {}", stream.told);
    }
    for (what, mut stream) in strangers {
        assert!(stream.tells(&bay).await, "{what}: {}", stream.told);
        let told = stream.told.to_lowercase();
        let ids = ["bays", "projects", "alarms", "devices"].map(|word| harbour.id(word));
        assert!(!told.contains(MARK), "{what}: {told}");
        assert!(ids.iter().all(|id| !told.contains(id)), "{what}: {told}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_what_it_was_opened_by() {
    let harbour = Harbour::new().await;
    let site = &harbour.site;
    let map = harbour.fill("/api/projects/{id}/map/live");
    let admin = site.somebody(Role::Administrator, None).await;
    for path in STREAMS.into_iter().chain([map.as_str()]) {
        let shut_out = site.somebody(Role::Installer, None).await;
        let mut stream = Stream::open(site, &shut_out, path).await;
        let user = format!("/api/users/{}", shut_out.id);
        change(
            site,
            &admin,
            Method::PATCH,
            &user,
            json!({"disabled": true}),
        )
        .await;
        assert!(stream.ends().await, "{path}");
        let without_token = site.somebody(Role::Installer, None).await;
        let mut stream = Stream::open(site, &without_token, path).await;
        let tokens = site.get(&without_token, "/api/tokens").await.json();
        let token = format!("/api/tokens/{}", tokens[0]["id"].as_str().expect("an id"));
        change(site, &without_token, Method::DELETE, &token, Value::Null).await;
        assert!(stream.ends().await, "{path}");
    }
}

#[tokio::test]
async fn another_role_is_another_stream_at_once() {
    let harbour = Harbour::new().await;
    let site = &harbour.site;
    let admin = site.somebody(Role::Administrator, None).await;
    let installer = site
        .somebody(Role::Installer, Some(&harbour.customer))
        .await;
    let mut stream = Stream::open(site, &installer, "/api/bays/live").await;
    let path = format!("/api/bays/{}", harbour.id("bays"));
    change(site, &admin, Method::PATCH, &path, json!({"number": "7"})).await;
    assert!(stream.tells("\"number\":\"7\"").await);
    assert!(stream.told.contains("harbour-board-1"), "{}", stream.told);
    stream.forget();
    let user = format!("/api/users/{}", installer.id);
    change(
        site,
        &admin,
        Method::PATCH,
        &user,
        json!({"role": "driver"}),
    )
    .await;
    change(site, &admin, Method::PATCH, &path, json!({"number": "8"})).await;
    assert!(stream.tells("\"number\":\"8\"").await);
    // Which board it is is not a driver's business.
    assert!(!stream.told.contains("harbour-board-1"), "{}", stream.told);
}
