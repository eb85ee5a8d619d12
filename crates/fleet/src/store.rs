//! The database: one file beside the service, or PostgreSQL where several instances share the work.
//!
//! Statements are written once, in what both engines understand: `$1` for parameters, `BIGINT` milliseconds for times,
//! text for ids and JSON, `1` or `NULL` for flags. They stand with what they are for (`projects.rs`, `bookings.rs`); here is
//! only what they run on.
//!
//! **Invariant:** whoever is told of a change finds it committed: [`Transaction::tell`] speaks when the commit has
//! succeeded, in this instance and in every other on the same database.

mod announcements;
mod migrations;

use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::time::Duration;

use sqlx::any::{AnyArguments, AnyPoolOptions};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AnyPool};
use tokio::sync::broadcast;

pub use self::announcements::{Announcement, Kind};

/// Connections to PostgreSQL that one instance writes by, as many to read by, and readers of a file.
const CONNECTIONS: u32 = 4;
/// Writers of a file wait for one another inside the process; another process may hold it for a moment.
const BUSY: Duration = Duration::from_secs(10);

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address is none.
    #[error("{0:?} is no database: write sqlite:FILE or postgres://USER:PASSWORD@HOST/NAME")]
    Address(String),
    /// A newer release has been here.
    #[error(
        "the database was written by a newer release (its tables are at {found}, this release knows {known}): start that release, or restore a backup"
    )]
    Newer {
        /// Migrations done.
        found: usize,
        /// Migrations this release has.
        known: usize,
    },
    /// It cannot be reached, or refuses.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// A statement one of whose values is a number with a fraction, or `NULL` in its place.
///
/// sqlx tells PostgreSQL of such a `NULL` as of a `real` (`sqlx-core` 0.9.0, `any/arguments.rs`). A statement that is
/// kept would take every later value for one, and be refused with it.
pub fn with_fractions(sql: &'static str) -> Query<'static, Any, AnyArguments> {
    sqlx::query(sql).persistent(false)
}

impl StoreError {
    /// Whether something else is already there under the same key.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.database()
            .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
    }

    /// Whether the bay is booked for some of that time.
    #[must_use]
    pub fn is_double_booking(&self) -> bool {
        self.database()
            .is_some_and(|error| error.message().contains("no_double_booking"))
    }

    /// Whether what it refers to is not there.
    #[must_use]
    pub fn is_missing_reference(&self) -> bool {
        self.database()
            .is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation)
    }

    fn database(&self) -> Option<&dyn sqlx::error::DatabaseError> {
        match self {
            Self::Database(sqlx::Error::Database(error)) => Some(error.as_ref()),
            _ => None,
        }
    }
}

/// Which engine it is. Only this module and the migrations ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// A transaction on a file that begins by reading and then writes is refused when another wrote meanwhile.
    const fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    fn fill(self, sql: &str) -> String {
        let (serial, bytes) = match self {
            Self::Sqlite => ("INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB"),
            Self::Postgres => ("BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "BYTEA"),
        };
        sql.replace("{SERIAL}", serial).replace("{BYTES}", bytes)
    }
}

/// An open database.
#[derive(Debug, Clone)]
pub struct Store {
    engine: Engine,
    readers: AnyPool,
    writer: AnyPool,
    announcements: broadcast::Sender<Announcement>,
}

impl Store {
    /// Opens `sqlite:FILE`, which is made when it is not there, or `postgres://…`, and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError`]; its text says what to do.
    pub async fn open(address: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let engine = match address.split_once(':') {
            Some(("sqlite", _)) => Engine::Sqlite,
            Some(("postgres" | "postgresql", _)) => Engine::Postgres,
            _ => return Err(StoreError::Address(address.to_owned())),
        };
        let (readers, writer) = match engine {
            Engine::Sqlite => sqlite(address).await?,
            Engine::Postgres => {
                let pool = || {
                    let options = AnyPoolOptions::new().max_connections(CONNECTIONS);
                    options.acquire_timeout(BUSY).connect(address)
                };
                // Apart: a transaction may read on the side. With one pool for both, those that wait for what it has
                // locked could hold every connection, and it would wait for them.
                (pool().await?, pool().await?)
            }
        };
        migrations::run(&writer, engine).await?;
        let announcements = broadcast::channel(announcements::BACKLOG).0;
        if engine == Engine::Postgres {
            announcements::listen(address.to_owned(), announcements.clone());
        }
        Ok(Self {
            engine,
            readers,
            writer,
            announcements,
        })
    }

