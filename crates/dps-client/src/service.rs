//! The operator's half: the enrolment service's REST API.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use dps_client::service::Service;
//! use hub_proto::dps::enrollment::{Attestation, EnrollmentGroup, Keys, Terms};
//! use transport::Trust;
//!
//! let text = "HostName=mydps.azure-devices-provisioning.net;SharedAccessKeyName=provisioningserviceowner;SharedAccessKey=AAECAwQFBgcICQoLDA0ODw==";
//! let service = Service::from_connection_string(text, Trust::System)?;
//!
//! // Without keys of its own, the group is given some.
//! let attestation = Attestation::SymmetricKey { symmetric_key: Keys::default() };
//! let group = EnrollmentGroup { enrollment_group_id: "stock".to_owned(), terms: Terms::new(attestation) };
//! service.groups().create(&group).await?;
//! let device_key = service.groups().derive_key("stock", &"10000000a1b2c3d4".parse()?).await?;
//!
//! let mut pages = service.groups().query(Some(50));
//! while let Some(groups) = pages.next().await? {
//!     println!("{} groups", groups.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Service::enrollments`] and [`Service::groups`] have the same operations; [`Service::registrations`] reads
//! what came of them. Nothing here tries again by itself: [`ServiceError`] says whether and when that is of use.
//!
//! Group keys stay in this half, as [`GroupKey`]: a device gets [`GroupKey::derive`]'s result and nothing else.

use std::time::Duration;

use bytes::Bytes;
use hub_proto::connection_string::{ConnectionString, Credential};
use hub_proto::dps::enrollment::{EnrollmentGroup, IndividualEnrollment, SERVICE_API_VERSION};
use hub_proto::sas::Unsigned;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use transport::Trust;
use transport::http::{Method, Request, Response, exchange_over_tls, header};
use transport::tls::client_config;

use crate::endpoint::Endpoint;
use crate::https::{authority, connection_error, retry_after};

mod enrollments;
mod error;
mod keys;
mod kind;
mod pages;
mod registrations;

pub use enrollments::{BULK_LIMIT, Enrolled, Enrollments};
pub use error::ServiceError;
pub use keys::{GroupKey, KeyPair, KeySlot};
pub use pages::Pages;
pub use registrations::Registrations;

/// How long a request may take unless it is said otherwise.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How long a token lives, in seconds: as long as every SDK's.
const TOKEN_LIFE: i64 = 3600;

/// A provisioning service, as its operator sees it. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Service {
    host: String,
    port: u16,
    credential: Credential,
    trust: Trust,
    answer_within: Duration,
}

impl Service {
    /// By the string of a policy: `HostName=…;SharedAccessKeyName=…;SharedAccessKey=…`. The host name may
    /// have a port. No connection is made before it is needed.
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
        let endpoint = parsed
            .host_name
            .parse::<Endpoint>()
            .ok()
            .filter(|_| is_service)
            .ok_or(ServiceError::NotAService)?;
        Ok(Self {
            host: endpoint.host,
            port: endpoint.https_port,
            credential: parsed.credential,
            trust,
            answer_within: ANSWER_WITHIN,
        })
    }

    /// On another port than 443.
    #[must_use]
    pub const fn with_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Gives up a request after another time than a minute.
    #[must_use]
    pub const fn with_time_limit(mut self, answer_within: Duration) -> Self {
        self.answer_within = answer_within;
        self
    }

    /// The enrolments of single devices.
    #[must_use]
    pub const fn enrollments(&self) -> Enrollments<'_, IndividualEnrollment> {
        Enrollments::new(self)
    }

    /// The enrolments of many devices at once.
    #[must_use]
    pub const fn groups(&self) -> Enrollments<'_, EnrollmentGroup> {
        Enrollments::new(self)
    }

    /// What came of the enrolments.
    #[must_use]
    pub const fn registrations(&self) -> Registrations<'_> {
        Registrations::new(self)
    }

    async fn call(&self, call: Call<'_>) -> Result<Response<Bytes>, ServiceError> {
        let target = format!("{}?api-version={SERVICE_API_VERSION}", call.path);
        let mut builder = Request::builder()
            .method(call.method)
            .uri(target)
            .header(header::HOST, authority(&self.host, self.port))
            .header(header::AUTHORIZATION, self.token())
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(etag) = call.etag {
            builder = builder.header(header::IF_MATCH, etag);
        }
        for (name, value) in call.headers {
            builder = builder.header(name, value);
        }
        let request = builder
            .body(call.body)
            .map_err(|_| ServiceError::Malformed("entity tag or continuation"))?;
        let tls = client_config(&self.trust, None)
            .await
            .map_err(ServiceError::Connection)?;
        exchange_over_tls(&self.host, self.port, tls, request, self.answer_within)
            .await
            .map_err(|error| ServiceError::Connection(connection_error(error)))
    }

    /// A call whose answer is a document.
    async fn document<T: DeserializeOwned>(
        &self,
        call: Call<'_>,
        what: &'static str,
    ) -> Result<T, ServiceError> {
        let answer = accepted(self.call(call).await?)?;
        serde_json::from_slice(answer.body()).map_err(|_| ServiceError::Malformed(what))
    }

    fn token(&self) -> String {
        let (policy, key) = match &self.credential {
            Credential::Signature(token) => return token.clone(),
            Credential::X509 => return String::new(),
            Credential::Key { policy, key } => (policy.as_deref().unwrap_or_default(), key),
        };
        let expiry = Timestamp::now().as_second().saturating_add(TOKEN_LIFE);
        Unsigned::new(&self.host, expiry)
            .with_policy(policy)
            .sign(key)
    }
}

