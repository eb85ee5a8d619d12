//! A claim from elsewhere, while it is on its way.

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::info;

use super::Shift;
use crate::cloud::Cloud;
use crate::desk::Refusal;
use crate::device::{Waiter, Wish};
use crate::disk::Disk;
use crate::sign_in::Event;
use crate::view::SignIn;

/// A claim from elsewhere, on its way.
pub(super) struct UnderSignIn {
    pub(super) events: mpsc::Receiver<Event>,
    task: AbortHandle,
    pub(super) shown: Option<SignIn>,
}

impl<C: Cloud, D: Disk + Clone> Shift<C, D> {
    pub(super) fn start_sign_in(&mut self) -> Result<(), Refusal> {
        let Some(service) = self.claim.clone() else {
            return Err(Refusal::new(
                409,
                "no-claim-service",
                "nobody has told this device where it can be claimed: set BAY_CLAIM_URL, or enter its registration",
            ));
        };
        if self.sign_in.is_some() {
            return Ok(());
        }
        let (sender, events) = mpsc::channel(4);
        let serial = self.device.serial.as_ref().map(ToString::to_string);
        let task = self
            .services
            .spawn(service.sign_in(serial, self.trust_file.clone(), sender));
        self.sign_in = Some(UnderSignIn {
            events,
            task,
            shown: None,
        });
        Ok(())
    }

    pub(super) fn end_sign_in(&mut self) {
        if let Some(under) = self.sign_in.take() {
            under.task.abort();
        }
    }

    pub(super) fn take_sign_in(&mut self, event: Option<Event>) {
        match event {
            Some(Event::Code(code)) => {
                info!(
                    user_code = code.user_code,
                    verification_uri = code.verification_uri,
                    "the device can be claimed with this code"
                );
                if let Some(under) = &mut self.sign_in {
                    under.shown = Some(code);
                }
            }
            Some(Event::Approved(registration)) => {
                info!("the claim was approved");
                self.end_sign_in();
                self.device.ask(Wish::Claim(registration), Waiter::Nobody);
            }
            Some(Event::Failed(why)) => {
                self.end_sign_in();
                self.device.trouble(None, why);
            }
            None => self.end_sign_in(),
        }
    }
}
