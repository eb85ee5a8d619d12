//! What a caller may choose. The defaults suit a module on a gateway.

use std::time::Duration;

/// How a client behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Who this is, for the hub's statistics: `name/version`.
    pub product: String,
    /// The DTDL model to announce.
    pub model_id: Option<String>,
    /// How often to ask whether the other side is still there; the hub's limit is 1177 s, edgeHub's 600 s.
    pub keep_alive: Duration,
    /// How long a token lives. The connection is renewed at four fifths of it.
    pub token_life: Duration,
    /// How long an acknowledgement may take before the connection is given up and the message sent again.
    pub acknowledge_within: Duration,
    /// What waits while there is no connection.
    pub outbox: OutboxLimits,
    /// How long to wait between attempts to connect.
    pub backoff: BackoffLimits,
    /// How long to leave the provisioning service alone after each of its answers, until the hub takes the
    /// device.
    pub register_again: BackoffLimits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            product: concat!("hub-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            model_id: None,
            keep_alive: Duration::from_secs(60),
            token_life: Duration::from_secs(3600),
            acknowledge_within: Duration::from_secs(30),
            outbox: OutboxLimits::default(),
            backoff: BackoffLimits::default(),
            register_again: BackoffLimits {
                first: Duration::from_secs(20),
                cap: Duration::from_secs(600),
            },
        }
    }
}

/// How much the outbox holds, acknowledged messages no longer counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Messages.
    pub messages: usize,
    /// Bytes of encoded properties and bodies.
    pub bytes: usize,
    /// What gives way when one more does not fit.
    pub when_full: WhenFull,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self {
            messages: 1000,
            bytes: 1 << 20,
            when_full: WhenFull::RefuseNewest,
        }
    }
}

/// What gives way when the outbox is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// The new message: `send` fails and the caller decides.
    RefuseNewest,
    /// The oldest messages that are not on their way yet: their receipts fail.
    DropOldest,
}

/// The wait between attempts doubles from `first` to `cap`; each is shortened by a random part of up to
/// half, so that a fleet does not come back in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffLimits {
    /// The wait after the first failure.
    pub first: Duration,
    /// The longest wait.
    pub cap: Duration,
}

impl Default for BackoffLimits {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            cap: Duration::from_secs(30),
        }
    }
}
