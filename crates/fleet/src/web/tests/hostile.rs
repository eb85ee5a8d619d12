//! What somebody hostile writes, sends and uploads.

use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::json;

use super::access::harbour::Harbour;
use super::access::table::{API, PAGES};
use crate::people::Role;
use crate::testing::{Answer, Site, Somebody};

/// Ends every kind of place a text can stand in.
const MARKUP: &str =
    "\"'></title></svg></script><script>alert(1)</script><img src=x onerror=alert(1)>${7*7}";

/// Every text people, devices or other services have written, by its table.
const TEXTS: &[(&str, &str)] = &[
    ("customers", "name contact_name contact_email contact_phone"),
    ("users", "name email"),
    ("projects", "name place postcode contact"),
    ("bays", "number"),
    ("devices", "hub enrollment_group_id"),
    (
        "device_states",
        "reason lamp_colour lamp_pattern lamp_cause",
    ),
    ("order_lines", "problem"),
    ("bookings", "plate lamp_problem"),
    ("alarms", "detail"),
    ("audit", "user_name action object_kind object_id detail"),
    ("api_tokens", "name"),
    ("invitations", "email"),
];

async fn write_markup(harbour: &Harbour) {
    let device = harbour.id("devices");
    let mut tx = harbour.site.app.store.begin().await.expect("a transaction");
    let mut statements = vec![format!(
        "INSERT INTO device_states (device_id, occupancy, heard_at, charge_percent) VALUES ('{device}', 'free', 1, 50)"
    )];
    for (table, columns) in TEXTS {
        let markup = MARKUP.replace('\'', "''");
        let set: Vec<String> = columns
            .split(' ')
            .map(|column| format!("{column} = '{markup}'"))
            .collect();
        // One address is one account's.
        let only = if *table == "users" {
            format!(" WHERE id = '{}'", harbour.driver.id)
        } else {
            String::new()
        };
        statements.push(format!("UPDATE {table} SET {}{only}", set.join(", ")));
    }
    for statement in statements {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut *tx)
            .await
            .expect("it is written");
    }
    tx.commit().await.expect("it is committed");
}

#[tokio::test]
async fn nothing_that_was_written_is_markup_on_any_page_in_any_language() {
    let harbour = Harbour::new().await;
    let site = &harbour.site;
    let house = site.somebody(Role::Administrator, None).await;
    write_markup(&harbour).await;
    let mut shown = 0;
    for language in ["en", "fr", "nl", "de"] {
        let change = json!({"language": language});
        for who in [&house, &harbour.driver] {
            let answer = site
                .ask(who, Method::PATCH, "/api/me", change.clone())
                .await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        for page in PAGES.iter().filter(|page| page.path != "/live") {
            for who in [&house, &harbour.driver] {
                let answer = site.page(who, &harbour.fill(page.path)).await;
                if !answer.header("content-type").starts_with("text/html") {
                    continue;
                }
                let what = format!("{language}: {}: {}", page.path, answer.text);
                shown += usize::from(answer.text.contains("alert(1)"));
                assert!(!answer.text.contains("<script>"), "{what}");
                assert!(!answer.text.contains("<img src=x"), "{what}");
                assert!(!answer.text.contains("\"'>"), "{what}");
                // Nothing on a page is a script but files of ours, and the policy says so to browsers.
                for tag in answer.text.split("<script").skip(1) {
                    let tag = tag.split('>').next().unwrap_or_default();
                    assert!(tag.contains("src=\"/assets/"), "{what}");
                }
                let policy = answer.header("content-security-policy");
                assert!(policy.contains("script-src 'self'"), "{policy}");
                assert!(!policy.contains("unsafe"), "{policy}");
            }
        }
    }
    assert!(shown > 4 * 15, "only {shown} pages show what was written");
    // Scripts write texts as texts.
    let assets = concat!(env!("CARGO_MANIFEST_DIR"), "/assets");
    for file in std::fs::read_dir(assets).expect("a folder").flatten() {
        let script = std::fs::read_to_string(file.path()).expect("a text");
        for way in [
            ".innerHTML =",
            ".outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
        ] {
            assert!(!script.contains(way), "{file:?}: {way}");
        }
    }
}

#[tokio::test]
async fn what_is_too_long_is_refused() {
    let site = Site::new().await;
    let admin = site.somebody(Role::Administrator, None).await;
    let long = json!({"name": "x".repeat(2 << 20)});
    let answer = site
        .ask(&admin, Method::POST, "/api/customers", long.clone())
        .await;
    assert_eq!(answer.status, 413, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let form = Request::post("/sign-in")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(format!(
            "email=a&password={}",
            "x".repeat(2 << 20)
        )));
    assert_eq!(site.send(form.expect("a request")).await.status, 413);
    let deep = "[".repeat(100_000);
    let deep = Request::post("/api/customers")
        .header(header::AUTHORIZATION, format!("Bearer {}", admin.token))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(format!("{{\"name\":{deep}")));
    assert_eq!(site.send(deep.expect("a request")).await.status, 400);
}

