//! What an approved device gets: who it is in stock.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use hub_proto::dps::registration::RegistrationId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::middleware;
use crate::people::secret;
use crate::problem::Problem;
use crate::web::body::Json;

/// A device's identity in stock. It holds the device's own derived key, never the group's.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identity {
    registration_id: String,
    /// Of the provisioning service.
    id_scope: String,
    /// Base64.
    symmetric_key: String,
}

/// Reads the identity of the device a token was granted for. It may be read again while the token lives.
#[utoipa::path(get, path = "/oauth/identity", tag = "oauth", responses(
    (status = 200, body = Identity),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 502, body = Problem, content_type = "application/problem+json", description = "the provisioning service does not answer"),
))]
pub(super) async fn read(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Json<Identity>, Problem> {
    let text = headers.get(header::AUTHORIZATION).map(HeaderValue::to_str);
    let token = text.and_then(Result::ok).and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let token = token.ok_or_else(Problem::unauthenticated)?;
    let found: Option<(String,)> = sqlx::query_as(
        "SELECT device_id FROM device_codes WHERE access_hash = $1 AND access_until > $2 AND state = 'used'",
    )
    .bind(secret::hash(token))
    .bind(app.now())
    .fetch_optional(app.store.reader())
    .await?;
    let (device_id,) = found.ok_or_else(Problem::unauthenticated)?;
    // It was checked when the code was asked for.
    let registration_id: RegistrationId = device_id
        .parse()
        .map_err(|_| Problem::not_found("device"))?;
    let group = &app.settings.stock_group;
    let key = app
        .provisioning
        .groups()
        .derive_key(group, &registration_id)
        .await
        .map_err(|error| middleware::problem(&error, "group of the stock"))?;
    Ok(Json(Identity {
        registration_id: device_id,
        id_scope: app.settings.id_scope.clone(),
        symmetric_key: key.to_base64(),
    }))
}
