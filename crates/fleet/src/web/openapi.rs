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
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApiBuilder};

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
