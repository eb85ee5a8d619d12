//! Databases for tests: a file of each test's own; and with `COW_FLEET_POSTGRES` (`postgres://USER@HOST:PORT`, of a user
//! who may create databases) a database of its own on that server as well.

use tempfile::TempDir;

use super::Store;

/// A database that goes with the test.
#[derive(Debug)]
pub(crate) struct Kept {
    /// It.
    pub(crate) store: Store,
    /// How it is opened once more, as a second instance does.
    pub(crate) address: String,
    // Kept for as long as the database is.
    _directory: Option<TempDir>,
}

/// A database in a file.
pub(crate) async fn file() -> Kept {
    let directory = tempfile::tempdir().expect("a directory");
    let address = format!(
        "sqlite:{}",
        directory.path().join("inner/fleet.db").display()
    );
    Kept {
        store: Store::open(&address).await.expect("a database"),
        address,
        _directory: Some(directory),
    }
}

/// One of each engine there is here.
pub(crate) async fn every() -> Vec<Kept> {
    let mut every = vec![file().await];
    if let Ok(server) = std::env::var("COW_FLEET_POSTGRES") {
        every.push(on_postgres(server.trim_end_matches('/')).await);
    }
    every
}

async fn on_postgres(server: &str) -> Kept {
    sqlx::any::install_default_drivers();
    let name = format!("test_{}", crate::app::new_id());
    let pool = sqlx::AnyPool::connect(&format!("{server}/postgres"))
        .await
        .expect("the server of COW_FLEET_POSTGRES");
    let create = format!("CREATE DATABASE {name}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create))
        .execute(&pool)
        .await
        .expect("a database");
    pool.close().await;
    let address = format!("{server}/{name}");
    Kept {
        store: Store::open(&address).await.expect("its tables"),
        address,
        _directory: None,
    }
}
