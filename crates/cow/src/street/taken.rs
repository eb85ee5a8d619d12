//! What to say, and to do, when an address cannot be listened on.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::anyhow;

use crate::control::Control;

/// A cow that holds the port answers at once; anything slower may be whatever it likes.
const WAIT: Duration = Duration::from_secs(2);

/// One sentence about why the page's address, the first that is tried, cannot be had.
pub(super) async fn explain_page(page: SocketAddr, error: io::Error) -> anyhow::Error {
    if error.kind() == ErrorKind::AddrInUse && is_cow(page).await {
        let elsewhere = elsewhere(page.port());
        return anyhow!(
            "cow runs already, at http://{page}: use that one, stop it, or {elsewhere} here"
        );
    }
    explain(page, error)
}

/// One sentence about why `address` cannot be had.
pub(super) fn explain(address: SocketAddr, error: io::Error) -> anyhow::Error {
    let (ip, port) = (address.ip(), address.port());
    let elsewhere = elsewhere(port);
    match error.kind() {
        ErrorKind::AddrInUse => {
            anyhow!("port {port} is taken by another program: stop that, or {elsewhere}")
        }
        ErrorKind::PermissionDenied => anyhow!("you may not listen on port {port}: {elsewhere}"),
        ErrorKind::AddrNotAvailable => {
            anyhow!("{ip} is no address of this machine: give one that is with --address")
        }
        _ => anyhow::Error::new(error).context(format!("cannot listen on {address}")),
    }
}

fn elsewhere(from: u16) -> String {
    let base = if from / 1000 == 20 { 30_000 } else { 20_000 };
    format!("move every port with --port-base {base}")
}

async fn is_cow(page: SocketAddr) -> bool {
    let control = Control::at(format!("http://{page}"));
    let answer = tokio::time::timeout(WAIT, control.get(&["info"])).await;
    answer.is_ok_and(|answer| answer.is_ok_and(|info| info["hubHostName"].is_string()))
}
