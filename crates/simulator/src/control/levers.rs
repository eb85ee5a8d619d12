//! Levers over HTTP: one object may move several of them.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use hub_proto::identity::Identity;
use serde::Deserialize;
use serde_json::Value;

use super::{Body, Fault, Shared};
use crate::dps::DpsLever;
use crate::levers::{Lever, LinkState, Target};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Pull {
    target: Option<Addressee>,
    link: Option<LinkState>,
    upstream: Option<LinkState>,
    refuse_tokens: Option<bool>,
    expire_tokens: Option<bool>,
    delay_acks_ms: Option<u64>,
    drop_next_ack: Option<bool>,
    // Those of the provisioning service.
    refuse: Option<bool>,
    hold: Option<bool>,
    /// What to say to come back after; 0 stops it.
    throttle_seconds: Option<u32>,
    unreachable: Option<bool>,
}

/// Nobody in particular, the provisioning service, or one identity.
#[derive(Deserialize)]
#[serde(untagged)]
enum Addressee {
    Service(Service),
    Identity(Named),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Service {
    Dps,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Named {
    device_id: String,
    module_id: Option<String>,
}

pub(super) async fn pull(State(simulator): Shared, body: Body<Pull>) -> Result<Json<Value>, Fault> {
    let Json(pull) = body?;
    let of_dps = [
        pull.refuse.map(DpsLever::Refuse),
        pull.hold.map(DpsLever::Hold),
        pull.throttle_seconds.map(|seconds| {
            let after = Duration::from_secs(seconds.into());
            DpsLever::Throttle((seconds > 0).then_some(after))
        }),
        pull.unreachable.map(DpsLever::Unreachable),
    ];
    let of_dps: Vec<DpsLever> = of_dps.into_iter().flatten().collect();
    let of_hub = [
        pull.link.map(Lever::Link),
        pull.upstream.map(Lever::Upstream),
        pull.refuse_tokens.map(Lever::RefuseTokens),
        pull.expire_tokens
            .filter(|expire| *expire)
            .map(|_| Lever::ExpireTokens),
        pull.delay_acks_ms
            .map(|millis| Lever::DelayAcks(Duration::from_millis(millis))),
        pull.drop_next_ack
            .filter(|drop| *drop)
            .map(|_| Lever::DropNextAck),
    ];
    let of_hub: Vec<Lever> = of_hub.into_iter().flatten().collect();
    // A lever on what does not have it, or on a name nobody has, would let a test pass that tests nothing.
    let foreign = |levers: &str, target: &str| {
        let reason = format!("{levers} are no levers of {target}");
        Err(Fault::new(StatusCode::BAD_REQUEST, reason))
    };
    let target = match pull.target {
        Some(Addressee::Service(Service::Dps)) if !of_hub.is_empty() => {
            return foreign("those of links and tokens", "the target dps");
        }
        Some(Addressee::Service(Service::Dps)) => {
            for lever in of_dps {
                simulator.pull_dps(lever);
            }
            return Ok(Json(simulator.levers()));
        }
        _ if !of_dps.is_empty() => {
            return foreign(
                "refuse, hold, throttleSeconds and unreachable",
                "any target but dps",
            );
        }
        None => Target::Everybody,
        Some(Addressee::Identity(named)) => {
            let identity = Identity::new(named.device_id, named.module_id)?;
            simulator.twin(&identity)?;
            Target::One(identity)
        }
    };
    for lever in of_hub {
        simulator
            .pull(&target, lever)
            .map_err(|error| Fault::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    }
    Ok(Json(simulator.levers()))
}
