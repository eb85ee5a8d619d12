//! Why a client was refused, or its connection ended, in a word for programs and with what helps for people.

use crate::mailbox::EndReason;

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// No name, or none that a hub's client has.
    UserName,
    /// Client id and user name speak of different identities.
    ClientId,
    Unknown,
    Disabled,
    /// The user name says another hub.
    OtherHub,
    LinkCut,
    /// Tokens and certificates are refused by a lever.
    Lever,
    NoToken,
    /// The token cannot be read.
    Token,
    WrongKey,
    WrongAudience,
    Expired,
    Certificate,
    /// Its authentication is none.
    NoWayIn,
    Tls,
    /// The first packet was none of the protocol's.
    Stranger,
    Journal,

    Goodbye,
    TakenOver,
    Removed,
    ProofChanged,
    CapabilityChanged,
    Overrun,
    /// The simulator was given another state.
    Replaced,
    ShuttingDown,
    /// The network, or the client's process, is gone.
    Lost,
    /// It did what a hub does not take.
    Violation,
}

impl Cause {
    /// For programs.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::UserName => "userName",
            Self::ClientId => "clientId",
            Self::Unknown => "unknownIdentity",
            Self::Disabled => "disabled",
            Self::OtherHub => "otherHub",
            Self::LinkCut => "linkCut",
            Self::Lever => "refusedByLever",
            Self::NoToken => "noToken",
            Self::Token => "unreadableToken",
            Self::WrongKey => "wrongKey",
            Self::WrongAudience => "wrongAudience",
            Self::Expired => "tokenExpired",
            Self::Certificate => "certificate",
            Self::NoWayIn => "noWayIn",
            Self::Tls => "tls",
            Self::Stranger => "otherProtocol",
            Self::Journal => "journal",
            Self::Goodbye => "goodbye",
            Self::TakenOver => "takenOver",
            Self::Removed => "removed",
            Self::ProofChanged => "credentialsChanged",
            Self::CapabilityChanged => "capabilityChanged",
            Self::Overrun => "overrun",
            Self::Replaced => "stateReplaced",
            Self::ShuttingDown => "shuttingDown",
            Self::Lost => "lost",
            Self::Violation => "protocolViolation",
        }
    }

    /// What helps; nothing where nothing is wrong.
    pub(crate) const fn cure(self) -> Option<&'static str> {
        Some(match self {
            Self::UserName => {
                "Send {hub}/{device}/?api-version=2021-04-12 as user name, for a module {hub}/{device}/{module}/?…"
            }
            Self::ClientId => {
                "Send the device id as client id, for a module {device}/{module}, in the same case as in the user name."
            }
            Self::Unknown => {
                "Register it first, on the page Devices or with `cow device add`. Ids are case-sensitive."
            }
            Self::Disabled => "Enable the device.",
            Self::OtherHub => {
                "Take the hub's host name from the connection string this hub gives; another hub's opens nothing here."
            }
            Self::LinkCut => "Put the lever of its link back.",
            Self::Lever => "Put the lever that refuses tokens back.",
            Self::NoToken => "Send a shared access signature as password; SDKs make it of the key.",
            Self::Token => {
                "The password must be SharedAccessSignature sr={resource}&sig={signature}&se={expiry}, each escaped."
            }
            Self::WrongKey => {
                "Use the connection string that this hub gives now: keys change when a device is made again."
            }
            Self::WrongAudience => {
                "Sign for {hub}/devices/{device}, for a module with /modules/{module}: the token's sr says for whom it is."
            }
            Self::Expired => {
                "Make a new token before the old one ends. If it was just made, the device's clock is late by that much."
            }
            Self::Certificate => {
                "Present the certificate, with key and chain, whose thumbprint or authority the hub knows."
            }
            Self::NoWayIn => "Give the identity keys or a certificate: its authentication is none.",
            Self::Tls => {
                "Give the client the CA file that cow printed, and have it connect by the host name that cow printed."
            }
            Self::Stranger => {
                "Speak MQTT 3.1.1 over TLS here; HTTPS and AMQP have ports of their own."
            }
            Self::Journal => "Look at the state directory: is its disk full?",
            Self::TakenOver => {
                "Give every client an identity of its own: of two with one, each newcomer ends the other's connection."
            }
            Self::Removed => "Register it again, and give it the new connection string.",
            Self::ProofChanged => "Give it the new connection string or certificate.",
            Self::CapabilityChanged => "Nothing to do: it may connect again.",
            Self::Overrun => "Have the client read what it subscribed to, or subscribe to less.",
            Self::Lost => {
                "If it was not stopped: is the network up, and is the keep-alive shorter than what lies between drops idle connections for?"
            }
            Self::Violation => "Mend the client: a hub takes no QoS 2 and no foreign topic.",
            Self::Goodbye | Self::Replaced | Self::ShuttingDown => return None,
        })
    }
}

impl From<EndReason> for Cause {
    fn from(reason: EndReason) -> Self {
        match reason {
            EndReason::TakenOver => Self::TakenOver,
            EndReason::LinkCut => Self::LinkCut,
            EndReason::Disabled => Self::Disabled,
            EndReason::Removed => Self::Removed,
            EndReason::ProofChanged => Self::ProofChanged,
            EndReason::CapabilityChanged => Self::CapabilityChanged,
            EndReason::TokenExpired => Self::Expired,
            EndReason::Overrun => Self::Overrun,
            EndReason::Replaced => Self::Replaced,
            EndReason::ShuttingDown => Self::ShuttingDown,
        }
    }
}

/// A length of time as people say it, in its two largest units.
pub(crate) fn lasted(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {minutes} min"),
        (1, ..) => format!("1 day {hours} h"),
        _ => format!("{days} days {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_said_in_two_units() {
        for (seconds, said) in [
            (0, "0 s"),
            (59, "59 s"),
            (200, "3 min 20 s"),
            (7260, "2 h 1 min"),
            (90_000, "1 day 1 h"),
            (31_536_000, "365 days 0 h"),
        ] {
            assert_eq!(lasted(seconds), said);
        }
    }
}
