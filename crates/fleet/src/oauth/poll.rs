//! A device that asks whether it was approved.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Failure, Refusal, SLOWER_S, TOKEN_LIFE_S};
use crate::app::App;
use crate::people::secret::{self, Secret};
use crate::problem::Problem;
use crate::web::body::{Form, Json};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A device's question.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Question {
    /// `urn:ietf:params:oauth:grant-type:device_code`.
    #[serde(default)]
    grant_type: String,
    /// What it was given to ask with.
    #[serde(default)]
    device_code: String,
}

/// What opens the device's identity, and nothing else.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Granted {
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
    /// `device:` and the registration id.
    scope: String,
}

/// What is decided about a question, told the time.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Wait,
    /// It asked too early: from now on it waits longer.
    SlowDown,
    Denied,
    Expired,
    Unknown,
    Grant,
}

/// What is known of a code.
struct Known {
    device_id: String,
    expires_at: i64,
    last_poll_at: Option<i64>,
    interval_s: i64,
    state: String,
}

impl Known {
    fn verdict(&self, now: i64) -> Verdict {
        match self.state.as_str() {
            "denied" => Verdict::Denied,
            "used" => Verdict::Unknown,
            _ if now >= self.expires_at => Verdict::Expired,
            "approved" => Verdict::Grant,
            _ if self
                .last_poll_at
                .is_some_and(|last| now - last < self.interval_s * 1000) =>
            {
                Verdict::SlowDown
            }
            _ => Verdict::Wait,
        }
    }
}

/// Asks whether somebody approved the device.
#[utoipa::path(post, path = "/oauth/token", tag = "oauth", security(()),
    request_body(content = Question, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, body = Granted),
    (status = 400, body = Refusal, description = "`authorization_pending`, `slow_down`, `access_denied`, `expired_token`, `invalid_grant`, `unsupported_grant_type`"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn token(
    State(app): State<App>,
    form: Result<Form<Question>, Problem>,
) -> Result<Json<Granted>, Failure> {
    let Form(question) = form.map_err(Failure::of_form)?;
    let refuse = |error, text| Err(Failure::Refused(Refusal::new(error, text)));
    if question.grant_type != GRANT {
        return refuse(
            "unsupported_grant_type",
            "grant_type has to be urn:ietf:params:oauth:grant-type:device_code",
        );
    }
    let (now, hash) = (app.now(), secret::hash(&question.device_code));
    let mut tx = app.store.begin().await?;
    type Row = (String, i64, Option<i64>, i64, String);
    let row: Option<Row> = sqlx::query_as(
        "SELECT device_id, expires_at, last_poll_at, interval_s, state FROM device_codes WHERE device_code_hash = $1",
    )
    .bind(hash.clone())
    .fetch_optional(&mut *tx)
    .await?;
    let unknown = "this device_code is not known, or was used";
    let Some((device_id, expires_at, last_poll_at, interval_s, state)) = row else {
        return refuse("invalid_grant", unknown);
    };
    let known = Known {
        device_id,
        expires_at,
        last_poll_at,
        interval_s,
        state,
    };
    let verdict = known.verdict(now);
    let longer = match verdict {
        Verdict::SlowDown => SLOWER_S,
        Verdict::Wait => 0,
        Verdict::Denied => return refuse("access_denied", "somebody said no"),
        Verdict::Expired => return refuse("expired_token", "nobody approved it in time"),
        Verdict::Unknown => return refuse("invalid_grant", unknown),
        Verdict::Grant => {
            let token = Secret::new("")?;
            let update = sqlx::query(
                "UPDATE device_codes SET state = 'used', access_hash = $1, access_until = $2
                 WHERE device_code_hash = $3 AND state = 'approved'",
            )
            .bind(token.hash())
            .bind(now + TOKEN_LIFE_S * 1000)
            .bind(hash);
            if update.execute(&mut *tx).await?.rows_affected() == 0 {
                return refuse("invalid_grant", unknown);
            }
            tx.commit().await?;
            return Ok(Json(Granted {
                access_token: token.reveal().to_owned(),
                token_type: "Bearer",
                expires_in: TOKEN_LIFE_S,
                scope: format!("device:{}", known.device_id),
            }));
        }
    };
    sqlx::query(
        "UPDATE device_codes SET last_poll_at = $1, interval_s = interval_s + $2 WHERE device_code_hash = $3",
    )
    .bind(now)
    .bind(longer)
    .bind(hash)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    if longer > 0 {
        return refuse(
            "slow_down",
            "wait five seconds longer between two questions",
        );
    }
    refuse("authorization_pending", "nobody has decided yet")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_is_told_follows_from_its_code_and_the_time() {
        let known = |state: &str, last_poll_at| Known {
            device_id: "board".into(),
            expires_at: 900_000,
            last_poll_at,
            interval_s: 5,
            state: state.into(),
        };
        for (state, last, now, verdict) in [
            ("waiting", None, 0, Verdict::Wait),
            ("waiting", Some(0), 5000, Verdict::Wait),
            ("waiting", Some(0), 4999, Verdict::SlowDown),
            ("waiting", Some(0), 900_000, Verdict::Expired),
            ("approved", Some(0), 1, Verdict::Grant),
            ("approved", None, 900_000, Verdict::Expired),
            ("denied", None, 900_000, Verdict::Denied),
            ("used", None, 1, Verdict::Unknown),
        ] {
            assert_eq!(known(state, last).verdict(now), verdict, "{state} at {now}");
        }
    }
}
