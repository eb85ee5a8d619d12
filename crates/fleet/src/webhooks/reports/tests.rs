use serde_json::Value;

use crate::app::new_id;
use crate::bays::testing::{BEGIN, MINUTE, Town, towns};
use crate::bookings::booking::Booking;
use crate::bookings::desk::{self, Step, Wish};
use crate::entity_tag::IfMatch;
use crate::moment::Moment;
use crate::people::{Caller, Role};

/// A receiver for this customer's reports, or for everybody's.
async fn hook(town: &Town, customer: Option<&str>) -> String {
    let id = new_id();
    let mut tx = town.app.store.begin().await.expect("a transaction");
    sqlx::query(
        "INSERT INTO webhooks (id, customer_id, url, secret, events, created_at)
         VALUES ($1, $2, 'https://receiver.example/', 'whsec_', '[]', 1)",
    )
    .bind(id.clone())
    .bind(customer.map(str::to_owned))
    .execute(&mut *tx)
    .await
    .expect("it is written");
    tx.commit().await.expect("it is committed");
    id
}

async fn customer(town: &Town) -> String {
    let row: (String,) = sqlx::query_as("SELECT customer_id FROM projects WHERE id = $1")
        .bind(town.project_id.clone())
        .fetch_one(town.app.store.reader())
        .await
        .expect("a project");
    row.0
}

/// What a receiver is to be told and was not asked about before, in the order it happened.
async fn told(town: &Town, hook: &str) -> Vec<(String, Value)> {
    let mut tx = town.app.store.begin().await.expect("a transaction");
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT id, event, body FROM webhook_deliveries WHERE webhook_id = $1 ORDER BY id",
    )
    .bind(hook.to_owned())
    .fetch_all(&mut *tx)
    .await
    .expect("reports");
    sqlx::query("DELETE FROM webhook_deliveries WHERE webhook_id = $1")
        .bind(hook.to_owned())
        .execute(&mut *tx)
        .await
        .expect("they are gone");
    tx.commit().await.expect("it is committed");
    let read = |(_, event, body): (String, String, String)| {
        let body: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(body["type"], event);
        (event, body["data"].clone())
    };
    rows.into_iter().map(read).collect()
}

fn names(told: &[(String, Value)]) -> Vec<&str> {
    told.iter().map(|(event, _)| event.as_str()).collect()
}

async fn book(town: &Town, who: &Caller, bay_id: &str, begins: i64, minutes: u32) -> Booking {
    let wish = Wish {
        bay_id: bay_id.into(),
        begins_at: Some(Moment(BEGIN + begins * MINUTE)),
        minutes: Some(minutes),
        plate: "1-ABC-234".into(),
        ..Wish::default()
    };
    let booking = desk::book(&town.app, who, wish).await.expect("it is free");
    town.heard(bay_id).await;
    booking
}

