//! The device's half: what the machine decides, done.

use std::time::Instant;

use tokio::time::sleep_until;
use transport::tls::client_config;

use crate::error::RegisterError;
use crate::machine::{Answer, Machine, Output};
use crate::registration::{Assignment, Attestation, Limits, Progress, Registration};
use crate::wire::{Outcome, Wire};

/// Registers a device and gives the hub it belongs to.
///
/// It asks as long as the service says to, tries again what may pass by itself, and ends at the latest when
/// [`Limits::give_up_after`] is over. Dropping the future ends it at once; the service may have taken the
/// registration all the same, and registering again is harmless.
///
/// # Errors
/// One variant for each thing that can be done about it: see [`RegisterError`].
pub async fn register(
    registration: &Registration,
    limits: Limits,
) -> Result<Assignment, RegisterError> {
    register_with(registration, limits, |_| {}).await
}

/// As [`register`], and tells how far it is. `watch` is called in between and should not block.
///
/// # Errors
/// As [`register`].
pub async fn register_with(
    registration: &Registration,
    limits: Limits,
    mut watch: impl FnMut(Progress) + Send,
) -> Result<Assignment, RegisterError> {
    check_scope(&registration.id_scope)?;
    let certificate = match &registration.attestation {
        Attestation::X509(certificate) => Some(certificate),
        Attestation::SymmetricKey(_) => None,
    };
    let tls = client_config(&registration.trust, certificate)
        .await
        .map_err(RegisterError::Link)?;
    let mut machine = Machine::new(limits, fastrand::Rng::new(), now());
    let mut wire = Wire::new(registration, tls, limits.answer_within);
    loop {
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Send { request, call } => wire.send(request, call),
                Output::Abandon => wire.abandon(),
                Output::Progress(progress) => {
                    tracing::debug!(%progress, "registration");
                    watch(progress);
                }
                Output::Done(result) => {
                    wire.close().await;
                    return result;
                }
            }
        }
        let wake = machine.poll_timeout().unwrap_or_else(now);
        tokio::select! {
            outcome = wire.next() => match outcome {
                Outcome::Answered { request, status, retry_after, body } => {
                    let answer = Answer { status, retry_after, body: &body };
                    machine.handle_answer(request, answer, now());
                }
                Outcome::Failed { request, why } => machine.handle_failed(request, why, now()),
            },
            () = sleep_until(wake.into()) => machine.handle_timeout(now()),
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Refuses what would not even fit into a user name or a path; whether there is such a scope, only the
/// service knows.
fn check_scope(id_scope: &str) -> Result<(), RegisterError> {
    let is_plausible = (1..=64).contains(&id_scope.len())
        && id_scope
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-');
    if is_plausible {
        Ok(())
    } else {
        Err(RegisterError::IdScope {
            id_scope: id_scope.to_owned(),
        })
    }
}
