//! The service API without sockets: every status it answers with, and what it makes of the hub.

use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Request};
use axum::response::Response;
use hub_proto::sas::Unsigned;
use serde_json::{Value, json};

use super::*;
use crate::hub::Names;
use crate::mailbox::{Delivery, EndReason};
use crate::wire::Connect;

mod assigning;
mod authorization;
mod bulk;
mod configurations;
mod digital_twins;
mod edge_devices;
mod fields;
mod files;
mod identities;
mod jobs;
mod methods;
mod notices;
mod query;
mod restart;
mod transfers;
mod twins;

/// A hub with its service API.
struct Bench {
    services: Services,
}

/// One answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Bench {
    fn new() -> Self {
        Self::with(None)
    }

    fn with(state: Option<&Path>) -> Self {
        Self::of(Hub::open(state, names()).expect("the state can be read"))
    }

    fn of(hub: Hub) -> Self {
        let hub = Arc::new(hub);
        hub.ensure_policies().expect("it can be written");
        let dps = dps::tests::beside(&hub);
        Self {
            services: Services { hub, dps },
        }
    }

    fn hub(&self) -> &Arc<Hub> {
        &self.services.hub
    }

    fn token(&self, policy: &str, audience: &str, expires_in: i64) -> String {
        let key = self.hub().policy_key(policy).expect("a policy");
        let expiry = Timestamp::now().as_second() + expires_in;
        Unsigned::new(audience, expiry)
            .with_policy(policy)
            .sign(&key)
    }

    /// Asks as the owner.
    async fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        self.ask_if(method, path, None, body).await
    }

    async fn ask_if(
        &self,
        method: &str,
        path: &str,
        if_match: Option<&str>,
        body: Value,
    ) -> Answer {
        let token = self.token("iothubowner", "localhost", 60);
        let mut headers = vec![("authorization", token.as_str())];
        headers.extend(if_match.map(|tag| ("if-match", tag)));
        let mark = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{mark}api-version=2021-04-12");
        self.send(method, &path, &headers, body).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send_bytes(method, path, headers, body.into()).await
    }

    async fn send_bytes(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        Answer::of(serve_request(State(self.services.clone()), request).await).await
    }

    async fn made(&self, path: &str, body: Value) -> Value {
        let answer = self.ask("PUT", path, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// Connects a client with its key and subscribes it.
    fn connect(&self, id: &str, filters: &[&str]) -> crate::hub::Attached {
        let identity: Identity = id.parse().expect("an id");
        let key = self.hub().module_key(&identity).expect("registered");
        let expiry = Timestamp::now().as_second() + 60;
        let token = Unsigned::new(&identity.audience("localhost"), expiry).sign(&key);
        let attached = self
            .hub()
            .connect(&connect_packet(&identity, &token), None, None)
            .expect("its key opens it");
        let mut batch = self.hub().batch(&attached);
        let filters: Vec<_> = filters
            .iter()
            .map(|filter| ((*filter).to_owned(), crate::wire::QoS::AtMostOnce))
            .collect();
        batch.subscribe(&filters).expect("the client's own");
        batch.commit().expect("in memory");
        attached
    }
}

fn names() -> Names {
    Names {
        hub: "localhost".into(),
        gateway: "localhost".into(),
        accepted: vec!["localhost".into()],
    }
}

/// Why a client's connection was ended, if it was.
fn ended(attached: &crate::hub::Attached) -> Option<EndReason> {
    attached.mailbox.take(&mut Vec::new()).err()
}

/// What waits for a client.
fn deliveries(attached: &crate::hub::Attached) -> Vec<Delivery> {
    let mut waiting = Vec::new();
    attached
        .mailbox
        .take(&mut waiting)
        .expect("it is connected");
    waiting
}

fn connect_packet(identity: &Identity, token: &str) -> Connect {
    Connect {
        client_id: identity.to_string(),
        clean_session: false,
        keep_alive: 60,
        user_name: Some(hub_proto::user_name::hub(
            "localhost",
            identity,
            "test",
            None,
        )),
        password: Some(axum::body::Bytes::copy_from_slice(token.as_bytes())),
        will: None,
    }
}

impl Answer {
    async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX)
            .await
            .expect("a body");
        let body = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).expect("JSON")
        };
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    /// The number of a refusal, whose header, body and status agree.
    fn refused(&self) -> u32 {
        let name = self.headers.get("iothub-errorcode");
        let name = name.unwrap_or_else(|| panic!("{self:?} is no refusal"));
        let name = name.to_str().expect("a name");
        let message = self.body["Message"].as_str().expect("a message");
        let rest = message
            .strip_prefix(&format!("ErrorCode:{name};E"))
            .unwrap_or_else(|| panic!("{message:?} does not begin with {name}"));
        let number = rest.split(':').next().expect("a number");
        assert!(
            self.body["ExceptionMessage"]
                .as_str()
                .is_some_and(|text| text.starts_with("Tracking ID:"))
        );
        let number: u32 = number.parse().expect("a number");
        assert_eq!(number / 1000, u32::from(self.status));
        number
    }
}
