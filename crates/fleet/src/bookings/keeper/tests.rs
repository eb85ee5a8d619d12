use crate::bays::testing::{BEGIN, MINUTE, Town, towns};
use crate::bookings::booking::{Booking, Stage};
use crate::bookings::desk::{self, Step, Wish};
use crate::bookings::lamp::Told;
use crate::entity_tag::IfMatch;
use crate::hub::{HubError, MethodAnswer};
use crate::moment::Moment;
use crate::people::{Caller, Role};
use crate::problem::Problem;

fn wish(bay_id: &str, begins: i64, minutes: u32) -> Wish {
    Wish {
        bay_id: bay_id.into(),
        begins_at: Some(Moment(BEGIN + begins * MINUTE)),
        minutes: Some(minutes),
        ..Wish::default()
    }
}

async fn book(town: &Town, who: &Caller, wish: Wish) -> Result<Booking, Problem> {
    let bay_id = wish.bay_id.clone();
    let booked = desk::book(&town.app, who, wish).await;
    town.heard(&bay_id).await;
    booked
}

async fn read(town: &Town, id: &str) -> Booking {
    let row = sqlx::query("SELECT * FROM bookings WHERE id = $1")
        .bind(id.to_owned())
        .fetch_one(town.app.store.reader())
        .await
        .expect("a booking");
    let booking = crate::bookings::kept::booking(&row).expect("a booking");
    town.heard(&booking.bay_id).await;
    booking
}

async fn step(town: &Town, who: &Caller, id: &str, step: Step) -> Result<Booking, Problem> {
    let changed = desk::change(&town.app, who, id, IfMatch(None), step).await;
    read(town, id).await;
    changed
}

async fn open_conflicts(town: &Town) -> Vec<String> {
    let rows: Vec<(String,)> =
        sqlx::query_as("SELECT detail FROM alarms WHERE kind = 'conflict' AND cleared_at IS NULL")
            .fetch_all(town.app.store.reader())
            .await
            .expect("alarms");
    rows.into_iter().map(|row| row.0).collect()
}

/// A driver books, the lamp turns, they come, they go: and everything is as it should be after each.
#[tokio::test]
async fn a_driver_books_comes_and_goes() {
    for town in towns().await {
        let anna = town.somebody(Role::Driver).await;
        let bay = town.bay().await;
        town.says(&bay, "free").await;
        let booking = book(&town, &anna, wish(&bay, 0, 60))
            .await
            .expect("it is free");
        assert_eq!(booking.lamp.told, Told::Waiting);
        town.settle().await;
        let asked = town.devices.asked();
        let (_, module, method, payload) = asked.first().expect("the lamp is told");
        assert_eq!((module.as_str(), method.as_str()), ("light", "book"));
        assert_eq!(payload["bookingId"], booking.id);
        assert_eq!(payload["until"], "2026-11-21T13:00:00Z");
        assert_eq!(asked.len(), 1);
        assert_eq!(read(&town, &booking.id).await.lamp.told, Told::Told);

        town.pass(3);
        town.says(&bay, "occupied").await;
        town.settle().await;
        let came = read(&town, &booking.id).await;
        assert_eq!(
            (came.stage, came.checked_in_at),
            (Stage::InUse, Some(BEGIN + 3 * MINUTE))
        );
        assert!(open_conflicts(&town).await.is_empty());

        step(&town, &anna, &booking.id, Step::Release)
            .await
            .expect("it is theirs");
        town.settle().await;
        let (_, _, method, payload) = town.devices.asked().pop().expect("the lamp is told");
        assert_eq!(
            (method.as_str(), &payload["bookingId"]),
            ("release", &booking.id.clone().into())
        );
        let gone = read(&town, &booking.id).await;
        assert_eq!((gone.stage, gone.lamp.told), (Stage::Over, Told::Released));
        town.settle().await;
        assert!(town.devices.asked().is_empty(), "nobody is told twice");
        let again = step(&town, &anna, &booking.id, Step::Release)
            .await
            .expect_err("it is over");
        assert_eq!(again.code, "booking-is-over");
    }
}

