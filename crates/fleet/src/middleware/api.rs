//! The middleware over HTTP.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::entry::{EntryChange, EntryView, NewEnrollment, NewGroup};
use super::import::Imported;
use super::keys::{DeviceKey, KeyRequest, RotationRequest};
use super::registrations::RegistrationView;
use super::{entries, import, is_in_use, keys, registrations};
use crate::app::App;
use crate::idempotency::Unrepeatable;
use crate::paging::{Page, Paging};
use crate::people::Caller;
use crate::problem::Problem;
use crate::web::body::{Json, Path, Query};

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_enrollments, create_enrollment))
        .routes(routes!(import_enrollments))
        .routes(routes!(
            get_enrollment,
            change_enrollment,
            delete_enrollment
        ))
        .routes(routes!(rotate_enrollment))
        .routes(routes!(enrollment_key))
        .routes(routes!(list_groups, create_group))
        .routes(routes!(get_group, change_group, delete_group))
        .routes(routes!(rotate_group))
        .routes(routes!(derive_key))
        .routes(routes!(group_registrations))
        .routes(routes!(get_registration, delete_registration))
}

/// An entry with the service's own entity tag.
fn tagged(status: StatusCode, view: EntryView) -> Response {
    let tag = view
        .etag
        .as_deref()
        .and_then(|tag| HeaderValue::try_from(tag).ok());
    let mut response = (status, Json(view)).into_response();
    if let Some(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

const fn made(is_new: bool) -> StatusCode {
    if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    }
}

/// A device's key, which is never kept for a repetition.
fn shown(key: DeviceKey) -> Response {
    let mut response = Json(key).into_response();
    response.extensions_mut().insert(Unrepeatable);
    response
}

/// The enrolments of single devices, without their keys.
#[utoipa::path(get, path = "/api/enrollments", tag = "provisioning", params(Paging), responses(
    (status = 200, body = Page<EntryView>),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
async fn list_enrollments(
    caller: Caller,
    State(app): State<App>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<EntryView>>, Problem> {
    entries::list(&caller, app.provisioning.enrollments(), &paging)
        .await
        .map(Json)
}

/// Makes an enrolment; the service makes its keys. 200 when there is the same already.
#[utoipa::path(post, path = "/api/enrollments", tag = "provisioning", request_body = NewEnrollment, responses(
    (status = 200, body = EntryView),
    (status = 201, body = EntryView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
async fn create_enrollment(
    caller: Caller,
    State(app): State<App>,
    Json(new): Json<NewEnrollment>,
) -> Result<Response, Problem> {
    let (is_new, view) =
        entries::create(&app, &caller, app.provisioning.enrollments(), new.entry()?).await?;
    Ok(tagged(made(is_new), view))
}

/// One enrolment, without its keys.
#[utoipa::path(get, path = "/api/enrollments/{id}", tag = "provisioning", params(("id" = String, Path)), responses(
    (status = 200, body = EntryView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
async fn get_enrollment(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let view = entries::get(&caller, app.provisioning.enrollments(), &id).await?;
    Ok(tagged(StatusCode::OK, view))
}

/// Changes an enrolment: tags and properties are merged key by key, the rest is replaced; what is absent stays.
#[utoipa::path(patch, path = "/api/enrollments/{id}", tag = "provisioning", params(("id" = String, Path)),
    request_body = EntryChange, responses(
    (status = 200, body = EntryView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
async fn change_enrollment(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(change): Json<EntryChange>,
) -> Result<Response, Problem> {
    let view = entries::change(
        &app,
        &caller,
        app.provisioning.enrollments(),
        &id,
        &headers,
        change,
    )
    .await?;
    Ok(tagged(StatusCode::OK, view))
}

/// Removes an enrolment. The device stays at its hub.
#[utoipa::path(delete, path = "/api/enrollments/{id}", tag = "provisioning", params(("id" = String, Path)), responses(
    (status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
async fn delete_enrollment(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    entries::delete(&app, &caller, app.provisioning.enrollments(), &id, &headers).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Enrols what a table lists (CSV: a head line with registrationId and, where wanted, deviceId, edge, provisioningStatus,
/// tags.NAME, desired.NAME). Every line is tried, and reported.
#[utoipa::path(post, path = "/api/enrollments/import", tag = "provisioning",
    request_body(content = String, content_type = "text/csv"), responses(
    (status = 200, body = Imported),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
async fn import_enrollments(
    caller: Caller,
    State(app): State<App>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Imported>, Problem> {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if !media_type.is_some_and(|value| value.to_ascii_lowercase().starts_with("text/csv")) {
        let detail = "The body has to be a table: send Content-Type: text/csv.";
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not-csv",
            detail,
        ));
    }
    import::import(&app, &caller, &body).await.map(Json)
}

/// Makes one of an enrolment's keys anew. The answer shows none.
#[utoipa::path(post, path = "/api/enrollments/{id}/rotate-keys", tag = "provisioning", params(("id" = String, Path)),
    request_body = RotationRequest, responses(
    (status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
async fn rotate_enrollment(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    Json(request): Json<RotationRequest>,
) -> Result<StatusCode, Problem> {
    keys::rotate(
        &app,
        &caller,
        app.provisioning.enrollments(),
        &id,
        request.key,
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The key of a device with an enrolment of its own, for whoever puts it on the device.
#[utoipa::path(post, path = "/api/enrollments/{id}/device-key", tag = "provisioning", params(("id" = String, Path)),
    responses(
    (status = 200, body = DeviceKey),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
async fn enrollment_key(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    keys::own(&app, &caller, &id).await.map(shown)
}

/// The enrolment groups, without their keys.
#[utoipa::path(get, path = "/api/groups", tag = "provisioning", params(Paging), responses(
    (status = 200, body = Page<EntryView>),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
async fn list_groups(
    caller: Caller,
    State(app): State<App>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<EntryView>>, Problem> {
    entries::list(&caller, app.provisioning.groups(), &paging)
        .await
        .map(Json)
}

/// Makes an enrolment group; the service makes its keys. 200 when there is the same already.
#[utoipa::path(post, path = "/api/groups", tag = "provisioning", request_body = NewGroup, responses(
    (status = 200, body = EntryView),
    (status = 201, body = EntryView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
async fn create_group(
    caller: Caller,
    State(app): State<App>,
    Json(new): Json<NewGroup>,
) -> Result<Response, Problem> {
    let (is_new, view) =
        entries::create(&app, &caller, app.provisioning.groups(), new.entry()?).await?;
    Ok(tagged(made(is_new), view))
}

/// One enrolment group, without its keys.
#[utoipa::path(get, path = "/api/groups/{id}", tag = "provisioning", params(("id" = String, Path)), responses(
    (status = 200, body = EntryView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
async fn get_group(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let view = entries::get(&caller, app.provisioning.groups(), &id).await?;
    Ok(tagged(StatusCode::OK, view))
}

/// Changes an enrolment group: tags and properties are merged key by key, the rest is replaced; what is absent stays.
#[utoipa::path(patch, path = "/api/groups/{id}", tag = "provisioning", params(("id" = String, Path)),
    request_body = EntryChange, responses(
    (status = 200, body = EntryView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
async fn change_group(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(change): Json<EntryChange>,
) -> Result<Response, Problem> {
    let view = entries::change(
        &app,
        &caller,
        app.provisioning.groups(),
        &id,
        &headers,
        change,
    )
    .await?;
    Ok(tagged(StatusCode::OK, view))
}

/// Removes a group that no device has keys of.
#[utoipa::path(delete, path = "/api/groups/{id}", tag = "provisioning", params(("id" = String, Path)), responses(
    (status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
async fn delete_group(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    if id.eq_ignore_ascii_case(&app.settings.stock_group) || is_in_use(&app, &id).await? {
        let detail = "Devices have keys of this group, or are to have them: it stays.";
        return Err(Problem::conflict("group-in-use", detail));
    }
    entries::delete(&app, &caller, app.provisioning.groups(), &id, &headers).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes one of a group's keys anew, where no device is cut off by it. The answer shows none.
#[utoipa::path(post, path = "/api/groups/{id}/rotate-keys", tag = "provisioning", params(("id" = String, Path)),
    request_body = RotationRequest, responses(
    (status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
async fn rotate_group(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    Json(request): Json<RotationRequest>,
) -> Result<StatusCode, Problem> {
    crate::customers::of_the_house(&caller)?;
    keys::check_group(&app, &id, request.key).await?;
    keys::rotate(&app, &caller, app.provisioning.groups(), &id, request.key).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The key of one device of a group, derived for its registration id. The group's own is never shown.
#[utoipa::path(post, path = "/api/groups/{id}/derive-key", tag = "provisioning", params(("id" = String, Path)),
    request_body = KeyRequest, responses(
    (status = 200, body = DeviceKey),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
async fn derive_key(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    Json(request): Json<KeyRequest>,
) -> Result<Response, Problem> {
    keys::derive(&app, &caller, &id, request).await.map(shown)
}

/// The records of a group's devices that registered.
#[utoipa::path(get, path = "/api/groups/{id}/registrations", tag = "provisioning",
    params(("id" = String, Path), Paging), responses(
    (status = 200, body = Page<RegistrationView>),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
async fn group_registrations(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<RegistrationView>>, Problem> {
    registrations::of_group(&app, &caller, &id, &paging)
        .await
        .map(Json)
}

/// What the provisioning service knows of a device that registered.
#[utoipa::path(get, path = "/api/registrations/{id}", tag = "provisioning", params(("id" = String, Path)), responses(
    (status = 200, body = RegistrationView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
async fn get_registration(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<RegistrationView>, Problem> {
    registrations::get(&app, &caller, &id).await.map(Json)
}

/// Forgets a record: the device's next registration counts as its first.
#[utoipa::path(delete, path = "/api/registrations/{id}", tag = "provisioning", params(("id" = String, Path)), responses(
    (status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
async fn delete_registration(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    registrations::delete(&app, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
