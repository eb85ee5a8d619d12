//! What the harbour has: one of everything, and requests about it.

use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::{Map, Value, json};

use crate::app::new_id;
use crate::people::Role;
use crate::testing::{Site, Somebody};

/// Stands in whatever is the harbour's: whoever is not of the harbour never reads it.
pub(in crate::web::tests) const MARK: &str = "harbour";

/// The least a PNG can be and be known as one.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06";

/// What the harbour has, by the word that stands before it in addresses.
pub(in crate::web::tests) struct Harbour {
    pub(in crate::web::tests) site: Site,
    pub(in crate::web::tests) customer: String,
    /// Whose booking and token there are.
    pub(in crate::web::tests) driver: Somebody,
    ids: Vec<(&'static str, String)>,
}

impl Harbour {
    pub(in crate::web::tests) async fn new() -> Self {
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
        sqlx::query("INSERT INTO plans (project_id, media_type, width, height, picture) VALUES ($1, 'image/png', 1, 1, $2)")
            .bind(project.clone())
            .bind(PICTURE.to_vec())
            .execute(&mut *tx)
            .await
            .expect("it is written");
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
            ("users", driver.id.clone()),
            ("devices", device.to_owned()),
            ("stock", device.to_owned()),
        ];
        Self {
            site,
            customer,
            driver,
            ids,
        }
    }

    pub(in crate::web::tests) fn id(&self, word: &str) -> &str {
        let found = self.ids.iter().find(|(known, _)| *known == word);
        found.map_or("harbour-board-1", |(_, id)| id)
    }

    /// An address with the harbour's ids in it.
    pub(in crate::web::tests) fn fill(&self, path: &str) -> String {
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

    /// The least request a description allows, about what is the harbour's; and its body, as far as it is text.
    pub(in crate::web::tests) fn request(
        &self,
        who: Option<&Somebody>,
        (method, path): (&Method, &str),
        document: &Value,
    ) -> (Request<Body>, String) {
        let operation = &document["paths"][path][method.as_str().to_lowercase()];
        let content = &operation["requestBody"]["content"];
        let kind = content.as_object().and_then(|all| all.keys().next());
        let body = match kind.map(String::as_str) {
            Some("application/json") => {
                let body = self.value("", document, &content["application/json"]["schema"]);
                body.to_string().into_bytes()
            }
            Some("image/png") => PICTURE.to_vec(),
            Some("text/csv") => b"registrationId\nboard\n".to_vec(),
            _ => Vec::new(),
        };
        let mut request = Request::builder().method(method).uri(self.fill(path));
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        if let Some(who) = who {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", who.token));
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        let request = request.body(Body::from(body)).expect("a request");
        (request, text)
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
