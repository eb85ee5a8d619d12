//! The hub's service API over REST.

use std::time::Duration;

use bytes::Bytes;
use hub_proto::connection_string::{ConnectionString, Credential};
use hub_proto::method::{MethodRequest, MethodResponse};
use hub_proto::percent;
use hub_proto::sas::Unsigned;
use jiff::Timestamp;
use serde_json::{Value, json};
use transport::Trust;
use transport::http::{Method, Request, Response, header};

use crate::connections::Connections;
use crate::error::ServiceError;

const API_VERSION: &str = "2021-04-12";
/// How long an answer may take that waits for no device.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How much longer than its own time-outs a method's answer may take on its way.
const METHOD_GRACE: Duration = Duration::from_secs(10);
/// How long a token lives, in seconds. Each request is signed anew, so none ever ends in between.
const TOKEN_LIFE: i64 = 3600;
const CONTINUATION: &str = "x-ms-continuation";
const MAX_ITEM_COUNT: &str = "x-ms-max-item-count";

/// A hub, as its operator sees it. Connections stay open between requests. Its `Debug` shows no secret.
#[derive(Debug)]
pub struct HubService {
    connections: Connections,
    credential: Credential,
}

impl HubService {
    /// By the string of a policy: `HostName=…;SharedAccessKeyName=…;SharedAccessKey=…`. The host name may have a
    /// port. No connection is made before it is needed.
    ///
    /// # Errors
    /// [`ServiceError::ConnectionString`], or [`ServiceError::NotAService`] when it is another kind of one.
    pub fn from_connection_string(text: &str, trust: Trust) -> Result<Self, ServiceError> {
        let parsed: ConnectionString = text.parse().map_err(ServiceError::ConnectionString)?;
        let is_service = parsed.identity.is_none()
            && !matches!(
                parsed.credential,
                Credential::Key { policy: None, .. } | Credential::X509
            );
        let (host, port) = split_port(&parsed.host_name, 443)
            .filter(|_| is_service)
            .ok_or(ServiceError::NotAService)?;
        Ok(Self {
            connections: Connections::new(host.to_owned(), port, trust),
            credential: parsed.credential,
        })
    }

    /// The hub's host name, which devices assigned to it know it by.
    #[must_use]
    pub fn host(&self) -> &str {
        self.connections.host()
    }

    /// Invokes a direct method and waits for the answer. A connect time-out of 0 gives up at once on a device that is
    /// not connected.
    ///
    /// # Errors
    /// [`ServiceError::Offline`] and [`ServiceError::DeviceSilent`] among others. A status that the device gave is no
    /// error.
    pub async fn invoke(
        &self,
        device_id: &str,
        module_id: Option<&str>,
        request: &MethodRequest,
    ) -> Result<MethodResponse, ServiceError> {
        let path = format!("{}/methods", twin_path(device_id, module_id));
        let within = request.connect_timeout() + request.response_timeout() + METHOD_GRACE;
        let body =
            serde_json::to_value(request).map_err(|_| ServiceError::Malformed("the method"))?;
        let call = Call::new(Method::POST, path).json(&body).within(within);
        let answer = self.accepted(call).await?;
        serde_json::from_slice(answer.body())
            .map_err(|_| ServiceError::Malformed("the method's answer"))
    }

    /// A device's twin or a module's, whole.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] among others.
    pub async fn twin(
        &self,
        device_id: &str,
        module_id: Option<&str>,
    ) -> Result<Value, ServiceError> {
        let call = Call::new(Method::GET, twin_path(device_id, module_id));
        self.document(call).await
    }

    /// Merges into a twin: `{"tags": …, "properties": {"desired": …}}`; null removes. Returns the twin that it makes.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] among others.
    pub async fn patch_twin(
        &self,
        device_id: &str,
        module_id: Option<&str>,
        patch: &Value,
    ) -> Result<Value, ServiceError> {
        let call = Call::new(Method::PATCH, twin_path(device_id, module_id));
        self.document(call.json(patch).if_match("*".to_owned()))
            .await
    }

    /// A device's identity: `status`, `connectionState`, `lastActivityTime`, and its keys.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] among others.
    pub async fn device(&self, device_id: &str) -> Result<Value, ServiceError> {
        self.document(Call::new(Method::GET, device_path(device_id)))
            .await
    }

    /// Lets a device connect, or ends its connections and lets it no more. Nothing is sent where it is so already.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] among others; [`ServiceError::Changed`] when somebody else changed it meanwhile.
    pub async fn enable(&self, device_id: &str, enabled: bool) -> Result<(), ServiceError> {
        let mut device = self.device(device_id).await?;
        let status = if enabled { "enabled" } else { "disabled" };
        if device["status"] == status {
            return Ok(());
        }
        let etag = device["etag"].as_str().map(|etag| format!("\"{etag}\""));
        device["status"] = json!(status);
        let call = Call::new(Method::PUT, device_path(device_id))
            .json(&device)
            .if_match(etag.unwrap_or_else(|| "*".to_owned()));
        self.accepted(call).await?;
        Ok(())
    }

    /// Takes a device out of the hub, with its modules and twins.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] among others.
    pub async fn delete(&self, device_id: &str) -> Result<(), ServiceError> {
        let call = Call::new(Method::DELETE, device_path(device_id)).if_match("*".to_owned());
        self.accepted(call).await?;
        Ok(())
    }

