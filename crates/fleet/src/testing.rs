//! What tests of the service begin with: the whole of it over a database of their own (on PostgreSQL where there is one),
//! with people, at an invented time.

mod nowhere;
pub(crate) mod stream;
pub(crate) mod street;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::Response;
use dps_client::service::Service;
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::Value;
use tower::ServiceExt;

use self::nowhere::EmptyHub;
pub(crate) use self::nowhere::settings;
use crate::app::{App, Clock, Parts, new_id};
use crate::hub::Hub;
use crate::people::Role;
use crate::people::secret::Secret;
use crate::store::Store;
use crate::store::testing::{Kept, every};

/// Where the invented time begins: 2026-11-21T12:00:00Z.
pub(crate) const BEGIN_MS: i64 = 1_795_262_400_000;

/// The service, with nobody and nothing in it.
pub(crate) struct Site {
    pub(crate) app: App,
    router: Router,
    clock: Arc<AtomicI64>,
    // Kept for as long as the service is.
    database: Kept,
}

/// Somebody, with a token that opens the API for them.
#[derive(Debug, Clone)]
pub(crate) struct Somebody {
    pub(crate) id: String,
    pub(crate) token: String,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON; `null` where it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }
}

impl Site {
    /// With a hub that knows no device.
    pub(crate) async fn new() -> Self {
        Self::with_hub(Arc::new(EmptyHub)).await
    }

    /// With a hub of the test's own.
    pub(crate) async fn with_hub(hub: Arc<dyn Hub>) -> Self {
        Self::with(hub, None).await
    }

    /// With a hub that needs the database.
    pub(crate) async fn over(hub: impl FnOnce(Store) -> Arc<dyn Hub>) -> Self {
        Self::made(hub, None).await
    }

    /// With a hub and a provisioning service of the test's own; that one by its id scope, too.
    pub(crate) async fn with(hub: Arc<dyn Hub>, provisioning: Option<(Service, String)>) -> Self {
        Self::made(|_| hub, provisioning).await
    }

    async fn made(
        hub: impl FnOnce(Store) -> Arc<dyn Hub>,
        provisioning: Option<(Service, String)>,
    ) -> Self {
        let database = every().await.pop().expect("a database");
        let clock = Arc::new(AtomicI64::new(BEGIN_MS));
        let now = clock.clone();
        let mut settings = settings(database.address.clone());
        let provisioning = match provisioning {
            Some((provisioning, id_scope)) => {
                settings.id_scope = id_scope;
                provisioning
            }
            None => {
                let trust = settings.trust.clone();
                Service::from_connection_string(&settings.provisioning, trust)
                    .expect("a connection string")
            }
        };
        let app = App::new(Parts {
            store: database.store.clone(),
            hub: hub(database.store.clone()),
            provisioning,
            clock: Clock::by(move || {
                Timestamp::from_millisecond(now.load(Ordering::SeqCst)).expect("a time")
            }),
            settings,
        });
        Self {
            router: crate::web::router(app.clone()),
            app,
            clock,
            database,
        }
    }

    /// A second instance on the same database, with the same clock.
    pub(crate) async fn another_instance(&self) -> App {
        let store = Store::open(&self.database.address).await;
        App::new(Parts {
            store: store.expect("the same database"),
            hub: self.app.hub.clone(),
            provisioning: self.app.provisioning.clone(),
            clock: self.app.clock.clone(),
            settings: self.app.settings.clone(),
        })
    }

    /// Lets time go by.
    pub(crate) fn pass(&self, time: Duration) {
        let ms = time.as_millis() as i64;
        self.clock.fetch_add(ms, Ordering::SeqCst);
    }

    /// A customer by this name; its id.
    pub(crate) async fn customer(&self, name: &str) -> String {
        let id = new_id();
        let insert = "INSERT INTO customers (id, name, created_at) VALUES ($1, $2, $3)";
        let mut tx = self.app.store.begin().await.expect("a transaction");
        sqlx::query(insert)
            .bind(id.clone())
            .bind(name.to_owned())
            .bind(self.app.now())
            .execute(&mut *tx)
            .await
            .expect("it is written");
        tx.commit().await.expect("it is committed");
        id
    }

    /// Somebody with this role, of a customer or of none.
    pub(crate) async fn somebody(&self, role: Role, customer: Option<&str>) -> Somebody {
        let (id, secret) = (new_id(), Secret::new("").expect("random numbers"));
        let mut tx = self.app.store.begin().await.expect("a transaction");
        let user =
            "INSERT INTO users (id, email, name, role, customer_id, password_hash, created_at)
                    VALUES ($1, $2, $3, $4, $5, '', $6)";
        sqlx::query(user)
            .bind(id.clone())
            .bind(format!("{id}@town.example"))
            .bind(format!("A {}", role.as_str()))
            .bind(role.as_str())
            .bind(customer.map(str::to_owned))
            .bind(self.app.now())
            .execute(&mut *tx)
            .await
            .expect("it is written");
        let token = "INSERT INTO api_tokens (id, token_hash, user_id, name, created_at) VALUES ($1, $2, $3, 'test', $4)";
        sqlx::query(token)
            .bind(new_id())
            .bind(secret.hash())
            .bind(id.clone())
            .bind(self.app.now())
            .execute(&mut *tx)
            .await
            .expect("it is written");
        tx.commit().await.expect("it is committed");
        let token = secret.reveal().to_owned();
        Somebody { id, token }
    }

    /// Asks with a token, as a program does. `Value::Null` is no body.
    pub(crate) async fn ask(
        &self,
        who: &Somebody,
        method: Method,
        path: &str,
        body: Value,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", who.token));
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Body::from(body.to_string())
        };
        self.send(request.body(body).expect("a request")).await
    }

    /// Reads with a token.
    pub(crate) async fn get(&self, who: &Somebody, path: &str) -> Answer {
        self.ask(who, Method::GET, path, Value::Null).await
    }

    /// Opens a page, with a token where a person has a session.
    pub(crate) async fn page(&self, who: &Somebody, path: &str) -> Answer {
        let request = Request::get(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", who.token))
            .header(header::ACCEPT, "text/html")
            .body(Body::empty());
        self.send(request.expect("a request")).await
    }

    /// Sends a request as it is, and reads nothing of the answer's body: a stream has no end.
    pub(crate) async fn begin(&self, request: Request<Body>) -> Answer {
        let (parts, _) = self.open(request).await.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::new(),
        }
    }

    /// Sends a request as it is, and reads the whole answer.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.open(request).await.into_parts();
        let bytes = body.collect().await.expect("its body").to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// Sends a request as it is; the answer has no end of its own where it is a stream.
    pub(crate) async fn open(&self, request: Request<Body>) -> Response {
        let answer = self.router.clone().oneshot(request).await;
        answer.expect("an answer")
    }
}
