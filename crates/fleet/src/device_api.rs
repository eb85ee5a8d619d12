//! The device API: what a back end of the older systems asks of a board, by its serial number: `/devices…`.

use std::time::Duration;

use axum::extract::State;
use bay::message::SetLightRequest;
use bay::{Colour, Pattern};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::Row;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::bays::bay::Bay;
use crate::bays::live;
use crate::bays::view::{BatteryView, BayView, LampView};
use crate::hub::Call;
use crate::moment::Moment;
use crate::paging::{Page, Paging};
use crate::people::{Caller, Role};
use crate::problem::Problem;
use crate::web::body::{Json, Path, Query};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(follow))
        .routes(routes!(get))
        .routes(routes!(sensor))
        .routes(routes!(faults))
        .routes(routes!(battery))
        .routes(routes!(light))
        .routes(routes!(test))
}

/// A board at work, and what it last said.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceView {
    /// Its serial number.
    pub id: String,
    /// The bay it watches, as it is now.
    pub bay: BayView,
    /// Its sensor.
    pub sensor: SensorView,
    /// Its battery; `null` until it says something of it.
    pub battery: Option<BatteryView>,
    /// Its lamp; `null` until it says something of it.
    pub light: Option<LampView>,
    /// When it last said anything.
    pub heard_at: Option<Moment>,
}

/// What a board's sensor last said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SensorView {
    /// `free`, `occupied` or `unknown`.
    pub occupancy: &'static str,
    /// Why it is unknown.
    pub reason: Option<crate::bays::state::Reason>,
    /// Since when.
    pub since: Option<Moment>,
    /// The distance it sees.
    pub distance_mm: Option<i64>,
    /// When the board last said anything.
    pub heard_at: Option<Moment>,
}

/// What keeps parts of a board from working, in the words of their modules, with the cure; `null` of what works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Faults {
    /// Of the sensor.
    #[serde(rename = "hc-sr04")]
    pub sensor: Option<String>,
    /// Of the lamp.
    pub light: Option<String>,
    /// Of the battery's gauge.
    pub battery: Option<String>,
}

/// What a lamp is to show.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LightWish {
    /// `off`, `white`, `red`, `green`, `blue`, `orange`, … or `#rrggbb`.
    pub colour: String,
    /// How it moves: `steady` unless it is said.
    pub pattern: Option<String>,
    /// For how long, 0 to 3600: 60 unless it is said; 0 returns to the bay's state at once.
    #[schema(maximum = 3600)]
    pub seconds: Option<u32>,
}

impl DeviceView {
    fn of(bay: &Bay, caller: &Caller, app: &App) -> Option<Self> {
        let id = bay.device_id.clone()?;
        let view = BayView::now(bay, caller, app);
        let care = view.care.clone()?;
        Some(Self {
            id,
            sensor: SensorView {
                occupancy: view.occupancy,
                reason: view.reason,
                since: view.since,
                distance_mm: care.distance_mm,
                heard_at: care.heard_at,
            },
            battery: care.battery,
            light: care.lamp,
            heard_at: care.heard_at,
            bay: view,
        })
    }
}

