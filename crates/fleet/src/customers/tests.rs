use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::{Value, json};

use crate::people::Role;
use crate::testing::{Answer, Site, Somebody};

async fn patch(site: &Site, who: &Somebody, path: &str, tag: &str, body: Value) -> Answer {
    let request = Request::patch(path)
        .header(header::AUTHORIZATION, format!("Bearer {}", who.token))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::IF_MATCH, tag)
        .body(Body::from(body.to_string()))
        .expect("a request");
    site.send(request).await
}

#[tokio::test]
async fn a_customer_and_a_project_come_change_and_go() {
    let site = Site::new().await;
    let who = site.somebody(Role::Administrator, None).await;
    let post = async |path: &str, body: Value| site.ask(&who, Method::POST, path, body).await;
    let made = post(
        "/api/customers",
        json!({"name": " Town ", "contactEmail": "park@town.example"}),
    )
    .await;
    assert_eq!(made.status, 201, "{made:?}");
    let customer = made.json();
    assert_eq!(
        (&customer["name"], &customer["version"]),
        (&json!("Town"), &json!(1))
    );
    let path = format!("/api/customers/{}", customer["id"].as_str().expect("an id"));

    let changed = patch(
        &site,
        &who,
        &path,
        made.header("etag"),
        json!({"contactPhone": "+32 4"}),
    )
    .await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.json()["contactEmail"], "park@town.example");
    // Of two who read the same, the second is told.
    let late = patch(
        &site,
        &who,
        &path,
        made.header("etag"),
        json!({"name": "City"}),
    )
    .await;
    assert_eq!(
        (late.status.as_u16(), &late.json()["code"]),
        (412, &json!("changed"))
    );

    let project = json!({"customerId": customer["id"], "name": "Market", "postcode": "4040", "latitude": 50.6, "longitude": 5.6});
    let project = post("/api/projects", project).await;
    assert_eq!(project.status, 201, "{project:?}");
    assert_eq!(project.json()["latitude"], 50.6);
    let delete = async || site.ask(&who, Method::DELETE, &path, Value::Null).await;
    let refused = delete().await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["code"]),
        (409, &json!("customer-in-use"))
    );

    let project_path = format!(
        "/api/projects/{}",
        project.json()["id"].as_str().expect("an id")
    );
    let renamed = patch(
        &site,
        &who,
        &project_path,
        project.header("etag"),
        json!({"name": "Square"}),
    )
    .await;
    assert_eq!(
        (
            renamed.json()["name"].as_str(),
            renamed.json()["place"].as_str()
        ),
        (Some("Square"), Some(""))
    );
    let closed = post(&format!("{project_path}/close"), Value::Null).await;
    assert_ne!(closed.json()["closedAt"], Value::Null, "{closed:?}");
    let order = json!({"projectId": project.json()["id"], "quantity": 1});
    let refused = post("/api/orders", order).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["code"]),
        (409, &json!("project-closed"))
    );

    let lonely = post("/api/customers", json!({"name": "Village"}))
        .await
        .json();
    let lonely = format!("/api/customers/{}", lonely["id"].as_str().expect("an id"));
    assert_eq!(
        site.ask(&who, Method::DELETE, &lonely, Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(site.get(&who, &lonely).await.status, 404);

    // Who did what, the latest first.
    let trail = site
        .get(&who, "/api/audit?objectKind=customer&limit=2")
        .await
        .json();
    let actions: Vec<_> = trail["items"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|one| &one["action"])
        .collect();
    assert_eq!(actions, ["customer.delete", "customer.create"]);
    let rest = format!(
        "/api/audit?objectKind=customer&after={}",
        trail["next"].as_str().expect("more")
    );
    assert_eq!(
        site.get(&who, &rest).await.json()["items"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    assert_eq!(
        site.get(&who, "/api/audit?from=2100-01-01T00:00:00Z")
            .await
            .json()["items"],
        json!([])
    );
    assert_eq!(site.get(&who, "/api/audit?from=today").await.status, 400);
}

#[tokio::test]
async fn nobody_reads_what_is_anothers() {
    let site = Site::new().await;
    let (one, other) = (site.customer("One").await, site.customer("Other").await);
    let operator = site.somebody(Role::Operator, Some(&one)).await;
    let new = json!({"customerId": one, "name": "Market"});
    let project = site
        .ask(&operator, Method::POST, "/api/projects", new)
        .await
        .json();
    let path = format!("/api/projects/{}", project["id"].as_str().expect("an id"));
    let stranger = site.somebody(Role::Administrator, Some(&other)).await;
    for path in [&path, &format!("/api/customers/{one}")] {
        assert_eq!(site.get(&stranger, path).await.status, 404);
    }
    assert_eq!(
        site.ask(&stranger, Method::PATCH, &path, json!({"name": "Mine"}))
            .await
            .status,
        404
    );
    assert_eq!(
        site.ask(
            &stranger,
            Method::POST,
            &format!("{path}/close"),
            Value::Null
        )
        .await
        .status,
        404
    );
    for list in ["/api/projects", "/api/audit"] {
        assert_eq!(
            site.get(&stranger, list).await.json()["items"],
            json!([]),
            "{list}"
        );
    }
    let customers = site.get(&stranger, "/api/customers").await.json();
    assert_eq!(customers["items"].as_array().map(Vec::len), Some(1));
    // Nor does anybody make something for another.
    let new = json!({"customerId": one, "name": "Mine"});
    let refused = site
        .ask(&stranger, Method::POST, "/api/projects", new)
        .await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["field"]),
        (400, &json!("customerId"))
    );
    assert_eq!(
        site.ask(
            &stranger,
            Method::POST,
            "/api/customers",
            json!({"name": "X"})
        )
        .await
        .status,
        403
    );
    let driver = site.somebody(Role::Driver, Some(&one)).await;
    for path in [
        "/api/projects",
        "/api/customers",
        "/api/audit",
        "/api/devices",
        path.as_str(),
    ] {
        assert_eq!(site.get(&driver, path).await.status, 403, "{path}");
    }
    // A quote is a letter like any other.
    let quoted = site
        .get(&operator, "/api/projects?customerId=%27%20OR%201%3D1--")
        .await;
    assert_eq!(
        (quoted.status.as_u16(), &quoted.json()["items"]),
        (200, &json!([]))
    );
}

#[tokio::test]
async fn a_place_is_kept_whoever_had_none_before() {
    let site = Site::new().await;
    let admin = site.somebody(Role::Administrator, None).await;
    let town = site.customer("Town").await;
    let nowhere = json!({"customerId": town, "name": "Nowhere"});
    let somewhere =
        json!({"customerId": town, "name": "Market", "latitude": 50.5, "longitude": 5.25});
    // Often enough that each connection has kept its statement, were it one to keep.
    for new in std::iter::repeat_n([nowhere, somewhere], 6).flatten() {
        let made = site
            .ask(&admin, Method::POST, "/api/projects", new.clone())
            .await;
        assert_eq!(made.status, 201, "{made:?}");
        let made = made.json();
        assert_eq!(made["latitude"], new["latitude"]);
        let bay = json!({"projectId": made["id"]});
        let bay = site.ask(&admin, Method::POST, "/api/bays", bay).await;
        let path = format!("/api/bays/{}", bay.json()["id"].as_str().expect("an id"));
        let place =
            json!({"latitude": new["latitude"], "longitude": new["longitude"], "planX": null});
        let placed = site.ask(&admin, Method::PATCH, &path, place).await;
        assert_eq!(placed.status, 200, "{placed:?}");
        assert_eq!(placed.json()["latitude"], new["latitude"]);
    }
}