    /// What a query finds, in pages of at most `page_size`.
    #[must_use]
    pub const fn query(&self, query: String, page_size: u32) -> Pages<'_> {
        Pages {
            service: self,
            query,
            page_size,
            continuation: None,
            is_over: false,
        }
    }

    async fn document(&self, call: Call) -> Result<Value, ServiceError> {
        let answer = self.accepted(call).await?;
        serde_json::from_slice(answer.body())
            .map_err(|_| ServiceError::Malformed("the hub's answer"))
    }

    /// An answer that says yes, or what it says instead.
    async fn accepted(&self, call: Call) -> Result<Response<Bytes>, ServiceError> {
        let mut builder = Request::builder()
            .method(call.method)
            .uri(format!("{}?api-version={API_VERSION}", call.path))
            .header(header::HOST, self.connections.authority())
            .header(header::AUTHORIZATION, self.token())
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8");
        for (name, value) in call.headers {
            builder = builder.header(name, value);
        }
        let request = builder
            .body(call.body)
            .map_err(|_| ServiceError::Malformed("the id, entity tag or continuation"))?;
        let answer = self.connections.exchange(request, call.within).await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status().as_u16();
        Err(ServiceError::of(
            status,
            retry_after(&answer),
            answer.body(),
        ))
    }

    fn token(&self) -> String {
        let (policy, key) = match &self.credential {
            Credential::Signature(token) => return token.clone(),
            Credential::X509 => return String::new(),
            Credential::Key { policy, key } => (policy.as_deref().unwrap_or_default(), key),
        };
        let expiry = Timestamp::now().as_second().saturating_add(TOKEN_LIFE);
        Unsigned::new(self.connections.host(), expiry)
            .with_policy(policy)
            .sign(key)
    }
}

/// The pages of a query.
#[derive(Debug)]
pub struct Pages<'a> {
    service: &'a HubService,
    query: String,
    page_size: u32,
    continuation: Option<String>,
    is_over: bool,
}

impl Pages<'_> {
    /// The next page, which may be empty; `None` after the last. After an error the same page can be asked for again.
    ///
    /// # Errors
    /// As every request.
    pub async fn next(&mut self) -> Result<Option<Vec<Value>>, ServiceError> {
        if self.is_over {
            return Ok(None);
        }
        let mut call = Call::new(Method::POST, "/devices/query".to_owned())
            .json(&json!({"query": self.query}));
        call.headers
            .push((MAX_ITEM_COUNT, self.page_size.to_string()));
        if let Some(continuation) = &self.continuation {
            call.headers.push((CONTINUATION, continuation.clone()));
        }
        let answer = self.service.accepted(call).await?;
        let page: Vec<Value> = serde_json::from_slice(answer.body())
            .map_err(|_| ServiceError::Malformed("a page of the query"))?;
        let next = answer.headers().get(CONTINUATION);
        let next = next.and_then(|next| next.to_str().ok()).map(str::to_owned);
        // The same again would never end.
        if next.is_some() && next == self.continuation {
            return Err(ServiceError::Malformed("the query's continuation"));
        }
        self.is_over = next.as_deref().is_none_or(str::is_empty);
        self.continuation = next;
        Ok(Some(page))
    }
}

/// One request, without what is the same in all.
struct Call {
    method: Method,
    /// With its ids escaped.
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    within: Duration,
}

impl Call {
    const fn new(method: Method, path: String) -> Self {
        Self {
            method,
            path,
            headers: Vec::new(),
            body: Bytes::new(),
            within: ANSWER_WITHIN,
        }
    }

    fn json(mut self, document: &Value) -> Self {
        self.body = Bytes::from(document.to_string());
        self
    }

    fn if_match(mut self, etag: String) -> Self {
        self.headers.push(("if-match", etag));
        self
    }

    const fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }
}

fn device_path(device_id: &str) -> String {
    format!("/devices/{}", percent::encode(device_id))
}

fn twin_path(device_id: &str, module_id: Option<&str>) -> String {
    let device = format!("/twins/{}", percent::encode(device_id));
    match module_id {
        Some(module) => format!("{device}/modules/{}", percent::encode(module)),
        None => device,
    }
}

/// `Retry-After` in seconds.
fn retry_after(answer: &Response<Bytes>) -> Option<Duration> {
    let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

/// Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`.
pub(crate) fn split_port(authority: &str, default: u16) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            // More than one colon is an address of IPv6 without its brackets.
            Some((_, rest)) if rest.contains(':') => (authority, None),
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port != 0)?,
        None => default,
    };
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODw==";

    fn service(text: &str) -> Result<HubService, ServiceError> {
        HubService::from_connection_string(text, Trust::System)
    }

    #[test]
    fn takes_a_policys_connection_string_and_no_other() {
        let policy = format!("SharedAccessKeyName=iothubowner;SharedAccessKey={KEY}");
        let found = service(&format!("HostName=hub.example;{policy}")).expect("a hub");
        assert_eq!(found.connections.authority(), "hub.example");
        let found = service(&format!("HostName=127.0.0.1:8443;{policy}")).expect("a hub");
        assert_eq!(found.connections.authority(), "127.0.0.1:8443");
        assert_eq!(found.host(), "127.0.0.1");
        for other in [
            format!("HostName=hub;DeviceId=d;SharedAccessKey={KEY}"),
            format!("HostName=hub;SharedAccessKey={KEY}"),
            format!("HostName=hub:port;{policy}"),
            format!("HostName=:443;{policy}"),
        ] {
            let error = service(&other).expect_err(&other);
            assert!(matches!(error, ServiceError::NotAService), "{error:?}");
        }
    }

    #[test]
    fn shows_no_key() {
        let text = format!("HostName=hub.example;SharedAccessKeyName=owner;SharedAccessKey={KEY}");
        let service = service(&text).expect("a hub");
        assert!(!format!("{service:?}").contains(KEY));
        assert!(service.token().contains("&skn=owner"));
    }

    #[test]
    fn ids_are_escaped() {
        assert_eq!(twin_path("a/b", Some("c d")), "/twins/a%2Fb/modules/c%20d");
    }
}
