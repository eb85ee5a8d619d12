//! Every route there is, asked by everybody who should not be answered. The routes come from the service's own
//! description, so one that is added tomorrow is walked as well.

use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::{Map, Value, json};

use crate::app::new_id;
use crate::people::Role;
use crate::testing::{Site, Somebody};

/// Stands in whatever is the harbour's: whoever is not of the harbour never reads it.
const MARK: &str = "harbour";

/// What the harbour has, by the word that stands before it in addresses.
struct Harbour {
    site: Site,
    customer: String,
    ids: Vec<(&'static str, String)>,
}

impl Harbour {
    async fn new() -> Self {
        let site = Site::new().await;
        let customer = site.customer("The harbour").await;
        let driver = site.somebody(Role::Driver, Some(&customer)).await;
        let (project, order, bay, booking, alarm, hook, token, invitation) = (
            new_id(),
            new_id(),
            new_id(),
            new_id(),
            new_id(),
            new_id(),
            new_id(),
            new_id(),
        );
        let device = "harbour-board-1";
        let user = &driver.id;
        let statements = [
            format!("UPDATE users SET name = 'harbour driver' WHERE id = '{user}'"),
            format!(
                "INSERT INTO projects (id, customer_id, name, enrollment_group_id, created_at) VALUES ('{project}', '{customer}', 'harbour quay', 'harbour-group', 1)"
            ),
            format!(
                "INSERT INTO devices (id, hub, device_id, lifecycle, project_id, first_seen_at) VALUES ('{device}', 'hub.example', '{device}', 'project', '{project}', 1)"
            ),
            format!(
                "INSERT INTO orders (id, project_id, kind, quantity, state, created_by, created_at) VALUES ('{order}', '{project}', 'assign', 1, 'done', '{user}', 1)"
            ),
            format!(
                "INSERT INTO order_lines (order_id, device_id, state, begun_at, updated_at) VALUES ('{order}', '{device}', 'joined', 1, 1)"
            ),
            format!(
                "INSERT INTO bays (id, project_id, device_id, number, created_at) VALUES ('{bay}', '{project}', '{device}', 'harbour 1', 1)"
            ),
            format!(
                "INSERT INTO bookings (id, bay_id, user_id, plate, begins_at, ends_at, state, created_at) VALUES ('{booking}', '{bay}', '{user}', 'harbour', 1, 2, 'over', 1)"
            ),
            format!(
                "INSERT INTO alarms (id, device_id, bay_id, kind, detail, raised_at) VALUES ('{alarm}', '{device}', '{bay}', 'silence', 'harbour', 1)"
            ),
            format!(
                "INSERT INTO webhooks (id, customer_id, url, secret, events, created_at) VALUES ('{hook}', '{customer}', 'https://harbour.example/', 'harbour', '[]', 1)"
            ),
            format!(
                "INSERT INTO api_tokens (id, token_hash, user_id, name, created_at) VALUES ('{token}', 'harbour', '{user}', 'harbour', 1)"
            ),
            format!(
                "INSERT INTO invitations (id, token_hash, role, email, customer_id, created_at, expires_at) VALUES ('{invitation}', 'harbour', 'driver', 'new@harbour.example', '{customer}', 1, {})",
                i64::MAX
            ),
            format!(
                "INSERT INTO audit (at, user_name, customer_id, action, object_kind, object_id) VALUES (1, 'harbour master', '{customer}', 'project.create', 'project', '{project}')"
            ),
        ];
        let mut tx = site.app.store.begin().await.expect("a transaction");
        for statement in statements {
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
                .execute(&mut *tx)
                .await
                .expect("it is written");
        }
        tx.commit().await.expect("it is committed");
        let ids = vec![
            ("customers", customer.clone()),
            ("projects", project),
            ("orders", order),
            ("bays", bay),
            ("bookings", booking),
            ("alarms", alarm),
            ("webhooks", hook),
            ("tokens", token),
            ("invitations", invitation),
            ("users", driver.id),
            ("devices", device.to_owned()),
            ("stock", device.to_owned()),
        ];
        Self {
            site,
            customer,
            ids,
        }
    }

    fn id(&self, word: &str) -> &str {
        let found = self.ids.iter().find(|(known, _)| *known == word);
        found.map_or("harbour-board-1", |(_, id)| id)
    }

    /// An address with the harbour's ids in it.
    fn fill(&self, path: &str) -> String {
        let mut before = "";
        let mut parts = Vec::new();
        for part in path.split('/') {
            parts.push(if part.starts_with('{') {
                self.id(before)
            } else {
                part
            });
            before = part;
        }
        parts.join("/")
    }

    /// The least body a description allows, about what is the harbour's.
    fn body(&self, document: &Value, operation: &Value) -> Value {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            return Value::Null;
        }
        self.value("", document, schema)
    }

