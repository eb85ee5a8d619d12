//! Levers over HTTP: one object may move several of them.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use hub_proto::identity::Identity;
use serde::Deserialize;
use serde_json::Value;

use super::{Body, Fault, Shared};
use crate::levers::{Lever, LinkState, Target};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Pull {
    target: Option<Named>,
    link: Option<LinkState>,
    upstream: Option<LinkState>,
    refuse_tokens: Option<bool>,
    expire_tokens: Option<bool>,
    delay_acks_ms: Option<u64>,
    drop_next_ack: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Named {
    device_id: String,
    module_id: Option<String>,
}

pub(super) async fn pull(State(simulator): Shared, body: Body<Pull>) -> Result<Json<Value>, Fault> {
    let Json(pull) = body?;
    let target = match pull.target {
        None => Target::Everybody,
        Some(named) => {
            let identity = Identity::new(named.device_id, named.module_id)?;
            // A lever on a name nobody has would let a test pass that tests nothing.
            simulator.twin(&identity)?;
            Target::One(identity)
        }
    };
    let levers = [
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
    for lever in levers.into_iter().flatten() {
        simulator
            .pull(&target, lever)
            .map_err(|error| Fault::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    }
    Ok(Json(simulator.levers()))
}
