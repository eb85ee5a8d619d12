//! What requests carry and answers are made of. Whatever is wrong with a request is a [`Problem`] that names the field.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// A body of JSON: of a request, and of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "The body has to be JSON: send Content-Type: application/json.";
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-json",
                detail,
            ));
        }
        let bytes = read(request, state).await?;
        from_json(&bytes).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let text = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str);
    let Some(Ok(text)) = text else { return false };
    let media_type = text.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state)
        .await
        .map_err(|refused| Problem::new(refused.status(), "body", refused.body_text()))
}

/// Reads a value; what is wrong names its field.
///
/// # Errors
/// 400.
pub fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // PostgreSQL keeps no such character in a text, and nobody means it.
    if bytes.windows(6).any(|part| part == b"\\u0000") {
        return Err(no_such_character());
    }
    // A list would be taken for an object's members in their order, which nobody means either.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        let detail = "The body has to be a JSON object.";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid", detail));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let text = error.into_inner().to_string();
        match name_of(&path, &text) {
            Some(field) => Problem::field(field, format!("{text}.")),
            None => Problem::new(
                StatusCode::BAD_REQUEST,
                "invalid",
                format!("The body cannot be read: {text}."),
            ),
        }
    })?;
    reader.end().map_err(|error| {
        let detail = format!("The body cannot be read: {error}.");
        Problem::new(StatusCode::BAD_REQUEST, "invalid", detail)
    })?;
    Ok(value)
}

fn no_such_character() -> Problem {
    let detail = "A text may not hold the character U+0000.";
    Problem::new(StatusCode::BAD_REQUEST, "invalid", detail)
}

/// The field an error is about: where it happened, and for one that is missing or unknown its name from the text.
fn name_of(path: &str, text: &str) -> Option<String> {
    let named = ["missing field `", "unknown field `"]
        .iter()
        .find_map(|start| text.strip_prefix(start)?.split('`').next());
    let parent = Some(path).filter(|path| *path != ".");
    match (parent, named) {
        (Some(parent), Some(name)) if parent != name && !parent.ends_with(&format!(".{name}")) => {
            Some(format!("{parent}.{name}"))
        }
        (Some(parent), _) => Some(parent.to_owned()),
        (None, named) => named.map(str::to_owned),
    }
}

/// What stands behind the question mark.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(refused) => {
                let text = refused.body_text();
                Err(Problem::new(StatusCode::BAD_REQUEST, "invalid", text))
            }
        }
    }
}

/// The variable parts of an address.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            // An address that cannot be read leads nowhere.
            Err(_) => Err(Problem::not_found("address")),
        }
    }
}

/// A form of a page.
#[derive(Debug, Clone, Copy)]
pub struct Form<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(Request::from_parts(parts.clone(), body), state).await?;
        if bytes.windows(3).any(|part| part == b"%00") || bytes.contains(&0) {
            return Err(no_such_character());
        }
        let request = Request::from_parts(parts, Body::from(bytes));
        match axum::extract::Form::from_request(request, state).await {
            Ok(axum::extract::Form(value)) => Ok(Self(value)),
            Err(refused) => {
                let status = if refused.status() == StatusCode::UNPROCESSABLE_ENTITY {
                    StatusCode::BAD_REQUEST
                } else {
                    refused.status()
                };
                Err(Problem::new(status, "invalid", refused.body_text()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Bay {
        number: String,
        place: Option<Place>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Place {
        latitude: f64,
    }

    #[test]
    fn what_is_wrong_with_a_body_names_its_field() {
        for (body, field) in [
            ("{}", Some("number")),
            (r#"{"number": 5}"#, Some("number")),
            (r#"{"number": "1", "colour": "red"}"#, Some("colour")),
            (
                r#"{"number": "1", "place": {"latitude": "north"}}"#,
                Some("place.latitude"),
            ),
            (r#"{"number": "1", "place": {}}"#, Some("place.latitude")),
            (r#"{"number": "1", "place": {"x": 1}}"#, Some("place.x")),
            ("[", None),
            (r#"["1", null]"#, None),
            (r#"{"number": "1"} and more"#, None),
            (r#"{"number": "a\u0000b"}"#, None),
        ] {
            let problem = from_json::<Bay>(body.as_bytes()).expect_err(body);
            assert_eq!(problem.status, 400, "{body}");
            assert_eq!(problem.field.as_deref(), field, "{body}: {problem:?}");
        }
        let bay: Bay = from_json(br#"{"number": "1"}"#).expect("a bay");
        assert_eq!((bay.number.as_str(), bay.place.is_none()), ("1", true));
        let placed = br#"{"number": "1", "place": {"latitude": 50.5}}"#;
        let bay: Bay = from_json(placed).expect("a bay");
        assert_eq!(bay.place.map(|place| place.latitude), Some(50.5));
    }
}
