//! Entity tags: what was read says which version it was, and a change may say which version it is of.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::problem::Problem;

/// A body with its version as `ETag`.
#[derive(Debug, Clone)]
pub struct Tagged<T>(pub i64, pub T);

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.1).into_response();
        if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", self.0)) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

/// The version that `If-Match` names; `None` without the header, or with `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatch(pub Option<i64>);

impl IfMatch {
    /// # Errors
    /// 412 when it names another version than there is.
    pub fn check(self, version: i64) -> Result<(), Problem> {
        match self.0 {
            Some(expected) if expected != version => Err(Problem::changed()),
            _ => Ok(()),
        }
    }
}

/// As the description of the API says it.
impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        let parameter = ParameterBuilder::new()
            .name("If-Match")
            .parameter_in(ParameterIn::Header)
            .description(Some(
                "The entity tag it was read with: where it has another by now, nothing is done (412).",
            ))
            .schema(Some(text))
            .build();
        vec![parameter]
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(text) = parts.headers.get(header::IF_MATCH) else {
            return Ok(Self(None));
        };
        let text = text.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(None));
        }
        // A weak tag, several tags or somebody else's are never this version.
        let version = text.trim_matches('"').parse().unwrap_or(-1);
        Ok(Self(Some(version)))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn read(text: Option<&str>) -> IfMatch {
        let mut request = Request::builder();
        if let Some(text) = text {
            request = request.header("if-match", text);
        }
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        IfMatch::from_request_parts(&mut parts, &())
            .await
            .expect("it is always read")
    }

    #[tokio::test]
    async fn only_the_version_that_is_there_matches() {
        for (text, is_taken) in [
            (None, true),
            (Some("*"), true),
            (Some("\"7\""), true),
            (Some("\"8\""), false),
            (Some("W/\"7\""), false),
            (Some("\"7\", \"8\""), false),
            (Some(""), false),
        ] {
            assert_eq!(read(text).await.check(7).is_ok(), is_taken, "{text:?}");
        }
        let tagged = Tagged(7, "body").into_response();
        assert_eq!(tagged.headers()["etag"], "\"7\"");
    }
}
