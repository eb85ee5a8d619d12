//! Guesses at secrets that people type: how often anybody may try one. They are counted in the database, so that every
//! instance knows of those at the others.

use std::net::IpAddr;
use std::time::Duration;

use super::secret;
use crate::app::App;
use crate::problem::Problem;
use crate::store::{StoreError, Transaction};
use crate::web::network;

/// Failures that cost nothing: everybody mistypes. An office may share its address.
const FREE_OF_ACCOUNT: i64 = 5;
const FREE_OF_ADDRESS: i64 = 20;
/// From there on each costs twice the wait of the one before, up to this.
const FIRST_WAIT_MS: i64 = 2000;
const LONGEST_WAIT_MS: i64 = 15 * 60 * 1000;
/// After so long without a failure it is forgotten.
const FORGOTTEN_AFTER_MS: i64 = 60 * 60 * 1000;

/// What failed lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failures {
    count: i64,
    at: i64,
    /// Nothing is tried before.
    until: i64,
}

impl Failures {
    /// With one more, of which the first few are free.
    fn and_one(self, free: i64, now: i64) -> Self {
        let is_forgotten = now - self.at > FORGOTTEN_AFTER_MS;
        let count = if is_forgotten { 1 } else { self.count + 1 };
        let wait = if count >= free {
            (FIRST_WAIT_MS << (count - free).min(20)).min(LONGEST_WAIT_MS)
        } else {
            0
        };
        Self {
            count,
            at: now,
            until: now + wait,
        }
    }

    /// Without the last one.
    fn but_one(self) -> Self {
        Self {
            count: (self.count - 1).max(0),
            until: self.at,
            ..self
        }
    }
}

/// Whether a secret may be tried now. It counts as failed until [`succeeded`]: a thousand at once are a thousand tries.
///
/// # Errors
/// 429 with the time to wait.
pub(crate) async fn try_secret(app: &App, address: IpAddr, account: &str) -> Result<(), Problem> {
    let now = app.now();
    let mut tx = app.store.begin().await?;
    let mut counted = Vec::new();
    // Always in this order, so that two who try at once wait for each other and not each for the other.
    for (who, free) in [
        (of_account(account), FREE_OF_ACCOUNT),
        (of_address(address), FREE_OF_ADDRESS),
    ] {
        let failures = hold(&mut tx, &who, now).await?;
        counted.push((who, failures, free));
    }
    let wait = counted.iter().map(|(_, failures, _)| failures.until - now);
    let wait = wait.max().unwrap_or_default();
    if wait > 0 {
        let wait = Duration::from_millis(wait.unsigned_abs());
        return Err(Problem::too_often(wait));
    }
    for (who, failures, free) in counted {
        keep(&mut tx, &who, failures.and_one(free, now)).await?;
    }
    Ok(tx.commit().await?)
}

/// Takes back what [`try_secret`] counted. The account is clean; of the address only this one try is forgotten, so that
/// nobody covers guesses at others by signing in at their own account.
///
/// # Errors
/// When the database fails.
pub(crate) async fn succeeded(app: &App, address: IpAddr, account: &str) -> Result<(), Problem> {
    let mut tx = app.store.begin().await?;
    sqlx::query("DELETE FROM guesses WHERE who = $1")
        .bind(of_account(account))
        .execute(&mut *tx)
        .await?;
    let who = of_address(address);
    let failures = hold(&mut tx, &who, app.now()).await?;
    keep(&mut tx, &who, failures.but_one()).await?;
    Ok(tx.commit().await?)
}

