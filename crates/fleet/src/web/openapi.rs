//! The description of the API: as OpenAPI for programs, and as a plain page for people.

use std::sync::Arc;

use askama::Template;
use axum::extract::Extension;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, response};
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation as Described, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Content, InfoBuilder, OpenApiBuilder, Ref, RefOr, ResponseBuilder,
};

use super::page::{Frame, show};
use crate::app::App;
use crate::people::Caller;
use crate::problem::Problem;

/// What is said of the API as a whole.
#[derive(OpenApi)]
#[openapi(components(schemas(Problem)))]
struct Schemas;

pub(super) fn base() -> utoipa::openapi::OpenApi {
    let info = InfoBuilder::new()
        .title("cow-parking: the operator's service")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Send a token, made under Account: `Authorization: Bearer TOKEN`. Times are RFC 3339 in UTC. \
             What cannot be done is answered with a problem document (RFC 9457) that names the field.",
        ))
        .build();
    let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = ComponentsBuilder::new()
        .security_scheme("token", token)
        .build();
    let mut base = OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([utoipa::openapi::SecurityRequirement::new(
            "token",
            Vec::<String>::new(),
        )]))
        .build();
    base.merge(Schemas::openapi());
    base
}

/// Says of every operation what is so for all: what cannot be done is answered with a problem document, and whatever is
/// posted may carry an `Idempotency-Key`.
pub(super) fn complete(document: &mut utoipa::openapi::OpenApi) {
    for (path, item) in &mut document.paths.paths {
        // Devices that are not let in yet are nobody, and a key is somebody's.
        let post = item.post.as_mut().filter(|_| !path.starts_with("/oauth/"));
        if let Some(post) = post {
            let key = ObjectBuilder::new()
                .schema_type(Type::String)
                .min_length(Some(1))
                .max_length(Some(200))
                .build();
            let key = ParameterBuilder::new()
                .name("Idempotency-Key")
                .parameter_in(ParameterIn::Header)
                .description(Some(
                    "Sent again with the same key, it is not done again: the answer is the first one's.",
                ))
                .schema(Some(key))
                .build();
            post.parameters.get_or_insert_default().push(RefOr::T(key));
        }
        for operation in operations_of(item) {
            for (statuses, what) in [
                ("4XX", "what is wrong with the request"),
                (
                    "5XX",
                    "what does not answer: the device, the hub, the database",
                ),
            ] {
                let all = &mut operation.responses.responses;
                if !all.contains_key(statuses) {
                    all.insert(statuses.to_owned(), problem(what));
                }
            }
        }
    }
}

fn operations_of(item: &mut PathItem) -> impl Iterator<Item = &mut Described> {
    let all = [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.patch,
        &mut item.delete,
    ];
    all.into_iter().flatten()
}

fn problem(what: &str) -> RefOr<utoipa::openapi::Response> {
    let schema = Ref::from_schema_name("Problem");
    let response = ResponseBuilder::new()
        .description(what)
        .content("application/problem+json", Content::new(Some(schema)))
        .build();
    RefOr::T(response)
}

/// Serves the description, which is held as the text it is sent as.
pub(super) fn router(document: &utoipa::openapi::OpenApi) -> Router<App> {
    let text = document.to_json().unwrap_or_default();
    Router::new()
        .route("/api/openapi.json", get(read))
        .route("/api", get(page))
        .layer(Extension(Arc::<str>::from(text)))
}

async fn read(Extension(text): Extension<Arc<str>>) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        text.to_string(),
    )
        .into_response()
}

#[derive(Template)]
#[template(path = "api.html")]
struct ApiPage {
    page: Frame,
    operations: Vec<Operation>,
}

struct Operation {
    method: String,
    path: String,
    summary: String,
    description: String,
}

async fn page(
    caller: Option<Caller>,
    headers: HeaderMap,
    Extension(text): Extension<Arc<str>>,
) -> response::Response {
    let page = match &caller {
        Some(caller) => Frame::of(caller, "api"),
        None => Frame::outside(&headers),
    };
    let document: Value = serde_json::from_str(&text).unwrap_or_default();
    show(&ApiPage {
        page,
        operations: operations(&document),
    })
}

fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| {
            let text = |name: &str| operation[name].as_str().unwrap_or_default().to_owned();
            Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                summary: text("summary"),
                description: text("description"),
            }
        })
    });
    all.collect()
}
