//! The machines of a street: who they are, and what can be done to them.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hub_proto::sas::SymmetricKey;
use provisioning::edge_config::Endpoint;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{Fault, Shared, bay};
use crate::card::{Card, Pin};
use crate::street::host::Portal;
use crate::street::{Bay, Switch};

pub(super) async fn all(State(street): Shared) -> Json<Value> {
    Json(street.bays.iter().map(describe).collect())
}

pub(super) async fn one(
    State(street): Shared,
    Path(name): Path<String>,
) -> Result<Json<Value>, Fault> {
    Ok(Json(describe(bay(&street, &name)?)))
}

pub(super) async fn power(
    State(street): Shared,
    Path((name, verb)): Path<(String, String)>,
) -> Result<StatusCode, Fault> {
    let switch = match verb.as_str() {
        "restart" => Switch::Restart,
        "cut" => Switch::Cut,
        _ => return Err(Fault::not_found(format!("{verb} is not restart or cut"))),
    };
    flip(bay(&street, &name)?, switch).await?;
    Ok(StatusCode::ACCEPTED)
}

/// What imaging puts onto a card. Not to be printed: it holds a key.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Imaged {
    id_scope: String,
    registration_id: String,
    symmetric_key: String,
    global_endpoint: Option<String>,
}

pub(super) async fn image(
    State(street): Shared,
    Path(name): Path<String>,
    imaged: Result<Json<Imaged>, JsonRejection>,
) -> Result<StatusCode, Fault> {
    let Json(imaged) =
        imaged.map_err(|rejection| Fault(rejection.status(), rejection.body_text()))?;
    let bay = bay(&street, &name)?;
    let Some(portal) = &bay.portal else {
        let none = format!(
            "{} began with an identity: `cow up --stock` starts bays without",
            bay.name
        );
        return Err(Fault(StatusCode::CONFLICT, none));
    };
    let card = imaged
        .card(portal.pin.clone())
        .map_err(|wrong| Fault(StatusCode::BAD_REQUEST, wrong))?;
    let (done, written) = oneshot::channel();
    flip(bay, Switch::Image(Box::new(card), done)).await?;
    match written.await {
        Ok(Ok(())) => Ok(StatusCode::ACCEPTED),
        Ok(Err(error)) => Err(Fault(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("{error:#}"),
        )),
        Err(_) => Err(stopping()),
    }
}

impl Imaged {
    fn card(self, pin: Pin) -> Result<Card, String> {
        let endpoint = self.global_endpoint.as_deref().map(str::parse::<Endpoint>);
        Ok(Card {
            id_scope: self.id_scope.parse()?,
            registration_id: self
                .registration_id
                .parse()
                .map_err(|error| format!("{error}"))?,
            key: SymmetricKey::from_base64(&self.symmetric_key)
                .map_err(|error| error.to_string())?,
            endpoint: endpoint.transpose().map_err(|error| error.to_string())?,
            pin,
        })
    }
}

async fn flip(bay: &Bay, switch: Switch) -> Result<(), Fault> {
    bay.switch.send(switch).await.map_err(|_| stopping())
}

fn stopping() -> Fault {
    Fault(
        StatusCode::SERVICE_UNAVAILABLE,
        "the street is stopping".to_owned(),
    )
}

fn describe(bay: &Bay) -> Value {
    let vitals = bay.vitals.borrow();
    let portal = bay.portal.as_ref();
    json!({
        "bay": bay.name,
        "serial": bay.serial.as_str(),
        "deviceId": *bay.device.borrow(),
        "phase": vitals.phase.as_str(),
        "message": vitals.message,
        "boots": vitals.boots,
        "portal": portal.map(Portal::url),
        "portalPin": portal.map(|portal| portal.pin.as_str()),
    })
}