async fn upload(harbour: &Harbour, who: &Somebody, kind: &str, picture: Vec<u8>) -> Answer {
    let request = Request::put(harbour.fill("/api/projects/{id}/plan"))
        .header(header::AUTHORIZATION, format!("Bearer {}", who.token))
        .header(header::CONTENT_TYPE, kind)
        .body(Body::from(picture));
    harbour.site.send(request.expect("a request")).await
}

#[tokio::test]
async fn a_plan_is_a_picture_and_nothing_else() {
    let harbour = Harbour::new().await;
    let installer = harbour
        .site
        .somebody(Role::Installer, Some(&harbour.customer))
        .await;
    let script = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    // Whatever it says it is.
    for kind in ["image/svg+xml", "image/png", "text/html"] {
        let answer = upload(&harbour, &installer, kind, script.to_vec()).await;
        assert_eq!(answer.status, 415, "{kind}: {answer:?}");
    }
    let mut picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10\x08\x06".to_vec();
    picture.extend(script);
    picture.resize(3 << 20, 0);
    let answer = upload(&harbour, &installer, "text/html", picture.clone()).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let path = harbour.fill("/api/projects/{id}/plan");
    let shown = harbour.site.get(&installer, &path).await;
    // A browser takes it for nothing but a picture, and runs nothing in it.
    assert_eq!(shown.header("content-type"), "image/png");
    assert_eq!(shown.header("x-content-type-options"), "nosniff");
    assert!(
        shown
            .header("content-security-policy")
            .contains("default-src 'none'")
    );
    picture.resize((8 << 20) + 1, 0);
    let answer = upload(&harbour, &installer, "image/png", picture).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    let endless = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xff\xff\xff\xff\xff\xff\xff\x08\x06".to_vec();
    let answer = upload(&harbour, &installer, "image/png", endless).await;
    assert_eq!(answer.status, 415, "{answer:?}");
}

#[tokio::test]
async fn a_foreign_page_reaches_nothing_that_changes_something() {
    let harbour = Harbour::new().await;
    let forms = [
        "/sign-in",
        "/sign-out",
        "/approve",
        "/setup/{token}",
        "/invitation/{token}",
    ];
    let forms = forms.iter().map(|path| ("POST", *path));
    let operations = API.iter().map(|(method, path, _)| (*method, *path));
    for (method, path) in operations
        .chain(forms)
        .filter(|(method, _)| *method != "GET")
    {
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
        ] {
            let request = Request::builder()
                .method(method)
                .uri(harbour.fill(path))
                .header(header::COOKIE, "cow-fleet=whatever")
                .header(header::HOST, "parking.example")
                .header(name, value)
                .body(Body::empty());
            let answer = harbour.site.send(request.expect("a request")).await;
            let code = answer.json()["code"].clone();
            assert_eq!(
                (answer.status.as_u16(), code),
                (403, json!("cross-site")),
                "{method} {path}"
            );
        }
    }
}