/// Forgets what is over.
///
/// # Errors
/// When the database fails.
pub(crate) async fn forget(app: &App) -> Result<(), StoreError> {
    let mut tx = app.store.begin().await?;
    sqlx::query("DELETE FROM guesses WHERE last_at < $1")
        .bind(app.now() - FORGOTTEN_AFTER_MS - LONGEST_WAIT_MS)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// Whose secret it is: whatever was typed in, of one length.
fn of_account(account: &str) -> String {
    let account = account.trim().to_lowercase();
    secret::hash(&format!("account {account}"))
}

fn of_address(address: IpAddr) -> String {
    secret::hash(&format!("address {}", network(address)))
}

/// What failed so far; nobody else counts it until this transaction is over.
async fn hold(tx: &mut Transaction, who: &str, now: i64) -> Result<Failures, StoreError> {
    sqlx::query(
        "INSERT INTO guesses (who, failures, last_at, wait_until) VALUES ($1, 0, $2, $2)
         ON CONFLICT (who) DO UPDATE SET failures = guesses.failures",
    )
    .bind(who.to_owned())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    let (count, at, until) =
        sqlx::query_as("SELECT failures, last_at, wait_until FROM guesses WHERE who = $1")
            .bind(who.to_owned())
            .fetch_one(&mut **tx)
            .await?;
    Ok(Failures { count, at, until })
}

async fn keep(tx: &mut Transaction, who: &str, failures: Failures) -> Result<(), StoreError> {
    sqlx::query("UPDATE guesses SET failures = $1, last_at = $2, wait_until = $3 WHERE who = $4")
        .bind(failures.count)
        .bind(failures.at)
        .bind(failures.until)
        .bind(who.to_owned())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Site;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn wait_of(result: Result<(), Problem>) -> Duration {
        let problem = result.expect_err("too often");
        assert_eq!(problem.status, 429);
        problem.retry_after.expect("a time")
    }

    #[tokio::test]
    async fn guessing_at_one_account_waits_longer_each_time_at_whichever_instance_from_wherever() {
        let site = Site::new().await;
        let other = site.another_instance().await;
        let instance = |guess: usize| {
            if guess.is_multiple_of(2) {
                &site.app
            } else {
                &other
            }
        };
        for guess in 0..5 {
            let from = address(&format!("10.0.0.{guess}"));
            let free = try_secret(instance(guess), from, "A@town.example").await;
            free.expect("a free try");
        }
        let mut waits = Vec::new();
        for guess in 0..12 {
            let from = address(&format!("10.0.1.{guess}"));
            let wait = wait_of(try_secret(instance(guess), from, "a@TOWN.example ").await);
            waits.push(wait.as_millis());
            site.pass(wait);
            let again = try_secret(instance(guess), from, "a@town.example").await;
            again.expect("waited");
        }
        assert_eq!(waits[..4], [2000, 4000, 8000, 16000]);
        assert_eq!(waits[11], 900_000);
        let own = address("10.9.9.9");
        let free = try_secret(&site.app, own, "b@town.example").await;
        free.expect("another account");
        site.pass(Duration::from_millis(
            (FORGOTTEN_AFTER_MS + LONGEST_WAIT_MS + 1) as u64,
        ));
        for _ in 0..2 {
            let forgotten = try_secret(&site.app, own, "a@town.example").await;
            forgotten.expect("free again");
        }
        forget(&site.app).await.expect("it is forgotten");
        let kept: (i64,) = sqlx::query_as("SELECT COUNT(*) FROM guesses")
            .fetch_one(site.app.store.reader())
            .await
            .expect("a count");
        assert_eq!(kept.0, 2, "what was tried just now");
    }

    #[tokio::test]
    async fn guessing_at_many_accounts_from_one_network_waits_too() {
        let site = Site::new().await;
        for guess in 0..20 {
            let from = address(&format!("2001:db8::{guess:x}"));
            let account = format!("{guess}@town.example");
            let free = try_secret(&site.app, from, &account).await;
            free.expect("a free try");
        }
        let from = address("2001:db8::ffff");
        let wait = wait_of(try_secret(&site.app, from, "new@town.example").await);
        assert_eq!(wait, Duration::from_secs(2));
        let elsewhere = address("2001:db8:0:1::1");
        let free = try_secret(&site.app, elsewhere, "new@town.example").await;
        free.expect("another network");
    }

    #[tokio::test]
    async fn signing_in_costs_nothing_and_hides_nothing() {
        let site = Site::new().await;
        let from = address("10.0.0.1");
        let app = &site.app;
        let sign_in = async || {
            try_secret(app, from, "own").await.expect("the right one");
            succeeded(app, from, "own").await.expect("counted");
        };
        for _ in 0..30 {
            sign_in().await;
        }
        for guess in 0..19 {
            let free = try_secret(app, from, &guess.to_string()).await;
            free.expect("a free try");
            sign_in().await;
        }
        try_secret(app, from, "one more").await.expect("the last");
        wait_of(try_secret(app, from, "and more").await);
    }

    #[tokio::test]
    async fn as_many_at_once_are_as_many_tries() {
        let site = Site::new().await;
        let other = site.another_instance().await;
        let tries = (0..24).map(|guess| {
            let app = if guess % 2 == 0 {
                site.app.clone()
            } else {
                other.clone()
            };
            let from = address(&format!("10.0.0.{guess}"));
            tokio::spawn(async move { try_secret(&app, from, "a@town.example").await })
        });
        let tries: Vec<_> = tries.collect();
        let mut free = 0;
        for tried in tries {
            match tried.await.expect("it ends") {
                Ok(()) => free += 1,
                Err(problem) => assert_eq!(problem.status, 429, "{problem:?}"),
            }
        }
        assert_eq!(free, FREE_OF_ACCOUNT);
    }
}
