//! The simulator as a whole: that it starts with what it is given, and stops.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;
use crate::options::Options;

mod certificates;
mod fields;
mod provisioning;
mod seeding;
mod state;

#[tokio::test]
async fn a_client_that_says_nothing_does_not_hold_up_the_end() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let simulator = Simulator::start(Options::on_free_ports(directory.path()))
        .await
        .expect("it starts");
    let mut silent = Vec::new();
    for address in [simulator.info().mqtt, simulator.info().https] {
        silent.push(TcpStream::connect(address).await.expect("it listens"));
        // Connections are accepted in order, so once this one is refused the silent one is waited for.
        let mut stranger = TcpStream::connect(address).await.expect("it listens");
        stranger.write_all(b"not TLS").await.expect("it reads");
        let mut alert = Vec::new();
        let refused = stranger.read_to_end(&mut alert);
        // Refused with an alert or without: either way it ends.
        let _ = timeout(Duration::from_secs(5), refused)
            .await
            .expect("it is refused");
    }
    timeout(Duration::from_secs(5), simulator.shutdown())
        .await
        .expect("it stops");
}