    fn value(&self, name: &str, document: &Value, schema: &Value) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let pointer = reference.trim_start_matches('#');
            let target = document.pointer(pointer).expect("a schema");
            return self.value(name, document, target);
        }
        if let Some(first) = schema["oneOf"].as_array().and_then(|all| all.last()) {
            return self.value(name, document, first);
        }
        if let Some(first) = schema["enum"].as_array().and_then(|all| all.first()) {
            return first.clone();
        }
        let kind = schema["type"]
            .as_str()
            .or_else(|| schema["type"][0].as_str());
        match kind.unwrap_or("object") {
            "string" if name == "customerId" => json!(self.customer),
            "string" if name.ends_with("Id") => {
                json!(self.id(&format!("{}s", name.trim_end_matches("Id"))))
            }
            "string" if schema["format"] == "date-time" => json!("2026-11-21T13:00:00Z"),
            "string" if name == "url" => json!("https://town.example/"),
            "string" => json!("town"),
            "integer" | "number" => json!(1),
            "boolean" => json!(true),
            "array" => json!([self.value(name, document, &schema["items"])]),
            _ => {
                let required = schema["required"].as_array().into_iter().flatten();
                let wanted = schema["properties"].as_object();
                let mut members = Map::new();
                for member in required.filter_map(Value::as_str) {
                    members.insert(
                        member.to_owned(),
                        self.value(member, document, &schema["properties"][member]),
                    );
                }
                // What is whose is said even where it need not be.
                for member in ["customerId", "projectId", "bayId"] {
                    if wanted.is_some_and(|all| all.contains_key(member)) {
                        let schema = &schema["properties"][member];
                        members.insert(member.to_owned(), self.value(member, document, schema));
                    }
                }
                Value::Object(members)
            }
        }
    }
}

/// Routes that nobody has to be known for.
const OPEN: [&str; 3] = [
    "/api/openapi.json",
    "/oauth/device_authorization",
    "/oauth/token",
];

#[tokio::test]
async fn nobody_reads_or_changes_what_is_not_theirs() {
    let harbour = Harbour::new().await;
    let site = &harbour.site;
    let town = site.customer("Town").await;
    let mut strangers = Vec::new();
    for role in Role::ALL {
        strangers.push((role, site.somebody(role, Some(&town)).await));
    }
    let nobody = Somebody {
        id: String::new(),
        token: "nobody".into(),
    };
    let house = site.somebody(Role::Administrator, None).await;
    let document = site.get(&house, "/api/openapi.json").await.json();
    let mut walked = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let filled = harbour.fill(path);
        let is_one = path.contains('{');
        for (method, operation) in operations.as_object().expect("operations") {
            let Ok(method) = method.to_uppercase().parse::<Method>() else {
                continue;
            };
            let body = harbour.body(&document, operation);
            let what = format!("{method} {filled} {body}");
            // What is published is for everybody, and here nothing is.
            if !OPEN.contains(&path.as_str()) && !path.starts_with("/open-data/") {
                let answer = site
                    .ask(&nobody, method.clone(), &filled, body.clone())
                    .await;
                assert_eq!(answer.status, 401, "nobody: {what}: {answer:?}");
            }
            for (role, stranger) in &strangers {
                // Streams have no end; what they tell is tested where they are.
                if operation["responses"]["200"]["content"]["text/event-stream"].is_object() {
                    continue;
                }
                let answer = site
                    .ask(stranger, method.clone(), &filled, body.clone())
                    .await;
                let status = answer.status.as_u16();
                assert!(status < 500, "{role:?}: {what}: {answer:?}");
                let told = answer.text.to_lowercase();
                let asked = filled.to_lowercase();
                // What somebody wrote may be said back to them.
                let told = told.replace(&asked, "").replace("harbour-board-1", "");
                assert!(!told.contains(MARK), "{role:?}: {what}: {answer:?}");
                let is_about_harbour = is_one || body.to_string().contains(&harbour.customer);
                if is_about_harbour && !path.starts_with("/api/me") {
                    assert!(status >= 400, "{role:?}: {what}: {answer:?}");
                }
                walked += 1;
            }
        }
    }
    assert!(walked > 100, "only {walked}");
    // The same requests are answered to whoever may ask, so the ids are the right ones.
    for word in ["customers", "projects", "orders", "devices", "users"] {
        let path = format!("/api/{word}/{}", harbour.id(word));
        let answer = site.get(&house, &path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(
            answer.text.to_lowercase().contains(MARK),
            "{path}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn pages_show_nobody_what_is_not_theirs() {
    let harbour = Harbour::new().await;
    let site = &harbour.site;
    let town = site.customer("Town").await;
    let house = site.somebody(Role::Administrator, None).await;
    let mut strangers = vec![site.somebody(Role::Driver, None).await];
    for role in Role::ALL {
        strangers.push(site.somebody(role, Some(&town)).await);
    }
    let open = async |who: &Somebody, path: &str| {
        let request = Request::get(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", who.token))
            .header(header::ACCEPT, "text/html")
            .body(Body::empty());
        site.send(request.expect("a request")).await
    };
    for (path, is_one) in [
        ("/customers", false),
        ("/customers/{id}", true),
        ("/projects", false),
        ("/projects/{id}", true),
        ("/orders", false),
        ("/orders/{id}", true),
        ("/stock", false),
        ("/stock/{id}", true),
        ("/audit", false),
        ("/people", false),
    ] {
        let path = harbour.fill(path);
        let seen = open(&house, &path).await;
        assert_eq!(seen.status, 200, "{path}: {seen:?}");
        assert!(seen.text.to_lowercase().contains(MARK), "{path}");
        for stranger in &strangers {
            let answer = open(stranger, &path).await;
            let told = answer.text.to_lowercase();
            assert!(!told.contains(MARK), "{path}: {answer:?}");
            if is_one {
                assert!(
                    matches!(answer.status.as_u16(), 403 | 404),
                    "{path}: {answer:?}"
                );
            }
        }
        let nobody = Request::get(&path)
            .header(header::ACCEPT, "text/html")
            .body(Body::empty());
        let answer = site.send(nobody.expect("a request")).await;
        assert_eq!(answer.status, 303, "{path}");
    }
}
