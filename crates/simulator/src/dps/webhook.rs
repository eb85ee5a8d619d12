//! The custom allocation policy: a webhook of the operator's is asked which hub a device goes to.
//!
//! The URL often carries the webhook's key, so that nothing here ever repeats more of it than the host.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hub_proto::dps::enrollment::InitialTwin;
use hub_proto::dps::error::DpsErrorCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Dps;
use super::allocation::Candidate;
use super::assigning::Failure;
use super::attestation::Credential;
use super::registering::Begun;
use super::registry::{Registry, Source};
use crate::outgoing::{self, Asking, Url};

/// What the real service gives a webhook to answer in.
pub(super) const WITHIN: Duration = Duration::from_secs(5);
const LONGEST_ANSWER: usize = 64 << 10;

/// What a webhook is asked: `AllocationRequest` of the service's documentation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Question {
    device_runtime_context: Value,
    linked_hubs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    individual_enrollment: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrollment_group: Option<Value>,
}

/// What it answers: `AllocationResponse`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Allocation {
    pub(super) iot_hub_host_name: String,
    pub(super) initial_twin: Option<InitialTwin>,
    pub(super) payload: Option<Value>,
}

impl Question {
    pub(super) fn new(registry: &Registry, begun: &Begun, among: &[&Candidate]) -> Self {
        let record = registry.registration(begun.id.as_str());
        let placed = record.and_then(|record| record.placed.as_ref());
        let proof = match begun.admitted.credential {
            Credential::Keys { .. } => "symmetricKey",
            Credential::Certificates { .. } => "x509",
        };
        let shown = |document: Option<Value>| {
            document.map(|mut document| {
                if let Some(attestation) = document.get_mut("attestation") {
                    // Whoever runs the webhook need not be who holds the keys.
                    let kind = attestation.get("type").cloned();
                    *attestation = json!({"type": kind});
                }
                document
            })
        };
        let (individual, group) = match &begun.admitted.source {
            Source::Individual => (registry.enrollment(begun.id.as_str()), None),
            Source::Group(group) => (None, registry.group(group)),
        };
        Self {
            device_runtime_context: json!({
                "registrationId": begun.id,
                "currentIotHubHostName": placed.map(|placed| &placed.hub),
                "currentDeviceId": placed.map(|placed| &placed.device_id),
                proof: {},
                "payload": begun.payload,
            }),
            linked_hubs: among.iter().map(|hub| hub.name.clone()).collect(),
            individual_enrollment: shown(individual.and_then(|e| serde_json::to_value(e).ok())),
            enrollment_group: shown(group.and_then(|g| serde_json::to_value(g).ok())),
        }
    }
}

impl Dps {
    /// Asks a webhook, within its time.
    pub(super) async fn ask(&self, url: &str, question: &Question) -> Result<Allocation, Failure> {
        let url =
            Url::parse(url).map_err(|error| failure(&format!("the webhook's URL is {error}")))?;
        let body = serde_json::to_vec(question).unwrap_or_default();
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, json);
        let asking = Asking {
            method: Method::POST,
            url: &url,
            headers,
            body: body.into(),
            longest_answer: LONGEST_ANSWER,
        };
        let asking = outgoing::ask(asking, &self.authority_pem);
        let asked = timeout(self.webhook_within, asking).await;
        let (status, body) = asked
            .map_err(|_| {
                failure(&format!(
                    "{} did not answer within {} ms",
                    url.authority(),
                    self.webhook_within.as_millis()
                ))
            })?
            .map_err(|error| failure(&format!("{}: {error}", url.authority())))?;
        if status != StatusCode::OK {
            return Err(Failure {
                code: DpsErrorCode::CustomAllocationFailed,
                // The service's own words, which people search for.
                message: format!(
                    "Custom allocation failed with status code: {}",
                    status.as_u16()
                ),
            });
        }
        serde_json::from_slice(&body)
            .map_err(|error| failure(&format!("the webhook's answer is none: {error}")))
    }
}

fn failure(reason: &str) -> Failure {
    Failure {
        code: DpsErrorCode::CustomAllocationFailed,
        message: format!("Custom allocation failed: {reason}"),
    }
}
