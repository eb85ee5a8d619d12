//! A project's plan: a picture its bays are placed on, in place of a street map.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sqlx::Row;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::audit::{self, Action};
use crate::people::{Caller, Role};
use crate::problem::Problem;
use crate::store::Kind;
use crate::web::body::Path;

/// The largest picture that is taken.
const LARGEST: usize = 8 * 1024 * 1024;
/// The most pixels of a side.
const WIDEST: u32 = 20_000;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get, put, delete))
        .layer(DefaultBodyLimit::max(LARGEST))
}

/// A picture, by its first bytes: what kind it is and how large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Picture {
    media_type: &'static str,
    width: u32,
    height: u32,
}

/// The picture itself.
#[utoipa::path(get, path = "/api/projects/{id}/plan", tag = "bays", params(("id" = String, Path)), responses(
    (status = 200, content_type = "image/png"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn get(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    customer_of(&app, &caller, &id).await?;
    let row = sqlx::query("SELECT media_type, picture, version FROM plans WHERE project_id = $1")
        .bind(id)
        .fetch_optional(app.store.reader())
        .await?
        .ok_or_else(|| Problem::not_found("plan"))?;
    let media_type: String = row.try_get("media_type")?;
    let picture: Vec<u8> = row.try_get("picture")?;
    let tag = format!("\"{}\"", row.try_get::<i64, _>("version")?);
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "private, max-age=3600".to_owned()),
    ];
    Ok((headers, picture).into_response())
}

/// Takes a picture: PNG or JPEG, up to 8 MiB. Bays stay where they were, as parts of its width and height.
#[utoipa::path(put, path = "/api/projects/{id}/plan", tag = "bays", params(("id" = String, Path)),
    request_body(content = Vec<u8>, content_type = "image/png"), responses(
    (status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn put(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    caller.at_least(Role::Installer)?;
    let customer_id = customer_of(&app, &caller, &id).await?;
    let picture = read(&body).ok_or_else(|| {
        let detail = "The plan has to be a PNG or JPEG picture.";
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-a-picture", detail)
    })?;
    let mut tx = app.store.begin().await?;
    sqlx::query(
        "INSERT INTO plans (project_id, media_type, width, height, picture) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (project_id) DO UPDATE SET media_type = $2, width = $3, height = $4, picture = $5,
             version = plans.version + 1",
    )
    .bind(id.clone())
    .bind(picture.media_type)
    .bind(i64::from(picture.width))
    .bind(i64::from(picture.height))
    .bind(body.to_vec())
    .execute(&mut *tx)
    .await?;
    let action = Action {
        action: "plan.upload",
        object_kind: "project",
        object_id: &id,
        customer_id: Some(&customer_id),
        detail: json!({"width": picture.width, "height": picture.height, "bytes": body.len()}),
    };
    audit::record(&mut tx, Some(&caller), app.now(), action).await?;
    tx.tell(Kind::Project, id);
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes the picture away.
#[utoipa::path(delete, path = "/api/projects/{id}/plan", tag = "bays", params(("id" = String, Path)), responses(
    (status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
async fn delete(
    caller: Caller,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.at_least(Role::Installer)?;
    let customer_id = customer_of(&app, &caller, &id).await?;
    let mut tx = app.store.begin().await?;
    sqlx::query("DELETE FROM plans WHERE project_id = $1")
        .bind(id.clone())
        .execute(&mut *tx)
        .await?;
    let action = Action {
        action: "plan.remove",
        object_kind: "project",
        object_id: &id,
        customer_id: Some(&customer_id),
        detail: json!({}),
    };
    audit::record(&mut tx, Some(&caller), app.now(), action).await?;
    tx.tell(Kind::Project, id);
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whose project it is, if the caller sees it.
pub(super) async fn customer_of(app: &App, caller: &Caller, id: &str) -> Result<String, Problem> {
    let row = sqlx::query("SELECT customer_id FROM projects WHERE id = $1")
        .bind(id.to_owned())
        .fetch_optional(app.store.reader())
        .await?;
    let customer_id: Option<String> = row.map(|row| row.try_get(0)).transpose()?;
    customer_id
        .filter(|id| caller.sees(id))
        .ok_or_else(|| Problem::not_found("project"))
}

/// Only kinds that hold no script are taken: an SVG could.
fn read(bytes: &[u8]) -> Option<Picture> {
    let (media_type, width, height) = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        let size = bytes.get(16..24)?;
        let number =
            |at: usize| u32::from_be_bytes([size[at], size[at + 1], size[at + 2], size[at + 3]]);
        ("image/png", number(0), number(4))
    } else {
        let (width, height) = jpeg(bytes)?;
        ("image/jpeg", width, height)
    };
    let fits = (1..=WIDEST).contains(&width) && (1..=WIDEST).contains(&height);
    fits.then_some(Picture {
        media_type,
        width,
        height,
    })
}

/// The size of a JPEG stands in its first frame's header (ITU-T T.81, B.2.2).
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8")?;
    loop {
        let [0xff, marker, high, low, ..] = *rest else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let is_frame = matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
        if is_frame {
            let size = rest.get(5..9)?;
            let number = |at: usize| u32::from(u16::from_be_bytes([size[at], size[at + 1]]));
            return Some((number(2), number(0)));
        }
        rest = rest.get(2 + length.max(2)..)?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pictures_are_known_by_their_first_bytes() {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        png.extend([0, 0, 3, 32, 0, 0, 2, 88, 8, 6]);
        let picture = read(&png).expect("a picture");
        assert_eq!(
            (picture.media_type, picture.width, picture.height),
            ("image/png", 800, 600)
        );
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x0b\x08\x02\x58\x03\x20\x01\x01\x11\0";
        let picture = read(jpeg).expect("a picture");
        assert_eq!(
            (picture.media_type, picture.width, picture.height),
            ("image/jpeg", 800, 600)
        );
        for none in [
            &b"<svg onload=alert(1)>"[..],
            b"",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff",
        ] {
            assert_eq!(read(none), None);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64), is_jpeg: bool) {
            let mut picture = if is_jpeg { b"\xff\xd8\xff".to_vec() } else { b"\x89PNG\r\n\x1a\n".to_vec() };
            picture.extend(bytes);
            let _ = read(&picture);
        }
    }
}
