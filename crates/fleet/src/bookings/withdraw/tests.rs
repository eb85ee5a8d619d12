use crate::bays::change::{self, BayChange};
use crate::bays::state::Opening;
use crate::bays::state::Rules;
use crate::bays::testing::{BEGIN, MINUTE, Town, towns};
use crate::bookings::booking::{Booking, Stage};
use crate::bookings::desk::{self, Wish};
use crate::bookings::view::{Notice, notices};
use crate::bookings::withdraw::OpenBookings;
use crate::entity_tag::IfMatch;
use crate::moment::Moment;
use crate::people::{Caller, Role};

async fn book(town: &Town, who: &Caller, bay_id: &str, begins: i64) -> Booking {
    let wish = Wish {
        bay_id: bay_id.into(),
        begins_at: Some(Moment(BEGIN + begins * MINUTE)),
        minutes: Some(60),
        ..Wish::default()
    };
    let booking = desk::book(&town.app, who, wish).await.expect("it is free");
    town.heard(bay_id).await;
    booking
}

async fn read(town: &Town, id: &str) -> Booking {
    let row = sqlx::query("SELECT * FROM bookings WHERE id = $1")
        .bind(id.to_owned())
        .fetch_one(town.app.store.reader())
        .await
        .expect("a booking");
    crate::bookings::kept::booking(&row).expect("a booking")
}

fn closing(bookings: Option<OpenBookings>) -> BayChange {
    BayChange {
        opening: Some(Opening::Closed),
        bookings,
        ..BayChange::default()
    }
}

#[tokio::test]
async fn a_bay_that_is_booked_closes_only_by_a_word_on_the_bookings() {
    for town in towns().await {
        let operator = town.somebody(Role::Operator).await;
        let (anna, bert) = (
            town.somebody(Role::Driver).await,
            town.somebody(Role::Driver).await,
        );
        let bay = town.bay().await;
        town.says(&bay, "free").await;
        let now = book(&town, &anna, &bay, 0).await;
        let later = book(&town, &bert, &bay, 120).await;
        town.settle().await;
        town.pass(2);
        town.says(&bay, "occupied").await;
        town.settle().await;
        assert_eq!(read(&town, &now.id).await.stage, Stage::InUse);
        town.devices.asked();

        let any = IfMatch(None);
        let refused = change::change(&town.app, &operator, &bay, any, closing(None)).await;
        let refused = refused.expect_err("it is booked");
        assert_eq!(refused.code, "bookings-are-open");
        let named: Vec<&str> = refused.bookings.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(named, [&now.id, &later.id]);
        let removed = change::remove(&town.app, &operator, &bay, any).await;
        assert_eq!(removed.expect_err("it is booked").code, "bookings-are-open");
        assert!(read(&town, &now.id).await.stage.holds());

        let kept = closing(Some(OpenBookings::Keep));
        let closed = change::change(&town.app, &operator, &bay, any, kept).await;
        assert_eq!(closed.expect("it closes").opening, Opening::Closed);
        assert!(read(&town, &later.id).await.stage.holds());
        let opened = BayChange {
            opening: Some(Opening::Open),
            ..BayChange::default()
        };
        change::change(&town.app, &operator, &bay, any, opened)
            .await
            .expect("it opens");

        let all = closing(Some(OpenBookings::Cancel));
        change::change(&town.app, &operator, &bay, any, all)
            .await
            .expect("it closes");
        town.heard(&bay).await;
        let (was_used, was_to_come) = (read(&town, &now.id).await, read(&town, &later.id).await);
        assert_eq!(was_used.stage, Stage::Over);
        assert_eq!(was_to_come.stage, Stage::Cancelled);
        let known = town
            .app
            .lot()
            .get(&town.app, &bay)
            .await
            .expect("it is read");
        let known = known.expect("a bay");
        let rules = Rules::from(&town.app.settings);
        for booking in [&was_used, &was_to_come] {
            let told = notices(booking, &known, &rules, town.app.now());
            assert_eq!(told, [Notice::Withdrawn]);
        }
        // The lamp unlearns what it was told.
        town.settle().await;
        let methods: Vec<String> = town
            .devices
            .asked()
            .into_iter()
            .map(|asked| asked.2)
            .collect();
        assert_eq!(methods, ["release"]);
    }
}
