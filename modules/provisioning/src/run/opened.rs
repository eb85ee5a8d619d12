//! How a run begins: what the card holds is taken over, and the doors are opened.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::Shift;
use crate::cloud::Cloud;
use crate::desk::Desk;
use crate::disk::Disk;
use crate::edge_config::Endpoint;
use crate::kept::Taken;
use crate::neighbour;
use crate::portal::{self, Pin};
use crate::view::WaitsFor;

impl<C: Cloud, D: Disk + Clone> Shift<C, D> {
    /// Takes identity files over from the card, and says which PIN counts.
    pub(super) fn take_cards(
        &mut self,
        files: &[PathBuf],
        endpoint: &Endpoint,
        given: Option<Pin>,
    ) -> Option<Pin> {
        // The card is the host's.
        if self.link.is_none() {
            for file in files {
                match self.device.files.kept.take_card(file, endpoint) {
                    Ok(Taken::Nothing) => {}
                    Ok(Taken::Taken(None)) => {
                        info!(file = %file.display(), "the card's identity file was taken over");
                    }
                    Ok(Taken::Taken(Some(error))) => {
                        self.device.trouble(None, format!(
                            "the identity file was taken over, and cannot be removed from the card, where its key can be \
                             read: {} ({error})",
                            file.display()
                        ));
                    }
                    Ok(Taken::Unusable(why)) => self.device.trouble(None, why),
                    Err(error) => self.device.trouble(None, error.to_string()),
                }
            }
        }
        given.or_else(|| self.device.files.kept.pin())
    }

    /// Begins what nobody has to ask for.
    pub(super) fn begin(&mut self) {
        if self.link.is_some() {
            return;
        }
        match self.device.files.kept.first() {
            Ok(Some(first)) => self.device.take_first(first),
            Ok(None) if self.waits_for() == Some(WaitsFor::Claim) && self.claim.is_some() => {
                drop(self.start_sign_in());
            }
            Ok(None) => {}
            Err(why) => self.device.trouble(None, why),
        }
    }

    /// Opens the doors: the portal, and the socket between host and module. Both close with what is given
    /// back.
    pub(super) async fn open(
        &mut self,
        desk: &Desk,
        address: Option<SocketAddr>,
        pin: Option<Pin>,
    ) -> oneshot::Sender<()> {
        let (close, closed) = oneshot::channel();
        if self.link.is_some() {
            match neighbour::open(self.device.files.kept.directory()) {
                Ok(listener) => {
                    self.services
                        .spawn(neighbour::serve(listener, desk.clone()));
                }
                Err(error) => warn!(%error, "the host cannot be told how things are here"),
            }
        }
        if let Some(address) = address
            && let Err(error) = self.open_portal(desk.clone(), address, pin, closed).await
        {
            self.device
                .trouble(None, format!("there is no portal: {error:#}"));
        }
        close
    }

    pub(super) async fn open_portal(
        &mut self,
        desk: Desk,
        address: SocketAddr,
        pin: Option<Pin>,
        closed: oneshot::Receiver<()>,
    ) -> anyhow::Result<()> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("{address} cannot be listened on"))?;
        let pin = match pin {
            Some(pin) => pin,
            None => {
                let pin = Pin::random().context("there is no random source")?;
                // To the console of whoever stands before the device, and not to the log.
                println!("portal PIN: {}", pin.expose());
                pin
            }
        };
        let options = portal::PortalOptions::new(pin).context("there is no random source")?;
        info!(address = %listener.local_addr()?, "the portal is open");
        self.services.spawn(async move {
            let stop = async {
                let _ = closed.await;
            };
            portal::serve(listener, desk, &options, stop).await;
        });
        Ok(())
    }
}
