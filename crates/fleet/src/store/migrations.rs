//! The tables, and the way from an older release's to this one's. What is released is never edited: a change is a new
//! file with the next number.

use sqlx::{AnyPool, Row};

use super::{Engine, StoreError};

/// A step: its name, and what it runs on either engine.
struct Migration {
    name: &'static str,
    both: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

const MIGRATIONS: &[Migration] = &[Migration {
    name: "0001_start",
    both: include_str!("../../migrations/0001_start.sql"),
    sqlite: include_str!("../../migrations/0001_sqlite.sql"),
    postgres: include_str!("../../migrations/0001_postgres.sql"),
}];

/// Two instances that start at once must not both do it.
const LOCK: &str = "SELECT pg_advisory_xact_lock(6230491)";

/// Brings the tables to this release's; each step whole or not at all.
pub(super) async fn run(writer: &AnyPool, engine: Engine) -> Result<(), StoreError> {
    let mut tx = writer.begin_with(engine.begin()).await?;
    if engine == Engine::Postgres {
        sqlx::query(LOCK).execute(&mut *tx).await?;
    }
    let table =
        "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL)";
    sqlx::query(table).execute(&mut *tx).await?;
    let done = sqlx::query("SELECT COALESCE(MAX(number), 0) FROM migrations");
    let done: i64 = done.fetch_one(&mut *tx).await?.try_get(0)?;
    let done = usize::try_from(done).unwrap_or_default();
    if done > MIGRATIONS.len() {
        let known = MIGRATIONS.len();
        return Err(StoreError::Newer { found: done, known });
    }
    for (number, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        let own = match engine {
            Engine::Sqlite => migration.sqlite,
            Engine::Postgres => migration.postgres,
        };
        let sql = engine.fill(migration.both) + own;
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut *tx)
            .await?;
        sqlx::query("INSERT INTO migrations (number, name) VALUES ($1, $2)")
            .bind(number as i64 + 1)
            .bind(migration.name)
            .execute(&mut *tx)
            .await?;
        tracing::info!(
            migration = migration.name,
            "the database was brought up to date"
        );
    }
    tx.commit().await?;
    Ok(())
}
