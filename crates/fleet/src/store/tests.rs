use super::testing::{Kept, every};
use super::*;

async fn customer(tx: &mut Transaction, id: &str) -> Result<(), StoreError> {
    let insert =
        sqlx::query("INSERT INTO customers (id, name, created_at) VALUES ($1, 'Town', 1)").bind(id);
    insert.execute(&mut **tx).await?;
    Ok(())
}

#[tokio::test]
async fn what_is_committed_is_told_and_what_is_not_is_not() {
    for Kept { store, .. } in &every().await {
        told_when_committed(store).await;
    }
}

async fn told_when_committed(store: &Store) {
    let mut changes = store.changes();
    let mut tx = store.begin().await.expect("a transaction");
    customer(&mut tx, "lost").await.expect("it is written");
    tx.tell(Kind::Project, "lost");
    drop(tx);
    let mut tx = store.begin().await.expect("a transaction");
    customer(&mut tx, "kept").await.expect("it is written");
    tx.tell(Kind::Project, "kept");
    tx.commit().await.expect("it is committed");
    loop {
        let change = changes.next().await.expect("a change");
        if change.kind != Kind::Everything {
            break assert_ne!(change.id, "lost");
        }
        // PostgreSQL begins to listen in a moment of its own, and nobody knows what was before: from here on it hears.
        let mut tx = store.begin().await.expect("a transaction");
        customer(&mut tx, "heard").await.expect("it is written");
        tx.tell(Kind::Project, "heard");
        tx.commit().await.expect("it is committed");
    }
    let ids: Vec<(String,)> = sqlx::query_as("SELECT id FROM customers WHERE id <> 'heard'")
        .fetch_all(store.reader())
        .await
        .expect("rows");
    assert_eq!(ids, [("kept".to_owned(),)]);
}

#[tokio::test]
async fn errors_say_what_kind_they_are() {
    for Kept { store, .. } in &every().await {
        kinds_of_errors(store).await;
    }
}

async fn kinds_of_errors(store: &Store) {
    let mut tx = store.begin().await.expect("a transaction");
    customer(&mut tx, "one").await.expect("it is written");
    assert!(
        customer(&mut tx, "one")
            .await
            .expect_err("it is there")
            .is_taken()
    );
    let project = sqlx::query(
        "INSERT INTO projects (id, customer_id, name, enrollment_group_id, created_at) VALUES ('p', 'nobody', 'P', 'g', 1)",
    );
    // PostgreSQL takes nothing more from a transaction that has failed.
    drop(tx);
    let mut tx = store.begin().await.expect("a transaction");
    let error = StoreError::from(
        project
            .execute(&mut *tx)
            .await
            .expect_err("no such customer"),
    );
    assert!(error.is_missing_reference(), "{error:?}");
}

#[tokio::test]
async fn a_database_is_opened_again_and_a_newer_one_is_not() {
    for kept in &every().await {
        opened_again(kept).await;
    }
}

async fn opened_again(Kept { store, address, .. }: &Kept) {
    sqlx::query("INSERT INTO migrations (number, name) VALUES (999, 'later')")
        .execute(&store.writer)
        .await
        .expect("a row");
    let error = Store::open(address).await.expect_err("it is newer");
    assert!(error.to_string().contains("newer release"), "{error}");
    sqlx::query("DELETE FROM migrations WHERE number = 999")
        .execute(&store.writer)
        .await
        .expect("it goes");
    Store::open(address).await.expect("a second one beside it");
}

/// Whatever is sorted leaves no file anywhere: in its image there is no place for one.
#[tokio::test]
async fn what_is_sorted_is_sorted_in_memory() {
    let kept = super::testing::file().await;
    let (place,): (i64,) = sqlx::query_as("PRAGMA temp_store")
        .fetch_one(kept.store.reader())
        .await
        .expect("an answer");
    assert_eq!(place, 2, "MEMORY");
}

#[tokio::test]
async fn an_address_that_is_none_says_what_one_is() {
    for address in ["", "fleet.db", "mysql://somewhere"] {
        let error = Store::open(address).await.expect_err(address);
        assert!(error.to_string().contains("sqlite:FILE"), "{error}");
    }
}
