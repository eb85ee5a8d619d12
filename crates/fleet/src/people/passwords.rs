//! Passwords, kept as Argon2id hashes with the parameters OWASP recommends: 19 MiB, two passes, one lane.

use argon2::password_hash::PasswordHasher;
use argon2::{Argon2, Params, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::problem::Problem;

/// Shorter ones are guessed, and nobody types longer ones.
const SHORTEST: usize = 10;
const LONGEST: usize = 200;
/// A hash takes 19 MiB while it is made: more at once must wait.
static AT_ONCE: Semaphore = Semaphore::const_new(2);
/// Memory in KiB, and passes. A test's passwords guard nothing.
const COST: (u32, u32) = if cfg!(test) { (64, 1) } else { (19 * 1024, 2) };
/// What the password of nobody is compared with, so that it takes as long as anybody's: how long an answer takes must
/// not tell whether there is an account.
const OF_NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGlzIGhlcmU$Yd3bmRhsrcEKQZ3w1nzJ5dqnzs0pZ4nYlkjEKyI3r5s";

/// Refuses what is too easy.
pub(super) fn check(password: &str, email: &str) -> Result<(), Problem> {
    let length = password.chars().count();
    let name = email.split('@').next().unwrap_or_default();
    let is_easy = |part: &str| part.len() > 3 && password.eq_ignore_ascii_case(part);
    let first = password.chars().next();
    if !(SHORTEST..=LONGEST).contains(&length) {
        let detail = format!("A password has {SHORTEST} to {LONGEST} characters.");
        return Err(Problem::field("password", detail));
    }
    if is_easy(email) || is_easy(name) || password.chars().all(|next| Some(next) == first) {
        let detail = "This password is the first anybody would try.";
        return Err(Problem::field("password", detail));
    }
    Ok(())
}

/// What is kept of a password.
pub(super) async fn hash(password: String) -> Result<String, Problem> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt)?;
    let hashed = apart(move || {
        let params = Params::new(COST.0, COST.1, 1, None)?;
        let hash = Argon2::from(params).hash_password_with_salt(password.as_bytes(), &salt)?;
        Ok::<_, argon2::password_hash::Error>(hash.to_string())
    });
    hashed.await?.map_err(|error| {
        tracing::error!(%error, "a password could not be hashed");
        Problem::unavailable()
    })
}

/// Whether it is the one. `None` is the hash of nobody, whose password nobody knows.
pub(super) async fn is_right(password: String, hash: Option<String>) -> Result<bool, Problem> {
    let is_somebody = hash.is_some();
    let hash = hash.unwrap_or_else(|| OF_NOBODY.to_owned());
    let right = apart(move || {
        Argon2::default()
            .verify_password(password.as_bytes(), hash.as_str())
            .is_ok()
    });
    Ok(right.await? && is_somebody)
}

/// It takes tens of milliseconds of a whole core: nothing else may wait for it.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let turn = AT_ONCE.acquire().await;
    let done = tokio::task::spawn_blocking(work).await;
    drop(turn);
    done.map_err(|error| {
        tracing::error!(%error, "a password's hash was given up");
        Problem::unavailable()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_one_is_known_again_and_nobody_has_one() {
        let kept = hash("correct horse".into()).await.expect("a hash");
        assert!(kept.starts_with("$argon2id$v=19$m="), "{kept}");
        for (password, hash, right) in [
            ("correct horse", Some(kept.clone()), true),
            ("Correct horse", Some(kept), false),
            ("correct horse", None, false),
            ("", Some(String::new()), false),
        ] {
            let is = is_right(password.into(), hash).await.expect("an answer");
            assert_eq!(is, right, "{password}");
        }
        // It is a real hash, or nobody would be told apart by the time it takes.
        assert!(argon2::PasswordHash::new(OF_NOBODY).is_ok());
    }

    #[test]
    fn easy_ones_are_refused() {
        for password in [
            "short",
            "aaaaaaaaaaaa",
            "Jo.Bloggs@town.example",
            "&".repeat(201).as_str(),
        ] {
            assert!(
                check(password, "jo.bloggs@town.example").is_err(),
                "{password}"
            );
        }
        check("four words make one", "jo.bloggs@town.example").expect("a good one");
    }
}
