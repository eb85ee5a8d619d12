//! Asking the provisioning service where a device belongs.

use std::sync::Arc;
use std::time::Duration;

use dps_client::{Attestation, Limits, Progress, RegisterError, Registration, Waiting};
use hub_proto::identity::Identity;
use serde_json::{Map, Value};

use crate::credentials::Credential;
use crate::error::LinkError;
use crate::options::Options;
use crate::place::Place;

/// How long to try in one go. The application hears of a failure after each, and the old hub, if there is
/// one, gets its turn in between.
const TRY_FOR: Duration = Duration::from_secs(60);

/// Where a device belongs now, and what the allocation has for it.
#[derive(Debug)]
pub(crate) struct Assigned {
    pub(crate) place: Arc<Place>,
    pub(crate) payload: Option<Value>,
}

/// Registers, and tries for a minute.
pub(crate) async fn assign(
    registration: &Registration,
    credential: &Credential,
    options: &Options,
) -> Result<Assigned, LinkError> {
    let mut registration = registration.clone();
    if let Some(certificate) = credential.certificate().await? {
        registration.attestation = Attestation::X509(certificate);
    }
    registration.product.clone_from(&options.product);
    if let Some(model_id) = &options.model_id {
        announce(model_id, &mut registration.payload);
    }
    let limits = Limits {
        give_up_after: TRY_FOR,
        ..Limits::default()
    };
    let mut is_told = false;
    let watch = |progress| {
        // A failure is only told at the end, and a device that has just been switched on should not be silent
        // for so long. Once is enough.
        if let Progress::Waiting { why, .. } = progress
            && !is_told
            && why != Waiting::Assigning
        {
            is_told = true;
            tracing::warn!(%why, "not registered yet");
        }
    };
    let assignment = dps_client::register_with(&registration, limits, watch).await?;
    let identity = Identity::device(assignment.device_id)
        .ok()
        .filter(crate::source::is_publishable)
        .ok_or(RegisterError::Malformed("device id"))?;
    let place = Place {
        identity,
        host: assignment.hub.clone(),
        hub: assignment.hub,
    };
    Ok(Assigned {
        place: Arc::new(place),
        payload: assignment.payload,
    })
}

/// The Plug and Play convention: a registration's payload names the model. What the application says itself
/// comes first.
fn announce(model_id: &str, payload: &mut Option<Value>) {
    if let Value::Object(payload) = payload.get_or_insert_with(|| Map::new().into()) {
        payload.entry("modelId").or_insert_with(|| model_id.into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_model_is_announced_beside_what_the_application_says() {
        for (payload, expected) in [
            (None, json!({"modelId": "dtmi:a;1"})),
            (
                Some(json!({"site": "north"})),
                json!({"site": "north", "modelId": "dtmi:a;1"}),
            ),
            (Some(json!({"modelId": "own"})), json!({"modelId": "own"})),
            (Some(json!("north")), json!("north")),
        ] {
            let mut announced = payload;
            announce("dtmi:a;1", &mut announced);
            assert_eq!(announced, Some(expected));
        }
    }
}