/// The boards at work, in the order of their bays. Stock is at `/api/devices`.
#[utoipa::path(get, path = "/devices", tag = "device API", params(Paging), responses(
    (status = 200, body = Page<DeviceView>),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn list(
    caller: Caller,
    State(app): State<App>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<DeviceView>>, Problem> {
    caller.at_least(Role::Installer)?;
    let limit = paging.limit()?;
    let fetch = usize::try_from(limit + 1).unwrap_or(usize::MAX);
    let bays = app.lot().find(&app, paging.after(), fetch, |bay| {
        bay.device_id.is_some() && caller.sees(&bay.site.customer_id)
    });
    let bays = bays.await?;
    let devices = bays
        .iter()
        .filter_map(|bay| DeviceView::of(bay, &caller, &app));
    let page = Page::cut(devices.collect(), limit, |device: &DeviceView| {
        device.bay.id.clone()
    });
    Ok(Json(page))
}

/// Follows what boards say: the same stream as `/api/bays/live`.
#[utoipa::path(get, path = "/devices/live", tag = "device API", responses(
    (status = 200, content_type = "text/event-stream"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn follow(
    caller: Caller,
    state: State<App>,
    filter: Query<crate::bays::api::BayFilter>,
    headers: axum::http::HeaderMap,
) -> Result<axum::response::Response, Problem> {
    caller.at_least(Role::Installer)?;
    let events = live::follow(caller, state, filter, headers).await;
    Ok(axum::response::IntoResponse::into_response(events))
}

/// One board.
#[utoipa::path(get, path = "/devices/{id}", tag = "device API", params(("id" = String, Path)), responses(
    (status = 200, body = DeviceView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn get(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<DeviceView>, Problem> {
    find(&app, &caller, &id).await.map(Json)
}

/// What a board's sensor last said.
#[utoipa::path(get, path = "/devices/{id}/sensors/hc-sr04", tag = "device API", params(("id" = String, Path)), responses(
    (status = 200, body = SensorView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn sensor(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<SensorView>, Problem> {
    Ok(Json(find(&app, &caller, &id).await?.sensor))
}

/// What keeps parts of a board from working, as the hub has it now.
#[utoipa::path(get, path = "/devices/{id}/faults", tag = "device API", params(("id" = String, Path)), responses(
    (status = 200, body = Faults),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn faults(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Faults>, Problem> {
    find(&app, &caller, &id).await?;
    let device = at_hub(&app, &id).await?;
    let of = |module| fault(&app, &device, module);
    let (sensor, light, battery) = tokio::try_join!(of("hc-sr04"), of("light"), of("battery"))?;
    Ok(Json(Faults {
        sensor,
        light,
        battery,
    }))
}

async fn fault(app: &App, device: &str, module: &str) -> Result<Option<String>, Problem> {
    let twin = app.hub.twin(device, Some(module)).await?;
    let fault = twin.map(|mut twin| twin["properties"]["reported"]["fault"].take());
    Ok(fault.and_then(|fault| fault.as_str().map(str::to_owned)))
}

/// What a board's battery holds, read now.
#[utoipa::path(get, path = "/devices/{id}/battery", tag = "device API", params(("id" = String, Path)), responses(
    (status = 200, body = Value),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn battery(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    find(&app, &caller, &id).await?;
    let level = ask(&app, &id, "battery", "getBatteryLevel", Value::Null).await?;
    Ok(Json(level))
}

/// Has a board's lamp show something for a time.
#[utoipa::path(post, path = "/devices/{id}/outputs/light", tag = "device API", params(("id" = String, Path)),
    request_body = LightWish, responses(
    (status = 200, body = Value),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn light(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    Json(wish): Json<LightWish>,
) -> Result<Json<Value>, Problem> {
    caller.at_least(Role::Operator)?;
    find(&app, &caller, &id).await?;
    let colour = read::<Colour>("colour", wish.colour)?;
    let pattern = wish
        .pattern
        .map(|pattern| read::<Pattern>("pattern", pattern))
        .transpose()?;
    if wish.seconds.is_some_and(|seconds| seconds > 3600) {
        return Err(Problem::field("seconds", "must be 0 to 3600"));
    }
    let request = SetLightRequest {
        colour,
        pattern,
        seconds: wish.seconds,
    };
    ask(&app, &id, "light", "setLight", json!(request))
        .await
        .map(Json)
}

/// Has a board test its parts, and waits for the report.
#[utoipa::path(post, path = "/devices/{id}/test", tag = "device API", params(("id" = String, Path)), responses(
    (status = 200, body = Value),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn test(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    find(&app, &caller, &id).await?;
    ask(&app, &id, "provisioning", "test", Value::Null)
        .await
        .map(Json)
}

async fn find(app: &App, caller: &Caller, id: &str) -> Result<DeviceView, Problem> {
    caller.at_least(Role::Installer)?;
    let bays = app.lot().find(app, "", 1, |bay| {
        bay.device_id.as_deref() == Some(id) && caller.sees(&bay.site.customer_id)
    });
    let bay = bays.await?.pop();
    bay.and_then(|bay| DeviceView::of(&bay, caller, app))
        .ok_or_else(|| Problem::not_found("device"))
}

fn read<T: serde::de::DeserializeOwned>(field: &'static str, text: String) -> Result<T, Problem> {
    serde_json::from_value(Value::String(text))
        .map_err(|error| Problem::field(field, error.to_string()))
}

/// Invokes a method of a board's module; what it refuses is a problem with its own words.
///
/// # Errors
/// 404 when the hub does not know it, 409 when it is offline or refuses, 502 to 504 when nobody answers.
pub(crate) async fn ask(
    app: &App,
    id: &str,
    module_id: &str,
    name: &str,
    payload: Value,
) -> Result<Value, Problem> {
    let device_id = at_hub(app, id).await?;
    let call = Call {
        device_id: &device_id,
        module_id,
        name,
        payload,
        connect_within: CONNECT_WITHIN,
        answer_within: ANSWER_WITHIN,
    };
    let answer = app.hub.invoke(call).await?;
    if (200..300).contains(&answer.status) {
        return Ok(answer.payload);
    }
    let said = answer.payload.get("message").and_then(Value::as_str);
    let detail = match said {
        Some(said) => format!("The device refuses: {said}."),
        None => format!("The device refuses with status {}.", answer.status),
    };
    Err(Problem::conflict("device-refuses", detail))
}

/// What a board is called at the hub.
async fn at_hub(app: &App, id: &str) -> Result<String, Problem> {
    let row = sqlx::query("SELECT COALESCE(device_id, id) FROM devices WHERE id = $1")
        .bind(id.to_owned())
        .fetch_optional(app.store.reader())
        .await?;
    let row = row.ok_or_else(|| Problem::not_found("device"))?;
    Ok(row.try_get(0)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bays::testing::towns;

    #[tokio::test]
    async fn what_a_board_says_is_broken_is_told_by_its_parts() {
        for town in towns().await {
            let bay = town.bay().await;
            let known = town.app.lot().get(&town.app, &bay).await.expect("the lot");
            let device = known
                .and_then(|bay| bay.device_id.clone())
                .expect("a board");
            let ask = async |role, id: &str| {
                let caller = town.somebody(role).await;
                faults(caller, State(town.app.clone()), Path(id.to_owned())).await
            };
            let well = ask(Role::Installer, &device).await.expect("all parts").0;
            assert_eq!((well.sensor, well.light, well.battery), (None, None, None));
            town.devices.breaks(&device, "hc-sr04", "is its cable cut?");
            let broken = ask(Role::Installer, &device).await.expect("all parts").0;
            let seen = json!({"hc-sr04": "is its cable cut?", "light": null, "battery": null});
            assert_eq!(json!(broken), seen);
            let refused = ask(Role::Driver, &device)
                .await
                .expect_err("no driver's business");
            assert_eq!(refused.status, 403);
            let refused = ask(Role::Installer, "none")
                .await
                .expect_err("no such board");
            assert_eq!(refused.status, 404);
        }
    }
}
