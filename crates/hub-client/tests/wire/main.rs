//! The client against a scripted server: what goes over the wire, and when.

mod connecting;
mod edge;
mod failures;
mod receiving;
mod registering;
mod sending;
mod server;

use std::time::Duration;

use hub_client::{BackoffLimits, Options};

fn options() -> Options {
    let backoff = BackoffLimits {
        first: Duration::from_millis(10),
        cap: Duration::from_millis(100),
    };
    Options {
        product: "test/1".to_owned(),
        backoff,
        register_again: backoff,
        ..Options::default()
    }
}

/// Polls once: whether something has happened already.
async fn is_done(future: &mut (impl Future + Unpin)) -> bool {
    tokio::select! {
        biased;
        _ = future => true,
        () = std::future::ready(()) => false,
    }
}
