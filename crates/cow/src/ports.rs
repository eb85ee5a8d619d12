//! Which ports a street takes: the official ones where it may, all of them elsewhere where it was told to.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};

/// MQTT over TLS, as IANA and IoT Hub have it.
const MQTT: u16 = 8883;
/// Where SDKs look for the hub's and edgeHub's HTTPS, unless told otherwise.
const HTTPS: u16 = 443;
/// Instead of [`HTTPS`] where this user may not have it.
const HTTPS_UNPRIVILEGED: u16 = 8443;
/// AMQP over TLS, as IANA and IoT Hub have it.
const AMQP: u16 = 5671;
/// The page and the control API.
const PAGE: u16 = 8080;
/// The operator's service.
const FLEET: u16 = 8090;

/// Below the bays' own pages: the first one is on the next port.
const PORTALS: u16 = 8100;
/// The same, counted from a base.
const PORTALS_FROM_BASE: u16 = 10;

/// The ports of one street.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) mqtt: u16,
    pub(crate) https: u16,
    pub(crate) amqp: u16,
    pub(crate) page: u16,
    pub(crate) fleet: u16,
    portals: u16,
}

impl Ports {
    /// Consecutive ports from `base`; from 0, whichever are free.
    pub(crate) fn from_base(base: u16) -> Self {
        let port = |offset| if base == 0 { 0 } else { base + offset };
        Self {
            mqtt: port(0),
            https: port(1),
            page: port(2),
            amqp: port(3),
            fleet: port(4),
            portals: port(PORTALS_FROM_BASE),
        }
    }

    /// The official ports, but for HTTPS where 443 cannot be had at `address`: an ordinary user may not bind it on
    /// many systems, and where one may, a web server often has it. AMQP, which another broker often has and few
    /// need, then goes to whichever port is free, and so does the operator's service.
    pub(crate) fn official(address: IpAddr) -> Self {
        let or = |official, otherwise| {
            let bound = TcpListener::bind(SocketAddr::new(address, official));
            match bound.as_ref().map_err(std::io::Error::kind) {
                Err(ErrorKind::PermissionDenied | ErrorKind::AddrInUse) => otherwise,
                _ => official,
            }
        };
        Self {
            mqtt: MQTT,
            https: or(HTTPS, HTTPS_UNPRIVILEGED),
            amqp: or(AMQP, 0),
            page: PAGE,
            fleet: or(FLEET, 0),
            portals: PORTALS,
        }
    }

    /// That of a bay's own page, by the bay's number from 1; 0 for any.
    pub(crate) fn portal(&self, number: usize) -> u16 {
        match self.portals {
            0 => 0,
            // There are 99 bays at most, and a base leaves room.
            first => first.saturating_add(u16::try_from(number).unwrap_or(u16::MAX)),
        }
    }

    /// Whether HTTPS is not where SDKs look for it, because it could not be had.
    pub(crate) fn https_moved(&self) -> bool {
        self.https == HTTPS_UNPRIVILEGED
    }
}

/// An argument that leaves room for all ports.
pub(crate) fn base(text: &str) -> Result<u16, String> {
    match text.parse::<u16>() {
        Ok(0) => Ok(0),
        Ok(base @ 1024..=65400) => Ok(base),
        _ => Err("give a number from 1024 to 65400, or 0 for whichever ports are free".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_moves_every_port() {
        let of = |base| {
            let ports = Ports::from_base(base);
            [
                ports.mqtt,
                ports.https,
                ports.page,
                ports.amqp,
                ports.fleet,
                ports.portal(1),
                ports.portal(99),
            ]
        };
        assert_eq!(
            of(20_000),
            [20_000, 20_001, 20_002, 20_003, 20_004, 20_011, 20_109]
        );
        assert_eq!(of(65_400).map(|port| port >= 65_400), [true; 7]);
        assert_eq!(of(0), [0; 7]);
    }

    #[test]
    fn a_base_leaves_room() {
        assert_eq!(base("0"), Ok(0));
        assert_eq!(base("20000"), Ok(20_000));
        for text in ["", "-1", "80", "65401", "65536", "x"] {
            assert!(base(text).is_err(), "{text}");
        }
    }
}