#[tokio::test]
async fn a_lamp_that_does_not_listen_is_told_again_and_the_driver_the_truth() {
    for town in towns().await {
        let anna = town.somebody(Role::Driver).await;
        let bay = town.bay().await;
        town.says(&bay, "free").await;
        town.devices.answer(Err(HubError::Offline));
        town.devices.answer(Ok(MethodAnswer {
            status: 409,
            payload: serde_json::json!({"reason": "booked", "message": "the bay is booked by another"}),
        }));
        let booking = book(&town, &anna, wish(&bay, 0, 60))
            .await
            .expect("it is free");
        town.settle().await;
        let failed = read(&town, &booking.id).await;
        assert_eq!(failed.lamp.told, Told::Failed);
        assert_eq!(
            failed.lamp.problem.as_deref(),
            Some("the device is not connected: nothing was done")
        );
        town.settle().await;
        assert_eq!(town.devices.asked().len(), 1, "not at once");
        town.pass(1);
        town.settle().await;
        let refused = read(&town, &booking.id).await;
        assert!(
            refused
                .lamp
                .problem
                .expect("a problem")
                .contains("booked by another")
        );
        town.pass(1);
        town.settle().await;
        assert_eq!(read(&town, &booking.id).await.lamp.told, Told::Told);
    }
}

#[tokio::test]
async fn the_wrong_car_is_a_conflict_until_it_is_gone() {
    for town in towns().await {
        let (anna, bert) = (
            town.somebody(Role::Driver).await,
            town.somebody(Role::Driver).await,
        );
        let bay = town.bay().await;
        town.says(&bay, "occupied").await;
        let now = book(&town, &anna, wish(&bay, 0, 60))
            .await
            .expect_err("it is taken");
        assert_eq!(now.code, "bay-is-occupied");
        let booking = book(&town, &anna, wish(&bay, 30, 60))
            .await
            .expect("later it may be free");
        town.pass(30);
        town.settle().await;
        assert_eq!(open_conflicts(&town).await, ["wrong-car"]);
        // Longer than any driver may take: the bay was never theirs to come to.
        town.pass(21);
        town.settle().await;
        assert_eq!(read(&town, &booking.id).await.stage, Stage::Booked);
        town.says(&bay, "free").await;
        town.settle().await;
        assert!(open_conflicts(&town).await.is_empty());
        town.pass(1);
        town.says(&bay, "occupied").await;
        town.settle().await;
        assert_eq!(read(&town, &booking.id).await.stage, Stage::InUse);
        // Who stays on is told, and is in the way of who comes next.
        let next = book(&town, &bert, wish(&bay, 90, 60))
            .await
            .expect("behind the other");
        town.pass(38);
        town.settle().await;
        let stayed = read(&town, &booking.id).await;
        assert_eq!(
            (stayed.stage, stayed.overstay_at),
            (Stage::Over, Some(BEGIN + 90 * MINUTE))
        );
        assert_eq!(open_conflicts(&town).await, ["wrong-car"]);
        town.says(&bay, "free").await;
        town.settle().await;
        assert!(read(&town, &booking.id).await.ended_at.is_some());
        town.pass(20);
        town.settle().await;
        assert_eq!(read(&town, &next.id).await.stage, Stage::NoShow);
    }
}

#[tokio::test]
async fn no_news_is_no_no_show() {
    for town in towns().await {
        let anna = town.somebody(Role::Driver).await;
        let bay = town.bay().await;
        town.says(&bay, "free").await;
        let booking = book(&town, &anna, wish(&bay, 7 * 60, 60))
            .await
            .expect("it is free");
        town.pass(7 * 60 + 30);
        town.settle().await;
        assert_eq!(
            read(&town, &booking.id).await.stage,
            Stage::Booked,
            "the device is silent"
        );
        town.pass(30);
        town.settle().await;
        assert_eq!(read(&town, &booking.id).await.stage, Stage::Over);
    }
}

