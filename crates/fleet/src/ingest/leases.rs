//! Which instance reads which partition, written in the database.
//!
//! A lease ends by itself when it is not renewed. Who takes a partition over raises its epoch: commits with an older one
//! change nothing, whatever the clocks of the instances say.

use std::collections::BTreeMap;

use sqlx::Row as _;

use super::IngestError;
use crate::app::new_id;
use crate::store::{Store, StoreError, Transaction};

/// How long a lease holds, in milliseconds.
const LEASE: i64 = 10_000;

/// A partition that this instance reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// The right to write.
    pub(super) epoch: i64,
    /// How far it was read when it was taken; nothing at its beginning.
    pub(super) offset: Option<String>,
}

/// One row, as an instance sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lease {
    partition: i64,
    owner: Option<String>,
    epoch: i64,
    leased_until: i64,
    offset: Option<String>,
}

/// The leases of one event hub and consumer group, for one instance.
#[derive(Debug)]
pub(super) struct Leases {
    store: Store,
    event_hub: String,
    group: String,
    /// This instance, until it ends.
    owner: String,
}

impl Leases {
    pub(super) fn new(store: Store, event_hub: &str, group: &str) -> Self {
        Self {
            store,
            event_hub: event_hub.to_owned(),
            group: group.to_owned(),
            owner: new_id(),
        }
    }

    /// Makes the rows there are to be.
    pub(super) async fn prepare(&self, partitions: &[usize]) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        for partition in partitions {
            sqlx::query(
                "INSERT INTO partitions (event_hub, consumer_group, partition_id) VALUES ($1, $2, $3)
                 ON CONFLICT DO NOTHING",
            )
            .bind(&self.event_hub)
            .bind(&self.group)
            .bind(*partition as i64)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await
    }

    /// Renews what this instance holds, and takes what it should. Returns all that it holds then.
    pub(super) async fn look_around(&self, now: i64) -> Result<BTreeMap<usize, Held>, StoreError> {
        let mut tx = self.store.begin().await?;
        sqlx::query(
            "UPDATE partitions SET leased_until = $1
             WHERE event_hub = $2 AND consumer_group = $3 AND owner = $4",
        )
        .bind(now + LEASE)
        .bind(&self.event_hub)
        .bind(&self.group)
        .bind(&self.owner)
        .execute(&mut *tx)
        .await?;
        for lease in due(&self.read(&mut tx).await?, &self.owner, now) {
            // Another instance may be quicker: then the epoch is another, and nothing happens.
            sqlx::query(
                "UPDATE partitions SET owner = $1, epoch = epoch + 1, leased_until = $2
                 WHERE event_hub = $3 AND consumer_group = $4 AND partition_id = $5 AND epoch = $6",
            )
            .bind(&self.owner)
            .bind(now + LEASE)
            .bind(&self.event_hub)
            .bind(&self.group)
            .bind(lease.partition)
            .bind(lease.epoch)
            .execute(&mut *tx)
            .await?;
        }
        let leases = self.read(&mut tx).await?;
        tx.commit().await?;
        let mine = leases
            .into_iter()
            .filter(|lease| lease.owner.as_deref() == Some(&self.owner));
        Ok(mine
            .filter_map(|lease| {
                let held = Held {
                    epoch: lease.epoch,
                    offset: lease.offset,
                };
                Some((usize::try_from(lease.partition).ok()?, held))
            })
            .collect())
    }

    /// Writes how far a partition was read, with what its events changed.
    ///
    /// # Errors
    /// [`IngestError::TakenOver`] when it is somebody else's by now: nothing of the transaction may stand.
    pub(super) async fn advance(
        &self,
        tx: &mut Transaction,
        partition: usize,
        epoch: i64,
        (offset, sequence): (&str, i64),
    ) -> Result<(), IngestError> {
        let moved = sqlx::query(
            "UPDATE partitions SET event_offset = $1, sequence = $2
             WHERE event_hub = $3 AND consumer_group = $4 AND partition_id = $5 AND owner = $6 AND epoch = $7",
        )
        .bind(offset.to_owned())
        .bind(sequence)
        .bind(&self.event_hub)
        .bind(&self.group)
        .bind(partition as i64)
        .bind(&self.owner)
        .bind(epoch)
        .execute(&mut **tx)
        .await?;
        match moved.rows_affected() {
            0 => Err(IngestError::TakenOver),
            _ => Ok(()),
        }
    }

    /// Begins a partition anew, and has it attached again.
    pub(super) async fn forget_position(
        &self,
        partition: usize,
        epoch: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        sqlx::query(
            "UPDATE partitions SET event_offset = NULL, sequence = NULL, epoch = epoch + 1
             WHERE event_hub = $1 AND consumer_group = $2 AND partition_id = $3 AND owner = $4 AND epoch = $5",
        )
        .bind(&self.event_hub)
        .bind(&self.group)
        .bind(partition as i64)
        .bind(&self.owner)
        .bind(epoch)
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    /// Lets the others have at once what is held here.
    pub(super) async fn give_up(&self) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        sqlx::query("UPDATE partitions SET owner = NULL, leased_until = 0 WHERE owner = $1")
            .bind(&self.owner)
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    async fn read(&self, tx: &mut Transaction) -> Result<Vec<Lease>, StoreError> {
        let rows = sqlx::query(
            "SELECT partition_id, owner, epoch, leased_until, event_offset FROM partitions
             WHERE event_hub = $1 AND consumer_group = $2 ORDER BY partition_id",
        )
        .bind(&self.event_hub)
        .bind(&self.group)
        .fetch_all(&mut **tx)
        .await?;
        let leases = rows.iter().map(|row| {
            Ok(Lease {
                partition: row.try_get(0)?,
                owner: row.try_get(1)?,
                epoch: row.try_get(2)?,
                leased_until: row.try_get(3)?,
                offset: row.try_get(4)?,
            })
        });
        Ok(leases.collect::<Result<_, sqlx::Error>>()?)
    }
}

/// What an instance should take: what nobody holds, up to its fair share; and when there is none of that, one of
/// whoever has two more than it.
fn due<'a>(leases: &'a [Lease], me: &str, now: i64) -> Vec<&'a Lease> {
    let mut shares: BTreeMap<&str, usize> = BTreeMap::from([(me, 0)]);
    let holder = |lease: &'a Lease| {
        let holds = lease.leased_until > now;
        lease.owner.as_deref().filter(|_| holds)
    };
    for owner in leases.iter().filter_map(holder) {
        *shares.entry(owner).or_default() += 1;
    }
    let mine = shares[me];
    let fair = leases.len().div_ceil(shares.len());
    let mut free = leases
        .iter()
        .filter(|lease| holder(lease).is_none())
        .peekable();
    if free.peek().is_some() {
        return free.take(fair.saturating_sub(mine)).collect();
    }
    let richest = shares.into_iter().max_by_key(|(_, count)| *count);
    let Some((rich, _)) = richest.filter(|(_, count)| *count >= mine + 2) else {
        return Vec::new();
    };
    let theirs = leases
        .iter()
        .filter(|lease| lease.owner.as_deref() == Some(rich));
    theirs.take(1).collect()
}

#[cfg(test)]
mod tests;