    /// Whether this is the only instance there can be: a file is one's own, and who had it before is gone.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.engine == Engine::Sqlite
    }

    /// For statements that only read.
    #[must_use]
    pub const fn reader(&self) -> &AnyPool {
        &self.readers
    }

    /// Begins a transaction that may write. Dropped without [`Transaction::commit`], it has done nothing.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        let inner = self.writer.begin_with(self.engine.begin()).await?;
        let told = Vec::new();
        Ok(Transaction {
            inner,
            engine: self.engine,
            announcements: self.announcements.clone(),
            told,
        })
    }

    /// What changes from here on, in all instances. Who falls behind hears [`Kind::Everything`].
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes(self.announcements.subscribe())
    }
}

/// Follows [`Store::changes`].
#[derive(Debug)]
pub struct Changes(broadcast::Receiver<Announcement>);

impl Changes {
    /// The next change; [`Kind::Everything`] when some were missed. `None` when the store is gone.
    pub async fn next(&mut self) -> Option<Announcement> {
        match self.0.recv().await {
            Ok(announcement) => Some(announcement),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Announcement::everything()),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// A change that was told already; `None` when there is none.
    pub fn try_next(&mut self) -> Option<Announcement> {
        match self.0.try_recv() {
            Ok(announcement) => Some(announcement),
            Err(broadcast::error::TryRecvError::Lagged(_)) => Some(Announcement::everything()),
            Err(_) => None,
        }
    }
}

/// Changes that are made together. It derefs to the connection: `query.execute(&mut *tx)`.
#[derive(Debug)]
pub struct Transaction {
    inner: sqlx::Transaction<'static, Any>,
    engine: Engine,
    announcements: broadcast::Sender<Announcement>,
    told: Vec<Announcement>,
}

impl Transaction {
    /// Says, once the commit has succeeded, that something is not what it was.
    pub fn tell(&mut self, kind: Kind, id: impl Into<String>) {
        let announcement = Announcement {
            kind,
            id: id.into(),
        };
        if !self.told.contains(&announcement) {
            self.told.push(announcement);
        }
    }

    /// Makes the changes durable.
    ///
    /// # Errors
    /// [`StoreError::Database`]: nothing was changed, unless the connection broke while it was answered.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        if self.engine == Engine::Postgres {
            // The server tells every instance, this one too, when the commit is done.
            for announcement in std::mem::take(&mut self.told) {
                let text = announcement.to_string();
                let told = sqlx::query("SELECT pg_notify($1, $2)")
                    .bind(announcements::CHANNEL)
                    .bind(text);
                told.execute(&mut *self.inner).await?;
            }
        }
        self.inner.commit().await?;
        for announcement in self.told {
            // Nobody may be listening.
            let _ = self.announcements.send(announcement);
        }
        Ok(())
    }
}

impl Deref for Transaction {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.inner
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}

/// One writer, so that nobody is refused for another's sake, and readers beside it, who see what was last committed.
async fn sqlite(address: &str) -> Result<(AnyPool, AnyPool), StoreError> {
    let parsed = sqlx::sqlite::SqliteConnectOptions::from_str(address)
        .map_err(|_| StoreError::Address(address.to_owned()))?;
    if let Some(directory) = parsed.get_filename().parent() {
        tokio::fs::create_dir_all(directory)
            .await
            .map_err(sqlx::Error::Io)?;
    }
    let mark = if address.contains('?') { '&' } else { '?' };
    let pool = |connections: u32, mode: &str| {
        let address = format!("{address}{mark}mode={mode}");
        let options = AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(BUSY)
            .after_connect(|connection, _| Box::pin(pragmas(connection)));
        async move { options.connect(&address).await }
    };
    // The writer makes the file, so it is first.
    let writer = pool(1, "rwc").await?;
    Ok((pool(CONNECTIONS, "rw").await?, writer))
}

async fn pragmas(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    // What is acknowledged is on the disk: FULL syncs the log at every commit. What is sorted on the way is in memory:
    // an image from scratch has no place for temporary files.
    let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 10000; PRAGMA temp_store = MEMORY;";
    sqlx::raw_sql(pragmas).execute(connection).await?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