#[tokio::test]
async fn nobody_changes_what_is_anothers() {
    for town in towns().await {
        let (anna, bert) = (
            town.somebody(Role::Driver).await,
            town.somebody(Role::Driver).await,
        );
        let operator = town.somebody(Role::Operator).await;
        let stranger = Caller {
            customer_id: Some("elsewhere".into()),
            ..town.somebody(Role::Operator).await
        };
        let bay = town.bay().await;
        town.says(&bay, "free").await;
        let booking = book(&town, &anna, wish(&bay, 60, 60))
            .await
            .expect("it is free");
        for who in [&bert, &stranger] {
            let problem = step(&town, who, &booking.id, Step::Cancel)
                .await
                .expect_err("not theirs");
            assert_eq!(problem.status, 404);
        }
        assert_eq!(
            book(&town, &stranger, wish(&bay, 200, 60))
                .await
                .expect_err("unseen")
                .status,
            404
        );
        let stale = desk::change(
            &town.app,
            &anna,
            &booking.id,
            IfMatch(Some(7)),
            Step::Cancel,
        )
        .await;
        assert_eq!(stale.expect_err("another version").status, 412);
        step(&town, &operator, &booking.id, Step::Cancel)
            .await
            .expect("operators may");
        for hour in [3, 5, 7] {
            book(&town, &bert, wish(&bay, hour * 60, 60))
                .await
                .expect("it is free");
        }
        let fourth = book(&town, &bert, wish(&bay, 9 * 60, 60))
            .await
            .expect_err("too many");
        assert_eq!(fourth.code, "too-many-bookings");
    }
}

/// The acceptance of issue 6: two hundred at once, and one is first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_at_once_one_is_first() {
    for town in towns().await {
        let bay = town.bay().await;
        town.says(&bay, "free").await;
        let town = std::sync::Arc::new(town);
        let mut everybody = tokio::task::JoinSet::new();
        for number in 0..200 {
            let (town, bay) = (std::sync::Arc::clone(&town), bay.clone());
            let who = town.somebody(Role::Driver).await;
            everybody.spawn(async move {
                // Some wish for the same time, some for another that overlaps.
                let wish = wish(&bay, number % 50, 60);
                desk::book(&town.app, &who, wish).await
            });
        }
        let answers = everybody.join_all().await;
        let won: Vec<&Booking> = answers.iter().flatten().collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        for lost in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            assert_eq!((lost.status, lost.code), (409, "bay-is-booked"));
        }
        let row: (i64,) = sqlx::query_as("SELECT COUNT(*) FROM bookings")
            .fetch_one(town.app.store.reader())
            .await
            .expect("a count");
        assert_eq!(row.0, 1);
    }
}

/// Whoever writes to the database, by whatever way: it holds.
#[tokio::test]
async fn the_database_itself_refuses_a_double_booking() {
    for town in towns().await {
        let anna = town.somebody(Role::Operator).await;
        let bay = town.bay().await;
        let first = book(&town, &anna, wish(&bay, 60, 60))
            .await
            .expect("it is free");
        let behind = book(&town, &anna, wish(&bay, 120, 60))
            .await
            .expect("right behind it");
        let over = book(&town, &anna, wish(&bay, 90, 60))
            .await
            .expect_err("over both");
        assert_eq!((over.status, over.code), (409, "bay-is-booked"));
        let to = Step::MoveEnd(first.ends_at + MINUTE);
        let longer = step(&town, &anna, &first.id, to)
            .await
            .expect_err("into the next");
        assert_eq!(longer.code, "bay-is-booked");
        let mut tx = town.app.store.begin().await.expect("a transaction");
        let by_hand = sqlx::query("UPDATE bookings SET begins_at = $1 WHERE id = $2")
            .bind(first.begins_at)
            .bind(behind.id.clone())
            .execute(&mut *tx)
            .await
            .map_err(crate::store::StoreError::from);
        assert!(by_hand.expect_err("both at once").is_double_booking());
        drop(tx);
        step(&town, &anna, &behind.id, Step::Cancel)
            .await
            .expect("it is given up");
        let to = Step::MoveEnd(first.ends_at + MINUTE);
        step(&town, &anna, &first.id, to)
            .await
            .expect("now there is room");
    }
}
