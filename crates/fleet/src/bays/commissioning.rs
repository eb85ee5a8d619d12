//! The page on which a board is put up: found by its code, claimed for a project, placed, aimed, calibrated and tested.
//!
//! It only reads; what it does goes through the API.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use sqlx::Row as _;

use super::bay::Purpose;
use super::view::BayView;
use crate::app::App;
use crate::orders::line::LineState;
use crate::people::{Caller, Role};
use crate::problem::Problem;
use crate::store::StoreError;
use crate::web::body::Query;
use crate::web::page::{Frame, show};

#[derive(Template)]
#[template(path = "commission.html")]
struct CommissionPage {
    page: Frame,
    serial: String,
    step: Step,
    projects: Vec<(String, String)>,
    bay: Option<BayView>,
}

/// How far the board with the serial number is.
enum Step {
    /// Nobody has named one.
    Find,
    /// It has not registered yet.
    Awaited,
    /// It is nobody's.
    Claim,
    /// An order has it.
    OnTheWay(Option<Way>),
    /// It is in its bay.
    There,
}

/// How far the order is with it.
struct Way {
    order_id: String,
    state: LineState,
    problem: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Board {
    #[serde(default)]
    device: String,
}

/// The serial number in what was typed or scanned: alone, at the end of an address, or in the code that a board is set up
/// with.
fn serial_in(code: &str) -> String {
    let code = code.trim().trim_end_matches('/');
    let named = code
        .split(['?', '&'])
        .find_map(|part| part.strip_prefix("registrationId="));
    let serial = named.or_else(|| code.rsplit(['/', '=', ':']).next());
    serial.unwrap_or_default().to_ascii_lowercase()
}

pub(super) async fn show_board(
    caller: Caller,
    State(app): State<App>,
    Query(board): Query<Board>,
) -> Result<Response, Problem> {
    caller.at_least(Role::Installer)?;
    let serial = serial_in(&board.device);
    let projects = sqlx::query_as(
        "SELECT id, name FROM projects WHERE closed_at IS NULL AND ($1 = '' OR customer_id = $1) ORDER BY name, id",
    )
    .bind(caller.customer_id.clone().unwrap_or_default())
    .fetch_all(app.store.reader())
    .await?;
    let bay = app.lot().find(&app, "", 1, |bay| {
        bay.device_id.as_deref() == Some(serial.as_str()) && caller.sees(&bay.site.customer_id)
    });
    let bay = bay.await?.pop();
    let step = match &bay {
        _ if serial.is_empty() => Step::Find,
        Some(_) => Step::There,
        None => step(&app, &caller, &serial).await?,
    };
    Ok(show(&CommissionPage {
        page: Frame::of(&caller, "commission"),
        bay: bay.map(|bay| BayView::now(&bay, &caller, &app)),
        serial,
        step,
        projects,
    }))
}

/// How far a board is that has no bay. One that is another customer's is not there.
async fn step(app: &App, caller: &Caller, serial: &str) -> Result<Step, StoreError> {
    let row = sqlx::query(
        "SELECT d.lifecycle, p.customer_id FROM devices d LEFT JOIN projects p ON p.id = d.project_id WHERE d.id = $1",
    )
    .bind(serial.to_owned())
    .fetch_optional(app.store.reader())
    .await?;
    let Some(row) = row else {
        return Ok(Step::Awaited);
    };
    let (lifecycle, customer): (String, Option<String>) =
        (row.try_get("lifecycle")?, row.try_get("customer_id")?);
    if customer.is_some_and(|customer| !caller.sees(&customer)) {
        return Ok(Step::Awaited);
    }
    match lifecycle.as_str() {
        "unregistered" => Ok(Step::Awaited),
        "stock" => Ok(Step::Claim),
        _ => Ok(Step::OnTheWay(way(app, serial).await?)),
    }
}

/// Of its last order.
async fn way(app: &App, serial: &str) -> Result<Option<Way>, StoreError> {
    let row: Option<(String, String, Option<String>)> = sqlx::query_as(
        "SELECT order_id, state, problem FROM order_lines WHERE device_id = $1 ORDER BY order_id DESC LIMIT 1",
    )
    .bind(serial.to_owned())
    .fetch_optional(app.store.reader())
    .await?;
    Ok(row.map(|(order_id, state, problem)| Way {
        order_id,
        state: LineState::of(&state),
        problem,
    }))
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use serde_json::json;

    use super::*;
    use crate::testing::Site;

    #[test]
    fn a_code_is_read_however_it_is_written() {
        let serial = "10000000a1b2c3d4";
        for code in [
            " 10000000A1B2C3D4 ",
            "https://parking.example/d/10000000a1b2c3d4",
            "https://parking.example/d/10000000a1b2c3d4/",
            "https://parking.example/commission?device=10000000a1b2c3d4",
            "serial:10000000a1b2c3d4",
            // Its key is not to be looked for, and not to be shown.
            "cow:setup?idScope=0ne1&registrationId=10000000a1b2c3d4&symmetricKey=AAAA=",
        ] {
            assert_eq!(serial_in(code), serial, "{code}");
        }
        assert_eq!(serial_in(" "), "");
    }

    #[tokio::test]
    async fn the_page_says_how_far_a_board_is() {
        let site = Site::new().await;
        let customer = site.customer("Town").await;
        let mut tx = site.app.store.begin().await.expect("a transaction");
        sqlx::query("INSERT INTO projects (id, customer_id, name, enrollment_group_id, created_at) VALUES ('p', $1, 'Market', 'g', 1)")
            .bind(customer.clone())
            .execute(&mut *tx)
            .await
            .expect("written");
        for statement in [
            "INSERT INTO devices (id, lifecycle, project_id, first_seen_at) VALUES
                 ('heard', 'unregistered', NULL, 1), ('shelved', 'stock', NULL, 1), ('moving', 'assigning', 'p', 1),
                 ('failed', 'assigning', 'p', 1)",
            "INSERT INTO orders (id, project_id, kind, quantity, state, created_by, created_at)
             VALUES ('o', 'p', 'assign', 2, 'open', 'u', 1)",
            "INSERT INTO order_lines (order_id, device_id, state, problem, begun_at, updated_at) VALUES
                 ('o', 'moving', 'restarting', NULL, 1, 1), ('o', 'failed', 'failed', 'It said no.', 1, 1)",
        ] {
            sqlx::query(statement).execute(&mut *tx).await.expect("written");
        }
        tx.commit().await.expect("committed");
        let ours = site.somebody(Role::Installer, Some(&customer)).await;
        let other = site.customer("Harbour").await;
        let theirs = site.somebody(Role::Installer, Some(&other)).await;
        for (who, code, shows) in [
            (&ours, "nobody", "id=\"awaited\""),
            (&ours, "heard", "id=\"awaited\""),
            (&ours, "SHELVED", "id=\"claim\""),
            (&ours, "moving", "data-state=\"restarting\""),
            (&ours, "failed", "It said no."),
            (&ours, "failed", "POST /api/orders/o/retry"),
            (&theirs, "moving", "id=\"awaited\""),
        ] {
            let page = site.get(who, &format!("/commission?device={code}")).await;
            assert_eq!(page.status, 200, "{code}");
            assert!(page.text.contains(shows), "{code}: {}", page.text);
        }
    }

    #[tokio::test]
    async fn an_installer_claims_a_board_he_can_name_and_orders_no_others() {
        let site = Site::new().await;
        let customer = site.customer("Town").await;
        let other = site.customer("Harbour").await;
        let mut tx = site.app.store.begin().await.expect("a transaction");
        for (id, customer) in [("p", &customer), ("q", &other)] {
            sqlx::query("INSERT INTO projects (id, customer_id, name, enrollment_group_id, created_at) VALUES ($1, $2, 'Market', $1, 1)")
                .bind(id)
                .bind(customer.clone())
                .execute(&mut *tx)
                .await
                .expect("written");
        }
        sqlx::query("INSERT INTO devices (id, lifecycle, device_id, first_seen_at) VALUES ('shelved', 'stock', 'shelved', 1)")
            .execute(&mut *tx)
            .await
            .expect("written");
        tx.commit().await.expect("committed");
        let installer = site.somebody(Role::Installer, Some(&customer)).await;
        for (status, order) in [
            (403, json!({"projectId": "p", "quantity": 1})),
            (
                403,
                json!({"projectId": "p", "kind": "return", "deviceIds": ["shelved"]}),
            ),
            (404, json!({"projectId": "q", "deviceIds": ["shelved"]})),
            (409, json!({"projectId": "p", "deviceIds": ["another"]})),
            (202, json!({"projectId": "p", "deviceIds": ["SHELVED"]})),
            (409, json!({"projectId": "p", "deviceIds": ["shelved"]})),
        ] {
            let answer = site
                .ask(&installer, Method::POST, "/api/orders", order.clone())
                .await;
            assert_eq!(answer.status, status, "{order}: {answer:?}");
        }
    }
}
