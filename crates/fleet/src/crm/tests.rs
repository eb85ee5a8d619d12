use axum::http::Method;
use serde_json::json;

use crate::people::Role;
use crate::testing::Site;

#[tokio::test]
async fn what_is_made_by_the_api_stands_on_its_pages_and_is_never_markup() {
    let site = Site::new().await;
    let admin = site.somebody(Role::Administrator, None).await;
    let hostile = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>";
    let customer = json!({"name": hostile, "contactName": hostile});
    let customer = site
        .ask(&admin, Method::POST, "/api/customers", customer)
        .await;
    assert_eq!(customer.status, 201, "{customer:?}");
    let customer = customer.json()["id"].as_str().expect("an id").to_owned();
    let project = json!({"customerId": customer, "name": hostile, "place": hostile});
    let project = site
        .ask(&admin, Method::POST, "/api/projects", project)
        .await;
    assert_eq!(project.status, 201, "{project:?}");
    let project = project.json()["id"].as_str().expect("an id").to_owned();
    for path in [
        "/customers".to_owned(),
        format!("/customers/{customer}"),
        "/projects".to_owned(),
        format!("/projects/{project}"),
        "/audit".to_owned(),
        "/people".to_owned(),
    ] {
        let page = site.page(&admin, &path).await;
        assert_eq!(page.status, 200, "{path}: {page:?}");
        assert!(page.text.contains("alert("), "{path} shows what was made");
        assert!(!page.text.contains("<script>alert"), "{path}");
        assert!(!page.text.contains("<img src=x"), "{path}");
    }
    for path in [
        "/orders",
        "/stock",
        "/orders?state=open",
        "/stock?lifecycle=stock&contains=00",
    ] {
        let page = site.page(&admin, path).await;
        assert_eq!(page.status, 200, "{path}: {page:?}");
    }
    let wrong = site.page(&admin, "/orders?state=lost").await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.header("content-type").starts_with("text/html"));
}

#[tokio::test]
async fn pages_speak_the_language_of_whoever_looks() {
    let site = Site::new().await;
    let admin = site.somebody(Role::Administrator, None).await;
    for (language, title) in [
        ("en", "Customers"),
        ("fr", "Clients"),
        ("nl", "Klanten"),
        ("de", "Kunden"),
    ] {
        let change = json!({"language": language});
        let answer = site.ask(&admin, Method::PATCH, "/api/me", change).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let page = site.page(&admin, "/customers").await;
        assert!(
            page.text.contains(&format!("<h1>{title}</h1>")),
            "{language}"
        );
        assert!(page.text.contains(&format!("<html lang=\"{language}\">")));
    }
}