#[tokio::test]
async fn what_becomes_of_a_booking_is_told_to_whom_it_concerns() {
    for town in towns().await {
        let own = hook(&town, Some(&customer(&town).await)).await;
        let all = hook(&town, None).await;
        let (anna, bert) = (
            town.somebody(Role::Driver).await,
            town.somebody(Role::Driver).await,
        );
        let bay = town.bay().await;
        town.says(&bay, "free").await;
        let first = book(&town, &anna, &bay, 0, 60).await;
        let second = book(&town, &bert, &bay, 60, 60).await;
        let heard = told(&town, &own).await;
        assert_eq!(names(&heard), ["booking.made", "booking.made"]);
        let made = &heard[0].1;
        assert_eq!(made["bookingId"], first.id);
        assert_eq!(made["projectId"], town.project_id);
        assert_eq!(made["endsAt"], "2026-11-21T13:00:00Z");
        let text = made.to_string();
        assert!(
            !text.contains("1-ABC") && !text.contains(&anna.user_id),
            "{text}"
        );

        town.pass(3);
        town.says(&bay, "occupied").await;
        town.settle().await;
        assert_eq!(names(&told(&town, &own).await), ["booking.checked-in"]);
        // Anna stays on, into Bert's time.
        town.pass(58);
        town.settle().await;
        town.settle().await;
        let heard = told(&town, &own).await;
        assert_eq!(
            names(&heard),
            ["booking.overstay", "alarm.raised", "booking.conflict"]
        );
        assert_eq!(heard[1].1["detail"], "wrong-car");
        assert_eq!(heard[2].1["bookingId"], second.id);
        town.settle().await;
        assert!(told(&town, &own).await.is_empty(), "once");
        town.pass(1);
        town.says(&bay, "free").await;
        town.settle().await;
        let heard = told(&town, &own).await;
        assert_eq!(names(&heard), ["booking.ended", "alarm.ended"]);
        assert_eq!(heard[0].1["bookingId"], first.id);
        assert_eq!(heard[0].1["reason"], "over");
        assert_eq!(heard[1].1["endedAt"], "2026-11-21T13:02:00Z");
        town.pass(30);
        town.settle().await;
        let heard = told(&town, &own).await;
        assert_eq!(names(&heard), ["booking.no-show"]);
        assert_eq!(heard[0].1["bookingId"], second.id);

        let third = book(&town, &anna, &bay, 120, 60).await;
        let any = IfMatch(None);
        let end = Step::MoveEnd(BEGIN + 200 * MINUTE);
        for step in [end, Step::Cancel] {
            desk::change(&town.app, &anna, &third.id, any, step)
                .await
                .expect("it is theirs");
        }
        let heard = told(&town, &own).await;
        assert_eq!(
            names(&heard),
            ["booking.made", "booking.changed", "booking.ended"]
        );
        assert_eq!(heard[2].1["reason"], "cancelled");
        assert!(
            told(&town, &all).await.len() > 10,
            "who hears of all hears of this"
        );
    }
}

#[tokio::test]
async fn nobody_hears_of_anothers_bays_or_of_what_was_not_done() {
    for town in towns().await {
        let elsewhere = new_id();
        let mut tx = town.app.store.begin().await.expect("a transaction");
        sqlx::query("INSERT INTO customers (id, name, created_at) VALUES ($1, 'Elsewhere', 1)")
            .bind(elsewhere.clone())
            .execute(&mut *tx)
            .await
            .expect("it is written");
        tx.commit().await.expect("it is committed");
        let others = hook(&town, Some(&elsewhere)).await;
        let own = hook(&town, Some(&customer(&town).await)).await;
        let bay = town.bay().await;
        let device: (String,) = sqlx::query_as("SELECT device_id FROM bays WHERE id = $1")
            .bind(bay.clone())
            .fetch_one(town.app.store.reader())
            .await
            .expect("a device");
        let raise = async |detail: &str, commits: bool| {
            let mut tx = town.app.store.begin().await.expect("a transaction");
            let kind = crate::alarms::AlarmKind::Battery;
            crate::alarms::raise(&mut tx, &device.0, Some(&bay), kind, detail, BEGIN)
                .await
                .expect("it is raised");
            if commits {
                tx.commit().await.expect("it is committed");
            }
        };
        raise("low", false).await;
        assert!(told(&town, &own).await.is_empty(), "it was never raised");
        raise("low", true).await;
        raise("low", true).await;
        raise("critical", true).await;
        let mut tx = town.app.store.begin().await.expect("a transaction");
        let kind = crate::alarms::AlarmKind::Battery;
        for _ in 0..2 {
            crate::alarms::clear(&mut tx, &device.0, kind, BEGIN + MINUTE)
                .await
                .expect("it is cleared");
        }
        tx.commit().await.expect("it is committed");
        let heard = told(&town, &own).await;
        assert_eq!(
            names(&heard),
            ["alarm.raised", "alarm.changed", "alarm.ended"]
        );
        assert_eq!(heard[1].1["detail"], "critical");
        assert_eq!(
            (&heard[0].1["kind"], &heard[0].1["bay"]),
            (&"battery".into(), &"1".into())
        );
        assert!(told(&town, &others).await.is_empty());
    }
}