/// One request, without what is the same in all.
struct Call<'a> {
    method: Method,
    /// With its ids escaped.
    path: String,
    /// For `If-Match`.
    etag: Option<&'a str>,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl<'a> Call<'a> {
    const fn new(method: Method, path: String) -> Self {
        Self {
            method,
            path,
            etag: None,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    const fn if_match(mut self, etag: Option<&'a str>) -> Self {
        self.etag = etag;
        self
    }

    fn json(mut self, document: &impl Serialize) -> Result<Self, ServiceError> {
        let body = serde_json::to_vec(document).map_err(|_| ServiceError::Malformed("document"))?;
        self.body = Bytes::from(body);
        Ok(self)
    }
}

/// An answer that says yes, or what it says instead.
fn accepted(answer: Response<Bytes>) -> Result<Response<Bytes>, ServiceError> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status().as_u16();
    Err(ServiceError::refused(
        status,
        retry_after(&answer),
        answer.body(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODw==";

    fn service(text: &str) -> Result<Service, ServiceError> {
        Service::from_connection_string(text, Trust::System)
    }

    #[test]
    fn takes_a_policys_connection_string_and_no_other() {
        let policy = format!("SharedAccessKeyName=owner;SharedAccessKey={KEY}");
        let found = service(&format!("HostName=dps.example;{policy}")).expect("a service");
        assert_eq!((found.host.as_str(), found.port), ("dps.example", 443));
        let found = service(&format!("HostName=127.0.0.1:8443;{policy}")).expect("a service");
        assert_eq!((found.host.as_str(), found.port), ("127.0.0.1", 8443));
        assert_eq!(found.with_port(9).port, 9);
        for other in [
            format!("HostName=hub;DeviceId=d;SharedAccessKey={KEY}"),
            format!("HostName=hub;SharedAccessKey={KEY}"),
            "HostName=hub;x509=true".to_owned(),
            format!("HostName=hub:port;{policy}"),
        ] {
            let error = service(&other).expect_err(&other);
            assert!(matches!(error, ServiceError::NotAService), "{error:?}");
        }
        let error =
            service("HostName=hub;SharedAccessKeyName=p;SharedAccessKey=!").expect_err("no key");
        assert!(matches!(error, ServiceError::ConnectionString(_)));
    }

    #[test]
    fn shows_no_key() {
        let text = format!("HostName=dps.example;SharedAccessKeyName=owner;SharedAccessKey={KEY}");
        let service = service(&text).expect("a service");
        assert!(!format!("{service:?}").contains(KEY));
        assert!(service.token().contains("&skn=owner"));
    }
}
